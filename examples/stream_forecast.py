"""Forecasts of a live body: frames come in as JSON lines, by standard input or UDP, and futures go out the same way.

    python examples/stream_forecast.py --play walk.bvh | python examples/stream_forecast.py walk.bvh --model simlpe-cmu
    python examples/stream_forecast.py walk.bvh --udp 9000      # listens on this machine only

A line in:  {"time": 0.033, "root": [x, y, z], "rotations": [[x, y, z, w], ...]}   metres; one quaternion a joint
A line out: {"time": 0.033, "fps": 30, "root": [[x, y, z], ...], "rotations": [[[x, y, z, w], ...], ...], "ms": 7.1}
WALK.BVH says what the body is: joints, parents, bones, and the rate.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Iterable, Iterator

import torch

import kinema as kn
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw


def received(port: int) -> Iterator[str]:
    """Datagrams that arrive on this machine's own address; an empty one ends it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", port))
        print(f"listening on 127.0.0.1:{line.getsockname()[1]}", file=sys.stderr, flush=True)
        while message := line.recv(65536):
            yield message.decode("utf-8", "replace")


def frame_of(line: str, body: kn.Motion) -> tuple[kn.Motion, float | None]:
    """One frame and its time. Raises ValueError, KeyError or TypeError where the line is not such."""
    said = json.loads(line)
    rotations = quat_xyzw_to_rotmat(torch.tensor(said["rotations"], dtype=torch.float32))
    root = torch.tensor(said["root"], dtype=torch.float32)
    return kn.Motion(body.skeleton, rotations[None], root[None], body.fps), said.get("time")


def told(motion: kn.Motion, place: int | slice) -> dict[str, object]:
    """A frame, or several, as they go over the wire."""
    quats = rotmat_to_quat_xyzw(motion.rotations[place])
    return {"root": rounded(motion.root[place]), "rotations": rounded(quats)}


def rounded(values: torch.Tensor) -> list[object]:
    return (values.double() * 1e5).round().div(1e5).tolist()


def answers(lines: Iterable[str], forecaster: kn.Forecaster, body: kn.Motion) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        begun = time.perf_counter()
        try:
            frame, at = frame_of(line, body)
            futures = forecaster.push(frame, time=at)
        except (kn.KinemaError, ValueError, KeyError, TypeError, RuntimeError) as error:
            print(f"line {number}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # and on it goes
            continue
        if futures is not None:
            ahead = futures.one(0)
            took = round(1000 * (time.perf_counter() - begun), 2)
            frames = told(ahead, slice(None))
            yield json.dumps({"time": at, "fps": ahead.fps, **frames, "ms": took})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("body", nargs="?", help="a motion file of the body that comes in")
    parser.add_argument("--model", default="simlpe-cmu")
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--udp", type=int, default=None, metavar="PORT")
    parser.add_argument("--play", default=None, metavar="FILE", help="instead: write the frames of FILE as they go by")
    told_to = parser.parse_args()
    torch.set_num_threads(1)
    if told_to.play is not None:
        clip = kn.load(told_to.play)
        for place in range(clip.frames):
            print(json.dumps({"time": round(place / clip.fps, 6), **told(clip, place)}), flush=True)
            if sys.stdout.isatty():
                time.sleep(1 / clip.fps)
        return
    if told_to.body is None:
        parser.error("name a motion file of the body that comes in")
    body = kn.load(told_to.body)
    forecaster = kn.Forecaster.open(told_to.model, body.skeleton, body.fps, seconds=told_to.seconds)
    lines = sys.stdin if told_to.udp is None else received(told_to.udp)
    for answer in answers(lines, forecaster, body):
        print(answer, flush=True)


if __name__ == "__main__":
    main()
