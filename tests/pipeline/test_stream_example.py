"""The example of streaming as a process: frames in by standard input and by UDP, forecasts out, bad lines survived."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "stream_forecast.py"
Write = Callable[..., Path]


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLE), *map(str, arguments)]


def test_frames_in_and_forecasts_out(write_bvh: Write) -> None:
    """By standard input and, the same frames, by UDP on loopback."""
    body = write_bvh(12)
    played = subprocess.run(command("--play", body), capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(played) == 12
    broken = [*played[:6], "{not json", '{"rotations": [[0, 0, 0, 1]], "root": [0, 0, 0]}', played[3], *played[6:]]
    done = subprocess.run(
        command(body, "--model", "constant-velocity", "--seconds", 0.2),
        input="\n".join(broken) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 12 - 3  # the baseline looks back four frames
    assert answers[-1]["time"] == json.loads(played[-1])["time"]
    assert len(answers[-1]["root"]) == 6
    assert len(answers[-1]["rotations"][0]) == len(json.loads(played[0])["rotations"])
    told = done.stderr.splitlines()
    assert [line.split(":")[0] for line in told] == ["line 7", "line 8", "line 9"]
    assert "in the order of their times" in told[2]

    listener = subprocess.Popen(
        command(body, "--model", "constant-velocity", "--seconds", 0.2, "--udp", 0),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listener.stderr is not None
    port = int(listener.stderr.readline().rsplit(":", 1)[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for frame in [*played, ""]:
            line.sendto(frame.encode(), ("127.0.0.1", port))
    heard, _ = listener.communicate(timeout=120)
    assert len(heard.splitlines()) == len(answers)
    assert json.loads(heard.splitlines()[-1])["root"] == answers[-1]["root"]
