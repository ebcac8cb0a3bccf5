"""`GapReading`: which gaps there are, what it is shown, and what it may change."""

from __future__ import annotations

import torch

from kinema.models.render_in_between.gap_network import GapReading, Gaps
from kinema.models.render_in_between.keyframes import Keyframes
from kinema.models.render_in_between.whitening import Colouring, Whitening


def known(*frames: int, of: int = 12) -> torch.Tensor:
    mask = torch.zeros(1, of, dtype=torch.bool)
    mask[:, list(frames)] = True
    return mask


def reading(width: int = 4) -> GapReading:
    torch.manual_seed(0)
    return GapReading(width, 2, None, hidden=16, layers=1, sines=3, terms=(24, 12), dropout=0.0).eval()


def cubic(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    time = torch.arange(values.shape[1])[None].expand(len(values), -1) / 30.0
    keys = Keyframes(mask[..., None].expand(-1, -1, 2), time, torch.tensor([0, 0, 1, 1]))
    return keys.cubic(torch.where(mask[..., None], values, 0.0), monotone=False)


def test_gaps_lie_between_two_keys() -> None:
    gaps = Gaps.of(torch.cat((known(1, 2, 5, 9), known(), known(3), known(0, 11))))
    assert gaps.row.tolist() == [0, 0, 3]
    assert gaps.left.tolist() == [2, 5, 0]
    assert gaps.right.tolist() == [5, 9, 11]
    assert gaps.inside.sum(1).tolist() == [2, 3, 10]
    assert gaps.frames[1, :3].tolist() == [6, 7, 8]
    assert gaps.way()[0, 0] == torch.tensor(1 / 3)


def test_only_frames_in_gaps_are_changed_and_untrained_none() -> None:
    values, mask, time = torch.randn(1, 12, 4), known(1, 2, 5, 9), torch.arange(12.0)[None] / 30
    model, curve = reading(), cubic(values, mask)
    assert torch.equal(model(curve, mask, time), curve)
    for weight in model.leave.parameters():
        torch.nn.init.normal_(weight)
    changed = (model(curve, mask, time) != curve).any(-1)[0]
    assert changed.tolist() == [frame in (3, 4, 6, 7, 8) for frame in range(12)]


def test_hidden_frames_and_what_lies_behind_other_rows_do_not_matter() -> None:
    mask, time = torch.cat((known(1, 2, 9), known(0, 11))), (torch.arange(12.0) / 30).expand(2, -1)
    values = torch.randn(2, 12, 4)
    model = reading()
    for weight in model.leave.parameters():
        torch.nn.init.normal_(weight)
    both = model(cubic(values, mask), mask, time)
    alone = model(cubic(values[:1], mask[:1]), mask[:1], time[:1])
    assert torch.allclose(both[:1], alone, atol=1e-6)
    hidden = torch.where(mask[..., None], values, values + 5)
    assert torch.equal(model(cubic(hidden, mask), mask, time), both)


def test_what_is_measured_is_what_gaps_lack() -> None:
    """Of windows that all differ from their cubic by one sine, that sine is the one direction there is."""
    mask, time = known(0, 1, 10, 11), torch.arange(12.0)[None] / 30
    wave = torch.zeros(12, 4)
    wave[2:10, 3] = torch.sin(torch.pi * torch.arange(1, 9) / 9)
    model, questions = reading(), []
    for amount in torch.linspace(-1, 1, 8):
        curve = cubic(torch.zeros(1, 12, 4), mask)
        questions.append((curve, mask, time, curve + amount * wave))
    model.measure(questions)
    first = model.off.up[0].unflatten(0, (3, 4)).abs()
    assert first.argmax() == 3
    assert (first > 1e-3 * first.max()).sum() == 1


def test_whitened_numbers_have_deviation_one_and_no_mean() -> None:
    mixed = torch.randn(4000, 5) @ torch.randn(5, 9) * torch.tensor([100.0, *[1.0] * 8]) + 3
    whitening = Whitening(9, 5)
    whitening.measure(mixed)
    terms = whitening(mixed)
    assert torch.allclose(terms.mean(0), torch.zeros(5), atol=1e-3)
    assert torch.allclose(terms.T @ terms / 4000, torch.eye(5), atol=1e-2)


def test_few_samples_fill_no_more_directions_than_they_span() -> None:
    """Which directions come beside them would be the choice of this machine's linear algebra."""
    whitening = Whitening(9, 5)
    whitening.measure(torch.randn(3, 9) + 7)
    assert (whitening.down[:, :2].norm(dim=0) > 0).all()
    assert (whitening.down[:, 2:] == 0).all()


def test_colours_are_the_directions_of_what_was_measured() -> None:
    samples = torch.randn(4000, 2) @ torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    colouring = Colouring(3, 2)
    colouring.measure(samples)
    assert torch.allclose(colouring.up.abs(), torch.tensor([[3.0, 0, 0], [0, 0, 0.5]]), atol=0.1)
    assert colouring(torch.eye(2)).shape == (2, 3)
    empty = Colouring(3, 2)
    empty.measure(torch.zeros(0, 3))
    assert torch.equal(empty.up, torch.eye(2, 3))
