"""What looks wrong with a clip: the warnings of `kinema info`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.rotations import angle_between
from kinema.io.bvh.units import STANDING, UNITS
from kinema.motion.feet.contacts import contact_points, foot_contacts, slide
from kinema.motion.motion import Clip, Motion
from kinema.motion.skeleton import Skeleton

_FLIP = 1.0  # radians in one frame: no body turns a joint so fast, but a bad solver or an Euler flip does
_BELOW = 0.05  # metres under the ground that are worth a word
_ABOVE = 0.15  # metres over the ground at which feet float
_FAST = 15.0  # metres per second: faster than anybody runs
_BENT = 0.05  # metres from the line of a straight leg at which a knee is bent


@dataclass(frozen=True)
class Feet:
    """How the feet meet the floor, y = 0: metres per second while they stand (`contacts.slide`), and metres off it.

    `stand` is the share of the frames in which a foot stands, `floats` how high the lower foot is when it is lowest,
    `sinks` how far below the floor the body goes.
    """

    stand: float
    slides: float | None
    floats: float
    sinks: float


def feet_of(clip: Clip) -> Feet | None:
    """How the feet of one clip meet the floor; None where they are not known by name."""
    feet = contact_points(clip)
    if feet is None:
        return None
    low = clip.points().positions[:, _hung_on_body(clip.skeleton), 1]
    return Feet(
        float(foot_contacts(clip).any(-1).float().mean()),
        slide(feet, clip.fps),
        max(float(feet[..., 1].amin(-1).quantile(0.05)), 0.0),
        max(-float(low.min()), 0.0),
    )


def findings(clip: Clip, up: str, height: float) -> list[str]:
    """What looks wrong with one clip, a sentence each: unit, up axis, jumps, floor, knees.

    `up` is the axis along which the body stands ("y", "-z" ...), `height` its extent along it in metres.
    """
    found: list[str] = []
    if not STANDING[0] <= height <= STANDING[1] and clip.points().positions.shape[-1] == 3:
        scales = ", ".join(f"{metres:.6g} ({name})" for name, metres in UNITS.items())
        found.append(f"a height of {height:.3g} m is unusual; if the unit is wrong, give --unit in metres: {scales}")
    if up != "y":
        found.append(f"the body stands along {up}, but kinema takes y to be up; say --up {up}")
    if isinstance(clip, Motion) and clip.frames > 2:
        found += _jumps(clip)
    if clip.points().positions.shape[-1] == 3:
        found += _leaps(clip, height)
        if up == "y":
            found += [*_floor(clip), *_knees(clip)]
    return found


def _jumps(clip: Motion) -> list[str]:
    """A first frame that is not part of the motion, and joints that turn faster than any body does."""
    steps: Float[Tensor, "step joint"] = angle_between(clip.rotations[1:], clip.rotations[:-1])
    found: list[str] = []
    first, usual = steps[0], steps[1:].median(0).values
    if float(first.max()) > 0.3 and float(first.mean()) > 5 * float(usual.mean()) + 0.01:
        found.append(
            f"the first frame looks like a rest pose (T-pose): joints turn {float(first.max()):.1f} rad after it. "
            "Drop it before you train or measure"
        )
        steps = steps[1:]
    flips = steps > _FLIP
    if bool(flips.any()):
        names = [clip.skeleton.joints[joint] for joint in range(len(clip.skeleton)) if bool(flips[:, joint].any())]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        count = int(flips.any(1).sum())
        found.append(
            f"{count} {'frame turns' if count == 1 else 'frames turn'} a joint by more than {_FLIP:g} rad at once "
            f"({', '.join(names[:3])}{more}): flips, or a dropped frame"
        )
    return found


def _leaps(clip: Clip, height: float) -> list[str]:
    """Frames in which the whole body is suddenly elsewhere."""
    if clip.frames < 3:
        return []
    middle = clip.points().positions.mean(-2)
    speed = (middle[1:] - middle[:-1]).norm(dim=-1) * clip.fps
    leaps = (speed > _FAST * max(1.0, height)) & (speed > 10 * speed.median())
    if not bool(leaps.any()):
        return []
    first = int(leaps.nonzero()[0, 0]) + 1
    return [
        f"the body jumps by {float(speed[first - 1]) / clip.fps:.2f} m at frame {first}"
        f"{f' and in {int(leaps.sum()) - 1} more' if int(leaps.sum()) > 1 else ''}: a cut, or a dropped frame"
    ]


def _floor(clip: Clip) -> list[str]:
    """A body that sinks into the floor, or that never comes down to it."""
    body, positions = clip.skeleton, clip.points().positions
    hung = _hung_on_body(body)
    lowest, joint = positions[..., hung, 1].amin(0).min(0)
    if float(lowest) < -_BELOW:
        return [f"'{body.joints[hung[int(joint)]]}' goes {-float(lowest):.2f} m below the floor (y = 0)"]
    feet = [body.index(name) for name in ("l_toe", "r_toe", "l_ankle", "r_ankle") if name in body.aliases]
    if not feet:
        return []
    above = float(positions[..., feet, 1].amin(-1).quantile(0.05))
    # An ankle without toes is a hand's breadth above its sole.
    if above > _ABOVE + (0.0 if len(feet) == 4 else 0.1):
        return [f"the feet never come nearer to the floor (y = 0) than {above:.2f} m: the body floats, or y is not 0"]
    return []


def _hung_on_body(body: Skeleton) -> list[int]:
    """All joints but those above the hips: a root may lie on the ground, and under it."""
    top = 0
    while len(body.children[top]) == 1:
        top = body.children[top][0]
    return list(range(top, len(body)))


def _knees(clip: Clip) -> list[str]:
    """Knees that bend the wrong way for much of the clip: left and right exchanged, or a solver that flipped them."""
    body, positions = clip.skeleton, clip.points().positions
    wrong: list[str] = []
    if not {f"{s}_{part}" for s in "lr" for part in ("hip", "knee", "ankle")} <= set(body.aliases):
        return []
    across = positions[:, body.index("l_hip")] - positions[:, body.index("r_hip")]
    for side in ("l", "r"):
        hip, knee, ankle = (positions[:, body.index(f"{side}_{part}")] for part in ("hip", "knee", "ankle"))
        line = torch.nn.functional.normalize(ankle - hip, dim=-1)
        out = (knee - hip) - ((knee - hip) * line).sum(-1, keepdim=True) * line
        ahead = torch.nn.functional.normalize(torch.linalg.cross(across, -line, dim=-1), dim=-1)
        bent = out.norm(dim=-1) > _BENT
        back = bent & ((out * ahead).sum(-1) < -0.7 * out.norm(dim=-1))
        if int(back.sum()) > max(2, 0.1 * int(bent.sum())):
            wrong.append(f"{body.joints[body.index(f'{side}_knee')]} in {int(back.sum())} frames")
    return [f"knees bend backwards: {', '.join(wrong)}; flipped by a solver, or left is right"] if wrong else []
