"""Feet before and after the clean-up, beside recordings: slide, sinking, knees, and what it cost.

`python benchmarks/bench_feet.py` prints the table of docs/results.md. The models' answers are those of the shipped
weights, without clean-up first; the recordings are the samples of the package and procedural motion.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

import kinema as kn
from kinema.data.synthetic import perform
from kinema.motion.feet.clean import clean_feet, clean_retargeted, fastest_knee, lowest_of
from kinema.motion.feet.contacts import contact_points, slide
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.skeletons import skeleton
from kinema.pipeline.forecasting import Answer

GAITS = ("walk", "run", "sneak")
SAMPLES = ("walk", "run", "jump", "dance", "drink", "punch")
Pair = tuple[str, Motion, Motion, float]  # what, before, after, the height of the floor


def recordings() -> Iterator[Pair]:
    for name in SAMPLES:
        clip = kn.sample(name)
        yield ("recordings: walk, run" if name in GAITS else "recordings: other"), clip, clip, 0.0
    for name in ("walk", "run", "jump", "squat"):
        clip = perform(name, seconds=3.0, fps=30.0, seed=3)
        yield "performed: walk, run, jump, squat", clip, clean_feet(clip), 0.0


def generated(model: str) -> Iterator[Pair]:
    pipeline = kn.open(model)
    for action in pipeline.actions:
        what = f"{model}: {'walk, run, sneak' if action in GAITS else 'other'}"
        before, after = (pipeline.generate(action, seconds=2.5, samples=4, seed=7, feet=f) for f in ("keep", "clean"))
        assert isinstance(before, Motion)
        assert isinstance(after, Motion)
        yield from ((what, before.one(i), after.one(i), 0.0) for i in range(4))


def forecast(model: str) -> Iterator[Pair]:
    pipeline = kn.open(model)
    for name in SAMPLES:
        clip = kn.sample(name)
        for start in (30,) if name == "run" else (60, 100, 140):
            answers = [pipeline.forecast(clip[:start], seconds=1.5, samples=2, feet=feet) for feet in ("keep", "clean")]
            before, after = (_future(answer) for answer in answers)
            yield f"{model}: {'walk, run' if name in GAITS else 'other'}", before, after, lowest_of(clip[:start])


def _future(answer: Answer) -> Motion:
    return answer.samples.one(0)


def retargeted() -> Iterator[Pair]:
    walk = kn.sample("walk")
    for name in ("smpl24", "h36m32", "kinema24"):
        moved = retarget(walk, skeleton(name))
        yield "the recorded walk on three bodies", moved, clean_retargeted(moved, walk), 0.0


def pose(clip: Motion) -> Tensor:
    """Positions relative to where the root is on the floor."""
    return clip.points().positions - clip.root[:, None] * torch.tensor([1.0, 0.0, 1.0])


def measured(before: Motion, after: Motion, floor: float) -> list[float]:
    found: list[float] = []
    for clip in (before, after):
        feet = contact_points(clip)
        assert feet is not None
        speed = slide(feet, clip.fps)
        found += [float("nan") if speed is None else speed, 100 * max(0.0, floor - lowest_of(clip)), fastest_knee(clip)]
    change = (pose(after) - pose(before)).norm(dim=-1)
    path = (after.root - before.root)[-1, [0, 2]].norm()
    return [*found, 100 * float(change.mean()), 100 * float(change.max()), 100 * float(path)]


def main() -> None:
    torch.set_num_threads(1)
    rows: dict[str, list[list[float]]] = {}
    models = (generated("posegpt"), generated("action-gan"), forecast("smrnet"), forecast("simlpe-cmu"))
    for pairs in (recordings(), *models, retargeted()):
        for what, before, after, floor in pairs:
            rows.setdefault(what, []).append(measured(before, after, floor))
    print("| clips | slide, m/s | under the floor, cm | fastest knee, rad/s | moved, cm: mean, largest | path, cm |")
    print("|---|---|---|---|---|---|")
    for what, found in rows.items():
        table = torch.tensor(found)
        mean, most = table.nanmean(0), table.nan_to_num(0).amax(0)
        same = what.startswith("recordings")
        cells = [f"{len(found)} {what}"]
        for place, digits in ((0, 2), (1, 1), (2, 1)):
            values = mean if place == 0 else most
            one, two = (f"{float(values[at]):.{digits}f}" for at in (place, place + 3))
            cells.append(one if same else f"{one} -> {two}")
        cells += [""] * 2 if same else [f"{float(mean[6]):.1f}, {float(most[7]):.0f}", f"{float(mean[8]):.0f}"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
