"""The recordings of the stochastic benchmark on AMASS, as BeLFusion cut them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from kinema.data.source import Split, missing_data
from kinema.data.sources.amass import ORIGIN, Amass, model_folder
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.protocols.stochastic.licensed import amass_stochastic

FPS = 60.0
JOINTS = 22  # of SMPL-H: the body without fingers
LEFT_OUT = 150  # frames at the start of every test recording: the list predicts from frame 180 on


def amass_takes(root: str | None, split: Split) -> Iterator[Points]:
    """Twenty-two joints of SMPL-H, every subject with its own bones; the action is the data set.

    Every round(rate / 60)-th frame is taken for 60 Hz, whatever the rate: so were the published numbers made. AMASS
    lies in `root` or in `amass` below it, the SMPL-H models in `body_models` beside (`model_folder`). Raises
    MissingDataError where either is not there: on other bones the numbers mean nothing beside the published ones.
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


AMASS = amass_stochastic(amass_takes)
