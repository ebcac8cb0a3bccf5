"""Requests: the only list of a verb's options, and the table of default models."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import fields, replace
from typing import get_args

import jaxtyping
import numpy as np
import pytest
import torch

import kinema as kn
from command import run
from kinema.apps.studio.desk import Desk
from kinema.core.constants import VERBS
from kinema.core.errors import UsageError
from kinema.pipeline.defaults import DEFAULTS, MEASURED, Candidate, Comparison, default_model
from kinema.pipeline.pipeline import open_generator
from kinema.pipeline.requests import (
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    Request,
    UpsampleRequest,
    frame_numbers,
)

REQUESTS: dict[str, type] = {one.verb: one for one in get_args(Request)}
# Clips are arguments of the Python verbs and no options; a schedule and styles are other forms of its action.
CLIPS = {"self", "clip", "first", "second", "end", "constraints"}
ONLY_OPTIONS = {"every", "whole", "schedule", "style"}


@pytest.mark.parametrize("verb", VERBS)
def test_the_command_line_and_python_take_what_the_request_has(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = {one.name for one in fields(REQUESTS[verb])}
    python = set(inspect.signature(getattr(kn.Pipeline, verb)).parameters) - CLIPS
    assert python == names - ONLY_OPTIONS
    assert run(verb, "--help") == 0
    shown = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in shown for name in names)


def test_importing_requests_imports_no_torch() -> None:
    code = "import sys, kinema.pipeline.defaults; assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("text", "frames"), [("7", (7,)), ("0,10,35", (0, 10, 35)), ("3, 10-12", (3, 10, 11, 12))])
def test_frames_by_number(text: str, frames: tuple[int, ...]) -> None:
    assert frame_numbers(text) == frames


@pytest.mark.parametrize("text", ["", "10,0", "3,3", "5-2", "a", "-1", "1.5", "0,,3"])
def test_what_names_no_frames_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="frames that rise"):
        frame_numbers(text)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: ForecastRequest(seconds=-1.0), "positive time"),
        (lambda: ForecastRequest(samples=0), "at least one sample"),
        (lambda: InbetweenRequest(frames=0), "--frames 1 or more"),
        (lambda: InbetweenRequest(every=0), "--every 1 or more"),
        (lambda: InbetweenRequest(keys=(0, 5), every=2).keys_of(9), "one clip and keys="),
        (lambda: InbetweenRequest(keys=(0, 5)).check_two(), "two clips, or key frames of one"),
        (lambda: UpsampleRequest(), "--rate or --fps"),
        (lambda: UpsampleRequest(2.0, 60.0), "--rate or --fps"),
        (lambda: UpsampleRequest(0.5).target(30.0), "a rate of 1 or more"),
        (lambda: UpsampleRequest(2.0, key_mode="loose"), "exact or soft"),  # type: ignore[arg-type]
        (lambda: RepairRequest(strength=0.0), "a strength above 0"),
        (lambda: GenerateRequest("walk", (({"run": 1.0}, 0.0),)), "one of --action and --schedule"),
        (lambda: GenerateRequest().labels(("walk",)), "an action among walk"),
    ],
)  # fmt: skip
def test_a_request_checks_itself(made: object, says: str) -> None:
    assert callable(made)
    with pytest.raises(UsageError, match=says) as refused:
        made()
    assert refused.value.cure


def test_one_table_decides_by_the_least_error() -> None:
    assert set(DEFAULTS) == set(MEASURED) == {*VERBS, "futures"}
    for verb, table in MEASURED.items():
        assert DEFAULTS[verb].model == min(table.rows, key=lambda row: row.error).model
        for row in table.rows:  # each of them answers the verb
            assert ("forecast" if verb == "futures" else verb) in kn.open(row.model).verbs
            assert f"{row.error:g}" in DEFAULTS[verb].why
    other = Comparison("errors", "mm", (Candidate("a", 2.0), Candidate("b", 1.0, 30), Candidate("c", 1.0)))
    assert other.best.model == "b"  # the first of equal ones


def test_command_line_python_and_studio_take_the_same_model(capsys: pytest.CaptureFixture[str]) -> None:
    forecasts, futures = DEFAULTS["forecast"].model, DEFAULTS["futures"].model
    assert default_model(ForecastRequest()) == forecasts
    for many in (ForecastRequest(samples=2), ForecastRequest(hold=("torso",))):
        assert default_model(many) == futures
    assert default_model(ForecastRequest(), end=True) == futures
    assert default_model(GenerateRequest("walk")) == DEFAULTS["generate"].model
    assert open_generator("auto").name == DEFAULTS["generate"].model
    desk = Desk()
    for verb in VERBS:
        assert desk.menu(verb)[0] == DEFAULTS[verb].model
    assert run("models", "--json") == 0
    listed = {row["model"]: row["default of"] for row in json.loads(capsys.readouterr().out)}
    assert "forecast" in listed[forecasts]
    assert "futures" in listed[futures]


def test_arrays_of_any_kind_are_taken_and_answered_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as a user runs it: shapes are checked in tests
    walk, last = kn.sample("walk")[:30], kn.open("zero-velocity")
    plain = last.forecast(walk, seconds=0.1, seed=np.int64(3)).samples
    for kind in (np.float64, np.float32):
        given = replace(walk, rotations=walk.rotations.numpy().astype(kind), root=walk.root.numpy().astype(kind))  # pyright: ignore[reportArgumentType]
        assert torch.equal(last.forecast(given, seconds=0.1).samples.rotations, plain.rotations)
    slow = kn.open("linear").upsample(replace(walk, rotations=walk.rotations.double().requires_grad_()), rate=2)
    assert slow.motion.rotations.dtype == torch.float32
    mask = torch.zeros(30, dtype=torch.bool)
    mask[[0, 7, 29]] = True
    answers = [kn.open("linear").inbetween(walk, keys=keys).motion for keys in ([0, 7, 29], mask, mask.nonzero()[:, 0])]
    assert all(torch.equal(answer.rotations, answers[0].rotations) for answer in answers)


def test_arrays_of_another_meaning_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    walk, last = kn.sample("walk")[:30], kn.open("zero-velocity")
    rotations = walk.rotations
    with pytest.raises(UsageError, match=r"got shapes \(30, 26, 4\)"):
        replace(walk, rotations=torch.zeros(30, 26, 4))
    with pytest.raises(UsageError, match="another matrix for hip"):
        last.forecast(replace(walk, rotations=torch.zeros_like(rotations)))
    lost = rotations.clone()
    lost[-1, 3] = torch.nan
    with pytest.raises(UsageError, match=r"in 1 of 30 frames, first in 29\. Fill them first"):
        last.forecast(replace(walk, rotations=lost))
    assert kn.open("auto").repair(replace(walk, rotations=lost)).motion.rotations.isfinite().all()
    with pytest.raises(UsageError, match=r"Write \[5:6\]"):
        walk[5]  # pyright: ignore[reportArgumentType]
    for wrong in ({"samples": 2.0}, {"seconds": "1"}, {"seed": 2**70}, {"seed": 0.5}):
        with pytest.raises(UsageError, match=r"[Gg]ive numbers|whole number"):
            ForecastRequest(**wrong)  # pyright: ignore[reportArgumentType]
