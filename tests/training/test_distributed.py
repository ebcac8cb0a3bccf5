"""Two processes under torchrun learn what one learns from the same global batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kinema.recipes import recipe
from kinema.run.train import train
from kinema.training.checkpoint import RunFolder


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in RunFolder(folder).log.read_text().splitlines()]


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    options = ["simlpe", "--tiny", "--steps", "12", "--set", "stages.model.ema=0.9", "--device", "cpu"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "kinema", "train", *options, "--out", str(tmp_path / "two")]
    ended = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [str(tmp_path / "two")]  # said once
    tiny = recipe("simlpe").tiny().with_steps(12).with_value("stages.model.ema", "0.9")
    train(tiny, tmp_path / "one")

    one, two = entries(tmp_path / "one"), entries(tmp_path / "two")
    assert [entry["step"] for entry in two] == list(range(1, 13))  # one process writes, and writes every line
    for first, second in zip(one, two, strict=True):
        for name in ("loss", "position", "velocity"):
            assert abs(first["losses"]["model"][name] - second["losses"]["model"][name]) < 1e-5
    assert abs(one[-1]["validation"]["model"]["loss"] - two[-1]["validation"]["model"]["loss"]) < 1e-5
    # Weights are not compared: where a gradient is as small as rounding, Adam makes a full step of its sign.
