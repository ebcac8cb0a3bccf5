"""States of exactly the released names, written here, are read into our models, which then compute what they say."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kinema.data.synthetic import Synthetic
from kinema.models.base import FeatureShape
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.released_weights import from_released
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.nn.transformer import sinusoid
from kinema.pipeline.checkpoints.given import import_released
from kinema.recipes import Recipe, recipe
from kinema.training.checkpoint import RunFolder

D, CODE, LAYERS, HEADS = 16, 8, 2, 2
BOOKS, CODES, BLOCK = 2, 6, 12
SHAPE = FeatureShape(15, 2, classes=5, fps=30.0)


def linear(name: str, enter: int, leave: int, *, bias: bool = True) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.randn(leave, enter) / enter**0.5} | (
        {f"{name}.bias": torch.randn(leave)} if bias else {}
    )


def norm(name: str) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.randn(D), f"{name}.bias": torch.randn(D)}


def block(name: str, *, masked: bool) -> dict[str, Tensor]:
    state = norm(f"{name}.ln1") | norm(f"{name}.ln2")
    for part in ("key", "query", "value", "proj"):
        state |= linear(f"{name}.attn.{part}", D, D)
    if masked:
        state[f"{name}.attn.mask"] = torch.ones(64, 64).tril()[None, None]
    return state | linear(f"{name}.mlp.0", D, 4 * D) | linear(f"{name}.mlp.2", 4 * D, D)


def stack(name: str, conv: Tensor, *, masked: bool) -> dict[str, Tensor]:
    """A stack's convolution, norm and last map have no name in the specification: any will do."""
    state = {f"{name}.resample.weight": conv, f"{name}.resample.bias": torch.randn(D)}
    for number in range(LAYERS):
        state |= block(f"{name}.blocks.{number}", masked=masked)
    state[f"{name}.pos_emb"] = sinusoid(torch.arange(40), D, interleaved=True)[None]
    return state | norm(f"{name}.last_norm") | linear(f"{name}.last", D, D, bias=False)


def released_tokens(width: int = SHAPE.width, path: int = 3) -> dict[str, Tensor]:
    """Of the causal encoder and the free decoder."""
    torch.manual_seed(0)
    state = linear("emb", width, D) | linear("quant_emb", D, CODE) | linear("post_quant_emb", CODE, D)
    state |= stack("encoder_stacks.0", torch.randn(D, D, 2) / D, masked=True)
    state |= stack("decoder_stacks.0", torch.randn(D, D, 3) / D, masked=False)
    state |= {f"quantizer.embeddings.{book}.weight": torch.randn(CODES, CODE // BOOKS) for book in range(BOOKS)}
    state |= linear("reg_body.0", D, D) | linear("reg_body.2", D, width - path)
    return state | linear("reg_root.0", D, D) | linear("reg_root.2", D, path)


def released_prior() -> dict[str, Tensor]:
    torch.manual_seed(1)
    state: dict[str, Tensor] = {}
    for number in range(LAYERS):
        state |= block(f"blocks.{number}", masked=True)
    state |= norm("ln_f") | linear("fc_emb", 4 * D, D)
    state |= {f"list_head.{book}.weight": torch.randn(CODES, D) for book in range(BOOKS)}
    state["tok_emb.weight"] = torch.randn(BOOKS * (CODES + 1), D // BOOKS)
    state["pos_emb"] = torch.randn(1, BLOCK, D)
    state |= {"action_emb.weight": torch.randn(64, D), "seqlen_emb.weight": torch.randn(1024, D)}
    return {f"gpt.{name}": tensor for name, tensor in state.items()}


def small_recipe(path: int = 3) -> Recipe:
    whole = recipe("posegpt-faithful")
    tokens, prior = (stage.model for stage in whole.stages)
    assert isinstance(tokens, PoseTokens.Config)
    assert isinstance(prior, PoseGPT.Config)
    quantiser = replace(tokens.quantiser, books=BOOKS, codes=CODES, dim=CODE)
    tokens = replace(tokens, width=D, layers=(LAYERS,), heads=HEADS, path=path, quantiser=quantiser)
    prior = replace(prior, width=D, layers=LAYERS, heads=HEADS, block=BLOCK)
    stages = (replace(whole.stages[0], model=tokens), replace(whole.stages[1], model=prior))
    return replace(whole, stages=stages)


def our_tokens() -> PoseTokens:
    model = small_recipe().stages[0].build(SHAPE, {})
    assert isinstance(model, PoseTokens)
    return model.eval()


def our_prior() -> PoseGPT:
    model = small_recipe().stages[1].build(SHAPE, {"tokens": our_tokens()})
    assert isinstance(model, PoseGPT)
    return model.eval()


def attention(state: dict[str, Tensor], name: str, x: Tensor, *, causal: bool) -> Tensor:
    """By the released names: heads are the parts of a vector, one after the other."""
    query, key, value = (functional.linear(x, state[f"{name}.{part}.weight"], state[f"{name}.{part}.bias"])
                         for part in ("query", "key", "value"))  # fmt: skip
    answers: list[Tensor] = []
    for head in range(HEADS):
        own = slice(head * D // HEADS, (head + 1) * D // HEADS)
        scores = query[..., own] @ key[..., own].mT / math.sqrt(D / HEADS)
        if causal:
            scores = scores.masked_fill(~torch.ones(x.shape[1], x.shape[1]).tril().bool(), -torch.inf)
        answers.append(scores.softmax(-1) @ value[..., own])
    return functional.linear(torch.cat(answers, -1), state[f"{name}.proj.weight"], state[f"{name}.proj.bias"])


def released_block(state: dict[str, Tensor], name: str, x: Tensor, *, causal: bool) -> Tensor:
    def normal(part: str, y: Tensor) -> Tensor:
        return functional.layer_norm(y, (D,), state[f"{name}.{part}.weight"], state[f"{name}.{part}.bias"])

    x = x + attention(state, f"{name}.attn", normal("ln1", x), causal=causal)
    y = functional.linear(normal("ln2", x), state[f"{name}.mlp.0.weight"], state[f"{name}.mlp.0.bias"])
    return x + functional.linear(functional.gelu(y), state[f"{name}.mlp.2.weight"], state[f"{name}.mlp.2.bias"])


@torch.no_grad()
def test_a_released_tokeniser_is_read_whole_and_encodes_as_its_names_say() -> None:
    state = released_tokens()
    made, lost = from_released(state)
    model = our_tokens()
    assert lost == []
    model.load_state_dict(made)  # strict: nothing is missing, nothing too much
    frames = torch.randn(2, 8, SHAPE.width)
    x = functional.linear(frames, state["emb.weight"], state["emb.bias"])
    y = functional.conv1d(functional.pad(x.mT, (1, 0)), state["encoder_stacks.0.resample.weight"],
                          state["encoder_stacks.0.resample.bias"])  # fmt: skip
    x = functional.max_pool1d(y, 2).mT
    for number in range(LAYERS):
        x = x + sinusoid(torch.arange(4), D, interleaved=True)
        x = released_block(state, f"encoder_stacks.0.blocks.{number}", x, causal=True)
    scale, shift = (state[f"encoder_stacks.0.last_norm.{kind}"] for kind in ("weight", "bias"))
    last = functional.layer_norm(x, (D,), scale, shift)
    last = functional.linear(last, state["encoder_stacks.0.last.weight"])
    z = functional.linear(last, state["quant_emb.weight"], state["quant_emb.bias"])
    found, mask = model.encode_vectors(frames, torch.ones(2, 8, dtype=torch.bool))
    assert torch.allclose(found, z, rtol=1e-4, atol=1e-4)  # sums of tens of float32 numbers, in another order
    codes = torch.stack([torch.cdist(z[..., part], state[f"quantizer.embeddings.{book}.weight"]).argmin(-1)
                         for book, part in enumerate((slice(0, 4), slice(4, 8)))], -1)  # fmt: skip
    assert torch.equal(model.quantiser(found, mask).indices, codes)


@torch.no_grad()
@pytest.mark.parametrize("both", [False, True])
def test_a_released_prior_is_read_whole_and_says_the_same_logits(*, both: bool) -> None:
    """Also where the tables of action and length stand beside the GPT, and a tokeniser too."""
    state = released_prior()
    if both:
        state |= {name: state.pop(f"gpt.{name}") for name in ("action_emb.weight", "seqlen_emb.weight")}
    made, lost = from_released(state | {f"vqvae.{name}": tensor for name, tensor in released_tokens().items() if both})
    model = our_prior()
    assert lost == []
    missing, unexpected = model.load_state_dict(made, strict=False)
    assert unexpected == []
    assert both == (not missing)
    assert all(name.startswith("tokeniser.") for name in missing)
    own = {name.removeprefix("gpt."): tensor for name, tensor in state.items()}
    tokens, action, frames = torch.randint(CODES, (2, 5, BOOKS)), torch.eye(5)[[1, 3]], torch.tensor([12, 9])
    # Index + 1, and a step of n_e / K, for each book: the last code of one and "none" of the next share a row.
    rows = tokens + 1 + torch.tensor([0, CODES])
    x = functional.pad(own["tok_emb.weight"][rows].flatten(-2), (0, 0, 1, 0))
    place = own["pos_emb"][:, :6].expand(2, -1, -1)
    said = own["action_emb.weight"][[1, 3]], own["seqlen_emb.weight"][frames]
    x = torch.cat((x, place, *(part[:, None].expand(-1, 6, -1) for part in said)), -1)
    x = functional.linear(x, own["fc_emb.weight"], own["fc_emb.bias"])
    for number in range(LAYERS):
        x = released_block(own, f"blocks.{number}", x, causal=True)
    x = functional.layer_norm(x, (D,), own["ln_f.weight"], own["ln_f.bias"])
    hidden = model.run(model.inputs(tokens, model.inputs.embed(action, frames)))
    for book in range(BOOKS):
        expected = functional.linear(x, own[f"list_head.{book}.weight"])
        assert torch.allclose(model.logits(hidden, [tokens[..., 0]] * book), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stage", ["tokens", "prior"])
def test_files_of_these_names_become_a_run(stage: str, tmp_path: Path) -> None:
    """The tokeniser's file, and the prior's beside it; with the recipe's features, not the release's."""
    made = replace(small_recipe(path=4), source=Synthetic())
    width = made.representation.build(made.source.skeleton).width
    for name, numbers in (("mean", np.zeros(width)), ("std", np.ones(width))):
        np.save(tmp_path / f"{name}.npy", numbers)
    states = [released_tokens(width, 4), released_prior()][: 1 + (stage == "prior")]
    files = [tmp_path / f"{number}.pt" for number in range(len(states))]
    for state, file in zip(states, files, strict=True):
        torch.save({"model_state_dict": state, "epoch": 3}, file)
    run = import_released(made, files, tmp_path / "run", stage=stage, mean=tmp_path / "mean.npy",
                          std=tmp_path / "std.npy")  # fmt: skip
    assert run.unmatched == ()
    weights = RunFolder(run.folder).weights()
    prefix = "model." if stage == "tokens" else "model.tokeniser."
    assert torch.equal(weights[f"{prefix}enter.weight"], states[0]["emb.weight"])
    if stage == "prior":
        assert torch.equal(weights["model.heads.1.weight"], states[1]["gpt.list_head.1.weight"])


def test_what_has_no_place_is_listed_and_masks_are_not() -> None:
    extra = {"something.weight": torch.randn(3), "encoder_stacks.0.blocks.0.attn.other.weight": torch.randn(D, D)}
    _, lost = from_released(released_tokens() | extra)
    assert sorted(lost) == sorted(extra)
    _, lost = from_released(released_prior() | {"gpt.other.weight": torch.randn(3, 3)})
    assert lost == ["gpt.other.weight"]
