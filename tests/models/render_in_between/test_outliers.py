"""`Judging`: what it says at first, that it learns what is wrong, and that exact keys are never judged."""

from __future__ import annotations

import torch

from kinema.core.query import Query, even_time
from kinema.models.render_in_between.outliers import Judging, Observed

SOURCE = torch.tensor([0, 0, 1, 1])
FRAMES = 40


def windows(seed: int, confidence: float = 0.5) -> tuple[Observed, torch.Tensor, torch.Tensor]:
    """Lines with a little noise, of which a tenth is far off: what is seen, the truth, and which are wrong."""
    generator = torch.Generator().manual_seed(seed)
    slope = torch.randn(8, 1, 4, generator=generator)
    truth = slope * torch.linspace(0, 1, FRAMES)[None, :, None]
    wrong = torch.rand(8, FRAMES, 2, generator=generator) < 0.1
    noise = 0.01 * torch.randn(8, FRAMES, 4, generator=generator)
    noise = noise + wrong[..., SOURCE] * 0.3 * torch.randn(8, FRAMES, 4, generator=generator).sign()
    query = Query(
        truth + noise,
        torch.full((8, FRAMES, 2), confidence),
        even_time(FRAMES, 30.0, 8),
        torch.ones(8, FRAMES, dtype=torch.bool),
        torch.zeros(8, 0),
    )
    return Observed.of(query, torch.arange(2), SOURCE, None), truth, wrong


def test_untrained_everything_counts_by_its_trust() -> None:
    observed, _, _ = windows(0)
    judging = Judging(SOURCE, 0.025)
    change, offs = judging(observed)
    assert not change.any()
    assert torch.allclose(judging.counting(observed, change), torch.tensor(0.25))
    assert torch.allclose(judging.spread(observed, change).exp(), torch.tensor(0.05))
    assert len(offs) == 4


def test_it_learns_what_is_wrong() -> None:
    torch.manual_seed(0)
    judging = Judging(SOURCE, 0.025)
    optimiser = torch.optim.Adam(judging.parameters(), 1e-2)
    for step in range(120):
        observed, truth, _ = windows(1 + step)
        loss = judging.unlikely(observed, judging(observed)[0], truth).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    observed, _, wrong = windows(0)
    with torch.inference_mode():
        spread = judging.spread(observed, judging(observed)[0]).exp()
    assert float(spread[wrong].median()) > 0.15
    assert float(spread[~wrong].median()) < 0.03
    assert float((spread[wrong][:, None] > spread[~wrong]).float().mean()) > 0.98  # the area under the curve


def test_exact_keys_count_as_they_are() -> None:
    observed, _, _ = windows(0, confidence=1.0)
    judging = Judging(SOURCE, 0.025)
    assert torch.equal(judging.counting(observed, torch.full((8, FRAMES, 2), -5.0)), torch.ones(8, FRAMES, 2))
