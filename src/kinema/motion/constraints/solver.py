"""`meet`: deform a motion smoothly until its constraints hold, and report what is left.

The order is: poses, the root's path, then pins and plants by inverse kinematics of each limb (with the trunk where an
arm is too short, with the hips where a leg is), then the ground, then the loop. A change at a frame spreads to the
frames around it as a minimum-jerk curve whose reach grows with the change (motion warping, Witkin and Popovic 1995;
path editing, Gleicher 2001). Frames outside every reach, and `fixed` frames, come back bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import forward_kinematics
from kinema.geometry.rotations import (
    axis_angle_to_rotmat,
    nearest_rotation,
    quat_xyzw_to_rotmat,
    rotmat_to_rotvec,
    rotvec_to_rotmat,
)
from kinema.motion.constraints.easing import away_from, minimum_jerk, smooth_above, smoothed, spread
from kinema.motion.constraints.kinds import Constraint, Ground, Loop, Pin, Plant, Pose, RootPath, check
from kinema.motion.constraints.limbs import bring, chain_of, middle_of
from kinema.motion.constraints.loop import looped, without_travel
from kinema.motion.edit import carrier, facing, part_of, rotate, with_part
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.skeleton import Skeleton, has_joint

TOLERANCE = 1e-4  # metres within which a constraint is met
_PASSES = 40
_REACH = (0.2, 1.5)  # seconds: the shortest and the longest reach of a change
_CALM = 10.0  # metres per second cubed: the jerk that even a body at rest may get
_LOWEST_HIPS = 0.3  # of the leg's length: how far hips follow a foot that is out of reach


@dataclass(frozen=True)
class ConstraintResidual:
    """What is left of a constraint, and what it cost.

    `residual` is the largest distance from what the constraint wants, metres; `moved` the largest change of a joint's
    position, metres; `jerk` the ratio of the mean jerk of the constrained joint after to before, in the frames that
    changed.
    """

    constraint: str
    residual: float
    moved: float
    jerk: float

    @property
    def met(self) -> bool:
        """Whether it holds, to a tenth of a millimetre (and half of that for rounding)."""
        return self.residual <= 1.5 * TOLERANCE

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "met": self.met}

    def __str__(self) -> str:
        state = "met" if self.met else f"{100 * self.residual:.1f} cm left"
        return f"{self.constraint}: {state}; moved by {100 * self.moved:.1f} cm, jerk x{self.jerk:.2f}"


@dataclass(frozen=True, eq=False)
class Met:
    """A motion that meets its constraints as far as it can, and a residual for each of them."""

    motion: Motion
    residuals: tuple[ConstraintResidual, ...]

    @property
    def met(self) -> bool:
        """Whether every constraint holds."""
        return all(each.met for each in self.residuals)


def meet(motion: Motion, constraints: Sequence[Constraint], *, fixed: Bool[Tensor, " frame"] | None = None) -> Met:
    """The motion, deformed so that the constraints hold; any batch axes, one skeleton.

    `fixed` frames do not change. Without constraints the motion itself comes back. Raises UsageError for a constraint
    that cannot be, for two that contradict each other, and for one that wants a fixed frame elsewhere.
    """
    check(constraints, motion.skeleton, motion.frames)
    if not constraints:
        return Met(motion, ())
    if (joint := carrier(motion)) and (own := _of_part(constraints, motion.skeleton, joint)):
        inner = meet(part_of(motion, joint), own, fixed=fixed)
        return Met(with_part(motion, inner.motion, joint), inner.residuals)
    held = torch.zeros(motion.frames, dtype=torch.bool) if fixed is None else fixed.bool()
    work = _Work(motion, held.nonzero()[:, 0].tolist())
    for pose in (each for each in constraints if isinstance(each, Pose)):
        work.pose(pose)
    for path in (each for each in constraints if isinstance(each, RootPath)):
        work.root_path(path)
    ground = next((each for each in constraints if isinstance(each, Ground)), None)
    pins = [work.goal_of(each, ground) for each in constraints if isinstance(each, Pin | Plant)]
    work.meet_pins(pins, ground)
    loop = next((each for each in constraints if isinstance(each, Loop)), None)
    done = work.motion()
    if loop is not None:
        done = looped(done, in_place=loop.in_place)
    return Met(done, tuple(residual_of(each, motion, done) for each in constraints))


def _of_part(constraints: Sequence[Constraint], skeleton: Skeleton, joint: int) -> list[Constraint]:
    """The constraints for a joint and all that it carries; none where one of them is about another joint."""
    inside, own = skeleton.below(joint), list[Constraint]()
    for each in constraints:
        if isinstance(each, Pin | Plant) and skeleton.index(each.joint) not in inside:
            return []
        if isinstance(each, Pose):
            if each.joints is not None and not inside.issuperset(each.indices(skeleton)):
                return []
            if skeleton.same_tree(each.pose.skeleton):
                each = replace(each, pose=part_of(each.pose[:1], joint))
        own.append(each)
    return own


class _Work:
    """A clip in double precision, changed step by step."""

    def __init__(self, plain: Motion, fixed: list[int]) -> None:
        self.plain, self.fixed, self.skeleton = plain, fixed, plain.skeleton
        self.rotations = nearest_rotation(plain.rotations.double())
        self.root = plain.root.double().clone()
        self.offsets = plain.bones.double()
        self.touched = torch.zeros(plain.frames, dtype=torch.bool)
        self.slack: dict[int, float] = {}  # by goal: how far the hips may still follow it, metres
        positions = plain.points().positions
        jerks = positions.diff(n=3, dim=-3).norm(dim=-1).flatten(0, -2).mean(0) * plain.fps**3
        self.jerks = jerks if plain.frames > 3 else torch.zeros(len(plain.skeleton))

    def motion(self) -> Motion:
        """The clip; frames that nothing touched are the plain ones, bit for bit."""
        touched = self.touched.clone()
        touched[self.fixed] = False
        rotations = torch.where(touched[:, None, None, None], self.rotations.float(), self.plain.rotations)
        root = torch.where(touched[:, None], self.root.float(), self.plain.root)
        return replace(self.plain, rotations=rotations, root=root)

    def world(self) -> tuple[Tensor, Tensor]:
        """Positions and global rotations of all joints."""
        return forward_kinematics(self.rotations, self.root, self.offsets, self.skeleton.parents)

    def spread(
        self, frames: Sequence[int], change: Float[Tensor, "*batch knot dim"], what: object, *, lasting: bool = False
    ) -> Float[Tensor, "*batch frame dim"]:
        """A change at some frames spread over the clip; its reach grows with the change."""
        size = change.flatten(0, -2).norm(dim=-1)
        at_fixed = [frame for frame in frames if frame in self.fixed]
        if at_fixed:
            largest = float(change[..., [frames.index(frame) for frame in at_fixed], :].norm(dim=-1).amax())
            if largest > 5 * TOLERANCE:
                raise UsageError(
                    expected=f"constraints on frames that are not known already ({what})",
                    got=f"frame {at_fixed[0]}, which is a key and has the joint {100 * largest:.1f} cm elsewhere",
                    cure="Leave that frame out of the constraint, or out of the keys.",
                )
        # The jerk of the curve, some 24 d / r^3, is to stay below that of the body, and of the joint that it moves.
        calm = float(self.jerks.mean())
        if isinstance(what, Pin | Plant):
            calm = min(calm, float(self.jerks[self.skeleton.index(what.joint)]))
        seconds = min(max((24 * float(size.amax()) / (0.4 * max(calm, _CALM))) ** (1 / 3), _REACH[0]), _REACH[1])
        reach = max(2, round(seconds * self.plain.fps))
        share = spread(self.plain.frames, frames, reach, self.fixed, lasting=lasting)
        self.touched |= share.abs().amax(-1) > 0
        return torch.einsum("fk,...kd->...fd", share, change)

    def pose(self, each: Pose) -> None:
        """Rotates the joints towards the pose's."""
        wanted = _wanted(each, self.skeleton).expand(*self.plain.batch_shape)
        joints = each.indices(self.skeleton)
        if not each.root:  # the pose alone: as the answer faces, where it stands
            here = self.plain[each.frame : each.frame + 1]
            wanted = rotate(wanted, facing(here)[..., 0] - facing(wanted)[..., 0])
        goal = wanted.rotations[..., 0, :, :, :].double()
        change = rotmat_to_rotvec(goal @ self.rotations[..., each.frame, :, :, :].mT)[..., joints, :]
        change = self.spread([each.frame], change.flatten(-2)[..., None, :], each).unflatten(-1, (len(joints), 3))
        self.rotations[..., joints, :, :] = rotvec_to_rotmat(change) @ self.rotations[..., joints, :, :]
        move = wanted.root[..., 0, :].double() - self.root[..., each.frame, :]
        if not each.root:
            move = move * move.new_tensor([0.0, 1.0, 0.0])
        if each.root or each.joints is None:
            self.root += self.spread([each.frame], move[..., None, :], each)

    def root_path(self, each: RootPath) -> None:
        """Moves the root in the plane of the floor, and turns the body with the path."""
        frames = list(each.frames)
        there = self.root.new_tensor(each.positions)
        before = self.root.clone()
        here = self.root[..., frames, :][..., [0, 2]]
        change = self.spread(frames, there - here, each, lasting=True)
        self.root[..., 0] += change[..., 0]
        self.root[..., 2] += change[..., 1]
        if each.headings is not None:
            now = facing(self.plain[torch.tensor(frames)]).double()
            angle = _wrapped(self.root.new_tensor(each.headings) - now)
            turn = self.spread(frames, _unwound(angle)[..., None], each, lasting=True)[..., 0]
        else:
            turn = self._bend_of_path(before) * (self.touched.double())
        self.rotations[..., 0, :, :] = axis_angle_to_rotmat("Y", turn) @ self.rotations[..., 0, :, :]

    def _bend_of_path(self, before: Float[Tensor, "*batch frame 3"]) -> Float[Tensor, "*batch frame"]:
        """By how much the direction of travel changed; nothing where the body hardly travels."""
        window = max(3, round(0.5 * self.plain.fps))
        old, new = (_velocity(root[..., [0, 2]], window) for root in (before, self.root))
        angle = torch.atan2(new[..., 0], new[..., 1]) - torch.atan2(old[..., 0], old[..., 1])
        slow = torch.minimum(old.norm(dim=-1), new.norm(dim=-1)) * self.plain.fps
        weight = (slow / 0.5).clamp(0, 1)  # full from half a metre per second on
        direction = torch.stack((angle.cos(), angle.sin()), -1) * weight[..., None]
        direction = direction + (1 - weight)[..., None] * direction.new_tensor([1.0, 0.0])
        smooth = smoothed(direction, window)
        turn = _unwound(torch.atan2(smooth[..., 1], smooth[..., 0]))
        mask = torch.ones(self.plain.frames, dtype=torch.float64)
        for frame in self.fixed:
            far = (torch.arange(self.plain.frames) - frame).abs() / window
            mask = torch.minimum(mask, minimum_jerk(far.double()))
        return turn * mask

    def goal_of(self, each: Pin | Plant, ground: Ground | None) -> _Goal:
        """The goal of a pin or plant, frame by frame. A foot is planted on the ground, not below it."""
        joint = self.skeleton.index(each.joint)
        if isinstance(each, Pin):
            return _Goal(each, joint, *_held(each))
        frames = list(range(each.start, each.end + 1))
        positions, rotations = self.world()
        here = positions[..., frames, joint, :]
        place = here.mean(-2, keepdim=True) if each.position is None else here.new_tensor(each.position)
        if ground is not None and each.position is None:
            foot = positions[..., frames, :, :][..., sorted(self.skeleton.below(joint)), :]
            sole = (foot - here[..., None, :]).mean(-3)
            place = place.clone()
            floor = (ground_height(ground, place + sole) - (place + sole)[..., 1]).amax(-1, keepdim=True)
            place[..., 1] += floor.clamp(min=0)
        turned = rotations[..., frames, joint, :, :]
        middle = nearest_rotation(turned.mean(-3, keepdim=True))
        return _Goal(each, joint, frames, place.expand(*here.shape), middle.expand(*turned.shape))

    def meet_pins(self, goals: list[_Goal], ground: Ground | None) -> None:
        """Limb by limb, until all hold or nothing gets better."""
        # What needs the trunk goes first, and the limbs after it: a joint with no elbow or knee above it.
        wide = {id(goal) for goal in goals if not self._folds(goal.joint)}
        for turn in range(_PASSES):
            for goal in sorted(goals, key=lambda goal: id(goal) not in wide):
                reached = self._pin(goal, trunk=id(goal) in wide)
                if not reached and id(goal) not in wide:
                    wide.add(id(goal))
                elif not reached or (turn and self._miss(goal) > TOLERANCE):
                    self._follow(goal, goals)
            if ground is not None:
                self._clear(ground, goals)
            missed = max((self._miss(goal) for goal in goals), default=0.0)
            under = 0.0 if ground is None else float(self._under(ground).amax())
            if missed <= 0.2 * TOLERANCE and under <= TOLERANCE:
                break
        for goal in goals:
            if goal.rotations is not None:
                self._rotate(goal)

    def _folds(self, joint: int) -> bool:
        chain = chain_of(self.skeleton, joint)
        return bool(middle_of([float(self.skeleton.bone_lengths[at]) for at in [*chain[1:], joint]]))

    def _miss(self, goal: _Goal) -> float:
        positions = self.world()[0][..., goal.frames, goal.joint, :]
        return float((goal.positions - positions).norm(dim=-1).amax())

    def _pin(self, goal: _Goal, *, trunk: bool) -> bool:
        """Brings a joint to its goal by the joints above it; whether they reach it."""
        world = self.world()
        joint = goal.joint
        here = world[0][..., joint, :]
        goals = goal.positions.expand(*here[..., goal.frames, :].shape)
        change = goals - here[..., goal.frames, :]
        chain = chain_of(self.skeleton, joint, trunk=trunk and not _in_leg(self.skeleton, goal.joint))
        if not chain:
            self.root += self.spread(goal.frames, change, goal.constraint)
            return True
        # Frames around the goal follow what is reached there, not what is out of reach.
        _, reached = self._bring(world, chain, joint, goal.frames, goals)
        far = (reached - goals).norm(dim=-1, keepdim=True)
        nearer = torch.where(far > TOLERANCE, reached, goals)
        change = self.spread(goal.frames, nearer - here[..., goal.frames, :], goal.constraint)
        size = change.norm(dim=-1)
        active = _over_batch(size).gt(0).nonzero()[:, 0].tolist()
        if active:
            solved, _ = self._bring(world, chain, joint, active, (here + change)[..., active, :])
            for place, at in enumerate(chain):
                self.rotations[..., active, at, :, :] = solved[..., place, :, :]
            if _in_leg(self.skeleton, goal.joint):  # a sole stays as flat as it was
                above = self.world()[1][..., active, self.skeleton.parents[joint], :, :]
                self.rotations[..., active, joint, :, :] = above.mT @ world[1][..., active, joint, :, :]
        return float(far.amax()) <= TOLERANCE

    def _bring(
        self, world: tuple[Tensor, Tensor], chain: list[int], joint: int, frames: list[int], goals: Tensor
    ) -> tuple[Float[Tensor, "*batch frame chain 3 3"], Float[Tensor, "*batch frame 3"]]:
        """The chain's rotations that bring the joint to the goals at some frames, and where it then is."""
        positions, rotations = world
        bones = self.offsets[..., [*chain[1:], joint], :]
        return bring(
            self.rotations[..., frames, :, :, :][..., chain, :, :],
            rotations[..., frames, self.skeleton.parents[chain[0]], :, :],
            positions[..., frames, chain[0], :],
            bones if bones.ndim == 2 else bones[..., frames, :, :],
            goals,
            self._hint(joint)[..., frames, :],
        )

    def _hint(self, joint: int) -> Float[Tensor, "*batch frame 3"]:
        """Where a straight limb folds to: feet backwards, hands forwards."""
        angle = facing(self.plain).double()
        ahead = torch.stack((angle.sin(), torch.zeros_like(angle), angle.cos()), -1)
        return -ahead if _in_leg(self.skeleton, joint) else ahead

    def _follow(self, goal: _Goal, goals: list[_Goal]) -> None:
        """Moves the hips towards a goal that the limb does not reach. Free feet stay, as far as their legs reach."""
        before = self.world()[0]
        miss = goal.positions - before[..., goal.frames, goal.joint, :]
        most = self.slack.setdefault(id(goal), _LOWEST_HIPS * self.skeleton.height / 2)
        if most <= TOLERANCE:
            return
        far = miss.norm(dim=-1, keepdim=True)
        self.slack[id(goal)] = most - min(most, float(far.amax()))
        change = self.spread(goal.frames, miss * (most / far.clamp(min=most)), goal.constraint)
        self.root += change
        moved = _over_batch(change.norm(dim=-1)).gt(0)
        frames = moved.nonzero()[:, 0].tolist()
        for side in "lr":
            if not has_joint(self.skeleton, f"{side}_ankle", f"{side}_hip"):
                continue
            ankle = self.skeleton.index(f"{side}_ankle")
            if all(other.joint not in self.skeleton.below(ankle) for other in goals):
                self._pin(_Goal(goal.constraint, ankle, frames, before[..., frames, ankle, :], None), trunk=False)

    def _rotate(self, goal: _Goal) -> None:
        assert goal.rotations is not None
        rotations = self.world()[1]
        joint, parent = goal.joint, self.skeleton.parents[goal.joint]
        here = rotations[..., joint, :, :]
        change = rotmat_to_rotvec(goal.rotations @ here[..., goal.frames, :, :].mT)
        turned = rotvec_to_rotmat(self.spread(goal.frames, change, goal.constraint)) @ here
        own = turned if parent < 0 else rotations[..., parent, :, :].mT @ turned
        self.rotations[..., joint, :, :] = own

    def _under(self, ground: Ground) -> Float[Tensor, "*batch frame joint"]:
        """How far each joint is under the ground, metres; fixed frames do not count."""
        positions = self.world()[0]
        under = (ground_height(ground, positions) - positions[..., 1]).clamp(min=0)
        under[..., self.fixed, :] = 0
        return under

    def _clear(self, ground: Ground, goals: list[_Goal]) -> None:
        """Lifts whatever is under the ground: feet by their legs, the rest by the whole body."""
        positions, under = self.world()[0], self._under(ground)
        if float(under.amax()) <= TOLERANCE:
            return
        left = under.clone()
        for side in "lr":
            if not has_joint(self.skeleton, f"{side}_ankle"):
                continue
            ankle = self.skeleton.index(f"{side}_ankle")
            below = sorted(self.skeleton.below(ankle))
            for goal in goals:  # what is pinned stays where it is pinned
                if goal.joint in below:
                    under[..., torch.tensor(goal.frames)[:, None], torch.tensor(below)] = 0
            lift = self._lift(under[..., below].amax(-1))
            frames = _over_batch(lift).gt(0).nonzero()[:, 0].tolist()
            left[..., below] = 0
            if frames:
                goal = positions[..., frames, ankle, :].clone()
                goal[..., 1] += lift[..., frames]
                self._pin(_Goal(ground, ankle, frames, goal, None), trunk=False)
        rest = self._lift(left.amax(-1))
        if float(rest.amax()) > TOLERANCE:
            self.root[..., 1] += rest
            self.touched |= _over_batch(rest) > 0

    def _lift(self, under: Float[Tensor, "*batch frame"]) -> Float[Tensor, "*batch frame"]:
        """How far to lift what is `under` the ground: a smooth curve, nowhere below it, and 0 at fixed frames."""
        reach = max(2, round(0.15 * self.plain.fps))
        fixed = torch.zeros(self.plain.frames, dtype=torch.bool)
        fixed[self.fixed] = True
        return torch.maximum(smooth_above(under, reach) * away_from(fixed, reach).to(under), under)


@dataclass(frozen=True, eq=False)
class _Goal:
    """Positions (and rotations) of one joint at some frames."""

    constraint: Constraint
    joint: int
    frames: list[int]
    positions: Float[Tensor, "*batch frame 3"]
    rotations: Float[Tensor, "*batch frame 3 3"] | None


def _in_leg(skeleton: Skeleton, joint: int) -> bool:
    hips = [skeleton.index(f"{side}_hip") for side in "lr" if has_joint(skeleton, f"{side}_hip")]
    return any(joint in skeleton.below(hip) for hip in hips)


def ground_height(ground: Ground, positions: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
    """The height of the floor under each position, metres."""
    if not ground.points:
        return torch.full_like(positions[..., 1], ground.height)
    points = positions.new_tensor(ground.points)
    far = (positions[..., None, [0, 2]] - points[:, :2]).square().sum(-1)
    weight = 1 / (far + 1e-9)
    return (weight * points[:, 2]).sum(-1) / weight.sum(-1)


def _held(pin: Pin) -> tuple[list[int], Tensor, Tensor | None]:
    """Frames, positions and rotations of a pin; with `hold` those between its frames too."""
    positions = torch.tensor(pin.positions, dtype=torch.float64)
    rotations = None
    if pin.rotations is not None:
        quaternions = torch.nn.functional.normalize(torch.tensor(pin.rotations, dtype=torch.float64), dim=-1)
        rotations = quat_xyzw_to_rotmat(quaternions)
    if not pin.hold or len(pin.frames) < 2:
        return list(pin.frames), positions, rotations
    at, places, turns = list[int](), list[Tensor](), list[Tensor]()
    for place, (first, last) in enumerate(zip(pin.frames, pin.frames[1:], strict=False)):
        share = torch.arange(last - first, dtype=torch.float64) / (last - first)
        at += range(first, last)
        places.append(positions[place] + share[:, None] * (positions[place + 1] - positions[place]))
        if rotations is not None:
            way = rotmat_to_rotvec(rotations[place + 1] @ rotations[place].mT)
            turns.append(rotvec_to_rotmat(share[:, None] * way) @ rotations[place])
    whole = torch.cat((*places, positions[-1:]))
    turned = None if rotations is None else torch.cat((*turns, rotations[-1:]))
    return [*at, pin.frames[-1]], whole, turned


def residual_of(each: Constraint, before: Motion, after: Motion) -> ConstraintResidual:
    """What is left of a constraint in the clip `after`, which was deformed from `before`."""
    here, there = before.points().positions, after.points().positions
    moved = (there - here).norm(dim=-1)
    joints, residual = _left(each, before, after, there)
    changed = _over_batch(moved.amax(-1)) > 1e-6
    ratio = 1.0
    if int(changed.sum()) > 4:
        first, last = int(changed.nonzero()[0]), int(changed.nonzero()[-1])
        span = slice(max(0, first - 3), min(after.frames, last + 4))
        jerks = (part[..., span, joints, :].diff(n=3, dim=-3).norm(dim=-1) for part in (here, there))
        old, new = (float(jerk.mean()) * after.fps**3 for jerk in jerks)
        ratio = new / max(old, 1e-6)
    return ConstraintResidual(str(each), residual, float(moved.amax()), ratio)


def _left(each: Constraint, before: Motion, after: Motion, there: Tensor) -> tuple[list[int], float]:
    """The joints that a constraint is about, and the largest distance from what it asks."""
    every = list(range(len(after.skeleton)))
    if isinstance(each, Pin):
        joint = after.skeleton.index(each.joint)
        frames, positions, _ = _held(each)
        return [joint], float((there[..., frames, joint, :] - positions.to(there)).norm(dim=-1).amax())
    if isinstance(each, Plant):
        joint = after.skeleton.index(each.joint)
        part = there[..., each.start : each.end + 1, joint, :]
        place = part.mean(-2, keepdim=True) if each.position is None else part.new_tensor(each.position)
        return [joint], float((part - place).norm(dim=-1).amax())
    if isinstance(each, RootPath):
        root = after.root[..., list(each.frames), :][..., [0, 2]]
        return [0], float((root - root.new_tensor(each.positions)).norm(dim=-1).amax())
    if isinstance(each, Ground):
        return every, float((ground_height(each, there) - there[..., 1]).clamp(min=0).amax())
    if isinstance(each, Loop):
        first, last = (without_travel(part).points().positions for part in (after[:1], after[-1:]))
        return every, float((first - last).norm(dim=-1).amax())
    joints, wanted = each.indices(after.skeleton), _wanted(each, after.skeleton)
    same = (
        after.rotations[..., each.frame, :, :, :][..., joints, :, :],
        wanted.rotations[..., 0, :, :, :][..., joints, :, :],
    )
    inner = [place for place, joint in enumerate(joints) if joint]  # the root's heading is free unless asked for
    apart = (same[0] - same[1]).norm(dim=(-1, -2))[..., inner if not each.root else list(range(len(joints)))]
    return joints, float(apart.amax()) if apart.numel() else 0.0


def _wanted(each: Pose, skeleton: Skeleton) -> Motion:
    """The one frame of a pose constraint, on the body of the answer."""
    pose = each.pose[:1]
    return pose if skeleton.same_tree(pose.skeleton) else retarget(pose, skeleton)


def _velocity(path: Float[Tensor, "*batch frame 2"], window: int) -> Float[Tensor, "*batch frame 2"]:
    step = path.diff(dim=-2)
    return smoothed(torch.cat((step[..., :1, :], step), -2), window)


def _over_batch(values: Float[Tensor, "*batch frame"]) -> Float[Tensor, " frame"]:
    """The largest value of the batch in each frame."""
    return values.reshape(-1, values.shape[-1]).amax(0)


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _unwound(angle: Float[Tensor, "*batch frame"]) -> Float[Tensor, "*batch frame"]:
    """Angles without jumps of a full turn between neighbours."""
    steps = _wrapped(angle.diff(dim=-1))
    return torch.cat((angle[..., :1], angle[..., :1] + steps.cumsum(-1)), -1)
