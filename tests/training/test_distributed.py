"""Two processes learn what one learns from the same global batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from two_processes import Pair, gradients, training

from kinema.pipeline.train import train
from kinema.recipes import recipe
from kinema.training.checkpoint import RunFolder

pytestmark = pytest.mark.xdist_group("two processes")  # one process starts them, one pair at a time
STEPS = 12
PLAN = recipe("simlpe").tiny().with_steps(STEPS).with_value("stages.model.ema", "0.9")


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in RunFolder(folder).log.read_text().splitlines()]


@pytest.fixture(scope="module")
def under_torchrun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the command line as people call it."""
    out = tmp_path_factory.mktemp("torchrun") / "two"
    options = ["simlpe", "--tiny", "--steps", str(STEPS), "--set", "stages.model.ema=0.9", "--device", "cpu"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    ended = subprocess.run(
        [*launcher, "-m", "kinema", "train", *options, "--out", str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [str(out)]  # said once
    return out


def test_two_processes_give_the_losses_of_one(tmp_path: Path, under_torchrun: Path) -> None:
    train(PLAN, tmp_path / "one")
    one, two = entries(tmp_path / "one"), entries(under_torchrun)
    assert [entry["step"] for entry in two] == list(range(1, STEPS + 1))  # one process writes, and writes every line
    for first, second in zip(one, two, strict=True):
        for name in ("loss", "position", "velocity"):
            assert abs(first["losses"]["model"][name] - second["losses"]["model"][name]) < 1e-5
    assert abs(one[-1]["validation"]["model"]["loss"] - two[-1]["validation"]["model"]["loss"]) < 1e-5
    # Weights are not compared: where a gradient is as small as rounding, Adam makes a full step of its sign.


def test_two_processes_have_the_gradient_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    gradients(tmp_path / "1.pt")
    Pair(gradients, tmp_path / "2.pt").join()
    whole, shared = (torch.load(tmp_path / f"{world}.pt", weights_only=True) for world in (1, 2))
    assert (whole["samples"], shared["samples"]) == (8, 4)
    whole, shared = whole["gradients"], shared["gradients"]
    assert whole.keys() == shared.keys()
    assert sum(float(value.abs().sum()) for value in whole.values()) > 0.1
    for name, value in whole.items():
        torch.testing.assert_close(shared[name], value, atol=1e-9, rtol=1e-6)


def test_two_processes_that_are_stopped_go_on_as_if_they_had_not_been(tmp_path: Path, under_torchrun: Path) -> None:
    out = tmp_path / "cut"
    Pair(training, PLAN, out, stop_at=7).join(130)
    assert RunFolder(out).facts()["step"] == 7
    Pair(training, PLAN, out, resume=True).join()
    one, two = (RunFolder(run).weights() for run in (out, under_torchrun))
    for name, value in two.items():
        assert torch.equal(one[name], value), name
    assert [entry["step"] for entry in entries(out)] == [entry["step"] for entry in entries(under_torchrun)]
