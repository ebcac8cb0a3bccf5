"""What is known of a future before it is sampled: body parts that keep their pose, and a pose that it ends in.

HumanMAC's two modes (Chen et al., ICCV 2023, "control" and "switch") as one question more: numbers of frames to come
are given with the past, and a model that completes fills in the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.core.query import Query
from kinema.motion.edit import facing, turn
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.representations.base import Representation
from kinema.representations.root_centred import CentredPositions

_SIDES = {"left": "l", "right": "r"}
_LEGS = {f"{name}_leg": (f"{side}_hip", f"{side}_knee", f"{side}_ankle") for name, side in _SIDES.items()}
_ARMS = {f"{name}_arm": (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") for name, side in _SIDES.items()}
_TORSO = ("spine", "chest", "neck", "head")
PARTS: dict[str, tuple[str, ...]] = {
    **_LEGS,
    "torso": _TORSO,
    **_ARMS,
    "lower": tuple(joint for leg in _LEGS.values() for joint in leg),
    "upper": (*_TORSO, *(joint for arm in _ARMS.values() for joint in arm)),
}
"""Canonical joints of each body part that can be held."""
ENDING = 0.2  # seconds that a future stays in the pose that it ends in


@dataclass(frozen=True, eq=False)
class Known:
    """Features of frames to come, in their own units, and which of them are known: 1 where a token is, else 0."""

    values: Float[Tensor, "frame feat"]
    trust: Float[Tensor, "frame token"]

    def added(self, query: Query, representation: Representation) -> Query:
        """A query, of features that are standardised, with these frames known at its end."""
        past = query.seen.shape[1] - len(self.values)
        token = torch.tensor(representation.token_of_feature)
        ahead = representation.standardise(self.values) * (self.trust[:, token] > 0)
        seen, trust = query.seen.clone(), query.trust.clone()
        seen[:, past:], trust[:, past:] = ahead, self.trust
        return replace(query, seen=seen, trust=trust)


@dataclass(frozen=True, eq=False)
class Wishes:
    """What every sample of a forecast has in common.

    `hold` names parts (`PARTS`) whose joints keep the place relative to the root that they were last seen in, with the
    world's axes: a held arm does not turn with the body. `end` is a clip, on any skeleton with canonical names, whose
    last pose all futures end in: its place and its heading are not taken over, the body faces as it was last seen. It
    stays in it for `ENDING` seconds. Raises UsageError for a part that there is not.
    """

    hold: tuple[str, ...] = ()
    end: Motion | None = None

    def __post_init__(self) -> None:
        for part in self.hold:
            if part not in PARTS:
                raise unknown_name("body part", part, PARTS)

    def __bool__(self) -> bool:
        return bool(self.hold) or self.end is not None

    def known(self, representation: Representation, past: Motion, frames: int) -> Known:
        """What they say of the `frames` after `past`, which is on the representation's skeleton.

        Raises UsageError where the representation has not the joints of a part, or is none of joint places.
        """
        if not isinstance(representation, CentredPositions):
            raise UsageError(
                expected="a model of joint places about the root, which can hold parts and end in a pose",
                got=f"one of {representation.space}",
                cure="Ask an SMRNet.",
            )
        last = representation.encode(past[-1:])
        values = last.expand(frames, -1).clone()
        trust = values.new_zeros(frames, representation.tokens)
        trust[:, self._held(representation)] = 1
        if self.end is not None:
            stays = max(1, min(round(ENDING * representation.fps), frames // 2))
            values[-stays:] = representation.encode(_ending(self.end, past))
            trust[-stays:] = 1
        return Known(values, trust)

    def _held(self, representation: CentredPositions) -> list[int]:
        """The tokens of the parts. The root is none: everything is told relative to it."""
        tokens = {representation.skeleton.index(name): token for token, name in enumerate(representation.joints)}
        joints = representation.skeleton.indices([joint for part in self.hold for joint in PARTS[part]])
        return [tokens[joint] for joint in joints if joint in tokens]


def _ending(end: Motion, past: Motion) -> Motion:
    """The last pose of a clip on the body of `past`, facing as that does at its end."""
    pose = retarget(end[-1:], past.skeleton, by="directions")
    return replace(turn(pose, facing(past[-1:])[0] - facing(pose)[0]), fps=past.fps)
