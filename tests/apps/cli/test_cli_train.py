"""`kinema train` as people and machines call it: killed and resumed, interrupted, misused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinema.apps.cli import main
from kinema.apps.cli import train as command
from kinema.pipeline.train import Means, train
from kinema.recipes import recipe
from kinema.recipes.codec import to_json
from kinema.training.checkpoint import RunFolder

STEPS = 80
OPTIONS = [
    "simlpe", "--tiny", "--steps", str(STEPS), "--device", "cpu", "--threads", "1",
    "--set", "stages.model.ema=0.99", "stages.model.save_every=7", "stages.model.validate_every=20",
]  # fmt: skip


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "kinema", "train", *OPTIONS, "--out", str(out), *more]
    return subprocess.Popen(line, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_step(process: subprocess.Popen[str], out: Path, step: int) -> None:
    log = RunFolder(out).log
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") >= step:
            return
        time.sleep(0.002)
    pytest.fail(f"the run did not reach step {step}: {process.communicate()[1]}")


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    process = start(cut)
    # The step is drawn anew every time, on purpose: it must not matter.
    wait_for_step(process, cut, random.SystemRandom().randint(15, STEPS // 2))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    killed_at = RunFolder(cut).facts()["step"]
    assert 0 < killed_at < STEPS
    process = start(cut, "--resume")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out.strip()) == (0, str(cut)), err

    plan = recipe("simlpe").tiny().with_steps(STEPS)
    for value in OPTIONS[OPTIONS.index("--set") + 1 :]:
        plan = plan.with_value(*value.split("="))
    whole = train(plan, tmp_path / "whole", means=Means(device="cpu"))
    for name in ("model.safetensors", f"state-{STEPS:08}.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), f"{name} differs; killed at step {killed_at}"
    one, two = ([json.loads(line) for line in RunFolder(run).log.read_text().splitlines()] for run in (cut, whole))
    for first, second in zip(one, two, strict=True):
        # The speed differs, and the first line of a process says its precision.
        assert {**first, "steps_per_second": 0, "precision": 0} == {**second, "steps_per_second": 0, "precision": 0}


def test_interrupted_it_saves_and_leaves_with_130(tmp_path: Path) -> None:
    process = start(tmp_path / "run")
    wait_for_step(process, tmp_path / "run", 20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, ""), err
    assert "--resume" in err
    assert err.count("\n") == 1
    run = RunFolder(tmp_path / "run")
    assert run.facts()["step"] >= 20
    assert run.state()


def test_the_folder_is_said_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    arguments = ["train", "simlpe", "--tiny", "--steps", "2", "--seed", "5", "--device", "cpu", "--out", str(out)]
    assert said([*arguments, "--progress"], capsys)[:2] == (0, f"{out}\n")
    assert RunFolder(out).facts()["recipe"]["seed"] == 5
    assert RunFolder(out).facts()["step"] == 2


def test_a_recipe_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = recipe("simlpe").tiny().with_steps(2)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(to_json(plan)))
    assert said(["train", str(file), "--device", "cpu", "--out", str(tmp_path / "run")], capsys)[0] == 0
    assert RunFolder(tmp_path / "run").facts()["recipe"] == to_json(plan)
    file.write_text(file.read_text()[:-20])
    code, out, err = said(["train", str(file), "--out", str(tmp_path / "other")], capsys)
    assert (code, out) == (1, "")  # as any damaged file
    assert "mine.json" in err


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["simlp", "--tiny"], 2, "Did you mean simlpe"),
        (["simlpe", "--tiny", "--set", "stages.model.optim.rl=1"], 2, "Did you mean lr"),
        (["simlpe", "--tiny", "--set", "seed"], 2, "path=value"),
        (["simlpe", "--tiny", "--set", "seed=x"], 2, "a whole number for seed"),
        (["simlpe", "--tiny", "--steps", "0"], 2, "steps of at least 1"),
        (["simlpe", "--tiny", "--resume"], 3, "a run to resume"),
        (["simlpe-cmu", "--data", "{tmp}/none"], 3, "does not exist"),
        (["simlpe", "--tiny", "--steps", "9", "--set", "stages.model.optim.lr=1e30"], 1, "a finite loss"),
        (["{tmp}/none.json"], 2, "none.json"),
    ],
)
def test_misuse_is_one_line_and_the_right_code(
    more: list[str], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [part.replace("{tmp}", str(tmp_path)) for part in more]
    found, out, err = said(["train", *arguments, "--device", "cpu", "--out", str(tmp_path / "run")], capsys)
    assert (found, out) == (code, "")
    assert says in err
    assert err.count("\n") == 1
    if code != 1:
        assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = ["train", "simlpe", "--tiny", "--device", "cpu", "--out", str(tmp_path / "file" / "run")]
    code, out, err = said(arguments, capsys)
    assert (code, out) == (1, "")
    assert "a place to write" in err


@pytest.mark.parametrize(
    ("argv", "environment", "again"),
    [
        (["/usr/bin/kinema", "train", "x"], {}, True),
        (["/src/kinema/__main__.py", "train", "x"], {}, True),
        (["/usr/bin/kinema", "train", "x"], {"MALLOC_TRIM_THRESHOLD_": "1"}, False),
        (["/usr/bin/pytest", "train"], {}, False),
        (["/usr/bin/kinema", "eval", "x"], {}, False),
    ],
)
def test_it_starts_itself_once_more_to_set_up_malloc(
    argv: list[str], environment: dict[str, str], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, str]] = []
    monkeypatch.setattr(command.sys, "argv", argv)
    monkeypatch.setattr(command.os, "execve", lambda path, line, variables: calls.append(variables))
    monkeypatch.setattr(command.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(command.os, "environ", environment)
    monkeypatch.delitem(sys.modules, "torch")
    command._keep_freed_memory()
    assert bool(calls) == again
    if again:
        assert calls[0]["MALLOC_MMAP_THRESHOLD_"] == str(32 * 1024 * 1024)
        calls_again = dict(calls[0])
        monkeypatch.setattr(command.os, "environ", calls_again)
        command._keep_freed_memory()
        assert len(calls) == 1  # and not a third time
