"""Baselines: each by hand, and the contract that every model keeps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query, even_time
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from kinema.models.baselines import BASELINES, Interpolate, RunningAverage


def query(window: Tensor, known: list[int], *, tokens: int = 2, time: Tensor | None = None) -> Query:
    batch, frames, _ = window.shape
    confidence = torch.zeros(batch, frames, tokens)
    confidence[:, known] = 1
    return Query(
        observed=window * confidence[..., :1],
        confidence=confidence,
        time=even_time(frames, 10, batch) if time is None else time,
        valid=torch.ones(batch, frames, dtype=torch.bool),
        action=torch.zeros(batch, 0),
    )


def ask(name: str, question: Query) -> Tensor:
    return BASELINES[name]().predict(question, 1, torch.Generator())[0]


@pytest.fixture
def window() -> Tensor:
    return torch.randn(3, 12, 6, generator=torch.Generator().manual_seed(0))


def test_zero_velocity_holds_the_last_known_and_starts_with_the_first(window: Tensor) -> None:
    answer = ask("zero-velocity", query(window, [2, 3, 7]))
    source = [2, 2, 2, 3, 3, 3, 3, 7, 7, 7, 7, 7]
    assert torch.equal(answer, window[:, source])


def test_constant_velocity_continues_a_line_over_uneven_times() -> None:
    time = torch.tensor([[0.0, 0.1, 0.4, 0.5, 1.5]])
    line = (3 * time + 1)[..., None].expand(1, 5, 6)
    answer = ask("constant-velocity", query(line, [0, 2], time=time))
    assert torch.allclose(answer[:, 2:], line[:, 2:], atol=1e-5)
    assert torch.allclose(answer[:, 1], line[:, 0])  # one known frame: no speed yet


def test_running_average_is_the_mean_of_the_last_known(window: Tensor) -> None:
    answer = ask("running-average-4", query(window, [0, 1, 2, 3, 4]))
    assert torch.allclose(answer[:, 8], window[:, 1:5].mean(1), atol=1e-6)
    short = ask("running-average-4", query(window, [0, 1]))
    assert torch.allclose(short[:, 8], window[:, :2].mean(1), atol=1e-6)
    with pytest.raises(UsageError):
        RunningAverage(0)


def test_linear_over_uneven_times() -> None:
    time = torch.tensor([[0.0, 0.3, 0.4, 1.0]])
    window = torch.tensor([0.0, 9, 9, 2]).view(1, 4, 1).expand(1, 4, 6)
    answer = ask("linear", query(window, [0, 3], time=time))
    assert torch.allclose(answer[0, :, 0], torch.tensor([0.0, 0.6, 0.8, 2.0]))


def test_cubic_is_exact_on_parabolas_inside_and_holds_outside() -> None:
    time = torch.tensor([[0.0, 0.2, 0.25, 0.6, 0.7, 0.9, 1.0, 1.3, 1.4]])
    curve = (2 * time**2 - time)[..., None].expand(1, 9, 6)
    answer = ask("cubic", query(curve, [0, 2, 4, 6, 7], time=time))
    assert torch.allclose(answer[:, 3:6], curve[:, 3:6], atol=1e-5)
    assert torch.equal(answer[:, 8], curve[:, 7])


def test_slerp_goes_the_shortest_way_at_even_speed() -> None:
    generator = torch.Generator().manual_seed(1)
    axis = torch.nn.functional.normalize(torch.randn(2, 3, generator=generator), dim=-1)
    base = rotvec_to_rotmat(torch.randn(2, 3, generator=generator))
    angle = torch.linspace(0, 2.5, 6)
    turned = base @ rotvec_to_rotmat(axis * angle[:, None, None])
    window = rotmat_to_rotvec(turned).flatten(-2)[None]
    answer = ask("slerp", query(window, [0, 5]))
    assert torch.allclose(rotvec_to_rotmat(answer[0].unflatten(-1, (2, 3))), turned, atol=1e-5)


def test_slerp_crosses_pi_where_linear_goes_astray() -> None:
    window = torch.zeros(1, 3, 6)
    window[0, 0, 0], window[0, 2, 0] = math.pi - 0.1, -(math.pi - 0.1)
    middle = ask("slerp", query(window, [0, 2]))[0, 1, :3]
    assert middle.norm() == pytest.approx(math.pi, abs=1e-4)
    assert ask("linear", query(window, [0, 2]))[0, 1, 0].abs() < 1e-5
    odd = torch.zeros(1, 3, 7)
    with pytest.raises(UsageError, match="three numbers a joint"):
        Interpolate("slerp").predict(query(odd, [0, 2]), 1, torch.Generator())


def test_tokens_are_known_one_by_one_where_trust_speaks_of_triples(window: Tensor) -> None:
    question = query(window, [0, 1, 2, 3])
    question.confidence[:, 3, 1] = 0
    question.observed[:, 3, 3:] = 0
    answer = ask("zero-velocity", question)
    assert torch.equal(answer[:, 8, :3], window[:, 3, :3])
    assert torch.equal(answer[:, 8, 3:], window[:, 2, 3:])


def test_a_frame_counts_as_a_whole_where_tokens_are_not_triples(window: Tensor) -> None:
    question = query(window, [0, 1, 2, 3], tokens=6)
    question.confidence[:, 3, 1:] = 0
    assert torch.equal(ask("zero-velocity", question)[:, 8], window[:, 3])


@pytest.mark.parametrize("name", BASELINES)
class TestContract:
    def test_known_frames_stay_and_the_answer_repeats(self, name: str, window: Tensor) -> None:
        answer = BASELINES[name]().predict(query(window, [0, 3, 9]), 4, torch.Generator())
        assert answer.shape == (4, *window.shape)
        assert torch.equal(answer[0], answer[3])
        assert torch.equal(answer[0][:, [0, 3, 9]], window[:, [0, 3, 9]])

    @pytest.mark.parametrize("known", [[], [5], list(range(12))])
    def test_finite_loss_on_nothing_one_and_all(self, name: str, known: list[int], window: Tensor) -> None:
        loss = BASELINES[name]().loss(Batch(query(window, known), window), "model")["loss"]
        assert torch.isfinite(loss)
        assert (loss == 0) == (len(known) == 12)

    def test_batch_of_one_agrees_with_a_batch(self, name: str, window: Tensor) -> None:
        question = query(window, [0, 3, 9])
        one = ask(name, question.map(lambda tensor: tensor[1:2]))
        # To the last digit but one: torch's atan2 rounds otherwise where a register is not full.
        torch.testing.assert_close(one[0], ask(name, question)[1], atol=1e-6, rtol=0)

    def test_padding_changes_nothing(self, name: str, window: Tensor) -> None:
        question = query(window, [0, 3, 9])
        junk = torch.full((3, 4, 6), 7.0)
        padded = Query(
            observed=torch.cat((question.observed, junk), 1),
            confidence=torch.cat((question.confidence, torch.ones(3, 4, 2)), 1),
            time=torch.cat((question.time, torch.zeros(3, 4)), 1),
            valid=torch.cat((question.valid, torch.zeros(3, 4, dtype=torch.bool)), 1),
            action=question.action,
        )
        assert torch.equal(ask(name, padded)[:, :12], ask(name, question))
        target = torch.cat((window, junk + 1), 1)
        model = BASELINES[name]()
        ours, theirs = model.loss(Batch(question, window), ""), model.loss(Batch(padded, target), "")
        assert torch.allclose(ours["loss"], theirs["loss"])

    def test_no_parameters(self, name: str) -> None:
        assert not list(BASELINES[name]().parameters())


@pytest.mark.usefixtures("unchecked")
def test_unknown_kind_is_named() -> None:
    with pytest.raises(UsageError, match="slerp"):
        Interpolate("slurp")  # pyright: ignore[reportArgumentType]
