"""`Skeleton`: joints, their parents and their offsets in metres. Checked once, when it is made; frozen from then on.

Joint order: a parent stands before its children (`parents[j] < j`, `parents[0] == -1`). Offsets are the rest pose:
the position of a joint in its parent's frame when every rotation is the identity. End points of limbs (toe tips, the
crown of the head) are joints like any other; they have no children.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import SkeletonError, UsageError, unknown_name
from kinema.motion.anatomy import SURE, Anatomy, find_parts, mirror_of, neighbours
from kinema.motion.names import mirror_by_name


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joint names, parents, rest offsets (metres), the left/right mirror, and aliases from other naming schemes.

    `mirror[j]` is the joint on the other side (itself on the middle line); `aliases` maps foreign names, the
    seventeen of `canon17` first of all, to this skeleton's own. Both are found by name and by the graph (`anatomy`)
    where they are not given.
    Raises SkeletonError where the tree, the mirror or the names are not well formed.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[Tensor, "joint 3"]
    mirror: tuple[int, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", torch.as_tensor(self.offsets, dtype=torch.float32))
        self._check_tree()
        given = dict(self.aliases)
        if not given:
            anatomy = self.anatomy
            object.__setattr__(self, "aliases", anatomy.aliases if anatomy.confidence >= SURE else {})
        if not self.mirror:
            paired = {} if given else self.aliases
            object.__setattr__(self, "mirror", mirror_of(self.joints, mirror_by_name(self.joints), paired))
        self._check_names()

    def __len__(self) -> int:
        return len(self.joints)

    def __repr__(self) -> str:
        return f"<Skeleton {self.name!r}: {', '.join(self.joints)}>"

    def __eq__(self, other: object) -> bool:
        """Same joints, same tree, same rest pose (to a tenth of a millimetre); the name does not matter."""
        return (
            isinstance(other, Skeleton)
            and self.same_tree(other)
            and bool(torch.allclose(self.offsets, other.offsets, atol=1e-4))
        )

    def __hash__(self) -> int:
        return hash((self.joints, self.parents))

    def same_tree(self, other: Skeleton) -> bool:
        """Whether names and parents agree; bone lengths may differ."""
        return self.joints == other.joints and self.parents == other.parents

    def index(self, name: str) -> int:
        """The index of the joint of that name or alias. Raises UsageError naming the joints and aliases there are."""
        own = name if name in self._index else self.aliases.get(name)
        if own is None:
            raise unknown_name("joint", name, [*self.joints, *self.aliases])
        return self._index[own]

    def canonical(self, part: str) -> int:
        """`index`, the alias first: another scheme's own "spine" or "neck" may be another joint."""
        return self._index[self.aliases.get(part, part)]

    def ancestors(self, joint: int) -> list[int]:
        """A joint, its parent, and so on to the root."""
        line = [joint]
        while line[-1]:
            line.append(self.parents[line[-1]])
        return line

    def below(self, joint: int) -> set[int]:
        """A joint and all that it carries."""
        found = {joint}
        found.update(other for other in range(joint + 1, len(self)) if self.parents[other] in found)
        return found

    def mirrored_indices(self, chosen: Sequence[int]) -> list[int]:
        """For each of the chosen joints the index, among them, of the joint on the other side.

        Raises UsageError where none is chosen, or one without its mirror.
        """
        partners = [self.mirror[joint] for joint in chosen]
        if not chosen or set(partners) != set(chosen):
            raise UsageError(
                expected="a choice of joints that holds the mirror of each",
                got=", ".join(self.joints[joint] for joint in chosen) or "none",
                cure="Add the others.",
            )
        return [chosen.index(joint) for joint in partners]

    def hung_on(self, joint: int) -> tuple[Skeleton, list[int]]:
        """The same rest pose as a tree from another root, and the index here of each of its joints."""
        near = neighbours(self.parents)
        order, parents = [joint], [-1]
        for place, here in enumerate(order):
            onward = [other for other in near[here] if place == 0 or other != order[parents[place]]]
            order += onward
            parents += [place] * len(onward)
        spots = self.rest_positions[order]
        mirror = tuple(order.index(self.mirror[one]) for one in order)
        joints = tuple(self.joints[one] for one in order)
        offsets = spots - spots[[max(parent, 0) for parent in parents]]
        return Skeleton(self.name, joints, tuple(parents), offsets, mirror, self.aliases), order

    def part(self, joint: int) -> tuple[Skeleton, list[int]]:
        """A joint and all that it carries as a skeleton, and the index here of each of its joints."""
        order = sorted(self.below(joint))
        place = {here: there for there, here in enumerate(order)}
        joints = tuple(self.joints[here] for here in order)
        parents = (-1, *(place[self.parents[here]] for here in order[1:]))
        mirror = tuple(place.get(self.mirror[here], place[here]) for here in order)
        aliases = {part: own for part, own in self.aliases.items() if own in joints}
        offsets = self.offsets[order].clone()
        offsets[0] = 0
        return Skeleton(self.name, joints, parents, offsets, mirror, aliases), order

    @cached_property
    def hangs_on_pelvis(self) -> bool:
        """Whether no limb hangs on its end and no trunk on its head, as where the root is a head, a hand or a foot."""
        known = {part: self._index[own] for part, own in self.aliases.items()}
        above = {part: set(self.ancestors(joint)) for part, joint in known.items()}
        wrong = ("spine", "chest", "neck", "head", "l_shoulder", "r_shoulder", "l_knee", "r_knee")
        turned = {
            "l_hip": wrong,
            "r_hip": wrong,
            "l_shoulder": ("l_elbow", "l_hip"),
            "r_shoulder": ("r_elbow", "r_hip"),
        }
        return "pelvis" not in known or not any(
            known[end] in above[part] for part, ends in turned.items() if part in known for end in ends if end in known
        )

    def indices(self, names: Sequence[str]) -> list[int]:
        """`index` for several names."""
        return [self.index(name) for name in names]

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """For every joint its children."""
        return tuple(
            tuple(child for child, parent in enumerate(self.parents) if parent == joint) for joint in range(len(self))
        )

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """The joints by their depth in the tree, the root first: those of one level do not hang on each other."""
        depths = [0] * len(self)
        for joint in range(1, len(self)):
            depths[joint] = depths[self.parents[joint]] + 1
        return tuple(
            tuple(joint for joint, depth in enumerate(depths) if depth == level) for level in range(max(depths) + 1)
        )

    @cached_property
    def bone_lengths(self) -> Float[Tensor, " joint"]:
        """Length in metres of the bone from the parent to each joint; the root's is 0."""
        lengths = self.offsets.norm(dim=-1)
        return torch.cat((lengths.new_zeros(1), lengths[1:]))

    @cached_property
    def rest_positions(self) -> Float[Tensor, "joint 3"]:
        """Positions of the joints in the rest pose, metres, with the root at the origin."""
        places = [torch.zeros(3)]
        for joint in range(1, len(self)):
            places.append(places[self.parents[joint]] + self.offsets[joint])
        return torch.stack(places)

    @cached_property
    def height(self) -> float:
        """A rest-pose-free measure of size in metres: the longest way from any joint to any other along the bones."""
        return self.longest_way(self.bone_lengths.tolist())

    def longest_way(self, lengths: Sequence[float]) -> float:
        """The longest way from any joint to any other along bones of these lengths (the root's counts nothing)."""
        reach, longest = [0.0] * len(self), 0.0
        for joint in reversed(range(1, len(self))):
            parent, way = self.parents[joint], reach[joint] + lengths[joint]
            longest = max(longest, reach[parent] + way)
            reach[parent] = max(reach[parent], way)
        return longest

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """Pairs (parent, joint) that are worth drawing: bones longer than a millimetre."""
        return tuple(
            (parent, joint)
            for joint, parent in enumerate(self.parents)
            if parent >= 0 and float(self.bone_lengths[joint]) > 1e-3
        )

    @cached_property
    def mirror_axis(self) -> int:
        """The axis of the joints' own frames across which the rest pose is symmetric (0 in most skeletons)."""
        swapped = self.offsets[list(self.mirror)]
        misfit = []
        for axis in range(3):
            reflected = self.offsets.clone()
            reflected[:, axis] *= -1
            misfit.append(float((swapped - reflected)[1:].norm(dim=-1).sum()))
        return min(range(3), key=misfit.__getitem__)

    @cached_property
    def anatomy(self) -> Anatomy:
        """The canonical joints as names and graph show them, with a confidence; `aliases` may come from elsewhere."""
        return find_parts(self.joints, self.parents, self.offsets)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: joint for joint, name in enumerate(self.joints)}

    def _check_tree(self) -> None:
        count = len(self.joints)
        if count == 0 or len(self.parents) != count or tuple(self.offsets.shape) != (count, 3):
            raise SkeletonError(
                expected="one parent and one offset of three numbers for every joint, and at least one joint",
                got=f"{count} names, {len(self.parents)} parents, offsets of shape {tuple(self.offsets.shape)}",
                cure="Give the three lists the same length.",
            )
        for joint, parent in enumerate(self.parents):
            if parent >= joint or (parent < 0) != (joint == 0):
                raise SkeletonError(
                    expected="parents[0] == -1 and 0 <= parents[j] < j after it",
                    got=f"parents[{joint}] == {parent} ({self.joints[joint]}) in skeleton '{self.name}'",
                    cure="Order the joints so that a parent stands before its children.",
                )
        if not torch.isfinite(self.offsets).all():
            raise SkeletonError(
                expected="finite offsets",
                got="NaN or infinity",
                cure="Write three finite numbers in every OFFSET line.",
            )

    def _check_names(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            double = next(name for name in self.joints if self.joints.count(name) > 1)
            raise SkeletonError(expected="unique joint names", got=f"'{double}' twice", cure="Rename one of them.")
        if len(self.mirror) != len(self) or any(
            not 0 <= other < len(self) or self.mirror[other] != j for j, other in enumerate(self.mirror)
        ):
            raise SkeletonError(
                expected="a mirror that is its own inverse",
                got=str(self.mirror),
                cure="Pair left joints with right ones.",
            )
        if missing := set(self.aliases.values()) - set(self.joints):
            raise SkeletonError(
                expected="aliases of joints that exist",
                got=f"{sorted(missing)}",
                cure="Map every alias to one of the skeleton's joints.",
            )


def has_joint(skeleton: Skeleton, *names: str) -> bool:
    """Whether a skeleton has joints of all these names or aliases."""
    return all(name in skeleton.aliases or name in skeleton.joints for name in names)
