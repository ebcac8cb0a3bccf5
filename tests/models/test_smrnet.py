"""SMRNet: the published sizes, the fast form against the plain one, and what is known under any mask."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query, even_time
from kinema.geometry.curves import dct_matrix
from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.models.base import FeatureShape
from kinema.models.smrnet.model import SMRNet
from kinema.models.smrnet.windows import Coefficients, KnownWindows, padded
from kinema.motion.edit import rest_pose
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import canon17
from kinema.pipeline.checkpoints.checkpoint import feature_shape
from kinema.representations.positions import CentredPositionsConfig
from plain_smrnet import Plain

CONFIG = SMRNet.Config(observed=6, predicted=10, coefficients=8, layers=2, width=32, heads=4, steps=4)
MENDED = replace(
    CONFIG,
    prediction="x0",
    solver="dpm++",
    steps=5,
    last_step="clean",
    code="residual",
    whiten=True,
    completion="estimate",
    loss="distance",
    start="awake",
    places=True,
    drop="row",
)
SHAPE = FeatureShape(9, 3)


def made(config: SMRNet.Config = CONFIG) -> SMRNet:
    """With weights at which every part counts."""
    torch.manual_seed(0)
    model = config.build(SHAPE)
    for name, weight in model.named_parameters():
        if "norm" not in name and weight.ndim > 1:
            nn.init.normal_(weight, std=0.3)
    nn.init.normal_(model.denoiser.leave.weight, std=0.02)
    return model.eval()


def query(confidence: Tensor | None = None, *, observed: int = 6, frames: int = 16, batch: int = 2) -> Query:
    values = torch.randn(batch, frames, 9, generator=torch.Generator().manual_seed(1))
    if confidence is None:
        confidence = (torch.arange(frames) < observed).float()[None, :, None].expand(batch, frames, 3)
    return Query(
        observed=values * (confidence > 0).repeat_interleave(3, -1),
        confidence=confidence,
        time=even_time(frames, 50.0, batch),
        valid=torch.ones(batch, frames, dtype=torch.bool),
        action=torch.zeros(batch, 0),
    )


def answers(model: SMRNet, asked: Query, samples: int = 3, seed: int = 0) -> Tensor:
    return model.predict(asked, samples, torch.Generator().manual_seed(seed))


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_the_published_sizes() -> None:
    assert parameters(SMRNet.Config().build(FeatureShape(48, 16))) == 25_318_052
    humaneva = SMRNet.Config(observed=15, predicted=60, coefficients=10, layers=4, dropout=0.2)
    assert parameters(humaneva.build(FeatureShape(42, 14))) == 13_732_748


@pytest.mark.parametrize("places", [False, True])
def test_the_fast_form_is_the_plain_form(*, places: bool) -> None:
    network = made(replace(CONFIG, places=places)).denoiser
    if network.places is not None:
        nn.init.zeros_(network.places)
    x, observation = torch.randn(5, 2, 8, 9), torch.randn(2, 8, 9)
    level = torch.tensor([3, 700])
    with torch.inference_mode():
        embedded = network.embed(observation, torch.zeros(2, 6, 9), torch.ones(2))
        found = network.answer(x, embedded, network.sources(embedded, level), network.folded())
        for sample in range(5):
            expected = Plain(network)(x[sample], level, observation)
            assert torch.allclose(found[sample], expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_without_observation_one_token_of_condition_is_as_good_as_n() -> None:
    network = made().denoiser
    x, observation, level = torch.randn(1, 2, 8, 9), torch.randn(2, 8, 9), torch.tensor([3, 700])
    with torch.inference_mode():
        expected = Plain(network)(x[0], level, None)
        embedded = network.embed(observation, torch.zeros(2, 6, 9), torch.zeros(2))
        assert torch.allclose(network(x, level, embedded)[0], expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_answers_nearly_the_same() -> None:
    model = made()
    exact = answers(model, query())
    model.config = replace(model.config, precision="bfloat16")
    near = answers(model, query())
    assert 0 < float((near - exact).norm() / exact.norm()) < 0.05


def test_squares_in_space_are_least_at_the_mean_and_distances_at_the_median() -> None:
    truth = torch.zeros(8, 5, 9)
    truth[0] = 4.0  # one of eight futures is far off: the mean moves, the median stays
    answers = {"median": torch.zeros(5, 9), "mean": truth.mean(0)}
    errors = {
        loss: {
            name: made(replace(MENDED, loss=loss))._distance(answer - truth).mean() for name, answer in answers.items()
        }
        for loss in ("distance", "space")
    }
    assert errors["distance"]["median"] < errors["distance"]["mean"]
    assert errors["space"]["mean"] < errors["space"]["median"]


def test_the_faithful_loss_is_the_error_of_the_noise() -> None:
    model = made()
    batch = Batch(query(), query(observed=16).observed)
    torch.manual_seed(3)
    found = float(model.loss(batch, "model")["loss"].detach())
    torch.manual_seed(3)
    basis = dct_matrix(16)[:8]
    level = torch.randint(1, 1000, (2,))
    noise = torch.randn(1, 2, 8, 9)
    a = model._alpha_bar.float()[level][:, None, None]  # pyright: ignore[reportPrivateUsage]
    x = a.sqrt() * (basis @ batch.target) + (1 - a).sqrt() * noise[0]
    past = batch.query.observed[:, :6]
    held = torch.cat((past, past[:, -1:].expand(-1, 10, -1)), 1)
    with torch.inference_mode():
        said = Plain(model.denoiser)(x, level, basis @ held)
    assert found == pytest.approx(float((said - noise[0]).square().mean()), rel=1e-4)


@pytest.mark.parametrize("config", [CONFIG, MENDED, replace(MENDED, completion="noised", solver="ddpm")])
@pytest.mark.parametrize("samples", [1, 3])
def test_what_is_known_comes_back_under_any_mask(config: SMRNet.Config, samples: int) -> None:
    model = made(config)
    prefix = (torch.arange(16) < 6).float()[None, :, None].expand(2, 16, 3)
    held, ended, scattered = prefix.clone(), prefix.clone(), torch.zeros(2, 16, 3)
    held[:, :, 1] = 1  # one joint is given throughout
    ended[:, 13:] = 1  # the last frames are given
    scattered[0, 3, 1], scattered[1, 9:, 2] = 0.5, 1
    for confidence in (prefix, held, ended, scattered, torch.zeros(2, 16, 3), torch.ones(2, 16, 3)):
        asked = query(confidence)
        found = answers(model, asked, samples)
        known = (confidence > 0).repeat_interleave(3, -1).expand_as(found)
        assert torch.equal(found[known], asked.observed.expand_as(found)[known])
        assert torch.isfinite(found).all()


def test_an_end_that_is_given_changes_what_comes_before() -> None:
    model = made(MENDED)
    ended = (torch.arange(16) < 6).float()[None, :, None].repeat(2, 1, 3)
    free = answers(model, query(ended.clone()))
    ended[:, 13:] = 1
    assert not torch.allclose(answers(model, query(ended))[:, :, 6:13], free[:, :, 6:13], atol=1e-3)


def test_a_sample_depends_on_its_number_and_row_alone() -> None:
    model = made(MENDED)
    asked = query(frames=40)  # three windows on end
    many = answers(model, asked, 5)
    assert torch.allclose(answers(model, asked, 2), many[:2], atol=1e-5)
    assert torch.allclose(answers(model, asked.map(lambda tensor: tensor[:1]), 5), many[:, :1], atol=1e-5)
    assert not torch.allclose(many[0, :, 6:], many[1, :, 6:])
    assert not torch.allclose(many[:, 0, 6:], many[:, 1, 6:])
    assert not torch.equal(answers(model, asked, 2, seed=1), many[:2])


def test_chunks_of_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = made(), query(batch=3)
    whole = answers(model, asked, 4)
    monkeypatch.setattr("kinema.models.smrnet.model._MEMORY", 3 * 64 * 8 * 32)  # three samples at once
    assert torch.allclose(answers(model, asked, 4), whole, atol=1e-5)


def test_a_fraction_of_answers_can_go_without_observation() -> None:
    model = made()
    with_it = answers(model, query(), 40)
    model.config = replace(model.config, uncond_answers=0.5)
    half = answers(model, query(), 40)
    same = [torch.allclose(one, other, atol=1e-5) for one, other in zip(with_it, half, strict=True)]
    assert 8 < sum(same) < 32


def test_guidance_one_is_none_and_two_goes_further() -> None:
    model = made(replace(CONFIG, prediction="x0", last_step="clean", steps=1, completion="none"))
    plain, none = answers(model, query()), replace(model.config, uncond_answers=1.0)
    for guidance in (1.0, 2.0):
        model.config = replace(model.config, guidance=guidance)
        found = answers(model, query())
        if guidance == 1:
            assert torch.equal(found, plain)
    model.config = none
    alone = answers(model, query())
    assert torch.allclose(found[:, :, 6:], (2 * plain - alone)[:, :, 6:], atol=1e-3)


def test_padding_makes_a_new_tensor() -> None:
    past = torch.randn(2, 3, 4)
    before = past.clone()
    assert torch.equal(padded(past, 5, "last")[:, 3:], past[:, -1:].expand(-1, 2, -1))
    assert torch.equal(padded(past, 8, "repeat")[:, 3:6], past)
    assert not padded(past, 5, "zero")[:, 3:].any()
    assert torch.equal(padded(past, 5, "zero")[:, :3], past)
    assert torch.equal(past, before)


def test_completion_puts_in_exactly_what_the_coefficients_can_say() -> None:
    code = Coefficients(16, 16, 9, whiten=False)
    truth, mask = torch.randn(1, 16, 9), torch.rand(1, 16, 9) < 0.4
    known = KnownWindows(code, truth, mask, truth)
    x = torch.randn(2, 1, 16, 9)
    found = code.decode(known.estimate(x))
    assert torch.allclose(found, torch.where(mask, truth, code.decode(x)), atol=1e-5)
    noise = torch.randn(2, 1, 16, 9)
    state = code.decode(known.state(x, 0.36, noise))
    expected = torch.where(mask, 0.6 * truth + 0.8 * code.decode(noise), code.decode(x))
    assert torch.allclose(state, expected, atol=1e-5)


def test_the_reading_sees_the_last_pose_that_residual_windows_lack() -> None:
    """Of differences to the last pose alone, two bodies that move alike are one."""
    there = query()
    elsewhere = replace(there, observed=there.observed + 2.0 * (there.confidence > 0).repeat_interleave(3, -1))
    for reading, alike in ((0, True), (16, False)):
        model = made(replace(MENDED, reading=reading))
        moved = answers(model, elsewhere) - 2.0
        assert torch.allclose(moved[:, :, 6:], answers(model, there)[:, :, 6:], atol=1e-3) == alike


@pytest.mark.parametrize("free", [0.0, 1.0])
def test_windows_with_a_heading_of_their_own_turn_with_the_body(free: float) -> None:
    representation = CentredPositionsConfig(fps=50.0).build(canon17())
    shape = feature_shape(representation, 0)
    torch.manual_seed(0)
    model = replace(MENDED, reading=16, heading="own", uncond_answers=free).build(shape).eval()
    nn.init.normal_(model.denoiser.leave.weight, std=0.1)
    pose = representation.encode(rest_pose(canon17(), 50.0)) + 0.1 * torch.randn(2, 16, 48)
    confidence = (torch.arange(16) < 6).float()[None, :, None].expand(2, 16, 16)
    about = axis_angle_to_rotmat("Y", torch.tensor([0.7, -2.0]))

    def asked(pose: Tensor) -> Query:
        return replace(query(), observed=pose * confidence[..., :1], confidence=confidence)

    def turned(pose: Tensor) -> Tensor:
        return (pose.unflatten(-1, (-1, 3)) @ about.mT[:, None]).flatten(-2)

    assert torch.allclose(answers(model, asked(turned(pose))), turned(answers(model, asked(pose))), atol=1e-4)
    model.config = replace(model.config, heading="room")
    if free == 0:
        assert not torch.allclose(answers(model, asked(turned(pose))), turned(answers(model, asked(pose))), atol=1e-2)


def test_a_body_without_sides_is_taken_as_it_stands() -> None:
    rope = Skeleton("rope", ("top", "middle", "end"), (-1, 0, 1), torch.tensor([[0.0, 0, 0], [0, -1, 0], [0, -1, 0]]))
    representation = CentredPositionsConfig(fps=50.0).build(rope)
    assert representation.anchor(torch.randn(2, 6, 6), torch.ones(2, 6, 2)) is None


def test_the_best_of_several_noises_is_the_one_that_is_learnt_from() -> None:
    batch = Batch(query(), query(observed=16).observed)
    model = made(replace(MENDED, best_of=6))
    losses = []
    for best_of in (1, 6):
        model.config = replace(model.config, best_of=best_of)
        torch.manual_seed(3)
        losses.append(float(model.loss(batch, "model")["loss"].detach()))
    assert losses[1] < losses[0]


def test_the_scale_is_measured_on_the_first_batches_and_then_stands_still() -> None:
    code = Coefficients(16, 8, 9, whiten=True)
    torch.manual_seed(0)
    frames = torch.randn(64, 32, 16, 9) * torch.linspace(0.1, 2, 9)
    for batch in frames:
        code.measure(batch)
    scale = code.scale.clone()
    assert torch.allclose(scale, torch.linspace(0.1, 2, 9).expand(8, 9), rtol=0.1)
    assert torch.allclose(code.encode(frames[0]).square().mean(), torch.tensor(1.0), rtol=0.1)
    code.measure(100 * frames[0])
    assert torch.equal(code.scale, scale)
    assert set(code.state_dict()) == {"scale", "batches"}


def test_a_model_that_knows_the_data_answers_with_them() -> None:
    """Residual, whitened, completed: what comes out is the smooth window that the network means."""
    model = made(replace(MENDED, coefficients=16))
    nn.init.zeros_(model.denoiser.leave.weight)
    found = answers(model, query())
    assert torch.allclose(found[:, :, 6:], query().observed[:, 5:6].expand(3, 2, 10, 9), atol=1e-4)


@pytest.mark.parametrize(
    "changes", [{"steps": 300}, {"code": "residual", "guidance": 2.0}, {"coefficients": 17}, {"width": 36}]
)
def test_configs_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(CONFIG, **changes)  # pyright: ignore[reportArgumentType]


def test_the_last_layers_unused_map_is_not_trained() -> None:
    """It is counted, and would leave a distributed run waiting for its gradient."""
    model = made().train()
    model.loss(Batch(query(), query(observed=16).observed), "model")["loss"].backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == [
        "denoiser.layers.1.back.weight",
        "denoiser.layers.1.back.bias",
    ]
