"""How long a live frame takes: `Forecaster.push` on one core, for every forecaster that is here.

`OMP_NUM_THREADS=1 python -m pytest benchmarks/bench_streaming.py -s` (extra `bench`). The body has 24 joints, the model
another one, so that every answer is carried over; the horizon is what the model was trained for (baselines: 0.4 s).
Folders of runs (an SMRNet, a PoseGPT) are added by KINEMA_STREAM_RUNS, with colons between them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pytest
import torch

from kinema.data.synthetic import perform
from kinema.models.baselines import BASELINES
from kinema.pipeline.open import shipped_models
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.streaming import Forecaster

torch.set_num_threads(1)
RUNS = tuple(filter(None, os.environ.get("KINEMA_STREAM_RUNS", "").split(":")))
FORECASTERS = tuple(name for name in (*BASELINES, *shipped_models(), *RUNS) if "forecast" in open_pipeline(name).verbs)


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("name", FORECASTERS)
def test_push(name: str, fps: int, benchmark: Callable[..., object]) -> None:
    clip = perform("walk", seconds=4.0, fps=fps, seed=3)
    run = open_pipeline(name)
    forecaster = Forecaster.open(run, clip.skeleton, fps, seconds=None if run.trained().trained else 0.4)
    for place in range(3 * fps):
        forecaster.observe(clip[place : place + 1])
    places = itertools.cycle(range(3 * fps, clip.frames))

    def push() -> None:
        place = next(places)
        assert forecaster.push(clip[place : place + 1]) is not None

    benchmark(push)
