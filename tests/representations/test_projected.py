"""The camera's view of a body: a case worked by hand, the mirror, and what is 2-D already."""

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import Synthetic
from kinema.motion.edit import mirror
from kinema.motion.motion import Points
from kinema.representations.picture import ViewedPositions, ViewedPositionsConfig


def walk():
    return next(iter(Synthetic(clips_per_action=1, seconds=1.0, actions=("walk",)).clips("train")))


def test_a_hand_before_the_body_looks_larger() -> None:
    clip = walk()
    view = ViewedPositionsConfig(clip.fps, distance=4.0).build(clip.skeleton)
    positions = torch.zeros(1, len(clip.skeleton), 3)
    positions[0, :, 2] = 7.0  # where the body stands is nothing to the camera
    positions[0, 5] = torch.tensor([0.3, 0.6, 8.0])  # a metre nearer to it
    observed = view.encode(Points(clip.skeleton, positions, clip.fps)).view(-1, 2)
    assert torch.allclose(observed[4], torch.tensor([0.4, 0.8]))
    assert torch.count_nonzero(observed) == 2


def test_the_mirrored_motion_is_seen_as_the_mirrored_view() -> None:
    clip = walk()
    view = ViewedPositionsConfig(clip.fps).build(clip.skeleton)
    assert torch.allclose(view.mirror(view.encode(clip)), view.encode(mirror(clip)), atol=1e-5)
    assert torch.equal(view.mirror(view.mirror(view.encode(clip))), view.encode(clip))


def test_what_is_flat_already_is_only_centred_and_comes_back() -> None:
    clip = walk()
    view = ViewedPositionsConfig(clip.fps).build(clip.skeleton)
    flat = Points(clip.skeleton, torch.randn(6, len(clip.skeleton), 2), clip.fps)
    back = view.decode(view.encode(flat)).positions
    assert torch.allclose(back, flat.positions - flat.positions[:, :1], atol=1e-6)


def test_joints_that_were_left_out_lie_where_their_parent_does() -> None:
    clip = walk()
    names = clip.skeleton.joints
    chosen = [names[j] for j in range(1, len(names)) if clip.skeleton.mirror[j] != j]
    points = ViewedPositions(clip.skeleton, clip.fps, chosen, 4.0)
    assert points.decode(points.encode(clip)).positions[:, 0].abs().max() == 0


def test_one_side_alone_and_no_distance_are_refused() -> None:
    skeleton = walk().skeleton
    left = next(j for j in range(len(skeleton)) if skeleton.mirror[j] != j)
    with pytest.raises(UsageError, match="mirror"):
        ViewedPositions(skeleton, 30.0, [skeleton.joints[left]], 4.0)
    with pytest.raises(UsageError, match="distance"):
        ViewedPositions(skeleton, 30.0, skeleton.joints[1:], 0.0)
