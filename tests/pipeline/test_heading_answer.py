"""A model that says where the body goes: its path is kept, goes on from where the body stood, and fits other bodies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.core.query import Batch, Query
from kinema.data.synthetic import Synthetic
from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.models.base import Model
from kinema.motion import skeletons as catalog
from kinema.motion.edit import facing, resample
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.pipeline.pipeline import Pipeline
from kinema.representations.heading import HeadingRotations

OBSERVED, FPS = 16, 30.0


@dataclass(frozen=True)
class Known:
    """What is going to happen, as features."""

    future: Tensor


class Prophet(Model):
    """Says the future that it was given."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.known = known

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        raise NotImplementedError

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Tensor:
        said = query.observed.clone()
        asked = said.shape[1] - OBSERVED
        said[:, OBSERVED:] = self.known.future[:asked]
        return said.expand(samples, *said.shape)


def walk(angle: float = 0.7) -> Motion:
    """A walk that begins away from the origin and goes in a slanting direction."""
    source: Any = Synthetic(clips_per_action=1, seconds=4.0, fps=FPS, actions=("walk",))
    clip = next(iter(source.clips("train")))
    turned = axis_angle_to_rotmat("Y", torch.tensor(angle))
    rotations = clip.rotations.clone()
    rotations[:, 0] = turned @ rotations[:, 0]
    return Motion(clip.skeleton, rotations, clip.root @ turned.T + torch.tensor([3.0, 0.0, -2.0]), clip.fps)


def prophet(truth: Motion, start: int) -> Pipeline:
    representation = HeadingRotations(catalog.skeleton("kinema24"), FPS)
    same = truth.skeleton.same_tree(representation.skeleton)
    known = truth if same else retarget(truth, representation.skeleton, by="directions")
    return Pipeline.of(
        "prophet",
        Prophet(Known(representation.encode(known)[start:])),
        representation,
        observed=OBSERVED,
        trained=48,
    )


def test_a_forecast_that_repeats_the_truth_follows_its_path() -> None:
    truth = walk()
    answer = prophet(truth, 60).forecast(truth[:60], seconds=1.5, samples=2, feet="keep")
    for sample in range(2):
        ahead = answer.samples.one(sample)
        torch.testing.assert_close(ahead.root, truth.root[60:105], atol=2e-3, rtol=0)
        torch.testing.assert_close(ahead.points().positions, truth.points().positions[60:105], atol=5e-3, rtol=0)
    assert float((truth.root[104] - truth.root[59]).norm()) > 0.5  # it does go somewhere


@pytest.mark.parametrize("skeleton", ["cmu38", "smpl24"])
def test_it_does_so_on_a_body_of_another_kind(skeleton: str) -> None:
    truth = retarget(walk(), catalog.skeleton(skeleton), by="directions")
    ahead = prophet(truth, 60).forecast(truth[:60], seconds=1.5, feet="keep").samples.one(0)
    assert ahead.skeleton.joints == truth.skeleton.joints
    assert float((ahead.root - truth.root[60:105]).norm(dim=-1).max()) < 0.03
    assert float((ahead.points().positions - truth.points().positions[60:105]).norm(dim=-1).mean()) < 0.03


@pytest.mark.parametrize("skeleton", ["cmu38", "kinema24"])
def test_a_body_whose_offsets_move_keeps_the_last_ones(skeleton: str) -> None:
    """As in files with positions on every joint (Bandai-Namco's)."""
    truth = retarget(walk(), catalog.skeleton(skeleton), by="directions")
    still = prophet(truth, 60).forecast(truth[:60], seconds=0.5, feet="keep").samples
    moving = replace(truth, offsets=truth.skeleton.offsets.expand(truth.frames, -1, -1).clone())
    ahead = prophet(truth, 60).forecast(moving[:60], seconds=0.5, feet="keep").samples
    assert ahead.offsets is not None
    torch.testing.assert_close(ahead.points().positions, still.points().positions, atol=1e-5, rtol=0)


def test_at_the_users_rate_nothing_jumps_at_the_seam() -> None:
    truth = walk()
    clip = truth[:60]
    whole = prophet(truth, 60).forecast(resample(clip, 75.0), seconds=1.0, feet="keep").whole()
    assert whole.fps == 75.0
    step = whole.root.diff(dim=0).norm(dim=-1)
    seam = resample(clip, 75.0).frames
    assert float(step[seam - 2 : seam + 3].max()) < 1.5 * float(step[:seam].max())
    turned = torch.remainder(facing(whole[seam : seam + 1]) - facing(clip[-1:]) + torch.pi, 2 * torch.pi) - torch.pi
    assert float(turned.abs()) < 0.1
