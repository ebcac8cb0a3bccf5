"""PoseGPT: published sizes, who may look ahead, a memory that changes nothing, and what is asked of a sampler."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query, even_time
from kinema.models.base import FeatureShape
from kinema.models.posegpt.inputs import InputsConfig
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.quantizers import QuantiserConfig
from kinema.models.posegpt.sampling import Choice
from kinema.models.posegpt.tokenizer import PoseTokens, Straight
from kinema.nn.transformer import Memory
from kinema.recipes import recipe

SHAPE = FeatureShape(16, 2, classes=3, fps=30.0)
SMALL = PoseTokens.Config(width=16, layers=(1,), heads=2, quantiser=QuantiserConfig(codes=8, dim=8), points_weight=0.0)
PRIOR = PoseGPT.Config(width=16, layers=2, heads=2, block=32, dropout=0.0, inputs=InputsConfig(lengths=128))


def tokeniser(**changes: Any) -> PoseTokens:
    torch.manual_seed(0)
    return replace(SMALL, **changes).build(SHAPE).eval()


def prior(*, tokens: PoseTokens | None = None, **changes: Any) -> PoseGPT:
    torch.manual_seed(1)
    model = replace(PRIOR, **changes).build_on(SHAPE, {"tokens": tokens or tokeniser()})
    for parameter in model.phase_parameters("model"):
        torch.nn.init.normal_(parameter, std=0.3)  # so that what is told matters
    return model.eval()


def query(frames: int = 24, known: int = 0, batch: int = 2, valid: int | None = None) -> Query:
    torch.manual_seed(2)
    shown = (torch.arange(frames) < known).float()[None, :, None].expand(batch, -1, -1)
    return Query(
        observed=torch.randn(batch, frames, SHAPE.width) * shown,
        confidence=shown.expand(-1, -1, SHAPE.tokens).contiguous(),
        time=even_time(frames, 30.0, batch),
        valid=(torch.arange(frames) < (frames if valid is None else valid)).expand(batch, -1),
        action=torch.eye(3)[torch.arange(batch) % 3],
    )


def ask(model: PoseGPT, question: Query, samples: int = 2, seed: int = 0) -> torch.Tensor:
    return model.predict(question, samples, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("preset", "count"), [("offline", 23_290_450), ("causal", 23_142_994), ("online", 23_142_994)])
def test_the_published_sizes_of_the_tokeniser(preset: Any, count: int) -> None:
    released = recipe("posegpt-faithful").stages[0].model
    assert isinstance(released, PoseTokens.Config)
    with torch.device("meta"):
        model = replace(released, preset=preset, path=3).build(FeatureShape(333, 55))
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_the_published_sizes_of_the_prior() -> None:
    released = recipe("posegpt-faithful").stages[1].model
    assert isinstance(released, PoseGPT.Config)
    books = replace(SMALL, quantiser=QuantiserConfig(kind="product")).build(SHAPE)
    model = released.build_on(replace(SHAPE, classes=60), {"tokens": books})
    told = [model.inputs.action_table, model.inputs.length_table]
    assert sum(table.weight.numel() for table in told if table is not None) == 278_528
    assert sum(parameter.numel() for parameter in model.phase_parameters("model")) == 6_908_928 + 278_528


def reach(output: torch.Tensor, leaf: torch.Tensor) -> list[int]:
    """For every place of the output the last place of `leaf` [1, place, feat] that it depends on."""
    last: list[int] = []
    for place in range(output.shape[1]):
        (grad,) = torch.autograd.grad(output[0, place].square().sum(), leaf, retain_graph=True, allow_unused=False)
        observed = grad[0].abs().sum(-1).nonzero()
        last.append(int(observed.max()) if len(observed) else -1)
    return last


@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize(
    ("preset", "layers", "factor"), [("causal", (1,), 2), ("online", (1, 1), 4), ("offline", (1,), 2)]
)
def test_tokens_of_a_causal_encoder_know_their_own_frames_at_most(
    preset: Any, layers: tuple[int, ...], factor: int, *, straight: bool
) -> None:
    model = tokeniser(preset=preset, layers=layers, straight=straight)
    frames = torch.randn(1, 16, SHAPE.width, requires_grad=True)
    z, _ = model.encode_vectors(frames, torch.ones(1, 16, dtype=torch.bool))
    found = reach(z, frames)
    allowed = [factor * token + factor - 1 for token in range(16 // factor)]
    if preset == "offline":
        assert found == [15] * 8
    else:
        assert all(last <= most for last, most in zip(found, allowed, strict=True))
        assert found[-1] >= allowed[-1] - 1


@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize(("trim", "ahead"), [("back", 0), ("front", 1)])
def test_frames_of_an_online_decoder_look_ahead_only_as_the_released_code_does(
    trim: Any, ahead: int, *, straight: bool
) -> None:
    model = tokeniser(preset="online", upsample_trim=trim, straight=straight)
    if model.straight is not None:
        torch.nn.init.normal_(model.straight.leave.weight)
    vectors = torch.randn(1, 8, 8, requires_grad=True)
    found = reach(model.decode_vectors(vectors, torch.ones(1, 8, dtype=torch.bool)), vectors)
    assert found == [min(frame // 2 + ahead * (frame % 2), 7) for frame in range(16)]


def test_a_past_has_the_same_tokens_with_and_without_its_future() -> None:
    frames = torch.randn(2, 16, SHAPE.width)
    for model in (tokeniser(), tokeniser(quantiser=QuantiserConfig(kind="finite", dim=8, levels=(4, 4)))):
        whole = model.encode(frames, torch.ones(2, 16, dtype=torch.bool))
        past = model.encode(frames[:, :10], torch.ones(2, 10, dtype=torch.bool))
        assert torch.equal(whole[:, :5], past)


@pytest.mark.parametrize("causal", [False, True])
def test_the_straight_way_begins_with_the_poses_themselves(*, causal: bool) -> None:
    straight = Straight(2, 16, 32, causal=causal)
    frames = torch.randn(3, 8, 16)
    assert torch.allclose(straight.decode(straight.encode(frames)), frames, atol=1e-5)
    narrow = Straight(2, 16, 8, causal=causal)
    left = narrow.decode(narrow.encode(frames))
    assert torch.allclose(narrow.encode(left), narrow.encode(frames), atol=1e-5)  # of what fits, all is kept


def test_padding_of_a_clip_changes_none_of_its_tokens() -> None:
    frames, valid = torch.randn(1, 11, SHAPE.width), torch.ones(1, 11, dtype=torch.bool)
    padded = torch.cat((frames, 9 * torch.randn(1, 5, SHAPE.width)), 1)
    for preset in ("offline", "causal", "online"):
        model = tokeniser(preset=preset)
        z, mask = model.encode_vectors(frames, valid)
        more, also = model.encode_vectors(padded, torch.nn.functional.pad(valid, (0, 5)))
        assert mask.sum() == also.sum() == 6
        assert torch.allclose(z[:, :5], more[:, :5], atol=1e-5)


def uncached(model: PoseGPT, question: Query, tokens: torch.Tensor) -> torch.Tensor:
    """Hidden states of the whole sequence at once."""
    return model.run(model.inputs(tokens[:, :-1], model.inputs.labels(question)))


@pytest.mark.parametrize("inputs", [
    InputsConfig(lengths=128),
    InputsConfig(places="none", lengths=0),
    InputsConfig(concatenate=False, lengths=128, places="sine"),
    InputsConfig(every_step=False, concatenate=False, lengths=0, shared_row=True),
])  # fmt: skip
@torch.no_grad()
def test_memory_changes_no_logit(inputs: InputsConfig) -> None:
    model, question = prior(inputs=inputs), query(32)
    tokens = torch.randint(8, (2, 16, 2), generator=torch.Generator().manual_seed(3))
    whole = uncached(model, question, tokens)
    memories = [Memory(16) for _ in model.blocks]
    told = model.inputs.labels(question)
    steps = [model.run(model.inputs(tokens[:, :4], told), memories)]
    steps += [model.run(model.inputs(tokens[:, n : n + 1], told, first=n + 1), memories) for n in range(4, 15)]
    cached = torch.cat(steps, 1)
    for book in range(2):
        before = list(tokens[..., :book].unbind(-1))
        assert torch.allclose(model.logits(cached, before), model.logits(whole, before), atol=1e-5)


@torch.no_grad()
def test_temperature_nothing_takes_the_likeliest_codes_and_needs_no_chance() -> None:
    model, question = prior(choice=Choice(temperature=0.0)), query(24)
    none = torch.full((2, 12, 2), -1)
    tokens = model.continue_tokens(question, none, torch.zeros(2, dtype=torch.long), torch.rand(2, 12, 2))
    hidden = uncached(model, question, tokens)
    assert torch.equal(model.logits(hidden, []).argmax(-1), tokens[..., 0])
    assert torch.equal(model.logits(hidden, [tokens[..., 0]]).argmax(-1), tokens[..., 1])
    assert torch.equal(ask(model, question, seed=0), ask(model, question, seed=1))


@pytest.mark.parametrize(
    "changes", [{"dependent": False}, {"head": "mlp"}, {"choice": Choice(guidance=2.5, top_p=0.9)}]
)
def test_settings_change_what_is_said(changes: dict[str, Any]) -> None:
    assert torch.isfinite(ask(prior(**changes), query())).all()


def test_the_action_and_the_length_are_heard() -> None:
    model, question = prior(choice=Choice(temperature=0.0)), query(24)
    other = replace(question, action=question.action.roll(1, 1))
    styled = replace(question, action=(question.action + other.action).clamp(max=1))
    none = replace(question, action=question.action[:, :0])
    answers = [ask(model, one, 1) for one in (question, other, styled, none)]
    assert len({round(float(answer.sum()), 3) for answer in answers}) == 4
    shorter = ask(model, query(20), 1)
    assert not torch.allclose(shorter, answers[0][:, :, :20])


@pytest.mark.parametrize("known", [1, 2, 9, 24])
def test_what_is_seen_is_given_back_and_goes_on_without_a_jump(known: int) -> None:
    model, question = prior(), query(24, known)
    answer = ask(model, question)
    assert torch.equal(answer[:, :, :known], question.observed[:, :known].expand(2, -1, -1, -1))
    decoded = ask(replace_blend(model, 0), question)
    if known < 24:
        jump = (answer[:, :, known] - question.observed[:, known - 1]).abs().mean()
        assert jump < (decoded[:, :, known] - question.observed[:, known - 1]).abs().mean()


def replace_blend(model: PoseGPT, blend: int) -> PoseGPT:
    return prior(blend=blend, tokens=model.tokeniser)  # pyright: ignore[reportArgumentType]


def test_a_past_shorter_than_a_token_says_no_token() -> None:
    """One frame of two: what follows is made from nothing, and only bent towards it."""
    model = prior(blend=0)
    assert torch.equal(ask(model, query(24, 1))[:, :, 1:], ask(model, query(24, 0))[:, :, 1:])
    assert not torch.equal(ask(model, query(24, 2))[:, :, 2:], ask(model, query(24, 0))[:, :, 2:])


def test_lengths() -> None:
    model = prior()
    assert ask(model, query(75)).shape == (2, 2, 75, SHAPE.width)  # 38 tokens in a block of 32: goes on from its half
    for question in (query(0), query(8, valid=0)):
        with pytest.raises(UsageError, match="at least one frame"):
            ask(model, question)


@pytest.mark.parametrize(("known", "encoded"), [(0, []), (9, [(2, 8)])])
def test_the_past_is_encoded_once_for_all_samples_and_decoded_once(
    known: int, encoded: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = prior()
    tokens = model.tokeniser
    assert isinstance(tokens, PoseTokens)
    calls: dict[str, list[tuple[int, int]]] = {"encode": [], "decode": []}
    encode, decode = tokens.encode, tokens.decode
    monkeypatch.setattr(tokens, "encode", lambda x, mask: calls["encode"].append(x.shape[:2]) or encode(x, mask))
    monkeypatch.setattr(tokens, "decode", lambda codes: calls["decode"].append(codes.shape[:2]) or decode(codes))
    ask(model, query(24, known), samples=5)
    assert calls == {"encode": encoded, "decode": [(10, 12)]}


def test_laid_out_maps_say_the_same_tokens() -> None:
    """Twelve tokens are worth it, nine are not; the likeliest codes are the same."""
    model, question = prior(choice=Choice(temperature=0.0, guidance=2.0)), query(24)
    none, start, chance = torch.full((2, 12, 2), -1), torch.zeros(2, dtype=torch.long), torch.rand(2, 12, 2)
    tokens = model.continue_tokens(question, none, start, chance)
    few = model.continue_tokens(question, none[:, :9], start, chance[:, :9])
    assert torch.equal(tokens[:, :9], few)


def test_a_row_does_not_hear_its_neighbours() -> None:
    model, question = prior(), query(24, 5)
    both = ask(model, question)
    alone = ask(model, question.map(lambda tensor: tensor[:1]))
    assert torch.allclose(both[:, :1], alone, atol=1e-5)


def test_a_motion_may_end_early() -> None:
    model = prior(ending="eos")
    with torch.no_grad():
        for parameter in model.heads[0].parameters():
            parameter[-1] += 3 * parameter[-1].abs()
    answer = ask(model, query(24), 8)
    still = (answer.diff(dim=2).abs().sum(-1) == 0).any(-1)
    assert still.any()
    assert torch.isfinite(answer).all()


def test_loss_counts_what_is_there_and_the_tokeniser_is_left_alone() -> None:
    model = prior(keep=0.8, ending="eos")
    question = query(24, valid=15)
    batch = Batch(question, torch.randn(2, 24, SHAPE.width))
    before = {name: value.clone() for name, value in model.tokeniser.state_dict().items()}
    model.train()
    losses = model.loss(batch, "model")
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])
    assert all(torch.equal(value, before[name]) for name, value in model.tokeniser.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.tokeniser.parameters())
    changed = replace(batch, target=torch.where(question.valid[..., None], batch.target, 7.0))
    model.eval()
    assert torch.allclose(model.loss(batch, "model")["loss"], model.loss(changed, "model")["loss"], atol=1e-6)


def test_guessing_every_code_right_is_counted_as_all_right() -> None:
    """The released code compared codes with codes plus one: there, nobody was ever right."""
    model = prior()
    batch = Batch(query(24), torch.randn(2, 24, SHAPE.width))
    tokens = model.tokeniser
    assert isinstance(tokens, PoseTokens)
    truth = tokens.encode(batch.target, batch.query.valid)
    perfect = iter([torch.nn.functional.one_hot(truth[..., book], 8) * 20.0 for book in range(2)])
    model.logits = lambda hidden, codes: next(perfect)  # pyright: ignore
    assert float(model.loss(batch, "model")["accuracy"]) == 1.0


def test_settings_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="top_k from 0"):
        prior(choice=Choice(top_k=9))
    with pytest.raises(UsageError, match="trains a tokeniser"):
        PRIOR.build(SHAPE)
    with pytest.raises(UsageError, match="every_step"):
        InputsConfig(every_step=False)
    with pytest.raises(UsageError, match="weights of 3 actions"):
        ask(prior(), replace(query(), action=torch.ones(2, 5)))


def test_joints_that_stand_count_once_more() -> None:
    shape = FeatureShape(16, 2, fps=30.0, points=lambda features: features[..., :6].unflatten(-1, (2, 3)))
    config = replace(SMALL, velocity_weight=1.0, standing_weight=0.5)
    torch.manual_seed(0)
    model = config.build(shape).eval()
    target = torch.zeros(1, 24, 16)
    target[..., 3:6] = torch.linspace(0, 1, 24)[:, None]  # the second joint moves at 2.3 m/s, the first one stands
    question = replace(query(known=24, batch=1), observed=target)
    with torch.no_grad():
        found = model.loss(Batch(question, target), "model")
        answer = model.decode_vectors(*_coded(model, target, question.valid))
    own = answer[..., :3].diff(dim=1, prepend=answer[:, :1, :3]) * 30
    assert float(found["standing"]) == pytest.approx(float(own.abs().sum() / (24 * 6)), rel=1e-4)
    without = replace(config, standing_weight=0.0).build(shape)
    without.load_state_dict(model.state_dict())
    with torch.no_grad():
        plain = without.eval().loss(Batch(question, target), "model")
    assert "standing" not in plain
    assert float(found["loss"] - plain["loss"]) == pytest.approx(0.5 * float(found["standing"]), rel=1e-3)


def _coded(model: PoseTokens, target: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    z, mask = model.encode_vectors(target, valid)
    return model.quantiser(z, mask).vectors, mask
