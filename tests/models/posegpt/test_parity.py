"""What `posegpt-faithful` and `classifier-posegpt` compute, beside the released arithmetic written out by hand.

Legend: R rows, T frames, N tokens, D width. Tolerances are a few roundings of float32 sums of some tens of numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinema.models.base import FeatureShape
from kinema.models.classifier import Classifier, EncoderStack, TransformerBody
from kinema.models.posegpt.inputs import InputsConfig, TokenInputs
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.tokenizer import PoseTokens, Stack
from kinema.nn.transformer import Block, Double, Halve, attend, sinusoid
from kinema.recipes import recipe
from kinema.training.stage import Optim

SHAPE = FeatureShape(9, 1, classes=3, fps=30.0)


def released_tokens() -> PoseTokens.Config:
    config = recipe("posegpt-faithful").stages[0].model
    assert isinstance(config, PoseTokens.Config)
    return config


def released_prior() -> PoseGPT.Config:
    config = recipe("posegpt-faithful").stages[1].model
    assert isinstance(config, PoseGPT.Config)
    return config


def places(count: int, dim: int) -> Tensor:
    """The released sinusoid, number by number: channel 2 i is a sine, 2 i + 1 the cosine of the same wave."""
    table = torch.zeros(count, dim)
    for place in range(count):
        for channel in range(dim):
            angle = place / 10_000 ** (channel // 2 * 2 / dim)
            table[place, channel] = math.sin(angle) if channel % 2 == 0 else math.cos(angle)
    return table


def halved(x: Tensor, mask: Tensor, conv: nn.Conv1d, *, causal: bool) -> tuple[Tensor, Tensor]:
    """What is not there is pushed below everything before pooling, and lifted again after it; it is read before."""
    padded = functional.pad(x.mT, (1, 0) if causal else (1, 1))
    y = functional.conv1d(padded, conv.weight, conv.bias)
    low = 10 * y.abs().max()
    pooled = functional.max_pool1d(torch.where(mask[:, None], y, y - low), 2).mT
    tokens = mask[:, ::2][:, : pooled.shape[1]]
    return torch.where(tokens[..., None], pooled, pooled + low), tokens


def doubled(x: Tensor, conv: nn.ConvTranspose1d) -> Tensor:
    """Frame f of a transposed convolution of kernel 3 and stride 2 whose first frame is cut off, frame by frame."""
    assert conv.bias is not None
    frames = [conv.bias.expand(len(x), -1).clone() for _ in range(2 * x.shape[1])]
    for token in range(x.shape[1]):
        for tap in range(3):
            if 0 <= (frame := 2 * token + tap - 1) < len(frames):
                frames[frame] = frames[frame] + x[:, token] @ conv.weight[:, :, tap]
    return torch.stack(frames, 1)


def block_by_hand(block: Block, x: Tensor, mask: Tensor, *, causal: bool) -> Tensor:
    """Pre-norm block, softmax written out: keys that are not there, and later ones, weigh nothing."""
    count = x.shape[1]
    query, key, value = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2)
                         for part in block.ask(block.norm_self(x)).chunk(3, -1))  # fmt: skip
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    observed = mask[:, None, None, :] & (torch.ones(count, count).tril().bool() if causal else True)
    weights = scores.masked_fill(~observed, -torch.inf).softmax(-1)
    x = x + block.leave((weights @ value).transpose(1, 2).flatten(-2))
    return x + block.feed(block.norm_feed(x))


def stack_by_hand(
    stack: Stack | EncoderStack, x: Tensor, mask: Tensor, *, causal: bool, every_block: bool = True
) -> tuple[Tensor, Tensor]:
    if stack.halve is not None:
        assert stack.halve.conv is not None
        x, mask = halved(x, mask, stack.halve.conv, causal=causal)
    for number, block in enumerate(stack.blocks):
        assert isinstance(block, Block)
        if every_block or number == 0:
            x = x + places(x.shape[1], x.shape[2])
        x = block_by_hand(block, x, mask, causal=causal)
    if isinstance(stack, Stack) and stack.spread is not None:
        x, mask = doubled(x, stack.spread.conv), mask.repeat_interleave(2, 1)
    return stack.leave(stack.norm(x)), mask


def test_the_released_sinusoid_is_interleaved() -> None:
    where = torch.tensor([0, 1, 7, 31])
    assert torch.allclose(sinusoid(where, 8, interleaved=True), places(32, 8)[where], atol=1e-6)
    halves = sinusoid(where, 8)
    assert torch.equal(sinusoid(where, 8, interleaved=True), halves[:, [0, 4, 1, 5, 2, 6, 3, 7]])
    assert released_tokens().places == "interleaved"


@pytest.mark.parametrize("causal", [False, True])
def test_released_halving_reads_what_is_padded(*, causal: bool) -> None:
    torch.manual_seed(0)
    halve = Halve(4, causal=causal, padding="seen")
    x, mask = torch.randn(3, 8, 4), torch.arange(8) < torch.tensor([8, 5, 4])[:, None]
    assert halve.conv is not None
    expected, tokens = halved(x, mask, halve.conv, causal=causal)
    found, there = halve(x, mask)
    assert torch.equal(there, tokens)
    assert torch.allclose(found, expected, atol=1e-5)
    absent = Halve(4, causal=causal)
    absent.load_state_dict(halve.state_dict())
    last = absent(x, mask)[0][2, 1] - found[2, 1]  # of the row whose last valid frame is the second of its pair
    assert causal == bool((last.abs() < 1e-6).all())


def test_released_doubling_reads_the_token_after_the_last() -> None:
    torch.manual_seed(0)
    x, mask = torch.randn(2, 5, 4), torch.arange(5) < torch.tensor([5, 3])[:, None]
    observed = Double(4, "front", padding="seen")
    found = observed(x, mask)
    assert torch.allclose(found, doubled(x, observed.conv), atol=1e-5)
    absent = Double(4, "front")
    absent.load_state_dict(observed.state_dict())
    assert (absent(x, mask)[1, 5] - found[1, 5]).abs().max() > 0.01  # the last valid frame
    assert torch.allclose(absent(x, mask)[1, :5], found[1, :5], atol=1e-6)


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("preset", ["offline", "causal", "online"])
@torch.no_grad()
def test_a_padded_window_goes_through_the_released_tokeniser(
    preset: Literal["offline", "causal", "online"], *, every: bool
) -> None:
    """With places before every block, as the release trains, and before the first alone (`--pos_all 0`)."""
    torch.manual_seed(0)
    config = replace(released_tokens().tiny(), preset=preset, width=8, layers=(2,), path=3, every_block=every)
    model = config.build(SHAPE).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    x, mask = torch.randn(3, 8, SHAPE.width), torch.arange(8) < torch.tensor([8, 5, 4])[:, None]
    x[1, 5:], x[2, 4:] = x[1, 4], x[2, 3]  # padded with its last frame
    encoder, decoder = model.encoder[0], model.decoder[0]
    assert isinstance(encoder, Stack)
    assert isinstance(decoder, Stack)
    hidden, tokens = stack_by_hand(encoder, model.enter(x), mask, causal=preset != "offline", every_block=every)
    z, there = model.encode_vectors(x, mask)
    assert torch.equal(there, tokens)
    assert torch.allclose(z, model.to_code(hidden), rtol=1e-4, atol=1e-4)
    vectors = model.quantiser(z, there).vectors  # nothing where there is no token
    frames, _ = stack_by_hand(decoder, model.from_code(vectors), there, causal=preset == "online", every_block=every)
    expected = torch.cat((model.pose_head(frames), model.path_head(frames)), -1)
    assert torch.allclose(model.decode_vectors(vectors, there), expected, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_the_released_recogniser_maps_a_frame_of_ones_and_is_told_the_places_once() -> None:
    torch.manual_seed(0)
    config = recipe("classifier-posegpt").stages[0].model
    assert isinstance(config, Classifier.Config)
    model = replace(config, width=8, layers=2, heads=2).build(SHAPE).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    body = model.body
    assert isinstance(body, TransformerBody)
    clips, valid = torch.randn(3, 10, SHAPE.width), torch.arange(10) < torch.tensor([10, 7, 4])[:, None]
    x = body.enter(torch.cat((torch.ones(3, 1, SHAPE.width), clips), 1))
    there = torch.cat((torch.ones(3, 1, dtype=torch.bool), valid), 1)
    expected = stack_by_hand(body.stack, x, there, causal=False, every_block=False)[0][:, 0]
    assert torch.allclose(model.features(clips, valid), expected, rtol=1e-4, atol=1e-5)
    assert (model.features(clips) - expected).abs().max() > 1e-3  # the mask is heard


def test_weights_of_attention_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    query, ones = torch.randn(4, 6, 8), torch.ones(4, 6, 8)
    assert torch.allclose(attend(query, query, ones, 2), ones)
    # A weight is kept in half of all cases, and is then twice as large.
    dropped = attend(query, query, ones, 2, dropout=0.5)
    assert not torch.allclose(dropped, ones)
    assert attend(query, query, ones.expand(4, 6, 8), 2, dropout=1.0).abs().max() == 0
    block = Block(8, 2, 0.0, causal=True, attention_dropout=0.5)
    assert not torch.equal(block(query), block(query))
    assert torch.equal(block.eval()(query), block(query))
    assert (released_tokens().attention_dropout, released_prior().attention_dropout) == (0.1, 0.2)


def test_released_dropout_reaches_three_places() -> None:
    """The command's own (0) is that of what the encoder is given; 0.1 stays everywhere else."""
    model = replace(released_tokens(), width=8, heads=2, layers=(1,)).build(SHAPE)
    encoder, decoder = model.encoder[0], model.decoder[0]
    assert isinstance(encoder, Stack)
    assert isinstance(decoder, Stack)
    assert (encoder.dropout.p, decoder.dropout.p) == (0.0, 0.1)
    assert all(block.dropout.p == block.attention_dropout == 0.1 for stack in (encoder, decoder)
               for block in stack.blocks if isinstance(block, Block))  # fmt: skip


@torch.no_grad()
def test_the_released_prior_starts_as_its_code_does() -> None:
    torch.manual_seed(0)
    inputs = TokenInputs(released_prior().inputs, 256, 2, 256, 512, 60)
    assert inputs.length_table is not None
    assert inputs.action_table is not None
    assert inputs.fuse is not None
    # A deviation of n numbers is off by about 1 / sqrt(2 n) of itself: 0.6 % for the 16,384 of the smallest table.
    assert float(inputs.length_table.weight.std()) == pytest.approx(1.0, rel=0.03)
    assert float(inputs.action_table.weight.std()) == pytest.approx(1.0, rel=0.03)
    assert float(inputs.token_table.weight.std()) == pytest.approx(0.02, rel=0.03)
    assert inputs.place_table is not None
    assert not inputs.place_table.any()
    edge = 1 / math.sqrt(4 * 256)  # torch's Linear is uniform up to 1 / sqrt(inputs), weights and bias
    assert edge * 0.99 < float(inputs.fuse.weight.abs().max()) <= edge
    assert 0 < float(inputs.fuse.bias.abs().max()) <= edge
    mended = TokenInputs(InputsConfig(), 256, 2, 256, 512, 60)
    assert mended.fuse is not None
    assert not mended.fuse.bias.any()


def test_each_released_command_has_its_own_betas() -> None:
    tokens, prior = (stage.optim for stage in recipe("posegpt-faithful").stages)
    assert isinstance(tokens, Optim)
    assert isinstance(prior, Optim)
    assert (tokens.kind, tokens.betas, prior.kind, prior.betas) == ("adam", (0.95, 0.999), "adam", (0.9, 0.999))
