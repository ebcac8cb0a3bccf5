"""Answers of exported models with numpy and onnxruntime alone: `kinema.onnx.open("render-in-between.onnx")`.

Nothing here imports torch. Motion is an array of features, frame by frame, in the units of the graph's page: `features`
makes them from rotations, `motion` turns them back. Legend: T frame, F feature, J joint of `Graph.joints`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.core.errors import UsageError, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]
    Flags = NDArray[np.bool_]


def open(file: Path | str, *, threads: int = 1) -> Graph:  # noqa: A001  kn.onnx.open
    """A file that `kinema export` wrote. Raises UsageError where there is none, or it was not written by kinema."""
    file = Path(file)
    if not file.is_file():
        raise UsageError(
            expected="a graph that `kinema export` wrote",
            got=f"no file at {file}",
            cure="Write one: kinema export render-in-between render-in-between.onnx.",
        )
    require("onnxruntime", "onnx", "which runs ONNX files")
    try:
        session = session_of(file, threads)
        page = json.loads(session.get_modelmeta().custom_metadata_map["kinema"])
    except Exception as error:  # onnxruntime raises types of its own
        raise UsageError(
            expected="a graph that `kinema export` wrote",
            got=f"{file.name}, which is none ({' '.join(str(error).split())[:120]})",
            cure="Write one: kinema export render-in-between render-in-between.onnx.",
        ) from error
    return Graph(page, session)


def session_of(file: Path, threads: int = 1) -> Any:
    """The graph in a file, ready to run in onnxruntime on the CPU. Raises UsageError without that, and its errors."""
    runtime = require("onnxruntime", "onnx", "which runs ONNX files")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True, eq=False)
class Graph:
    """A part of a model. `page` says what its numbers mean: `fps`, `features`, `skeleton`, `notes`, `licence`."""

    page: dict[str, Any]
    session: Any

    @property
    def joints(self) -> tuple[str, ...]:
        """The joints whose rotations the features are, in their order."""
        return tuple(self.page["features"]["tokens"])

    def features(self, root: Numbers, rotations: Numbers) -> Numbers:
        """The root's position in metres [T, 3] and local rotation matrices [T, J, 3, 3] -> features [T, F].

        Raises UsageError for a model whose features are something else.
        """
        self._needs_rotations()
        return np.concatenate((root, rotations[..., :2].swapaxes(-1, -2).reshape(len(root), -1)), -1)

    def motion(self, features: Numbers) -> tuple[Numbers, Numbers]:
        """The way back: root [T, 3] and rotation matrices [T, J, 3, 3]. Raises UsageError as `features`."""
        self._needs_rotations()
        six = features[..., 3:].reshape(len(features), -1, 2, 3)
        first = _unit(six[..., 0, :])
        second = _unit(six[..., 1, :] - (first * six[..., 1, :]).sum(-1, keepdims=True) * first)
        return features[..., :3], np.stack((first, second, np.cross(first, second)), -1)

    def inbetween(self, frames: Numbers, known: Flags, fps: float | None = None) -> Numbers:
        """Fill what lies between known frames: features [T, F], of which `known` [T] says which are used.

        `fps` is the rate of the frames (default: the model's). Frames before the first known one and after the last
        repeat it. Known frames come back unchanged. Raises UsageError for another kind of graph, wrong shapes, numbers
        that are not finite, or no known frame.
        """
        frames, keys = self._checked(frames), np.flatnonzero(known)
        if len(known) != len(frames) or not len(keys) or not np.isfinite(frames[keys]).all():
            raise UsageError(
                expected="a flag for every frame, one known frame or more, and finite numbers in these",
                got=f"{len(known)} flags for {len(frames)} frames, {len(keys)} of them known",
                cure="Pass `known` as an array of bool with a frame's True where the clip has a key.",
            )
        rate = float(fps or self.page["fps"])
        if self.page["part"] == "inbetween":
            return self._window(frames, keys, rate)
        if self.page["part"] != "gap":
            raise self._other("inbetween", "render-in-between")
        answer = frames.copy()
        answer[: keys[0]], answer[keys[-1] :] = frames[keys[0]], frames[keys[-1]]
        time = keys * (self.page["notes"]["fps"] / rate)
        for place in np.flatnonzero(np.diff(keys) > 1):
            first, last = keys[place], keys[place + 1]
            answer[first + 1 : last] = self._gap(frames, keys, time, int(place), int(last - first))[1:-1]
        return answer

    def forecast(self, past: Numbers, frames: int) -> Numbers:
        """The `frames` that follow [T, F] at the model's rate: [frames, F]. Longer forecasts are asked piece by piece.

        Raises UsageError for another kind of graph, or too few frames.
        """
        if self.page["part"] != "forecast":
            raise self._other("forecast", "simlpe-cmu")
        past, needed = self._checked(past), int(self.page["inputs"][0]["axes"][1])
        if len(past) < needed or not np.isfinite(past[-needed:]).all():
            raise UsageError(
                expected=f"at least {needed} frames of finite numbers at {self.page['fps']:g} per second",
                got=f"{len(past)} frames",
                cure=f"Pass the last {needed} frames of the clip, or more.",
            )
        whole = past
        while len(whole) < len(past) + frames:
            (answer,) = self.session.run(None, {"past": whole[None, -needed:]})
            whole = np.concatenate((whole, answer[0]))
        return whole[len(past) : len(past) + frames]

    def _gap(self, frames: Numbers, keys: NDArray[np.intp], time: Numbers, place: int, length: int) -> Numbers:
        """From key to key, both included."""
        notes = self.page["notes"]
        scale = min(1.0, (notes["longest"] + 1) / (time[place + 1] - time[place]))
        before, after = scale * (time[place] - time[place::-1]), scale * (time[place + 1 :] - time[place + 1])
        left = [place - at for at in reversed(_read(before, notes["runs"][0], notes))]
        right = [place + 1 + at for at in _read(after, notes["runs"][1], notes)]
        clock = (time - time[place]) * scale
        span = float(clock[place + 1])
        count = min(max(round(span) - 1, 1 if span > 1.25 else 0), notes["nodes"])
        nodes, times = (np.arange(count) + 1) * span / (count + 1), np.linspace(0.0, span, length + 1)
        kind = 3 * _side([-clock[at] for at in left[::-1]]) + _side([clock[at] for at in right])
        given = {
            "before": frames[None, keys[left]], "before_time": clock[left],
            "after": frames[None, keys[right]], "after_time": clock[right],
            "kind": np.array([kind]), "nodes": nodes, "times": times, "weights": _spline(nodes, times, span),
        }  # fmt: skip
        numbers = {name: each if name == "kind" else each.astype(np.float32) for name, each in given.items()}
        return self.session.run(None, numbers)[0][0]

    def _window(self, frames: Numbers, keys: NDArray[np.intp], rate: float) -> Numbers:
        """By a graph that reads a whole window at once."""
        tokens = int(next(port for port in self.page["inputs"] if port["name"] == "confidence")["axes"][-1])
        confidence = np.zeros((1, len(frames), tokens), dtype=np.float32)
        confidence[0, keys] = 1.0
        given = {
            "observed": np.where(confidence[..., :1] > 0, frames, 0.0).astype(np.float32),
            "confidence": confidence,
            "time": (np.arange(len(frames), dtype=np.float32) / rate)[None],
            "valid": np.ones((1, len(frames)), dtype=bool),
        }
        return self.session.run(None, given)[0][0]

    def _checked(self, frames: Numbers) -> Numbers:
        width = int(self.page["features"]["width"])
        if frames.ndim != 2 or frames.shape[1] != width:
            raise UsageError(
                expected=f"frames of {width} features, as [frame, feature]",
                got=f"an array of {frames.shape}",
                cure="Make them with `Graph.features`; the graph's page describes every number.",
            )
        return frames.astype(np.float32)

    def _needs_rotations(self) -> None:
        kind = self.page["features"]["representation"]["kind"]
        if kind != "RootedRotations":
            raise UsageError(
                expected="a model of joint rotations with the root's path",
                got=f"{self.page['model']}, whose features are {kind}",
                cure='Make the features as `Graph.page["features"]["meaning"]` says.',
            )

    def _other(self, verb: str, model: str) -> UsageError:
        return UsageError(
            expected=f"a graph that answers {verb}",
            got=f"the part {self.page['part']} of {self.page['model']}",
            cure=f"Write one: kinema export {model} {model}.onnx.",
        )


def _read(distances: Numbers, run: Sequence[int], notes: dict[str, Any]) -> list[int]:
    """Which known frames on one side are read: of an unbroken run some, else the next few keys."""
    if len(distances) > 1 and distances[1] < 1.5:
        return [at for at, distance in enumerate(distances) if round(float(distance)) in run and at <= run[-1]]
    return [at for at, distance in enumerate(distances) if distance <= notes["reach"]][: notes["keys"]]


def _side(away: Sequence[float]) -> int:
    """Beside a key nothing is known (0), movement (1), or a key further away (2)."""
    return 0 if len(away) < 2 else 1 if away[1] - away[0] <= 2.5 else 2


def _spline(nodes: Numbers, times: Numbers, span: float) -> Numbers:
    """What each node counts at some times [time, node]: the not-a-knot cubic through them that is zero at both ends."""
    places = np.array([0.0, *nodes, span]) / span
    knots = places[2:-2]

    def basis(at: Numbers) -> Numbers:
        powers = at[:, None] ** np.arange(min(4, len(places)))
        return np.concatenate((powers, np.maximum(at[:, None] - knots, 0.0) ** 3), 1)

    return (basis(times / span) @ np.linalg.inv(basis(places)))[:, 1:-1]


def _unit(vectors: Numbers) -> Numbers:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-12)
