"""A backbone of the protocol for each verb, and the line in which requests wait: one is answered at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
from motionmcp.backbone import Backbone, Limits, ModelSpec, MotionResult
from motionmcp.errors import ProtocolError
from motionmcp.schemas import GenerateRequest as Asked
from motionmcp.schemas import Joint, ModelOption
from motionmcp.schemas import Skeleton as AskedSkeleton

from kinema.apps.serve.answer import opened, reply_to
from kinema.apps.serve.question import Notes, Verb, question_of
from kinema.core.errors import KinemaError, SkeletonError
from kinema.models.baselines import BASELINES
from kinema.motion.feet.contacts import contact_joints
from kinema.motion.skeletons import skeleton
from kinema.pipeline.defaults import AUTO, DEFAULTS
from kinema.pipeline.open import METHODS, shipped_models

_Made = TypeVar("_Made")
_RATE = 30.0  # frames per second where a request names none
_CANONICAL = "kinema24"
_NONE = (0.0, 0.0, 0.0, 1.0)  # no rotation


@dataclass
class Line:
    """One request is answered at a time; at most `waiting` others wait, at most `seconds` each."""

    waiting: int = 16
    seconds: float = 120.0
    closed: bool = False
    inside: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, work: Callable[[], _Made]) -> _Made:
        """The result of `work`, done in a thread. Raises ProtocolError (503) where the line is full or closed."""
        if self.inside > self.waiting:
            raise ProtocolError("resource_exhausted", f"{self.inside} requests are being answered; try again later")
        self.inside += 1
        try:
            try:
                await asyncio.wait_for(self._turn.acquire(), self.seconds)
            except TimeoutError:
                raise ProtocolError("resource_exhausted", f"not answered within {self.seconds:g} s") from None
            try:
                if self.closed:
                    raise ProtocolError("model_unavailable", "the server is stopping")
                return await asyncio.to_thread(work)
            finally:
                self._turn.release()
        finally:
            self.inside -= 1


class VerbBackbone(Backbone):
    """`kinema-inbetween`, `kinema-forecast` or `kinema-generate`."""

    def __init__(self, verb: Verb, line: Line, limits: Limits, models: tuple[str, ...] = ()) -> None:
        self.verb: Verb = verb
        self.model_id = f"kinema-{verb}"
        self.line = line
        self.actions = opened(DEFAULTS["generate"].model).actions
        self._spec = self._describe(limits, models)

    def capabilities(self) -> ModelSpec:
        """What it takes, with its limits and dials."""
        return self._spec

    async def generate(self, request: Asked) -> MotionResult:
        """The answer, when its turn comes."""
        return await self.line.run(lambda: self.answer(request))

    def answer(self, request: Asked) -> MotionResult:
        """The answer, now. Raises ProtocolError with what is wrong with the request."""
        notes = Notes()
        try:
            reply = reply_to(question_of(request, self.verb, self.actions, _RATE, notes), notes)
        except (SkeletonError, RecursionError) as error:
            raise ProtocolError("invalid_skeleton", str(error)) from error
        except KinemaError as error:
            raise ProtocolError("invalid_request", str(error), {"cure": error.cure}) from error
        except ProtocolError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"[:300]
            raise ProtocolError("internal_error", f"{what}. This is a bug of kinema; please report it.") from error
        if not (np.isfinite(reply.rotations).all() and np.isfinite(reply.root).all()):
            raise ProtocolError(
                "internal_error", "the answer is not finite. This is a bug of kinema; please report it."
            )
        return MotionResult(
            rotations=reply.rotations,
            root_translations=reply.root,
            foot_contacts=reply.contacts,
            chunk_boundaries=[reply.seams] * len(reply.root) if reply.seams else None,
            notes=reply.notes,
        )

    def _describe(self, limits: Limits, models: tuple[str, ...]) -> ModelSpec:
        body = skeleton(_CANONICAL)
        names = [body.joints[joint] for joint in contact_joints(body) or ()]
        dials = [
            ModelOption(
                name="method",
                type="enum",
                title="Method",
                description="The curve or model that makes the motion; auto: the one that scored best.",
                default=AUTO,
                values=_methods(self.verb, models),
            ),
            ModelOption(
                name="feet",
                type="enum",
                title="Feet",
                description="clean: feet that stand stay in place. auto: as post_processing says, else clean in "
                "forecasts and generated motion only.",
                default=AUTO,
                values=[AUTO, "clean", "keep"],
            ),
        ]
        if self.verb == "generate":
            about = "How much samples differ; below 1 they are more usual."
            dials.append(
                ModelOption(
                    name="temperature",
                    type="number",
                    title="Temperature",
                    description=about,
                    default=1.0,
                    minimum=0.05,
                    maximum=4.0,
                    values=None,
                )
            )
        return ModelSpec(
            id=self.model_id,
            fps=_RATE,
            canonical_skeleton=_asked_skeleton(),
            supports_retargeting=True,
            supports_segment_seed=True,
            supports_loop=self.verb != "forecast",
            supported_segments=["unconditioned", "text"],
            supported_constraints=["pose_keyframe", "effector_target", "root_path", "ground_height"],
            supported_guidance_types=["nocfg"],
            predicted_contact_joints=list(dict.fromkeys(names)),
            chunking="none",
            native_clip_seconds=limits.max_duration_seconds,
            recommended_max_duration_seconds=limits.max_duration_seconds,
            model_options=dials,
            limits=limits,
        )


def backbones(line: Line, limits: Limits, models: tuple[str, ...] = ()) -> list[VerbBackbone]:
    """One for each verb; a client that names none takes the first. `models` are run folders to offer as methods."""
    verbs: tuple[Literal["inbetween"], Literal["forecast"], Literal["generate"]] = ("inbetween", "forecast", "generate")
    return [VerbBackbone(verb, line, limits, models) for verb in verbs]


def _methods(verb: Verb, models: tuple[str, ...]) -> list[str]:
    names = [*METHODS, *(BASELINES if verb == "forecast" else ()), *shipped_models(), *models]
    return [AUTO, *(name for name in dict.fromkeys(names) if name != AUTO and verb in opened(name).verbs)]


def _asked_skeleton() -> AskedSkeleton:
    body = skeleton(_CANONICAL)
    low = min(0.0, float(body.rest_positions[:, 1].min()))
    joints: list[Joint] = []
    for name, parent, (x, y, z) in zip(body.joints, body.parents, body.offsets.tolist(), strict=True):
        place = (x, y, z) if parent >= 0 else (0.0, -low, 0.0)
        above = None if parent < 0 else body.joints[parent]
        joints.append(Joint(name=name, parent=above, rest_translation=place, rest_rotation=_NONE, display_name=None))
    return AskedSkeleton(joints=joints)
