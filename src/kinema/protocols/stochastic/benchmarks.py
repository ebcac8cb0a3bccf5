"""The stochastic benchmarks: their recordings (joint positions, metres) and settings.

`action` is the group of the rows and of the motion distance: the action (Human3.6M, HumanEva) or the data set (AMASS).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from kinema.data.source import Split, missing_data
from kinema.data.sources.amass import ORIGIN, Amass, model_folder
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.protocols.published import AMASS_FUTURES, H36M_FUTURES, HUMANEVA_FUTURES
from kinema.protocols.stochastic.protocol import StochasticProtocol

OPEN_FPS = 50.0


def open_takes(root: str | None, split: Split) -> Iterator[Points]:
    """The canonical seventeen joints of the open packs at 50 Hz; the action is the pack's own label."""
    return OpenMotion(root=root, fps=OPEN_FPS).clips(split)


def h36m_takes(root: str | None, split: Split) -> Iterator[Points]:
    """Human3.6M's seventeen joints at 50 Hz, by action; training is every subject but S9 and S11."""
    return H36MPositions(root=root, validation=()).clips(split)


def humaneva_takes(root: str | None, split: Split) -> Iterator[Points]:
    """HumanEva-I's fifteen joints at 60 Hz, by action."""
    return HumanEvaPositions(root=root).clips(split)


FPS = 60.0
JOINTS = 22  # of SMPL-H: the body without fingers
LEFT_OUT = 150  # frames at the start of every test recording


def amass_takes(root: str | None, split: Split) -> Iterator[Points]:
    """Twenty-two joints of SMPL-H, every subject with its own bones; the action is the data set.

    Every round(rate / 60)-th frame counts as 60 Hz at any rate, as in the published numbers. AMASS is in `root` or its
    folder `amass`, the SMPL-H models in `body_models` beside (`model_folder`). Raises MissingDataError if either is
    missing: other bones give numbers that are not comparable.
    """
    model: Path | None = model_folder(root)
    if model is None:
        raise missing_data("the SMPL-H models beside AMASS (body_models/smplh/GENDER/model.npz)", "none", ORIGIN)
    for clip in Amass(root, body="smplh", model=str(model)).clips(split):
        step = max(1, round(clip.fps / FPS))
        thinned = replace(clip[torch.arange(0, clip.frames, step)], fps=FPS)
        first = LEFT_OUT if split == "test" else 0
        if thinned.frames > first:
            body = clip.skeleton
            few = Skeleton("smplh22", body.joints[:JOINTS], body.parents[:JOINTS], body.offsets[:JOINTS])
            positions = thinned[first:].points().positions[:, :JOINTS].clone()
            yield Points(few, positions, FPS, clip.action, clip.identity)


OPEN_STOCHASTIC = StochasticProtocol(
    name="open-stochastic",
    what="50 futures of 2 s from 0.5 s, on the test splits of CMU and HDM05: anyone can run it",
    takes=open_takes,
    fps=50.0,
    observed=25,
    predicted=100,
    stride=25,
    notes=("No published row is comparable: other recordings, other joints.",),
)
# 17 joints; S9 and S11 are tested.
H36M_STOCHASTIC = StochasticProtocol(
    name="h36m-stochastic",
    what="50 futures of 2 s from 0.5 s on Human3.6M, as published; needs your own licensed copy",
    takes=h36m_takes,
    fps=50.0,
    observed=25,
    predicted=100,
    stride=25,
    published=H36M_FUTURES,
    anchors=(("ADE", 0.597), ("FDE", 0.884), ("MMADE", 0.683), ("MMFDE", 0.909), ("APDE", 8.085), ("CMD", 22.812)),
    options=("classifier",),
    notes=("The literature counts 5187 or 5168 windows here; the reason for the difference is unknown.",),
)
# 15 joints; the validation takes are tested.
HUMANEVA_STOCHASTIC = StochasticProtocol(
    name="humaneva-stochastic",
    what="50 futures of 1 s from 0.25 s on HumanEva-I, as published; needs your own copy",
    takes=humaneva_takes,
    fps=60.0,
    observed=15,
    predicted=60,
    stride=15,
    published=HUMANEVA_FUTURES,
    notes=("HumanMAC's published row draws half of its samples without the observation; see the row below it.",),
)
# 22 joints; seven of its sets are tested. BeLFusion's list predicts from frame 180 on, every 120 frames, so windows
# begin at frame 150: `amass_takes` leaves out the frames before it.
AMASS_STOCHASTIC = StochasticProtocol(
    name="amass-stochastic",
    what="50 futures of 2 s from 0.5 s on AMASS, as published; needs your own licensed copy",
    takes=amass_takes,
    fps=60.0,
    observed=30,
    predicted=120,
    stride=120,
    threshold=0.4,
    published=AMASS_FUTURES,
    anchors=(("ADE", 0.755), ("FDE", 0.992), ("MMADE", 0.814), ("MMFDE", 1.015), ("CMD", 39.262)),
    notes=("The published list has 12727 windows.",),
)
