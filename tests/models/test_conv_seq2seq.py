"""ConvSeq2Seq: sizes, the fast roll-out against the straightforward one, and each released behaviour as an option."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query, even_time
from kinema.models.base import FeatureShape
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.models.conv_seq2seq.pose_conv import PoseEncoder
from kinema.recipes import recipe

WIDTH, CLASSES = 45, 3
SMALL = ConvSeq2Seq.Config(features=2, hidden=12, discriminator_features=2)
RELEASED = ConvSeq2Seq.Config(padding="valid", long_frames=49, teacher="late", seam=True, class_head=True, l2=0.001)


def built(**changes: Any) -> ConvSeq2Seq:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return replace(SMALL, **changes).build(FeatureShape(WIDTH, 8, CLASSES))


def batch(rows: int = 3, *, observed: int = 50, frames: int = 75, classes: int = CLASSES, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    window = torch.randn(rows, frames, WIDTH, generator=generator).cumsum(1) / 10
    confidence = torch.zeros(rows, frames, 8)
    confidence[:, :observed] = 1
    action = torch.eye(max(classes, 1))[torch.arange(rows) % max(classes, 1), :classes]
    valid = torch.ones(rows, frames, dtype=torch.bool)
    return Batch(Query(window * confidence[..., :1], confidence, even_time(frames, 60, rows), valid, action), window)


def answer(model: ConvSeq2Seq, query: Query, samples: int = 1) -> Tensor:
    with torch.no_grad():
        return model.eval().predict(query, samples, torch.Generator())


def count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(
    ("padding", "width", "classes", "generator", "discriminator"),
    [("valid", 70, 8, 3_373_390, 6_230_785), ("same", 54, 15, 5_925_061, 10_689_025)],
)
def test_the_released_sizes(padding: Any, width: int, classes: int, generator: int, discriminator: int) -> None:
    model = replace(RELEASED, padding=padding).build(FeatureShape(width, 24, classes))
    assert count(model.generator) == generator
    assert count(model.discriminator) == discriminator


@pytest.mark.parametrize(
    ("name", "width", "classes", "sizes"),
    [
        ("conv-seq2seq-faithful", 70, 8, (3_373_390, 6_230_785)),
        ("conv-seq2seq-faithful-h36m", 54, 15, (5_925_061, 10_689_025)),
    ],
)
def test_the_faithful_recipes_have_them(name: str, width: int, classes: int, sizes: tuple[int, int]) -> None:
    found = recipe(name)
    model = found.stages[0].model.build(FeatureShape(width, 24, classes))
    assert isinstance(model, ConvSeq2Seq)
    assert (count(model.generator), count(model.discriminator)) == sizes
    assert len(getattr(found.representation, "columns")) == width  # noqa: B009
    assert len(found.source.actions) == classes


def by_definition(encoder: PoseEncoder, frames: Tensor) -> Tensor:
    """The encoder by torch's own convolutions, zeros padded as TensorFlow does (Li et al.'s framework)."""
    x = frames[:, None]
    for kernel in encoder.kernels:
        height, width = x.shape[2:]
        if encoder.padding == "same":
            down = max((-(-height // 2) - 1) * 2 + 2 - height, 0)
            across = max((-(-width // 2) - 1) * 2 + 7 - width, 0)
            x = functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        x = functional.leaky_relu(functional.conv2d(x, kernel.permute(3, 2, 0, 1), stride=2), 0.2)
    return encoder.project(x.permute(0, 2, 3, 1).flatten(1))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("frames", "width"), [(49, 70), (20, 54), (75, 45)])
def test_an_encoder_is_three_strided_convolutions(padding: Any, frames: int, width: int) -> None:
    encoder = PoseEncoder(frames, width, 1, 5, padding).eval()
    window = torch.randn(2, frames, width, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(encoder(window), by_definition(encoder, window), atol=1e-5, rtol=1e-4)


def by_hand(model: ConvSeq2Seq, past: Tensor, frames: int) -> Tensor:
    """The roll-out as the paper writes it: every window encoded anew, one frame after the other."""
    make, config, sequence = model.generator, model.config, past
    long = make.long_term(past[:, : config.long_frames])[:, : config.hidden]
    for _ in range(frames):
        code = torch.cat((long, make.short_term(sequence[:, -config.window :])), 1)
        step = make.leave(functional.leaky_relu(make.enter(code), 0.2))
        sequence = torch.cat((sequence, (step + sequence[:, -1])[:, None]), 1)
    return sequence[:, past.shape[1] :]


ROLLED = [("valid", 20), ("valid", 24), ("valid", 17), ("same", 20), ("same", 24), ("same", 18), ("front", 24),
          ("front", 20)]  # fmt: skip


@pytest.mark.parametrize(("padding", "window"), ROLLED)
def test_the_fast_roll_out_is_the_straightforward_one(padding: Any, window: int) -> None:
    model = built(padding=padding, window=window, class_head=True)
    whole = batch()
    truth = by_hand(model.eval(), whole.target[:, :50], 25)
    torch.testing.assert_close(answer(model, whole.query)[0, :, 50:], truth, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("padding", "window"), ROLLED)
def test_both_ways_of_drawing_masks_learn_the_same_without_dropout(padding: Any, window: int) -> None:
    gradients: list[list[Tensor]] = []
    for masks in ("window", "frame"):
        model = built(padding=padding, window=window, masks=masks, dropout=0.0, teacher="late").train()
        model.loss(batch(), "generator")["loss"].backward()
        gradients.append([weight.grad for weight in model.generator.parameters() if weight.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)


def influence(encoder: PoseEncoder, frames: int) -> list[int]:
    """The frames that a code depends on."""
    window = torch.randn(1, frames, WIDTH, generator=torch.Generator().manual_seed(2), requires_grad=True)
    encoder.eval()(window).square().sum().backward()
    assert window.grad is not None
    return window.grad.abs().sum((0, 2)).nonzero().squeeze(1).tolist()


def test_valid_padding_hides_the_newest_frames() -> None:
    """As released for CMU, the short-term encoder does not read the last 4 of its 20 frames, nor the discriminator the
    last 3 of 75: what is cut off by three strides."""
    model = built(padding="valid", long_frames=49)
    assert influence(model.generator.short_term, 20) == list(range(16))
    assert influence(model.generator.long_term, 49) == list(range(48))
    assert influence(model.discriminator.encoder, 75) == list(range(72))


def test_front_padding_hides_nothing() -> None:
    model = built(padding="front", window=20)
    assert influence(model.generator.short_term, 20) == list(range(20))
    assert influence(model.generator.long_term, 50) == list(range(50))
    assert influence(model.discriminator.encoder, 75) == list(range(75))


def test_the_long_past_of_the_released_code_lacks_the_last_frame() -> None:
    whole = batch()
    changed = whole.target[:, :50].clone()
    changed[:, 48:] += 1  # 48 is cut off by the strides, 49 is not read
    model = built(padding="same", long_frames=49).eval()
    code = model.generator.long_term(whole.target[:, :49])
    assert not torch.equal(model.generator.long_term(changed[:, :49]), code)
    changed[:, 48] = whole.target[:, 48]
    assert torch.equal(model.generator.long_term(changed[:, :49]), code)
    assert recipe("conv-seq2seq-faithful").stages[0].model.long_frames == 49  # type: ignore[attr-defined]


def test_the_late_teacher_mixes_in_the_truth_of_the_next_frame() -> None:
    truth, own = batch().target[:, 50:], torch.zeros(3, WIDTH)
    for teacher, late in (("aligned", 0), ("late", 1)):
        feed = built(teacher=teacher).feedback(truth)
        torch.testing.assert_close(feed(4, own), 0.05 * truth[:, 4 + late])
    assert torch.equal(built(teacher="late").feedback(truth)(24, own), own)


def test_without_mixing_the_true_windows_are_aligned_for_either_teacher() -> None:
    """`use_sampling 0` of the released code: step it reads the true frames up to 50 + it, not one frame later."""
    truth, own = batch().target[:, 50:], torch.full((3, WIDTH), 7.0)
    for teacher in ("aligned", "late"):
        feed = built(teacher=teacher, feedback=0.0).feedback(truth)
        for step in range(24):
            assert torch.equal(feed(step, own), truth[:, step])


def test_the_seam_lacks_the_last_seen_frame_and_shows_the_first_true_one() -> None:
    whole = batch()
    past, truth = whole.target[:, :50], whole.target[:, 50:]
    fake = torch.full_like(truth, 7.0)
    seam = built(seam=True).shown(past, fake, truth)
    assert seam.shape == whole.target.shape
    assert torch.equal(seam[:, :49], past[:, :49])
    assert torch.equal(seam[:, 49], truth[:, 0])
    assert torch.equal(seam[:, 50:], fake)
    assert torch.equal(built().shown(past, fake, truth)[:, :50], past)


def test_l2_is_half_the_squares_of_weights_without_biases() -> None:
    for phase in ConvSeq2Seq.phases:
        plain, shrunk = built(dropout=0.0), built(dropout=0.0, l2=0.5)
        for model in (plain, shrunk):
            for name, weight in model.named_parameters():
                if name.endswith("bias"):
                    torch.nn.init.constant_(weight, 0.3)
        difference = shrunk.loss(batch(), phase)["loss"] - plain.loss(batch(), phase)["loss"]
        weights = [w for n, w in plain.get_submodule(phase).named_parameters() if not n.endswith("bias")]
        assert difference.item() == pytest.approx(0.25 * sum(w.square().sum().item() for w in weights), rel=1e-4)


def test_the_losses_by_definition() -> None:
    model = built(dropout=0.0, feedback=1.0).eval()
    whole = batch()
    past, truth = whole.target[:, :50], whole.target[:, 50:]
    fake = by_hand(model, past, 25)
    logits = model.discriminator(torch.cat((past, fake), 1), whole.query.action)
    verdict = functional.softplus(-logits).mean()
    squares = (fake - truth).square().mean()
    assert model.loss(whole, "generator")["loss"].item() == pytest.approx((squares + 0.01 * verdict).item(), rel=1e-4)
    real = functional.softplus(-model.discriminator(whole.target, whole.query.action)).mean()
    expected = (real + functional.softplus(logits).mean()).item()
    assert model.loss(whole, "discriminator")["loss"].item() == pytest.approx(expected, rel=1e-4)
    far = built(dropout=0.0, feedback=1.0, loss="distance").eval()
    distance = (fake - truth).norm(dim=-1).mean().item()
    assert far.loss(whole, "generator")["error"].item() == pytest.approx(distance, rel=1e-4)


@pytest.mark.parametrize("phase", ConvSeq2Seq.phases)
def test_a_turn_moves_its_own_half(phase: str) -> None:
    model = built(class_head=True, l2=0.001)
    model.loss(batch(), phase)["loss"].backward()
    own = {id(weight) for weight in model.phase_parameters(phase)}
    for name, weight in model.named_parameters():
        assert (weight.grad is not None) == (id(weight) in own), name


def test_only_the_discriminator_is_given_the_action() -> None:
    model, whole = built(dropout=0.0, adversarial=0.0), batch()
    other = Batch(replace(whole.query, action=whole.query.action.roll(1, 0)), whole.target)
    assert torch.equal(model.loss(whole, "generator")["loss"], model.loss(other, "generator")["loss"])
    judged = built().eval()
    assert not torch.equal(judged.loss(whole, "discriminator")["real"], judged.loss(other, "discriminator")["real"])


def test_without_a_discriminator_there_is_one_phase() -> None:
    model = built(adversarial=0.0)
    assert model.phases == ("generator",)
    assert not any(name.startswith("discriminator") for name in model.state_dict())
    assert torch.isfinite(model.loss(batch(), "generator")["loss"])


def test_a_window_shorter_than_the_horizon_is_learnt_as_far_as_it_goes() -> None:
    assert torch.isfinite(built().loss(batch(frames=60), "generator")["loss"])


@pytest.mark.parametrize("padding", ["valid", "same", "front"])
def test_predict_keeps_the_contract(padding: Any) -> None:
    model = built(padding=padding, window=24)
    whole = batch().query
    once = answer(model, whole, samples=2)
    assert once.shape == (2, 3, 75, WIDTH)
    assert torch.equal(once[0], once[1])
    assert torch.equal(once, answer(model, whole, samples=2))
    assert torch.equal(once[:, :, :50], whole.observed[None, :, :50].expand(2, -1, -1, -1))
    alone = answer(model, whole.map(lambda tensor: tensor[1:2]))
    torch.testing.assert_close(alone[:, 0], once[:1, 1], atol=1e-5, rtol=1e-4)


def test_any_prefix_is_enough() -> None:
    model = built()
    for observed in (1, 7, 75):
        found = answer(model, batch(observed=observed).query)
        assert torch.isfinite(found).all()
    assert torch.equal(found[0], batch(observed=75).query.observed)


def test_longer_futures_feed_the_answer_back() -> None:
    model = built()
    query = batch(frames=110, observed=50).query
    past = query.observed[:, :50]
    first = by_hand(model.eval(), past, 25)
    second = by_hand(model, torch.cat((past, first), 1)[:, -50:], 25)
    torch.testing.assert_close(answer(model, query)[0, :, 75:100], second, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("changes", [{"window": 4}, {"window": 60}, {"long_frames": 51}, {"feedback": 1.5}])
def test_what_cannot_be_is_said(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="window and long_frames") as caught:
        replace(SMALL, **changes)
    assert caught.value.cure


def test_a_pose_that_the_strides_leave_nothing_of_is_refused() -> None:
    with pytest.raises(UsageError, match="43 dimensions"):
        replace(SMALL, padding="valid").build(FeatureShape(42, 8))


def test_masks_are_drawn_for_each_window_or_shared() -> None:
    """With masks shared by frames a still past gives rows that are used again as they are; drawn anew they differ."""
    for masks, shared in (("frame", True), ("window", False)):
        model = built(padding="front", window=16, masks=masks).train()
        torch.manual_seed(0)
        rows: list[Tensor] = []
        encoder = model.generator.short_term
        inner = encoder.layer

        def note(layer: int, pairs: Tensor, inner: Any = inner, rows: list[Tensor] = rows) -> Tensor:
            rows.append(pairs)
            return inner(layer, pairs)

        encoder.layer = note  # type: ignore[method-assign]
        model.loss(batch(), "generator")
        observed = sum(len(pairs) for pairs in rows)
        # 16 + 24 frames hold 39, 37 and 33 rows, each for a batch of 3; 25 windows hold 8 + 4 + 2 rows each.
        assert observed == (3 * (39 + 37 + 33) if shared else 3 * 25 * 14)
