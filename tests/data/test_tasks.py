"""What a task lets a model see: a prefix, and nothing of the raw clip behind it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from kinema.core.query import Query
from kinema.data.loader import Loader
from kinema.data.tasks import Forecast, known_frames
from kinema.data.windows import WindowSet
from kinema.representations.base import Representation
from little_motion import BODY, Clips, clips, positions, rotations, smooth_motion


def same(one: Query, other: Query) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Query)]
    return all(a is b is None or torch.equal(a, b) for a, b in pairs)


def test_forecast_shows_the_prefix_and_asks_for_the_rest() -> None:
    window = torch.randn(3, 7, 18)
    batch = Forecast(5, 2).batch(window, positions())
    assert torch.equal(batch.target, window)
    assert torch.equal(batch.query.observed[:, :5], window[:, :5])
    assert not batch.query.observed[:, 5:].any()
    assert batch.query.confidence.shape == (3, 7, len(BODY))
    assert batch.query.observed_frames().tolist() == [[True] * 5 + [False] * 2] * 3
    assert torch.allclose(batch.query.time[0], torch.arange(7) / 30)
    assert batch.query.valid.all()


def test_known_frames_may_differ_from_window_to_window() -> None:
    known = torch.tensor([[True, False, True], [False, True, True]])
    query = known_frames(torch.ones(2, 3, 18), known, positions())
    assert torch.equal(query.observed_frames(), known)
    assert torch.equal(query.observed.bool().all(-1), known)


@pytest.mark.parametrize("representation", [positions(), rotations()], ids=["positions", "rotations"])
def test_changing_unobserved_raw_frames_does_not_change_the_query(representation: Representation) -> None:
    task = Forecast(8, 4)
    clip = smooth_motion(task.frames, identity="a/0")
    other = smooth_motion(task.frames, seed=9)
    changed = replace(
        clip,
        rotations=torch.cat((clip.rotations[: task.observed], other.rotations[task.observed :])),
        root=torch.cat((clip.root[: task.observed], other.root[task.observed :] + 5)),
    )
    # The same statistics for both, as a checkpoint would hold them.
    representation.statistics = WindowSet.build(clips(60, 90), "train", representation).statistics()
    batches = [
        Loader(
            WindowSet.build(Clips((motion,)), "train", representation), representation, task, batch_size=4, seed=1
        ).batch(0)
        for motion in (clip, changed)
    ]
    assert same(batches[0].query, batches[1].query)
    assert not torch.equal(batches[0].target, batches[1].target)
    assert torch.equal(batches[0].target[:, : task.observed], batches[1].target[:, : task.observed])
