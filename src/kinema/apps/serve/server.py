"""The HTTP server: a backbone of the protocol for each verb behind a guard, run until a signal ends it.

One request is answered at a time; others wait in a line.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from motionmcp.backbone import Backbone, Limits, ModelSpec, MotionResult
from motionmcp.errors import ProtocolError
from motionmcp.schemas import GenerateRequest as Asked
from motionmcp.schemas import Joint, ModelOption
from motionmcp.schemas import Skeleton as AskedSkeleton
from motionmcp.server import build_app
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinema.apps.local_access import foreign, is_local
from kinema.apps.serve.answer import opened, reply_to
from kinema.apps.serve.question import Notes, Verb, question_of
from kinema.core.errors import KinemaError, SkeletonError, UsageError
from kinema.models.baselines import BASELINES
from kinema.motion.feet.contacts import contact_joints
from kinema.motion.skeletons import skeleton
from kinema.pipeline.defaults import AUTO, DEFAULTS
from kinema.pipeline.open import METHODS, shipped_models

_Made = TypeVar("_Made")
_RATE = 30.0  # frames per second where a request names none
_CANONICAL = "kinema24"
_NONE = (0.0, 0.0, 0.0, 1.0)  # no rotation
_CLIENTS = 128  # connections at a time; more get a 503
_LEFT = 20  # seconds that a stopping server gives the answer that it is working on
_DRAINED = 1 << 26  # bytes of a body that is too large that are read and dropped
_LATER = b"5"  # seconds after which a client that got a 503 may ask again


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


def application(line: Line, limits: Limits, models: tuple[str, ...] = ()) -> FastAPI:
    """The protocol's application: every refusal is its error envelope."""
    logging.getLogger("motionmcp").setLevel(logging.CRITICAL)  # a path of travel that it cannot find is no news
    app = build_app(backbones(line, limits, models), title="kinema")

    async def broken(request: Request, error: Exception) -> JSONResponse:
        return _envelope(500, "internal_error", f"{type(error).__name__}: {error}"[:300])

    async def refused(request: Request, error: Exception) -> JSONResponse:
        found = cast("HTTPException", error)
        return _envelope(found.status_code, "schema_validation", str(found.detail))

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, broken)
    return app


class Guard:
    """Refuses other machines and other pages, and names a time to come back with every 503."""

    def __init__(self, app: ASGIApp, *, local: bool) -> None:
        self.app, self.local = app, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value.decode("latin-1"))
        why = foreign(headers.get(b"host", []), headers.get(b"origin", []), local=self.local)
        if why:
            await _envelope(403, "forbidden", f"kinema serve refuses {why}")(scope, receive, send)
            return
        started = False

        async def later(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] == 503:
                    message["headers"] = [*message["headers"], (b"retry-after", _LATER)]
                if message["status"] == 413:
                    await _read_on(receive)
            await send(message)

        try:
            await self.app(scope, receive, later)
        except Exception as error:  # it has its envelope; the other requests go on
            logging.getLogger("kinema.serve").warning("%s: %s", type(error).__name__, error)
            if not started:
                raise


async def _read_on(receive: Receive) -> None:
    """Read the rest of a large body, within bounds: a client that is still sending does not see the refusal."""
    left = _DRAINED
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return


class _Server(uvicorn.Server):
    """uvicorn's server; `run` below has the signals."""

    def capture_signals(self) -> Any:
        return nullcontext()


def run(
    limits: Limits,
    *,
    models: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    port: int = 8000,
    waiting: int = 16,
    ready: Callable[[str], None] | None = None,
    stop: Callable[[Callable[[], None]], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM: the answer in progress is sent, those that wait get a 503.

    `ready` is called once with the address. `stop` is given a function that ends the server, in place of the signals.
    Raises UsageError where the address cannot be had.
    """
    line = Line(waiting)
    app = Guard(application(line, limits, models), local=is_local(host))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        limit_concurrency=_CLIENTS,
        timeout_graceful_shutdown=_LEFT,
        ws="none",
    )
    server = _Server(config)
    bound = _bound(host, port)
    place = f"[{host}]" if ":" in host else host

    def end() -> None:
        line.closed = True
        server.should_exit = True

    ours = (signal.SIGINT, signal.SIGTERM) if stop is None else ()
    before = [(each, signal.getsignal(each)) for each in ours]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for each in ours:
            loop.add_signal_handler(each, end)
        if stop is not None:
            stop(lambda: loop.call_soon_threadsafe(end) and None)
        if ready is not None:
            ready(f"http://{place}:{bound.getsockname()[1]}")
        await server.serve(sockets=[bound])

    try:
        asyncio.run(main())
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise UsageError(
            expected="an address of this machine and a free port",
            got=f"{host} {port}: {error}",
            cure="Type --port 0 for any free one.",
        ) from error


def _envelope(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "details": {}}}, status_code=status)
