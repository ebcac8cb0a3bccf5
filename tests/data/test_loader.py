"""The loader: a pure function of (seed, step), for any number of workers and ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import UsageError
from kinema.core.query import Batch
from kinema.data.augment import Augment
from kinema.data.loader import Loader, step_generator
from kinema.data.source import mirrored_classes
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Forecast
from kinema.data.windows import Balance, WindowSet
from kinema.representations.rotations import RootedRotationsConfig
from little_motion import clips, positions, rotations

VARIED = Augment(0.5, 0.5, (0.8, 1.2), (0.9, 1.1), 0.1, 1.0, 0.01)


def loader(
    *frames: int,
    cache: Path | None = None,
    seed: int = 0,
    augment: Augment | None = None,
    balance: Balance = "windows",
    rank: int = 0,
    world: int = 1,
    batch_size: int = 6,
) -> Loader:
    representation = positions()
    windows = WindowSet.build(
        clips(*(frames or (40, 30)), actions=("walk", "run")), "train", representation, cache=cache
    )
    representation.statistics = windows.statistics()
    return Loader(
        windows, representation, Forecast(8, 4), batch_size=batch_size, seed=seed, augment=augment, balance=balance,
        rank=rank, world=world,
    )  # fmt: skip


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.target, other.target) and torch.equal(one.query.observed, other.query.observed)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = loader(augment=VARIED), loader(augment=VARIED)
    late = one.batch(7)
    other.batch(3)
    torch.manual_seed(5)
    assert same(late, other.batch(7))
    assert not same(late, one.batch(8))
    assert not same(late, loader(augment=VARIED, seed=1).batch(7))


def test_batches_are_standardised_windows_of_the_clips() -> None:
    made = loader()
    batch = made.batch(0)
    assert batch.target.shape == (6, 12, 18)
    raw = made.representation.restore(batch.target)
    every = WindowSet.build(clips(40, 30), "train", positions())
    index = every.windows(12)
    assert len(made) == len(index) == 29 + 19
    known = every.gather(index.start, 12)
    for window in raw:
        assert (known - window).abs().amax((1, 2)).min() < 1e-5


def test_every_window_has_its_turn() -> None:
    made = loader(16, 14, batch_size=64)
    observed = {tuple(window[0].tolist()) for step in range(4) for window in made.batch(step).target}
    assert len(made) == 5 + 3
    assert len(observed) == 8


def test_balance_is_how_often_a_window_is_drawn() -> None:
    made = loader(200, 14, balance="actions", batch_size=400)
    batch = made.batch(0)
    short = {tuple(round(x, 4) for x in row.tolist()) for row in made.representation.standardise(
        positions().encode(clips(200, 14).motions[1]))[:3]}  # fmt: skip
    share = np.mean([tuple(round(x, 4) for x in window[0].tolist()) in short for window in batch.target])
    assert 0.4 < share < 0.6


def test_two_ranks_together_see_the_batch_of_one_process() -> None:
    whole = loader(augment=VARIED).batch(3)
    parts = [loader(augment=VARIED, rank=rank, world=2).batch(3) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.target, whole.target[rank::2])
        assert torch.equal(part.query.observed, whole.query.observed[rank::2])


def test_limbs_are_lent_from_rank_to_rank() -> None:
    source = Synthetic(clips_per_action=4, seconds=2.0, actions=("wave", "walk"))
    body = RootedRotationsConfig(source.fps).build(source.skeleton)
    windows = WindowSet.build(source, "train", body)

    def part(rank: int, world: int, graft: float) -> Batch:
        varied = Augment(mirror=0.5, speed=(0.8, 1.2), graft=graft)
        return Loader(
            windows, body, Forecast(8, 4), batch_size=6, seed=0, augment=varied, rank=rank, world=world
        ).batch(3)

    whole = part(0, 1, 0.7)
    for rank in range(3):
        assert torch.equal(part(rank, 3, 0.7).target, whole.target[rank::3])
    assert not torch.equal(whole.target, part(0, 1, 0.0).target)


@pytest.mark.parametrize("mapped", [False, True])
def test_any_number_of_workers_gives_the_same_batches_in_order(tmp_path: Path, mapped: bool) -> None:
    made = loader(augment=VARIED, cache=tmp_path if mapped else None)
    alone = list(made.iterate(2, 7))
    helped = list(made.iterate(2, 7, workers=2))
    assert len(alone) == len(helped) == 5
    assert all(same(one, other) for one, other in zip(alone, helped, strict=True))
    assert same(alone[0], made.batch(2))


def test_short_clips_are_skipped_and_reported() -> None:
    made = loader(40, 11, 12)
    assert [clip.identity for clip in made.skipped] == ["a/1"]
    fast = loader(40, 11, 12, augment=Augment(speed=(1.0, 1.5)))
    assert [clip.identity for clip in fast.skipped] == ["a/1", "a/2"]


def test_no_window_at_all() -> None:
    with pytest.raises(UsageError, match="at least one clip of 12 frames"):
        loader(11, 5)


def test_a_batch_that_cannot_be_shared_out() -> None:
    for rank, world, size in ((0, 4, 6), (2, 2, 6), (0, 1, 0)):
        with pytest.raises(UsageError, match="ranks share"):
            loader(rank=rank, world=world, batch_size=size)


def test_windows_of_another_representation() -> None:
    windows = WindowSet.build(clips(40), "train", positions())
    narrow = type(rotations())(rotations().skeleton, 30.0, ("Hips", "Head"))
    with pytest.raises(UsageError, match="features of 6 numbers"):
        Loader(windows, narrow, Forecast(8, 4), batch_size=2, seed=0)


def test_neighbouring_steps_and_seeds_are_independent() -> None:
    first = {float(torch.rand((), generator=step_generator(seed, step))) for seed in range(10) for step in range(100)}
    assert len(first) > 990
    assert 0.45 < np.mean(list(first)) < 0.55


def test_the_mirror_image_of_a_left_hand_is_labelled_right() -> None:
    assert mirrored_classes(("wave-left-hand", "walk", "turn right", "wave-right-hand", "leftover")) == [3, 1, 2, 0, 4]
    actions = ("wave-left-hand", "wave-right-hand", "walk")
    representation = positions()
    made = WindowSet.build(clips(40, 40, 40, actions=actions), "train", representation)
    windows = WindowSet(made.features, made.clips, actions, made.fps)
    task = Forecast(8, 4, labelled=True)
    plain, mirrored = (
        Loader(windows, representation, task, batch_size=24, seed=0, augment=Augment(mirror=share)).batch(0)
        for share in (0.0, 1.0)
    )
    # The same windows are drawn, each exchanged with its image, and so are the labels.
    assert {int(row.argmax()) for row in plain.query.action} == {0, 1, 2}
    torch.testing.assert_close(mirrored.target, representation.mirror(plain.target))
    assert torch.equal(mirrored.query.action, plain.query.action[:, [1, 0, 2]])
