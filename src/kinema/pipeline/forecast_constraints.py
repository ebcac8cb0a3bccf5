"""What is known of a future before it is sampled: body parts that keep their pose, and a last pose.

HumanMAC's two modes (Chen et al., ICCV 2023, "control" and "switch") as one query: features of frames to come are
given with the past, and a model that completes fills in the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.motion.edit import facing, rotate
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.pipeline.adapter import Adapter
from kinema.representations.base import Representation

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
class KnownFrames:
    """Features of frames to come, in their own units, and the confidence of each token: 1 where it is known, else 0."""

    values: Float[Tensor, "frame feat"]
    confidence: Float[Tensor, "frame token"]


@dataclass(frozen=True, eq=False)
class ForecastConstraints:
    """What every sample of a forecast has in common.

    `hold` names parts (`PARTS`) whose joints keep the position relative to the root that they were last observed in,
    in the world's axes: a held arm does not turn with the body. `end` is a clip, on any skeleton with canonical names,
    whose last pose all futures end in; its position and heading are not used: the body faces as it was last observed.
    It stays in that pose for `ENDING` seconds. Raises UsageError for an unknown part.
    """

    hold: tuple[str, ...] = ()
    end: Motion | None = None

    def __post_init__(self) -> None:
        for part in self.hold:
            if part not in PARTS:
                raise unknown_name("body part", part, PARTS)

    def __bool__(self) -> bool:
        return bool(self.hold) or self.end is not None

    def known(self, adapter: Adapter, own: Motion, frames: int) -> KnownFrames:
        """What they fix of the `frames` after `own`, which is at the model's rate.

        Raises UsageError where the representation lacks the joints of a part, or is not one of joint positions.
        """
        representation = adapter.representation
        if representation is None or representation.reference != "centred":
            raise UsageError(
                expected="a model of joint positions about the root, which can hold parts and end in a pose",
                got=f"{adapter.name}, a model of {' or '.join(sorted(adapter.spaces))}",
                cure="Use the model smrnet.",
            )
        past = cast("Motion", representation.read(own))
        last = representation.encode(past[-1:])
        values = last.expand(frames, -1).clone()
        confidence = values.new_zeros(frames, representation.tokens)
        confidence[:, self._held(representation)] = 1
        if self.end is not None:
            stays = max(1, min(round(ENDING * representation.fps), frames // 2))
            values[-stays:] = representation.encode(_ending(self.end, past))
            confidence[-stays:] = 1
        return KnownFrames(values, confidence)

    def _held(self, representation: Representation) -> list[int]:
        """The tokens of the parts. The root is none: everything is relative to it."""
        joints = representation.skeleton.indices([joint for part in self.hold for joint in PARTS[part]])
        return [token for token, own in enumerate(representation.joint_of_token) if own in joints]


def _ending(end: Motion, past: Motion) -> Motion:
    """The last pose of a clip on the body of `past`, facing as that does at its end."""
    pose = retarget(end[-1:], past.skeleton, by="directions")
    return replace(rotate(pose, facing(past[-1:])[0] - facing(pose)[0]), fps=past.fps)
