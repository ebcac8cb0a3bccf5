"""Forecasts of recordings on a body that no model knows, beside standing still.

`python benchmarks/bench_forecast.py --data DIR [--pack hdm05] [--split test] [--label walk]`

Each window is asked as a user asks it: a clip of one second, on its own skeleton and rate. Errors are mean distances of
the canonical joints in the pelvis' own frame, mm; "cpu" is the processor time of one answer in milliseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import torch

import kinema as kn
from kinema.data.source import Split
from kinema.data.sources.packs import LabelledPack
from kinema.motion.edit import resample, root_free
from kinema.motion.motion import Motion
from kinema.motion.names import CANON17

HORIZONS = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0)
RATE = 30.0


def windows(data: str, pack: str, split: Split, label: str, every: float, most: int) -> list[tuple[Motion, Motion]]:
    """Pasts of a second with the second after them (two where the recording is long enough)."""
    found: list[tuple[Motion, Motion]] = []
    for clip in LabelledPack(pack, data, clean_only=True).clips(split):
        if label in (clip.action or ""):
            found += _cut(resample(clip, RATE), every)
    chosen = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:most].sort().values
    return [found[int(place)] for place in chosen]


def _cut(clip: Motion, every: float) -> Iterator[tuple[Motion, Motion]]:
    past = round(RATE)
    for start in range(0, clip.frames - 2 * past, round(every * RATE)):
        yield clip[start : start + past], clip[start + past : start + past + round(HORIZONS[-1] * RATE)]


def places(clip: Motion) -> torch.Tensor:
    """Canonical joints in the pelvis' frame, metres."""
    return root_free(clip).points().positions[:, clip.skeleton.indices(CANON17)]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True)
    parser.add_argument("--pack", default="hdm05")
    parser.add_argument("--split", default="test")
    parser.add_argument("--label", default="")
    parser.add_argument("--every", type=float, default=0.5)
    parser.add_argument("--most", type=int, default=150)
    parser.add_argument("--models", nargs="+", default=["simlpe-cmu", "smrnet", "conv-seq2seq-cmu"])
    given = parser.parse_args()
    asked = windows(given.data, given.pack, given.split, given.label, given.every, given.most)
    print(f"{len(asked)} windows of {given.pack}, {given.split} {given.label}")
    print(f"{'':24}" + "".join(f"{horizon:8.1f} s" for horizon in HORIZONS) + "       cpu")
    for name in ("zero-velocity", *given.models):
        pipeline = kn.open(name)
        errors: list[torch.Tensor] = []
        begun = time.process_time()
        futures = [pipeline.forecast(past, seconds=HORIZONS[-1]).samples.one(0) for past, _ in asked]
        cost = 1000 * (time.process_time() - begun) / len(asked)
        for future, (_, truth) in zip(futures, asked, strict=True):
            apart = 1000 * (places(future)[: truth.frames] - places(truth)).norm(dim=-1).mean(-1)
            errors.append(torch.cat((apart, apart.new_full((len(futures[0].root) - len(apart),), torch.nan))))
        mean = torch.stack(errors).nanmean(0)
        cells = "".join(f"{float(mean[round(horizon * RATE) - 1]):10.1f}" for horizon in HORIZONS)
        print(f"{name:24}{cells}{cost:10.0f}")


if __name__ == "__main__":
    main()
