"""ActionGAN: published sizes, a walk that stays in its box, what penalties weigh, and what is asked of a sampler."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query, even_time
from kinema.data.tasks import Generate
from kinema.models.action_gan.earlier_stages import PoseGAN, PretrainedWalk, movement_gap
from kinema.models.action_gan.latent_walk import (
    ACTION_SCALE,
    FlatReader,
    LatentWalk,
    PooledReader,
    PoseDecoder,
    trailing_mean,
)
from kinema.models.action_gan.model import ActionGAN
from kinema.models.base import FeatureShape, Model
from kinema.nn.adversarial import gradient_penalty, real_gradient
from kinema.recipes import RECIPES, Optim, Phase, Stage, recipe
from kinema.recipes.codec import from_json

SHAPE = FeatureShape(6, 2, classes=3, fps=30.0)
PAPER = FeatureShape(30, 15, classes=10, fps=50 / 3)
SMALL = ActionGAN.Config(frames=12, noise=16, hidden=16)
FRAMES = ActionGAN.Config(frames=12, noise=16, hidden=16, reader_input="frames", matching=0.0, recognised=0.0)


def pose(**changes: Any) -> PoseGAN:
    torch.manual_seed(0)
    return replace(PoseGAN.Config(hidden=16, learning="autoencoder"), **changes).build(SHAPE).eval()


def model(config: ActionGAN.Config = SMALL, shape: FeatureShape = SHAPE, **changes: Any) -> ActionGAN:
    first = pose(**changes)
    torch.manual_seed(1)
    return config.build_on(shape, {"pose": first})


def query(frames: int = 12, batch: int = 4, **changes: Any) -> Query:
    plain = Query(
        observed=torch.zeros(batch, frames, SHAPE.width),
        confidence=torch.zeros(batch, frames, SHAPE.tokens),
        time=even_time(frames, 30.0, batch),
        valid=torch.ones(batch, frames, dtype=torch.bool),
        action=torch.eye(3)[torch.arange(batch) % 3],
    )
    return replace(plain, **changes)


def ask(made: ActionGAN, question: Query, seed: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        return made.eval().predict(question, 2, torch.Generator().manual_seed(seed))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_published_sizes() -> None:
    first, second = (stage.model for stage in recipe("action-gan-faithful").stages)
    assert isinstance(first, PoseGAN.Config)
    assert isinstance(second, ActionGAN.Config)
    stage = first.build(PAPER)
    assert count(stage.decoder) == 56_350
    assert count(stage.critic) == 43_009
    with torch.device("meta"):
        walk = LatentWalk(12, 10, 64, 256, walk="free", start="even", biases=2)
    assert count(walk) == 343_052
    built = second.build_on(PAPER, {"pose": stage})
    assert sum(p.numel() for p in built.generator.parameters() if p.requires_grad) == 342_028
    assert 26e6 < count(built.discriminator) < 26.5e6


def test_a_bias_that_is_not_there_stays_nothing() -> None:
    walk = LatentWalk(2, 1, 2, 4, walk="free", start="even", biases=1)
    bias = dict(walk.lstm.named_parameters())
    assert not bias["bias_hh_l0"].requires_grad
    assert not bias["bias_hh_l0"].any()
    assert bias["bias_ih_l0"][4:8].eq(1).all()


@pytest.mark.parametrize("name", ["action-gan", "action-gan-bandai2"])
def test_the_discriminator_reads_any_length_with_under_a_million_weights(name: str) -> None:
    shape = FeatureShape(150, 24, classes=12, fps=30.0)
    earlier: dict[str, Model] = {}
    for stage in recipe(name).stages:
        earlier[stage.name] = stage.build(shape, earlier)
    built = earlier["motion"]
    assert isinstance(built, ActionGAN)
    assert count(built.discriminator) < 1e6
    assert count(built.classifier) < 1e6
    for frames in (3, 50, 77):
        shown = torch.randn(2, frames, shape.width)
        assert built.discriminator(shown, torch.zeros(2, frames, 12)).shape == (2, 1)


@pytest.mark.parametrize("kind", ["bounded", "aware"])
@pytest.mark.parametrize("frames", [2, 300])
def test_a_bounded_walk_stays_in_the_box_for_any_length(frames: int, kind: Literal["bounded", "aware"]) -> None:
    torch.manual_seed(0)
    walk = LatentWalk(4, 3, 8, 16, walk=kind, start="learnt", biases=2)
    torch.nn.init.normal_(walk.step.weight, std=20.0)
    z, _ = walk(torch.randn(2, frames, 8), torch.zeros(2, frames, 3))
    assert z.abs().max() <= 1


def test_a_free_walk_leaves_it() -> None:
    walk = LatentWalk(4, 3, 8, 16, walk="free", start="even", biases=1)
    torch.nn.init.ones_(walk.step.bias)
    z, steps = walk(torch.randn(2, 20, 8), torch.zeros(2, 20, 3))
    assert steps.abs().max() <= 1
    assert z.abs().max() > 5
    assert torch.allclose(z[:, 0] + steps.sum(1), z[:, -1], atol=1e-4)


def test_an_aware_walk_is_the_lstm_of_torch_that_reads_its_own_state() -> None:
    torch.manual_seed(0)
    walk = LatentWalk(4, 3, 8, 16, walk="aware", start="learnt", biases=2)
    noise, action = torch.randn(2, 5, 8), torch.eye(3)[:2, None].expand(-1, 5, -1)
    z, steps = walk(noise, action)
    assert walk.keep is not None
    keep = walk.keep.sigmoid()
    speed, given = torch.zeros(2, 4), []
    for t in range(4):
        given.append(torch.cat((noise[:, t + 1], ACTION_SCALE * action[:, t + 1], noise[:, 0], z[:, t], speed), -1))
        speed = keep * speed + (1 - keep) * steps[:, t]
    assert torch.allclose(walk.step(walk.lstm(torch.stack(given, 1))[0]), steps, atol=1e-5)


@pytest.mark.parametrize(("kind", "knows"), [("bounded", False), ("aware", True)])
def test_only_an_aware_walk_knows_where_it_began(kind: Literal["bounded", "aware"], knows: bool) -> None:
    torch.manual_seed(0)
    walk = LatentWalk(4, 3, 8, 16, walk=kind, start="learnt", biases=2)
    noise, action = torch.randn(2, 5, 8), torch.zeros(2, 5, 3)
    other = torch.cat((noise[:, :1] + 1, noise[:, 1:]), 1)
    assert torch.equal(walk(noise, action)[1], walk(other, action)[1]) != knows


def pretrained(**changes: Any) -> PretrainedWalk:
    first = pose()
    torch.manual_seed(1)
    return replace(PretrainedWalk.Config(noise=16, hidden=16, reader=8), **changes).build_on(SHAPE, {"pose": first})


def test_a_pretrained_walk_learns_to_make_a_motion_again() -> None:
    stage = pretrained(prior=0.0)
    z = 0.5 * torch.sin(torch.arange(10) / 2 + torch.arange(4)[:, None])[..., None] * torch.linspace(-1, 1, 12)
    question = query(10)
    batch = Batch(question, stage.decoder(z, question.action[:, None].expand(-1, 10, -1)).detach())
    optimiser = torch.optim.Adam(stage.phase_parameters("generator"), 1e-2)
    losses: list[float] = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = stage.loss(batch, "generator")["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert not any(p.requires_grad for p in stage.decoder.parameters())


def test_a_clip_that_moves_less_has_a_movement_gap() -> None:
    real = torch.randn(3, 20, 4)
    assert float(movement_gap(real + 5, real)) == pytest.approx(0.0, abs=1e-9)
    assert float(movement_gap(-real, real)) == pytest.approx(0.0, abs=1e-9)
    own = sum(
        float((x.square().mean(1) / x.square().mean((0, 1))).mean()) for x in (real.diff(n=n, dim=1) for n in (1, 2, 3))
    )
    assert float(movement_gap(real / 2, real)) == pytest.approx(own / 4, rel=1e-3)


def test_a_walk_is_trained_on_where_another_stage_left_it() -> None:
    first = pretrained()
    earlier = {"pose": pose(), "walk": first}
    second = PretrainedWalk.Config(noise=16, hidden=16, reader=8, lively=1.0).build_on(SHAPE, earlier)
    assert second.generator is first.generator
    assert second.noise_encoder is first.noise_encoder
    batch = Batch(query(), torch.randn(4, 12, SHAPE.width))
    plain, lively = (stage.loss(batch, "generator")["size"] for stage in (first, second))
    assert float(plain) == 0 < float(lively)


def test_noise_that_is_read_is_drawn_to_noise_that_is_drawn() -> None:
    """The divergence is nothing where mean and deviation are 0 and 1, and the formula elsewhere."""
    stage = pretrained()
    batch = Batch(query(), torch.randn(4, 12, SHAPE.width))
    torch.nn.init.zeros_(stage.noise_encoder.leave.weight)
    torch.nn.init.zeros_(stage.noise_encoder.leave.bias)
    assert float(stage.loss(batch, "generator")["apart"]) == pytest.approx(0.0, abs=1e-5)
    with torch.no_grad():
        stage.noise_encoder.leave.bias[:16] = 2.0  # the means
    assert float(stage.loss(batch, "generator")["apart"]) == pytest.approx(16 * 2.0, rel=1e-4)


@pytest.mark.parametrize("reader_input", ["frames", "latents", "rebuilt"])
def test_the_second_stage_starts_from_a_pretrained_walk(
    reader_input: Literal["frames", "latents", "rebuilt"],
) -> None:
    stage = pretrained()
    earlier = {"pose": pose(), "first": pretrained(), "last": stage}
    config = replace(SMALL, walk="aware", reader_input=reader_input, reconstruction=0.5, lively=1.0)
    made = config.build_on(SHAPE, earlier)
    assert made.generator is stage.generator
    held = {id(p) for p in made.phase_parameters("generator")}
    assert all(id(p) in held for p in stage.noise_encoder.parameters())
    torch.manual_seed(2)
    batch = Batch(query(), torch.randn(4, 12, SHAPE.width))
    made.loss(batch, "generator")["loss"].backward()
    assert all(p.grad is not None for p in stage.noise_encoder.parameters())
    assert replace(config, reconstruction=0.0).build_on(SHAPE, earlier).noise_encoder is None


def test_what_is_rebuilt_lies_on_the_decoders_surface() -> None:
    """Judged frames of real motion are decoded ones, as made frames are."""
    made = model(replace(SMALL, reader_input="rebuilt")).eval()
    assert made.encoder is not None
    frames, action = torch.randn(2, 12, SHAPE.width), torch.eye(3)[:2, None].expand(-1, 12, -1)
    z = torch.tanh(made.encoder(torch.cat((frames, action), -1)))
    assert torch.allclose(made.read(frames, action), made.decoder(z, action), atol=1e-6)
    assert not torch.allclose(made.read(frames, action), frames, atol=1e-2)


def test_the_classifier_reads_real_motion_as_it_was_recorded() -> None:
    """Rebuilt poses may have the action written into them by the decoder, which is given the action."""
    made = model(replace(SMALL, reader_input="rebuilt")).eval()
    batch = Batch(query(), torch.randn(4, 12, SHAPE.width))
    loss = made.loss(batch, "classifier")["loss"]  # first, for it takes the measure of real motion
    logits = made.classifier(batch.target, batch.query.action[:, None, :0].expand(-1, 12, -1))
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(logits, batch.query.action), rtol=1e-5)


def test_one_frame_can_be_asked_for() -> None:
    assert ask(model(), query(1)).shape == (2, 4, 1, SHAPE.width)
    assert ask(model(replace(SMALL, walk="aware")), query(1)).shape == (2, 4, 1, SHAPE.width)
    assert ask(model(replace(SMALL, walk="free", start="even", reader_input="frames")), query(1)).shape[2] == 1


@pytest.mark.parametrize("kind", ["bounded", "aware"])
def test_a_longer_clip_begins_as_the_shorter_one(kind: Literal["bounded", "aware"]) -> None:
    made = model(replace(SMALL, walk=kind))
    assert torch.allclose(ask(made, query(30))[:, :, :9], ask(made, query(9)), atol=1e-5)


def test_a_mixture_is_neither_and_a_schedule_is_first_one_then_the_other() -> None:
    made = model()
    first, second = torch.eye(3)[:1].expand(4, -1), torch.eye(3)[1:2].expand(4, -1)
    pure, other = (ask(made, query(action=action)) for action in (first, second))
    mixed = ask(made, query(action=(first + second) / 2))
    assert not torch.allclose(mixed, pure, atol=1e-3)
    assert not torch.allclose(mixed, other, atol=1e-3)
    rows = torch.cat((first[:, None].expand(-1, 6, -1), second[:, None].expand(-1, 6, -1)), 1)
    scheduled = ask(made, query(action=rows.mean(1), action_frames=rows))
    assert torch.allclose(scheduled[:, :, :6], pure[:, :, :6], atol=1e-5)
    assert not torch.allclose(scheduled[:, :, 6:], pure[:, :, 6:], atol=1e-3)


def test_one_class_only_is_enough() -> None:
    shape = replace(SHAPE, classes=1)
    first = PoseGAN.Config(hidden=16, learning="autoencoder").build(shape)
    made = SMALL.build_on(shape, {"pose": first})
    question = query(action=torch.ones(4, 1))
    batch = Batch(question, torch.randn(4, 12, SHAPE.width))
    for phase in made.phases:
        assert torch.isfinite(made.loss(batch, phase)["loss"])
    assert torch.isfinite(ask(made, question)).all()


def penalty(config: ActionGAN.Config, batch: int) -> float:
    """What the regularisers add for a batch of copies of one row."""
    made = model(config)
    row = torch.randn(1, 12, SHAPE.width, generator=torch.Generator().manual_seed(3))
    steps = torch.ones(1, 11, 12)
    return float(made._regularisers(row.expand(batch, -1, -1), steps.expand(batch, -1, -1)))  # pyright: ignore[reportPrivateUsage]


def test_summed_penalties_depend_on_the_batch_and_means_do_not() -> None:
    means = replace(FRAMES, smooth=1.0, magnitude=0.5)
    assert penalty(means, 2) == pytest.approx(penalty(means, 8))
    assert penalty(replace(means, regulariser="sum", smooth=0.0), 8) == pytest.approx(0.5 * 8 * 11 * 12)
    per_clip = replace(means, regulariser="sum", magnitude=0.0)
    assert penalty(per_clip, 2) == pytest.approx(penalty(per_clip, 8))


def test_the_gradient_penalty_is_the_formula() -> None:
    real, fake = torch.randn(5, 4), torch.randn(5, 4)
    slope = torch.tensor([3.0, 0, 0, 4])  # a linear critic: its gradient is 5 long everywhere
    assert float(gradient_penalty(lambda x: x @ slope, real, fake)) == pytest.approx(16.0, rel=1e-5)


def test_r1_is_the_squared_gradient_at_real_motion() -> None:
    real = torch.randn(5, 7, 4).requires_grad_()
    logits = (real**2).sum((1, 2))
    assert float(real_gradient(logits, real).detach()) == pytest.approx(
        float((2 * real.detach()).square().sum((1, 2)).mean()), rel=1e-5
    )


def test_the_own_classifier_learns_nothing_from_made_motion() -> None:
    made = model(replace(SMALL, recognised=1.0)).train()
    batch = Batch(query(), torch.randn(4, 12, SHAPE.width))
    made.loss(batch, "generator")["loss"].backward()
    assert all(p.grad is None for p in made.classifier.parameters())
    assert all(p.grad is None for p in made.discriminator.parameters())
    assert all(p.grad is None for p in made.decoder.parameters())
    assert any(p.grad is not None and p.grad.any() for p in made.generator.parameters())


def test_a_shared_classifier_belongs_to_the_generator() -> None:
    made = model(replace(FRAMES, classifier="shared", recognised=0.1)).train()
    assert made.phases == ("discriminator", "generator")
    held = {id(p) for p in made.phase_parameters("generator")}
    assert all(id(p) in held for p in made.classifier.parameters())
    made.loss(Batch(query(), torch.randn(4, 12, SHAPE.width)), "generator")["loss"].backward()
    assert any(p.grad is not None and p.grad.any() for p in made.classifier.parameters())


def test_batch_norm_sees_every_step_by_itself() -> None:
    torch.manual_seed(0)
    decoder = PoseDecoder(4, 3, 16, 6, "batch").train()
    z, action = torch.randn(5, 7, 4), torch.zeros(5, 7, 3)
    by_step = decoder.by_step(z, action)
    assert torch.allclose(by_step[:, 3], decoder(z[:, 3], action[:, 3]), atol=1e-6)
    assert not torch.allclose(by_step, decoder(z, action), atol=1e-4)


def frozen() -> ActionGAN:
    """The second stage of the released recipe, small, upon a decoder with statistics of its own."""
    second = recipe("action-gan-faithful").stages[1].model
    assert isinstance(second, ActionGAN.Config)
    made = model(replace(second, frames=12, noise=16, hidden=16), learning="adversarial", norm="batch")
    norm = made.decoder.norm
    assert isinstance(norm, torch.nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.nn.init.normal_(norm.running_mean)
    torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    torch.nn.init.normal_(norm.weight)
    return made


def test_frozen_batch_norm_stays_frozen() -> None:
    """Neither training the second stage nor sampling, in either mode, changes what the model answers next."""
    made, batch = frozen(), Batch(query(), torch.randn(4, 12, SHAPE.width))
    before = {name: value.clone() for name, value in made.decoder.state_dict().items()}
    first = ask(made, query())
    made.train()
    for phase in made.phases:
        made.loss(batch, phase)["loss"].backward()
    made.predict(query(), 2, torch.Generator().manual_seed(0))
    assert all(torch.equal(value, before[name]) for name, value in made.decoder.state_dict().items())
    assert torch.equal(ask(made, query()), first)


@torch.no_grad()
def test_batch_norm_of_the_second_stage_by_hand() -> None:
    """In training every step has its own batch's statistics; in sampling those of the first stage."""
    made = frozen()
    decoder, norm = made.decoder, made.decoder.norm
    assert isinstance(norm, torch.nn.BatchNorm1d)
    noise, action = torch.randn(4, 12, 16), torch.eye(3)[torch.arange(4) % 3][:, None].expand(-1, 12, -1)
    z, _ = made.generator(noise, action)
    for mode in (True, False):
        made.train(mode)
        shown, _ = made._make(noise, action)  # pyright: ignore[reportPrivateUsage]
        for step in range(12):
            code = decoder.enter(torch.cat((z[:, step], action[:, step]), 1))
            mean, variance = code.mean(0), code.var(0, correction=0)
            if not mode:
                assert norm.running_mean is not None
                assert norm.running_var is not None
                mean, variance = norm.running_mean, norm.running_var
            unit = (code - mean) / (variance + 1e-3).sqrt() * norm.weight + norm.bias
            assert torch.allclose(shown[:, step], decoder.leave(unit.relu()), atol=1e-5)


@torch.no_grad()
def test_released_readers_start_as_tensorflows() -> None:
    torch.manual_seed(0)
    reader = FlatReader(30, 10, 20, 1)
    # A deviation of n numbers is off by about 1 / sqrt(2 n) of itself: 2 % for the 1,024 of the last map.
    for layer in (reader.enter, reader.leave):
        assert float(layer.weight.std()) == pytest.approx(0.02, rel=0.1)
        assert not layer.bias.any()
    edge = (6 / (70 + 256 + 4 * 256)) ** 0.5  # one matrix from input and state to four gates
    for name, weight in reader.lstm.named_parameters():
        if name.startswith("weight"):
            assert edge * 0.99 < float(weight.abs().max()) <= edge
            assert float(weight.std()) == pytest.approx(edge / 3**0.5, rel=0.02)
        elif name.startswith("bias_ih"):
            assert torch.equal(weight, torch.tensor([0.0, 1, 0, 0]).repeat_interleave(256))
        else:
            assert not weight.any()
            assert not weight.requires_grad
    walk = LatentWalk(12, 10, 64, 256, walk="free", start="even", biases=1)
    edge = (6 / (74 + 256 + 4 * 256)) ** 0.5
    assert edge * 0.99 < float(walk.lstm.weight_hh_l0.abs().max()) <= edge


def test_a_reader_measures_real_motion_once() -> None:
    reader = PooledReader(2, 0, 1, 8)
    reader.measure(torch.randn(4, 9, 2))
    scale = reader.scale.clone()
    reader.measure(100 * torch.randn(4, 9, 2))
    assert torch.equal(reader.scale, scale)
    assert scale.min() > 0.5


def test_a_decoder_of_another_body_or_none_is_refused() -> None:
    other = PoseGAN.Config(hidden=16, learning="autoencoder").build(FeatureShape(9, 3, classes=3))
    with pytest.raises(UsageError, match="a decoder to 9"):
        SMALL.build_on(SHAPE, {"pose": other})
    with pytest.raises(UsageError, match="none"):
        SMALL.build(SHAPE)
    for config in (SMALL, replace(SMALL, reader_input="rebuilt"), PretrainedWalk.Config()):
        with pytest.raises(UsageError, match="autoencoder"):
            config.build_on(SHAPE, {"pose": PoseGAN.Config(hidden=16).build(SHAPE)})


def test_decoder_and_encoder_stay_as_the_first_stage_left_them() -> None:
    made = model()
    frozen = [*made.decoder.parameters(), *(made.encoder.parameters() if made.encoder else ())]
    assert frozen
    assert not any(p.requires_grad for p in frozen)
    trained = {id(p) for phase in made.phases for p in made.phase_parameters(phase)}
    assert not any(id(p) in trained for p in frozen)


def test_the_recipes_of_the_issue_are_there() -> None:
    assert {"action-gan", "action-gan-bandai2", "action-gan-faithful", "action-gan-faithful-bandai2"} <= set(RECIPES)
    faithful = recipe("action-gan-faithful")
    assert [phase.repeats for phase in faithful.stages[0].optim] == [5, 1]  # pyright: ignore
    assert [phase.repeats for phase in faithful.stages[1].optim] == [1, 2]  # pyright: ignore


def test_a_trailing_mean_stills_shaking_keeps_a_pose_and_looks_back_alone() -> None:
    still = torch.full((1, 9, 2), 0.3)
    assert trailing_mean(still, 0.5).sub(still).abs().max() < 1e-6
    shaken = torch.tensor([1.0, -1.0]).repeat(20)[None, :, None]
    assert trailing_mean(shaken, 0.5)[:, 10:].abs().max() < 0.34  # (1 - k) / (1 + k) at the highest frequency
    longer = torch.cat((shaken, torch.randn(1, 5, 1)), 1)
    assert torch.equal(trailing_mean(longer, 0.5)[:, :40], trailing_mean(shaken, 0.5))
    assert trailing_mean(shaken, 0.0) is shaken


def test_weights_and_configs_of_older_names_are_read() -> None:
    """Older checkpoints say maker, critic and teacher."""
    first = pretrained()
    made = replace(SMALL, walk="aware", reconstruction=0.5).build_on(SHAPE, {"pose": pose(), "walk": first})
    new = {"generator": "maker", "discriminator": "critic", "noise_encoder": "teacher", "leave": "says"}
    state = made.state_dict()
    old = {}
    for name, value in state.items():
        first_part, *rest = name.split(".")
        inner = "says" if name.startswith("noise_encoder.leave.") else rest[0]
        old[".".join((new.get(first_part, first_part), inner, *rest[1:]))] = value + 1
    assert any(name.startswith("teacher.says.") for name in old)
    made.load_state_dict(old)
    assert all(torch.equal(value, state[name]) for name, value in made.state_dict().items())  # state shares the memory
    assert from_json({"kind": "ActionGAN", "judged": "rebuilt", "taught": 2.0}, ActionGAN.Config).reconstruction == 2.0
    phases = Stage("pose", PoseGAN.Config(), Generate(1), (Phase("critic", Optim()), Phase("maker", Optim())), 1, 1)
    assert [phase.name for phase in phases.phases(PoseGAN.Config().build(SHAPE))] == ["critic", "generator"]
