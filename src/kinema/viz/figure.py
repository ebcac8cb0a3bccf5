"""How a skeleton is drawn: its bones, their sides and thickness, and the head.

Works for any skeleton: a body without known sides has the colour of the spine, one without a known head has no head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from kinema.motion.motion import Points
from kinema.motion.names import side_and_stem
from kinema.motion.orientation import body_joints
from kinema.motion.skeleton import Skeleton
from kinema.viz.style import Side

Radii = Float[np.ndarray, " joint"]

# Radius of the limb at a joint, as a share of the body's height.
_RADIUS = {
    "pelvis": 0.026, "spine": 0.026, "chest": 0.026, "neck": 0.017, "head": 0.015, "hip": 0.026, "knee": 0.0185,
    "ankle": 0.0125, "shoulder": 0.0195, "elbow": 0.0145, "wrist": 0.0105,
}  # fmt: skip
_FACE = ("eye", "ear", "nose", "jaw")
_HEAD_RADIUS = 0.06
_LEG_SHARE = 0.465  # of the body's height, from the hip to the ankle
_LONGEST_WAY_SHARE = 0.78  # height over the longest way along the bones, from a toe to a hand


@dataclass(frozen=True)
class Bone:
    """A bone from a parent to a joint, drawn as a tapered capsule. Radii in metres."""

    parent: int
    joint: int
    radius_parent: float
    radius_joint: float


@dataclass(frozen=True)
class Chain:
    """Bones that are drawn together: one limb, or the middle line."""

    side: Side
    bones: tuple[Bone, ...]


@dataclass(frozen=True)
class Trunk:
    """The filled hull of the discs around some joints; `radius` in metres."""

    joints: tuple[int, ...]
    radius: float


@dataclass(frozen=True)
class Head:
    """A ball at `first + weight * (second - first)`, both joints; `radius` in metres."""

    first: int
    second: int
    weight: float
    radius: float

    def centre(self, pose: Float[np.ndarray, "*batch joint 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Where the ball is, metres."""
        first, second = pose[..., self.first, :], pose[..., self.second, :]
        return first + self.weight * (second - first)


@dataclass(frozen=True)
class Figure:
    """How to draw a body of one skeleton.

    `stature`: standing height, metres; `sole`: distance from the lowest joint to the ground; `pelvis`: the joint that a
    camera follows; `trunk`: shoulders and hips, whose hull is filled.
    """

    chains: tuple[Chain, ...]
    trunk: Trunk | None
    head: Head | None
    stature: float
    sole: float
    pelvis: int

    @property
    def bones(self) -> tuple[Bone, ...]:
        """Every bone that is drawn."""
        return tuple(bone for chain in self.chains for bone in chain.bones)

    @property
    def joints(self) -> list[int]:
        """Every drawn joint, in order; others (a root on the floor, fingers) do not affect the picture."""
        used = {joint for bone in self.bones for joint in (bone.parent, bone.joint)}
        used |= set(self.trunk.joints) if self.trunk else set[int]()
        used |= {self.head.first, self.head.second} if self.head else set[int]()
        return sorted(used or {self.pelvis})


def space(points: Points) -> Float[np.ndarray, "body frame joint 3"]:
    """Positions as numpy in 3-D with one batch axis; 2-D ones (a picture's, y down) stand upright at z = 0."""
    positions = points.positions.detach().cpu().numpy().astype(np.float64)
    positions = positions.reshape(-1, *positions.shape[-3:])
    if positions.shape[-1] == 2:
        flat = np.zeros_like(positions[..., :1])
        positions = np.concatenate((positions[..., :1], -positions[..., 1:], flat), -1)
    return positions


def figure_of(points: Points) -> Figure:
    """The figure of a clip's skeleton, with the bone lengths that the clip itself shows."""
    skeleton = points.skeleton
    if not skeleton.hangs_on_pelvis:
        body, order = skeleton.hung_on(_pelvis(skeleton))
        return _renumbered(figure_of(Points(body, points.positions[..., order, :], points.fps)), order)
    lengths = _lengths(space(points), skeleton.parents)
    stature = _stature(skeleton, lengths)
    sides = sides_of(skeleton)
    head = _head(skeleton, lengths, stature)
    radii = _radii(skeleton, sides) * stature
    trunk = _trunk(skeleton, stature)
    chains = _chains(skeleton, sides, lengths, radii, _hidden(skeleton), filled=trunk is not None)
    ankles = [skeleton.index(name) for name in ("l_ankle", "r_ankle") if name in skeleton.aliases]
    bare = bool(ankles) and not any(skeleton.children[ankle] for ankle in ankles)
    sole = 0.05 if bare else 0.6 * _RADIUS["ankle"]
    return Figure(chains, trunk, head, stature, sole * stature, _pelvis(skeleton))


def _renumbered(figure: Figure, order: Sequence[int]) -> Figure:
    """The figure with `order[joint]` for every joint."""
    chains = tuple(
        replace(chain, bones=tuple(replace(b, parent=order[b.parent], joint=order[b.joint]) for b in chain.bones))
        for chain in figure.chains
    )
    trunk, head = figure.trunk, figure.head
    trunk = trunk and replace(trunk, joints=tuple(order[joint] for joint in trunk.joints))
    head = head and replace(head, first=order[head.first], second=order[head.second])
    return replace(figure, chains=chains, trunk=trunk, head=head, pelvis=order[figure.pelvis])


def sides_of(skeleton: Skeleton) -> tuple[Side, ...]:
    """The side of every joint: from its name, else its parent's."""
    sides: list[Side] = []
    for joint, parent in enumerate(skeleton.parents):
        side = side_and_stem(skeleton.joints[joint])[0]
        inherited: Side = sides[parent] if parent >= 0 else "spine"
        sides.append("left" if side == "l" else "right" if side == "r" else inherited)
    return tuple(sides)


def _lengths(positions: Float[np.ndarray, "body frame joint 3"], parents: Sequence[int]) -> Radii:
    ends = positions.reshape(-1, *positions.shape[-2:])
    ends = ends[np.isfinite(ends).all((-1, -2))]
    if not len(ends):
        return np.zeros(len(parents))
    ends = ends[:: max(1, len(ends) // 64)]
    bones = ends - ends[:, [max(parent, 0) for parent in parents]]
    return np.median(np.linalg.norm(bones, axis=-1), axis=0)


def _stature(skeleton: Skeleton, lengths: Radii) -> float:
    legs = [
        lengths[skeleton.index(f"{side}_knee")] + lengths[skeleton.index(f"{side}_ankle")]
        for side in "lr"
        if {f"{side}_knee", f"{side}_ankle"} <= set(skeleton.aliases)
    ]
    if legs and max(legs) > 0:
        return float(max(legs)) / _LEG_SHARE
    return skeleton.longest_way(lengths.tolist()) * _LONGEST_WAY_SHARE or 1.0


def _radii(skeleton: Skeleton, sides: Sequence[Side]) -> Radii:
    parts = {own: canon.split("_")[-1] for canon, own in skeleton.aliases.items()}
    known = {own: _RADIUS[part] for own, part in parts.items() if part in _RADIUS}
    radii: list[float] = []
    for joint, name in enumerate(skeleton.joints):
        parent = skeleton.parents[joint]
        before = radii[parent] if parent >= 0 else _RADIUS["pelvis"]
        # A joint that has no name of its own is a little thinner than the one before it; a spine keeps its width.
        radii.append(known.get(name, before if sides[joint] == "spine" else max(0.72 * before, 0.005)))
    return np.asarray(radii)


def _head_joint(skeleton: Skeleton) -> int | None:
    if "head" in skeleton.aliases:
        return skeleton.index("head")
    stems = [side_and_stem(name)[1] for name in skeleton.joints]
    return stems.index("nose") if "nose" in stems else None


def _head(skeleton: Skeleton, lengths: Radii, stature: float) -> Head | None:
    joint = _head_joint(skeleton)
    if joint is None:
        return None
    radius = _HEAD_RADIUS * stature
    tips = [child for child in skeleton.children[joint] if skeleton.mirror[child] == child]
    tip = max(tips, key=lambda child: lengths[child], default=joint)
    if tip != joint and lengths[tip] > 0.05 * stature:
        return Head(joint, tip, 0.5, radius)
    parent = skeleton.parents[joint]
    if parent < 0 or lengths[joint] < 1e-3 * stature:
        return Head(joint, joint, 0.0, radius)
    # A head joint is the skull's base in most bodies and its top in some: the ball stands clear of the neck in both.
    return Head(parent, joint, max(lengths[joint] - 0.3 * radius, 1.45 * radius) / lengths[joint], radius)


def _hidden(skeleton: Skeleton) -> frozenset[int]:
    """Joints whose bone is not drawn: a root below the pelvis, a camera, what the head's ball covers, most fingers."""
    parents = skeleton.parents
    hidden = set(skeleton.ancestors(_pelvis(skeleton))) | set(range(len(skeleton))).difference(body_joints(skeleton))
    covers = {skeleton.index("head")} if "head" in skeleton.aliases else set[int]()
    for wrist in (skeleton.index(name) for name in ("l_wrist", "r_wrist") if name in skeleton.aliases):
        hands = skeleton.children[wrist]
        if len(hands) > 1:
            middle = [joint for joint in hands if side_and_stem(skeleton.joints[joint])[1].startswith("mid")]
            keep = middle[0] if middle else max(hands, key=lambda joint: float(skeleton.bone_lengths[joint]))
            hidden |= set(hands) - {keep}
            covers |= set(hands)
    for joint, parent in enumerate(parents):
        if parent in covers:
            hidden.add(joint)
            covers.add(joint)
        elif side_and_stem(skeleton.joints[joint])[1].startswith(_FACE):
            hidden.add(joint)
    return frozenset(hidden)


def _trunk(skeleton: Skeleton, stature: float) -> Trunk | None:
    corners = ("l_shoulder", "r_shoulder", "r_hip", "l_hip")
    if not set(corners) <= set(skeleton.aliases):
        return None
    if "pelvis" in skeleton.aliases:
        corners = (*corners, "pelvis")
    return Trunk(tuple(skeleton.indices(corners)), _RADIUS["spine"] * stature)


def _pelvis(skeleton: Skeleton) -> int:
    return skeleton.index("pelvis") if "pelvis" in skeleton.aliases else 0


def _girdles(skeleton: Skeleton) -> frozenset[int]:
    """Joints from the middle line to the shoulders and hips: their bones belong to the trunk, not to the limb."""
    girdle: set[int] = set()
    for name in ("l_shoulder", "r_shoulder", "l_hip", "r_hip"):
        if name in skeleton.aliases:
            girdle |= set(skeleton.ancestors(skeleton.index(name)))
    return frozenset(girdle)


def _chains(
    skeleton: Skeleton, sides: Sequence[Side], lengths: Radii, radii: Radii, hidden: frozenset[int], *, filled: bool
) -> tuple[Chain, ...]:
    """A limb starts below its shoulder or hip, or where the side changes. A filled trunk has no collar or hip bones."""
    girdles = _girdles(skeleton)
    drawn: list[Side] = ["spine" if joint in girdles else side for joint, side in enumerate(sides)]
    starts: list[int] = []
    for joint, parent in enumerate(skeleton.parents):
        starts.append(starts[parent] if parent >= 0 and drawn[joint] == drawn[parent] else joint)
    limbs: dict[int, list[Bone]] = {}
    shortest = 1e-3 * max(float(lengths.max()), 1e-9)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0 and joint not in hidden and lengths[joint] > shortest:
            thick, thin = float(radii[parent]), float(radii[joint])
            if sides[joint] != "spine" and (joint in girdles or sides[parent] == "spine"):
                if filled and joint in girdles:
                    continue
                thick = thin = 0.78 * thin  # a collar or a hip bone is thinner than the limb that it carries
            limbs.setdefault(starts[joint], []).append(Bone(parent, joint, thick, thin))
    return tuple(Chain(drawn[start], tuple(bones)) for start, bones in sorted(limbs.items()))
