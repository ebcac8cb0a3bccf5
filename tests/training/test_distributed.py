"""Two processes under torchrun learn what one learns from the same global batches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from kinema.pipeline.train import train
from kinema.recipes import recipe
from kinema.training.checkpoint import RunFolder

LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in RunFolder(folder).log.read_text().splitlines()]


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    options = ["simlpe", "--tiny", "--steps", "12", "--set", "stages.model.ema=0.9", "--device", "cpu"]
    command = [*LAUNCHER, "-m", "kinema", "train", *options, "--out", str(tmp_path / "two")]
    ended = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=500, check=False)
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


GRADIENTS = """
import sys
import torch
from kinema.data.loader import Loader
from kinema.data.windows import WindowSet
from kinema.recipes import recipe
from kinema.pipeline.checkpoints.checkpoint import feature_shape
from kinema.training.distributed import losses_of, processes

with processes() as process:
    tiny = recipe("simlpe").tiny()
    stage = tiny.stages[0]
    representation = tiny.representation.build(tiny.source.skeleton)
    windows = WindowSet.build(tiny.source, "train", representation)
    torch.manual_seed(0)
    model = stage.build(feature_shape(representation, 0), {}).eval().double()
    options = {"batch_size": 8, "seed": 0, "rank": process.rank, "world": process.world}
    batch = Loader(windows, representation, stage.task, **options).batch(0)
    # In double precision: the direction of an error that is nearly nothing is made of rounding.
    batch = batch.map(lambda value: value.double() if value.is_floating_point() else value)
    losses = losses_of(model, process)
    losses(batch, "model")["loss"].backward()
    if process.leads:
        print(len(batch))
        torch.save({name: value.grad for name, value in model.named_parameters()}, sys.argv[1])
    process.wait()  # as `train` does: a process that leaves early may take the other's connection down
    del losses
"""


def test_two_processes_have_the_gradient_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    (tmp_path / "gradients.py").write_text(GRADIENTS)
    found = []
    for world, launcher in ((1, [sys.executable]), (2, LAUNCHER)):
        file = tmp_path / f"{world}.pt"
        command = [*launcher, str(tmp_path / "gradients.py"), str(file)]
        ended = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=500, check=False)
        assert ended.returncode == 0, ended.stderr
        assert int(ended.stdout) == 8 // world
        found.append(torch.load(file, weights_only=True))
    whole, shared = found
    assert whole.keys() == shared.keys()
    assert sum(float(value.abs().sum()) for value in whole.values()) > 0.1
    for name, value in whole.items():
        torch.testing.assert_close(shared[name], value, atol=1e-9, rtol=1e-6)


def test_two_processes_that_are_stopped_go_on_as_if_they_had_not_been(tmp_path: Path) -> None:
    options = ["simlpe", "--tiny", "--steps", "40", "--device", "cpu"]
    command = [*LAUNCHER, "-m", "kinema", "train", *options, "--out", str(tmp_path / "cut")]
    cut = subprocess.Popen(command, env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    log = RunFolder(tmp_path / "cut").log
    while cut.poll() is None and (not log.is_file() or len(log.read_text().splitlines()) < 2):
        time.sleep(0.01)
    cut.send_signal(signal.SIGTERM)  # torchrun hands it on; both stop after the same step
    cut.communicate(timeout=500)
    stopped = int(RunFolder(tmp_path / "cut").facts()["step"])
    for name, more in (("cut", ["--resume"]), ("whole", [])):
        command = [*LAUNCHER, "-m", "kinema", "train", *options, "--out", str(tmp_path / name), *more]
        ended = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=500, check=False)
        assert ended.returncode == 0, ended.stderr
    assert 0 < stopped <= 40
    one, two = (RunFolder(tmp_path / name).weights() for name in ("cut", "whole"))
    for name, value in two.items():
        assert torch.equal(one[name], value), name
    assert [entry["step"] for entry in entries(tmp_path / "cut")] == [e["step"] for e in entries(tmp_path / "whole")]
