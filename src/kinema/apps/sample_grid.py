"""Windows of a stochastic protocol with a model's samples, for a picture."""

from __future__ import annotations

import torch

from kinema.motion.motion import Points
from kinema.protocols.interface import Evaluated
from kinema.protocols.stochastic.windows import FutureWindows
from kinema.viz.grid import GridRow


def sampled_rows(windows: FutureWindows, model: Evaluated, *, rows: int, samples: int, seed: int) -> list[GridRow]:
    """`rows` windows, one action after the other and from the middle of each, with `samples` futures by a model.

    A model answers all of them in one question, so that the same seed gives the same picture.
    """
    chosen = _spread(windows, rows)
    past = windows.past(chosen)
    futures = model.sample(past, windows.predicted, samples, seed).positions
    observed = past.positions - past.positions[..., :1, :]
    found: list[GridRow] = []
    for row, window in enumerate(chosen.tolist()):
        first = int(windows.first[window]) + windows.observed
        truth = windows.positions[first : first + windows.predicted]

        def body(positions: torch.Tensor) -> Points:
            return Points(windows.skeleton, positions, windows.fps)

        title = windows.groups[int(windows.group[window])]
        found.append(GridRow(title, body(observed[row]), body(truth), body(futures[:, row])))
    return found


def _spread(windows: FutureWindows, count: int) -> torch.Tensor:
    """Windows of as many actions as there are, evenly over them."""
    group = windows.group
    places = [(group == each).nonzero()[:, 0] for each in range(len(windows.groups))]
    places = [place for place in places if len(place)]
    turns = -(-count // len(places))
    step = max(1, len(places) // count)
    wanted: list[int] = []
    for turn in range(turns):
        for place in places[::step]:
            wanted.append(int(place[min(len(place) * (2 * turn + 1) // (2 * turns), len(place) - 1)]))
    return torch.tensor(list(dict.fromkeys(wanted))[:count])
