"""Render-In-Between: parameter counts, what the self-mask means, and every pattern of keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.core.query import Batch, Query, even_time
from kinema.models.base import FeatureShape, Model
from kinema.models.render_in_between.keyframes import Keyframes
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.render_in_between.released import RenderInBetweenCriticised, RenderInBetweenReleased

SHAPE = FeatureShape(width=6, tokens=3, owner=(0, 0, 1, 1, 2, 2))
SMALL = RenderInBetweenReleased.Config().tiny()


def batch(confidence: torch.Tensor, valid: torch.Tensor | None = None) -> Batch:
    frames = confidence.shape[1]
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(len(confidence), frames, 6, generator=generator).cumsum(1) * 0.1
    shown = (confidence > 0)[..., torch.tensor(SHAPE.owner)]
    valid = torch.ones(confidence.shape[:2], dtype=torch.bool) if valid is None else valid
    query = Query(
        target * shown, confidence, even_time(frames, 30.0, len(confidence)), valid, torch.zeros(len(confidence), 0)
    )
    return Batch(query, target)


def keys(*frames: int, of: int = 17) -> Batch:
    confidence = torch.zeros(1, of, 3)
    confidence[:, list(frames)] = 0.5
    return batch(confidence)


def small(**options: object) -> RenderInBetweenReleased:
    torch.manual_seed(0)
    return replace(SMALL, **options).build(SHAPE).eval()  # pyright: ignore[reportArgumentType]


def answer(model: Model, query: Query) -> torch.Tensor:
    with torch.inference_mode():
        return model.predict(query, 1, torch.Generator())[0]


def test_the_released_network_has_its_parameters() -> None:
    plain = RenderInBetweenReleased.Config().build(FeatureShape(38, 19))
    assert sum(value.numel() for value in plain.parameters()) == 1_997_990
    with_critic = RenderInBetweenReleased.Config(critic=True).build(FeatureShape(38, 19))
    assert isinstance(with_critic, RenderInBetweenCriticised)
    assert sum(value.numel() for value in with_critic.phase_parameters("critic")) == 2_341_408
    assert sum(value.numel() for value in with_critic.phase_parameters("model")) == 1_997_990
    assert with_critic.critic(torch.zeros(1, 321, 38)).shape == (1, 1, 3, 21)


def test_the_mended_network_has_two_million_parameters() -> None:
    shape = FeatureShape(105, 17)
    whole = RenderInBetween.Config().build(shape)
    assert 1.5e6 < sum(value.numel() for value in whole.parameters()) < 3e6


def test_the_three_readings_of_the_self_mask_are_three_models() -> None:
    query = keys(0, 8, 16).query
    answers = [answer(small(self_mask=reading), query) for reading in ("bias", "exclude", "none")]
    assert all((one - other).abs().max() > 1e-3 for i, one in enumerate(answers) for other in answers[:i])


@pytest.mark.parametrize("reading", ["bias", "exclude", "none"])
@pytest.mark.parametrize("encoder", ["all", "keys"])
@pytest.mark.parametrize("frames", [(), (4,)])
def test_one_key_or_none_gives_no_nan(reading: str, encoder: str, frames: tuple[int, ...]) -> None:
    model, one = small(self_mask=reading, encoder=encoder).train(), keys(*frames)
    loss = model.loss(one, "model")["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(bool(value.grad.isfinite().all()) for value in model.parameters() if value.grad is not None)
    assert torch.isfinite(answer(model.eval(), one.query)).all()


def test_the_keys_alone_give_the_numbers_of_all_frames() -> None:
    query = keys(0, 5, 8, 16).query
    assert torch.allclose(answer(small(encoder="all"), query), answer(small(encoder="keys"), query), atol=1e-5)


def test_the_released_answer_is_never_judged_at_keys() -> None:
    whole, between = (small(supervision=frames).loss(keys(0, 8, 16), "model") for frames in ("all", "between"))
    assert whole["between"] != between["between"]


def test_with_a_zero_head_the_answer_is_the_line() -> None:
    found = answer(small(head="zero"), keys(0, 16).query)[0]
    line = keys(0, 16).target[0, [0, 16]]
    assert torch.allclose(found[8], line.mean(0), atol=1e-5)


def test_both_turns_of_the_critic_learn() -> None:
    model = small(critic=True, supervision="all")
    one = keys(0, 8, 16)
    for phase in model.phases:
        assert torch.isfinite(model.loss(one, phase)["loss"])


def mended() -> RenderInBetween:
    torch.manual_seed(0)
    model = RenderInBetween.Config().tiny().build(SHAPE).eval()
    for part in (model.residual, model.straight, model.weigh):
        for weight in part.parameters():
            torch.nn.init.normal_(weight, std=0.1)  # as after training
    return model


patterns = st.lists(st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.0]), min_size=3, max_size=3), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(pattern=patterns, padded=st.integers(0, 4))
def test_every_pattern_of_keys_gives_finite_numbers_and_meets_exact_keys(
    pattern: list[list[float]], padded: int
) -> None:
    confidence = torch.tensor([pattern])
    valid = (torch.arange(confidence.shape[1]) < confidence.shape[1] - padded)[None]
    one, model = batch(confidence, valid), mended()
    found = answer(model, one.query)
    assert torch.isfinite(found).all()
    exact = ((confidence >= 1) & valid[..., None])[..., torch.tensor(SHAPE.owner)]
    assert torch.equal(found[exact], one.query.observed[exact])
    loss = model.loss(one, "model")["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(bool(value.grad.isfinite().all()) for value in model.parameters() if value.grad is not None)


def test_untrained_it_is_the_cubic() -> None:
    confidence = torch.zeros(1, 9, 3)
    confidence[:, ::4] = 1.0
    one = batch(confidence)
    found = answer(RenderInBetween.Config().tiny().build(SHAPE).eval(), one.query)
    keys = Keyframes(confidence > 0, one.query.time, torch.tensor(SHAPE.owner))
    assert torch.allclose(found, keys.cubic(one.query.observed), atol=1e-6)


def test_untrained_it_follows_doubtful_keys_by_local_lines() -> None:
    confidence = torch.full((1, 9, 3), 0.5)
    one = batch(confidence)
    straight = one.target[:, :1] + torch.arange(9)[None, :, None] * 0.1
    query = replace(one.query, observed=straight)
    found = answer(RenderInBetween.Config().tiny().build(SHAPE).eval(), query)
    assert torch.allclose(found, straight, atol=5e-3)
    off = straight.clone()
    off[0, 4, 0] += 1.0
    missed = replace(
        query, observed=off, confidence=confidence.index_put((torch.tensor(0), torch.tensor(4)), torch.tensor(0.02))
    )
    found = answer(RenderInBetween.Config().tiny().build(SHAPE).eval(), missed)
    assert (found - straight).abs().max() < 0.01


def test_only_differences_of_time_matter() -> None:
    confidence = torch.zeros(1, 9, 3)
    confidence[:, ::4] = 0.5
    query = batch(confidence).query
    model = mended()
    assert torch.allclose(answer(model, replace(query, time=query.time + 5)), answer(model, query), atol=1e-4)
    assert not torch.allclose(answer(model, replace(query, time=query.time * 3)), answer(model, query), atol=1e-3)


def test_doubts_are_of_observations_only() -> None:
    confidence = torch.zeros(1, 9, 3)
    confidence[:, ::4, 0] = 0.5
    doubts = mended().outlier_scores(batch(confidence).query)
    assert (doubts[0, 0, 0] > 0) & (doubts[0, 1] == 0).all() & (doubts[0, 0, 1:] == 0).all()


def test_what_is_known_keeps_its_digits_under_autocast() -> None:
    """Fits and frames of reference are sums that cancel: in bfloat16 they were noise, or no numbers."""
    torch.manual_seed(0)
    confidence = torch.full((1, 33, 3), 0.5)
    confidence[:, ::3] = 0.9
    one = batch(confidence)
    far = replace(one, query=replace(one.query, observed=one.query.observed + 100), target=one.target + 100)
    model = RenderInBetween.Config().tiny().build(SHAPE)
    exact = model.loss(far, "model")
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.loss(far, "model")
    for name, value in exact.items():
        assert torch.allclose(rounded[name], value, rtol=1e-2), name
