"""A few kills of training and of a job, in a process of its own: `make kills` makes fifty of each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.hard
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this system has not")
def test_three_kills_lose_nothing() -> None:
    small = ["--kills", "3", "--seed", "5", "--steps", "12", "--files", "6"]
    command = [sys.executable, str(Path(__file__).with_name("kills_run.py")), *small]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "weights identical, nothing lost" in done.stdout
    assert "every result whole" in done.stdout
