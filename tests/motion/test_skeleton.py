"""`Skeleton`: what it checks and what it works out."""

import pytest
import torch

from kinema.core.errors import SkeletonError, UsageError
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton


def arm(**changes: object) -> Skeleton:
    parts: dict[str, object] = {
        "name": "arms",
        "joints": ("Chest", "LeftArm", "LeftHand", "RightArm", "RightHand"),
        "parents": (-1, 0, 1, 0, 3),
        "offsets": torch.tensor([[0, 0, 0], [0.2, 0, 0], [0.5, 0, 0], [-0.2, 0, 0], [-0.5, 0, 0]]),
    }
    return Skeleton(**(parts | changes))  # type: ignore[arg-type]


def test_mirror_aliases_children_and_sizes_are_found():
    body = arm()
    assert body.mirror == (0, 3, 4, 1, 2)
    assert body.aliases["l_shoulder"] == "LeftArm"
    assert body.children == ((1, 3), (2,), (), (4,), ())
    assert body.height == pytest.approx(1.4)
    assert body.bones == ((0, 1), (1, 2), (0, 3), (3, 4))
    assert body.mirror_axis == 0
    assert body.index("l_wrist") == body.index("LeftHand") == 2
    assert len(body) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parents": (-1, 0, 3, 0, 2)}, r"parents\[2\] == 3"),
        ({"parents": (-1, 0, 1, -1, 3)}, r"parents\[3\] == -1"),
        ({"parents": (-1, 0, 1)}, "3 parents"),
        ({"joints": ("Chest", "LeftArm", "LeftArm", "RightArm", "RightHand")}, "'LeftArm' twice"),
        ({"offsets": torch.full((5, 3), float("nan"))}, "NaN"),
        ({"mirror": (0, 3, 4, 2, 1)}, "its own inverse"),
        ({"aliases": {"l_wrist": "Hand"}}, "Hand"),
    ],
)
def test_what_is_not_well_formed_is_refused(changes, message):
    with pytest.raises(SkeletonError, match=message):
        arm(**changes)


def test_an_unknown_joint_is_named_with_a_suggestion():
    with pytest.raises(UsageError, match="Did you mean LeftHand"):
        arm().index("LeftHnd")


def test_equality_is_of_the_body_and_not_of_the_name():
    assert arm() == arm(name="other")
    assert hash(arm()) == hash(arm(name="other"))
    longer = arm(offsets=arm().offsets * 1.1)
    assert arm() != longer
    assert arm().same_tree(longer)
    assert arm() != skeleton("canon17")
