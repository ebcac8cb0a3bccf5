"""Choosing codes: temperature, top-k, top-p and guidance, each where its effect is known."""

from __future__ import annotations

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.models.posegpt.sampling import Choice, calmed

SCORES = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()


def shares(choice: Choice, draws: int = 1000) -> list[float]:
    uniform = (torch.arange(draws) + 0.5) / draws
    picked = choice.pick(SCORES.expand(draws, -1), uniform)
    return [float((picked == code).float().mean()) for code in range(4)]


def test_codes_are_drawn_as_often_as_their_weights_say() -> None:
    assert shares(Choice()) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=2e-3)


def test_temperature_nothing_takes_the_likeliest() -> None:
    assert shares(Choice(temperature=0.0)) == [1.0, 0.0, 0.0, 0.0]
    assert shares(Choice(temperature=0.5))[0] == pytest.approx(0.25 / 0.365, abs=2e-3)


def test_the_best_few_remain() -> None:
    assert shares(Choice(top_k=2)) == pytest.approx([0.625, 0.375, 0, 0], abs=2e-3)
    assert shares(Choice(top_p=0.7)) == pytest.approx([0.625, 0.375, 0, 0], abs=2e-3)
    assert shares(Choice(top_p=0.01)) == [1.0, 0.0, 0.0, 0.0]
    assert shares(Choice(top_k=9)) == shares(Choice())


def test_numbers_at_the_ends_pick_codes_that_are_left_in() -> None:
    picked = Choice(top_k=2).pick(SCORES.expand(2, -1), torch.tensor([0.0, 1.0]))
    assert picked.tolist() == [0, 1]


def test_guidance_goes_beyond_what_was_told() -> None:
    told, untold = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.6]])
    both, uniform = torch.cat((told, untold)), torch.tensor([0.99])
    assert Choice(temperature=0, guidance=0.0).pick(both, uniform, guided=True).tolist() == [1]
    assert Choice(temperature=0, guidance=2.0).pick(both, uniform, guided=True).tolist() == [0]


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -1}, {"guidance": -0.1}])
def test_settings_that_cannot_be_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Choice(**wrong)  # pyright: ignore[reportArgumentType]


def test_calmed_frames_tremble_less_and_stay_where_they_are() -> None:
    steady = torch.linspace(0, 3, 40)[None, :, None].expand(2, -1, 5).contiguous()
    trembling = steady + 0.1 * torch.tensor([1.0, -1.0]).repeat(20)[:, None]
    calm = calmed(trembling, 0.6)
    assert torch.equal(calmed(trembling, 0.0), trembling)
    inner = slice(4, -4)  # the ends are held, so that a ramp is not straight there
    assert float((calm - steady)[:, inner].abs().max()) < 0.4 * 0.1
    torch.testing.assert_close(calmed(steady, 0.6)[:, inner], steady[:, inner])
