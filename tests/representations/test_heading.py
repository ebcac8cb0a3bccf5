"""Rotations seen from the heading: what goes in comes out, wherever it was recorded, and a mirror is a mirror."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.sources.packs import RotationPack
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.edit import mirror, rotate, shift
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.representations.heading import HeadingRotations, HeadingRotationsConfig


def walk(seconds: float = 2.0) -> Motion:
    return perform("walk", seconds=seconds, fps=30.0, seed=3)


def of(clip: Motion) -> HeadingRotations:
    return HeadingRotationsConfig(fps=30.0).build(clip.skeleton)


def wild(clip: Motion) -> Motion:
    """Any rotations at all, of the clip's skeleton."""
    generator = torch.Generator().manual_seed(1)
    turned = rotvec_to_rotmat(torch.randn(clip.frames, len(clip.skeleton), 3, generator=generator))
    return Motion(clip.skeleton, turned, torch.randn(clip.frames, 3, generator=generator), 30.0)


@pytest.mark.parametrize("wildly", [False, True])
def test_decode_undoes_encode_up_to_where_it_began(wildly: bool) -> None:
    clip = wild(walk()) if wildly else walk()
    representation = of(clip)
    features = representation.encode(clip)
    assert features.shape == (clip.frames, representation.width) == (clip.frames, 6 * len(clip.skeleton) + 4)
    assert len(representation.token_of_feature) == representation.width
    again = representation.decode(features)
    start = representation.heading(clip)[0]
    here = rotate(shift(clip, clip.root[0] * torch.tensor([-1.0, 0.0, -1.0])), -start)
    assert torch.allclose(again.rotations, here.rotations, atol=1e-5)
    assert torch.allclose(again.root, here.root, atol=1e-5 if not wildly else 1e-4)


def test_the_place_and_the_direction_of_a_recording_do_not_matter() -> None:
    clip = walk()
    moved = shift(rotate(clip, torch.tensor(2.5)), torch.tensor([4.0, 0.0, -1.0]))
    representation = of(clip)
    assert torch.allclose(representation.encode(moved), representation.encode(clip), atol=2e-4)


def test_the_first_frame_moves_as_the_second() -> None:
    features = of(walk()).encode(walk())
    assert torch.equal(features[0, -4:-1], features[1, -4:-1])
    assert float(features[0, -2]) > 0.3  # ahead, in metres per second
    assert torch.equal(of(walk()).encode(walk()[:1])[0, -4:-1], torch.zeros(3))


def test_a_frame_tells_nothing_of_those_after_it() -> None:
    clip, representation = walk(), of(walk())
    assert torch.equal(representation.encode(clip)[:9], representation.encode(clip[:9]))


@pytest.mark.parametrize("wildly", [False, True])
def test_a_mirror_is_exact(wildly: bool) -> None:
    clip = wild(walk()) if wildly else walk()
    representation = of(clip)
    features = representation.encode(clip)
    assert torch.equal(representation.mirror(representation.mirror(features)), features)
    assert torch.allclose(representation.mirror(features), representation.encode(mirror(clip)), atol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("pack", ["cmu_bvh", "bandai2"])
def test_real_bodies_come_back_and_mirror_too(pack: str, shared_data: Path) -> None:
    clip = next(RotationPack(pack, str(shared_data)).clips("test"))
    representation = HeadingRotations(clip.skeleton, clip.fps)
    features = representation.encode(clip)
    again = representation.encode(representation.decode(features))
    assert torch.allclose(again[1:], features[1:], atol=2e-3)
    assert torch.allclose(representation.mirror(features), representation.encode(mirror(clip)), atol=2e-3)


def test_the_path_has_gradients_and_batches() -> None:
    clip = walk()
    features = of(clip).encode(clip)[None].repeat(2, 1, 1).requires_grad_()
    of(clip).decode(features).points().positions[:, -1].sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert (features.grad[:, 1:, -2] != 0).all()  # every step forwards moves the last frame
    assert (features.grad[:, 0, -4:-1] == 0).all()


def test_chosen_joints_must_come_in_pairs_and_the_root_has_a_side() -> None:
    body = walk().skeleton
    left = next(name for name, other in zip(body.joints, body.mirror, strict=True) if body.joints[other] != name)
    with pytest.raises(UsageError, match="mirror of each"):
        HeadingRotationsConfig(fps=30.0, joints=(left,)).build(body)
    pair = (left, body.joints[body.mirror[body.index(left)]])
    chosen = HeadingRotationsConfig(fps=30.0, joints=pair).build(body)
    assert chosen.width == 6 * 3 + 4
    assert chosen.decode(chosen.encode(walk())).frames == walk().frames
    stick = Skeleton("stick", ("a", "b"), (-1, 0), torch.tensor([[0, 0, 0], [0, 1.0, 0]]))
    with pytest.raises(UsageError, match="hips or shoulders"):
        HeadingRotationsConfig(fps=30.0).build(stick)
