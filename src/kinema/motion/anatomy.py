"""Which joint is which part of a body, by names and by the graph, whatever joint is the root.

Names come first (`names.canon_by_name`). The graph mends them: the pelvis is where legs and trunk meet, the chest where
the arms do, spine and neck lie between. Where names say nothing, limbs are found by the lengths of bones: two pairs of
equal branches are legs and arms, and the joints of each are those whose bones fit a human limb best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import nlargest
from itertools import combinations, pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.motion.names import canon_by_name, is_end_point, side_and_stem, sides_and_stems

SURE = 0.5
"""Confidence from which a match by the graph is used without being asked for."""
LIMBS = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
_FEW = 4  # joints of limbs: with fewer known by name, the graph decides
_BRANCH = 0.2  # of the longest way along the bones: no limb is shorter
_EQUAL = 0.1  # relative difference of the two branches of a pair
# Of a leg and of an arm: shin over thigh, foot over thigh, hip over thigh (clavicle, hand likewise).
_SHAPES = ((0.97, 0.35, 0.15), (0.9, 0.6, 0.6))
_NO_END = 0.1  # cost of a limb without a foot or a hand, and four times as much where there are joints for one
_LONGEST = 24  # joints of a limb that are looked at
_WIDEST = 8  # branches of a joint that are looked at
_VAGUE = ("root", "cog")  # names of a pelvis that other joints have as often


@dataclass(frozen=True)
class Anatomy:
    """Canonical name -> own name; how sure that is, from 0 to 1; and whether names or the graph decided."""

    aliases: Mapping[str, str]
    confidence: float
    by: str


def find_parts(joints: Sequence[str], parents: Sequence[int], offsets: Float[Tensor, "joint 3"]) -> Anatomy:
    """The canonical joints of a body. `confidence` is 1 for names; a match by the graph states how well limbs fit."""
    named = canon_by_name(joints)
    tree = _Tree(joints, parents, offsets)
    known = sum(f"{side}_{part}" in named for side in "lr" for limb in LIMBS for part in limb)
    if known >= _FEW or (found := tree.by_graph()) is None:
        return Anatomy(tree.mended(named), 1.0, "names")
    return replace(found, aliases=tree.mended({**found.aliases, **_free(named, found.aliases)}))


def mirror_of(joints: Sequence[str], mirror: Sequence[int], aliases: Mapping[str, str]) -> tuple[int, ...]:
    """A mirror with the pairs that the aliases give; a joint that loses its partner mirrors itself."""
    paired = list(mirror)
    for part, own in aliases.items():
        if part.startswith("l_") and (partner := aliases.get(f"r_{part[2:]}")):
            pair = (joints.index(own), joints.index(partner))
            for joint in pair:
                paired[paired[joint]] = paired[joint]
            paired[pair[0]], paired[pair[1]] = pair[1], pair[0]
    return tuple(paired)


def on_four_legs(tops: Float[Tensor, "pair 3"], tips: Float[Tensor, "pair 3"]) -> bool:
    """Whether both pairs of limbs, hips and shoulders first, hang down from a level trunk, whichever axis is up."""
    down = tips - tops
    if bool((down.norm(dim=-1) < 1e-6).any()):
        return False
    legs, arms = torch.nn.functional.normalize(down, dim=-1)
    trunk = torch.nn.functional.normalize(tops[1] - tops[0], dim=0)
    return float(legs @ arms) > 0.8 and abs(float(trunk @ legs)) < 0.5


def neighbours(parents: Sequence[int]) -> list[list[int]]:
    """For every joint those that a bone joins it to."""
    near: list[list[int]] = [[] for _ in parents]
    for joint, parent in list(enumerate(parents))[1:]:
        near[joint].append(parent)
        near[parent].append(joint)
    return near


def way(parents: Sequence[int], one: int, other: int) -> list[int]:
    """The joints from one to the other along the bones, both included."""
    lines = [[one], [other]]
    for line in lines:
        while parents[line[-1]] >= 0:
            line.append(parents[line[-1]])
    up, down = lines
    top = next(joint for joint in up if joint in down)
    return [*up[: up.index(top) + 1], *reversed(down[: down.index(top)])]


def meeting(parents: Sequence[int], one: int, two: int, three: int) -> int:
    """The joint at which the ways between three joints meet, whatever the root is."""
    ways = way(parents, two, three), way(parents, one, three)
    return next(joint for joint in way(parents, one, two) if joint in ways[0] and joint in ways[1])


def _free(named: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    return {part: own for part, own in named.items() if part not in taken and own not in taken.values()}


@dataclass
class _Tree:
    """The skeleton as a graph without a root."""

    joints: Sequence[str]
    parents: Sequence[int]
    offsets: Float[Tensor, "joint 3"]

    @cached_property
    def near(self) -> list[list[int]]:
        """Neighbours of every joint."""
        return neighbours(self.parents)

    def tip(self, joint: int) -> bool:
        """Whether a joint is marked as the end of a limb."""
        return is_end_point(self.joints[joint])

    @cached_property
    def spots(self) -> Float[Tensor, "joint 3"]:
        """Positions at rest."""
        spots = [torch.zeros(3)]
        for joint, parent in list(enumerate(self.parents))[1:]:
            spots.append(spots[parent] + self.offsets[joint])
        return torch.stack(spots)

    def mended(self, named: Mapping[str, str]) -> dict[str, str]:
        """The names, with pelvis, chest, spine, neck, head and knees or elbows that the graph shows."""
        found = {part: self.joints.index(own) for part, own in named.items()}
        tops = [found[part] for part in ("head", "neck", "chest", "l_shoulder", "r_shoulder") if part in found]
        if not tops or not {"l_hip", "r_hip"} <= found.keys():
            return dict(named)
        hub = meeting(self.parents, found["l_hip"], found["r_hip"], tops[0])
        vague = "pelvis" not in found or side_and_stem(self.joints[found["pelvis"]])[1] in _VAGUE
        beside = vague or found["pelvis"] not in way(self.parents, found["l_hip"], found["r_hip"])
        if beside and hub not in (found[part] for part in found if part != "pelvis"):
            found["pelvis"] = hub
        if {"l_shoulder", "r_shoulder"} <= found.keys():
            self._mend_trunk(found, hub)
        for side, (first, middle, last) in ((side, limb) for side in "lr" for limb in LIMBS):
            ends = [found[name] for part in (first, last) if (name := f"{side}_{part}") in found]
            if len(ends) == 2 and f"{side}_{middle}" not in found:
                between = [joint for joint in way(self.parents, ends[0], ends[1])[1:-1] if joint not in found.values()]
                found |= {f"{side}_{middle}": joint for joint in between[(len(between) - 1) // 2 :][:1]}
        return {part: self.joints[joint] for part, joint in found.items()}

    def _mend_trunk(self, found: dict[str, int], hub: int) -> None:
        fork = meeting(self.parents, found["l_shoulder"], found["r_shoulder"], hub)
        below = way(self.parents, hub, fork)[1:-1]
        if fork != hub and fork not in (found.get("neck"), found.get("head")) and (below or fork != found.get("spine")):
            found["chest"] = fork
            if found.get("spine") not in below:
                found.pop("spine", None)
                if free := [joint for joint in below if joint != found.get("pelvis")]:
                    found["spine"] = free[0]
        if "head" not in found and (up := self._upwards(fork, found)):
            # A body whose tips are not marked as such ends above the head.
            marked = len(up) < 3 or any(is_end_point(name) for name in self.joints)
            found["head"] = up[-1] if marked else up[-2]
        if "head" in found:
            above = [joint for joint in way(self.parents, fork, found["head"])[1:-1] if not self.tip(joint)]
            if "neck" not in found and above and fork != found["head"]:
                found["neck"] = above[0]

    def _upwards(self, fork: int, found: Mapping[str, int]) -> list[int]:
        """The joints of the neck and the head, from the joint at which the arms branch off."""
        taken = {step for part in found.values() if part != fork for step in way(self.parents, fork, part)[1:2]}
        starts = [joint for joint in self.near[fork] if joint not in taken and not self.tip(joint)]
        if not starts:
            return []
        line, before = [max(starts, key=lambda joint: self.reach(fork, joint)[0])], fork
        while True:
            onward = [joint for joint in self.near[line[-1]] if joint != before]
            if len(inner := [joint for joint in onward if not self.tip(joint)]) != 1:
                return line
            before = line[-1]
            line += inner

    def length(self, one: int, other: int) -> float:
        """Of the way between two joints along the bones."""
        line = way(self.parents, one, other)
        return float(sum((self.spots[a] - self.spots[b]).norm() for a, b in pairwise(line)))

    def reach(self, joint: int, neighbour: int) -> tuple[float, int]:
        """How far it is to the furthest joint through a neighbour, and which one that is."""
        return self._reaches[joint, neighbour]

    @cached_property
    def _reaches(self) -> dict[tuple[int, int], tuple[float, int]]:
        found: dict[tuple[int, int], tuple[float, int]] = {}
        lengths: list[float] = self.offsets.norm(dim=-1).tolist()

        def step(joint: int, onward: tuple[float, int], start: int) -> tuple[float, int]:
            return lengths[joint] + onward[0], onward[1] if onward[0] > 0 else start

        edges = list(enumerate(self.parents))[1:]
        for joint, parent in reversed(edges):
            below = [found[joint, child] for child in self.near[joint] if child != parent]
            found[parent, joint] = step(joint, max(below, default=(0.0, joint)), joint)
        furthest: dict[int, list[tuple[tuple[float, int], int]]] = {}
        for joint, parent in edges:
            if parent not in furthest:
                furthest[parent] = nlargest(2, ((found[parent, other], other) for other in self.near[parent]))
            above = [way for way, other in furthest[parent] if other != joint]
            found[joint, parent] = step(joint, max(above, default=(0.0, parent)), parent)
        return found

    def by_graph(self) -> Anatomy | None:
        """Legs, arms and trunk by lengths alone; None where there are no two pairs of limbs, or four legs."""
        size = max((self.reach(0, joint)[0] for joint in self.near[0]), default=0.0)
        pairs: list[tuple[float, int, int, int]] = []
        for joint in range(len(self.joints)):
            near = nlargest(_WIDEST, self.near[joint], key=lambda other, here=joint: self.reach(here, other)[0])
            for one, other in combinations(sorted(near), 2) if len(near) > 2 else ():
                first, second = self.reach(joint, one)[0], self.reach(joint, other)[0]
                if min(first, second) > _BRANCH * size and abs(first - second) < _EQUAL * max(first, second):
                    pairs.append((min(first, second), joint, one, other))
        pairs = [p for p in pairs if not any(self._inside(p, q) for q in pairs if q != p)]
        if len(pairs) < 2:
            return None
        legs, arms = self._sorted(sorted(pairs, reverse=True)[:2])
        fits = [self._limbs(pair, shape) for pair, shape in ((legs, _SHAPES[0]), (arms, _SHAPES[1]))]
        if self._four_legs(fits) or legs[1] == arms[1]:
            return None
        side, sure = self._left_first(legs, arms, fits)
        found: dict[str, str] = {}
        for parts, limbs in zip(LIMBS, fits, strict=True):
            for letter, (chain, _) in zip("lr" if side else "rl", limbs, strict=True):
                found |= {f"{letter}_{part}": self.joints[joint] for part, joint in zip(parts, chain, strict=True)}
        cost = sum(cost for limbs in fits for _, cost in limbs)
        confidence = sure * math.exp(-cost / 4) * (1.0 if len(pairs) == 2 else 0.7)
        return Anatomy(found, round(confidence, 2), "graph")

    def _inside(self, pair: tuple[float, int, int, int], other: tuple[float, int, int, int]) -> bool:
        """Whether a branch of one pair leads to the joint of another: that is a trunk, and no limb."""
        return any(branch in way(self.parents, pair[1], other[1]) for branch in pair[2:]) and pair[1] != other[1]

    def _sorted(self, pairs: list[tuple[float, int, int, int]]) -> list[tuple[float, int, int, int]]:
        """Legs before arms: beyond the arms' joint are neck and head; else the longer pair are the legs."""
        heads = [self._beyond(pair, other) for pair, other in (pairs, reversed(pairs))]
        low, high = (0, 1) if heads[1] >= heads[0] or pairs[0][0] > 1.25 * pairs[1][0] else (1, 0)
        return [pairs[low], pairs[high]]

    def _beyond(self, pair: tuple[float, int, int, int], other: tuple[float, int, int, int]) -> float:
        """How far a third branch goes that leads not to the other pair: a head, or a tail."""
        free = [n for n in self.near[pair[1]] if n not in pair[2:] and n not in way(self.parents, pair[1], other[1])]
        return max((self.reach(pair[1], joint)[0] for joint in free), default=0.0)

    def _limbs(
        self, pair: tuple[float, int, int, int], shape: tuple[float, float, float]
    ) -> list[tuple[tuple[int, int, int], float]]:
        """Of both branches the three joints that fit a limb best, and how badly they do."""
        found: list[tuple[tuple[int, int, int], float]] = []
        for branch in pair[2:]:
            line = way(self.parents, pair[1], self.reach(pair[1], branch)[1])[1:_LONGEST]
            along = [self.length(pair[1], joint) for joint in line]
            choices: list[tuple[float, tuple[int, int, int]]] = []
            for i, j, k in combinations(range(len(line)), 3):
                upper, lower = along[j] - along[i], along[k] - along[j]
                if min(upper, lower) > 1e-3 * along[-1]:
                    rest, before = (along[-1] - along[k]) / upper, along[i] / upper
                    cost = 4 * math.log(lower / upper / shape[0]) ** 2
                    cost += 0.3 * (before - shape[2]) ** 2
                    cost += (
                        0.15 * math.log((rest + 0.05) / (shape[1] + 0.05)) ** 2
                        if k + 1 < len(line)
                        else _NO_END * (1 if len(line) == 3 else 4)
                    )
                    choices.append((cost, (line[i], line[j], line[k])))
            if not choices:
                return [((line[0], line[0], line[0]), math.inf)] * 2
            cost, chain = min(choices)
            found.append((chain, cost))
        return found

    def _four_legs(self, fits: list[list[tuple[tuple[int, int, int], float]]]) -> bool:
        """Whether hands and feet stand on one floor at rest, whichever axis is up."""
        tips, tops = (
            torch.stack([self.spots[[chain[at] for chain, _ in limbs]].mean(0) for limbs in fits]) for at in (-1, 0)
        )
        return on_four_legs(tops, tips)

    def _left_first(
        self,
        legs: tuple[float, int, int, int],
        arms: tuple[float, int, int, int],
        fits: list[list[tuple[tuple[int, int, int], float]]],
    ) -> tuple[bool, float]:
        """Whether the first limb of each pair is the left one, and how sure that is: by names, then by the toes.

        Arms are put in the order of the legs, by which side of the trunk they are on.
        """
        (one, _), (other, _) = fits[0]
        across = self.spots[one[0]] - self.spots[other[0]]
        apart = self.spots[fits[1][0][0][2]] - self.spots[fits[1][1][0][2]]
        if float(apart @ across) < 0:
            fits[1].reverse()
        level = abs(float(apart @ across)) > 1e-3 * legs[0] * float(across.norm())
        keys = sides_and_stems(self.joints)
        sides = [keys[chain[0]][0] for chain in (one, other)]
        if "l" in sides or "r" in sides:
            return sides[0] == "l" or sides[1] == "r", 1.0 if level else 0.5
        trunk = self.spots[arms[1]] - self.spots[legs[1]]
        toes = self.spots[[self.reach(legs[1], branch)[1] for branch in legs[2:]]].mean(0)
        ahead = toes - self.spots[[one[2], other[2]]].mean(0)
        left = torch.linalg.cross(trunk, ahead - trunk * (ahead @ trunk) / (trunk @ trunk).clamp(min=1e-9))
        if not level:
            return one[0] < other[0], 0.4  # limbs at rest lie on each other: the file's order is all that there is
        if float(ahead.norm()) < 1e-3 * legs[0] or float(left.norm()) < 1e-9:
            return float(across[0]) > 0, 0.6  # no toes: y is up, and the body faces +z
        return float(left @ across) > 0, 0.9
