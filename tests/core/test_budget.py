"""Answers that are too large are refused by size, at every door, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import kinema as kn
from command import run
from kinema.core.budget import VARIABLE, allow, check_answer
from kinema.core.errors import UsageError
from kinema.core.query import Query
from kinema.data.synthetic import perform
from kinema.motion.edit import resample
from kinema.pipeline import adapter

WALK = perform("walk", seconds=1.0, fps=30.0, seed=0)


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "20")


def test_python_refuses_what_is_too_large_and_says_the_size() -> None:
    model = kn.open("zero-velocity")
    for refused in (
        lambda: model.forecast(WALK, seconds=1e9),
        lambda: model.forecast(WALK, samples=10**9, seconds=1.0),
        lambda: kn.open("linear").upsample(WALK, rate=1e9),
        lambda: kn.open("linear").inbetween(WALK, WALK, frames=10**9),
        lambda: kn.open("posegpt").generate("walk", seconds=1e9),
        lambda: resample(WALK, 1e12),
    ):
        with pytest.raises(UsageError, match="20 million joint poses") as caught:
            refused()
        assert "--budget" in caught.value.cure


def test_the_command_line_refuses_in_one_line_and_an_option_allows(
    write_bvh: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk, out = write_bvh(24), tmp_path / "out.bvh"
    command = ("forecast", walk, "--model", "zero-velocity", "-o", out)
    assert run(*command, "--seconds", "1e9") == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "million joint poses" in told[0]
    assert run(*command, "--seconds", "1", "--budget", "0.00001") == 2
    assert run(*command, "--seconds", "1", "--budget=5") == 0
    assert run(*command, "--budget", "much") == 2
    assert not out.with_name("out.bvh.tmp").exists()


def test_a_budget_is_raised_and_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        check_answer(1e6, 30)
    allow(31)
    check_answer(1e6, 30)
    with pytest.raises(UsageError, match="above 0"):
        allow(float("nan"))
    monkeypatch.setenv(VARIABLE, "lots")
    with pytest.raises(UsageError, match="KINEMA_BUDGET"):
        check_answer(1, 1)


def test_many_samples_are_computed_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the samples, and Ctrl-C falls between two shares."""
    run_of, shares = kn.open("constant-velocity").trained(), list[int]()
    predict = run_of.model.predict

    def spy(query: Query, samples: int, generator: torch.Generator) -> torch.Tensor:
        shares.append(samples)
        return predict(query, samples, generator)

    monkeypatch.setattr(run_of.model, "predict", spy)
    found = kn.Pipeline("constant-velocity", run_of).forecast(WALK, seconds=0.1, samples=150)
    assert found.samples.batch_shape == (150,)
    assert max(shares) <= adapter._TOGETHER  # pyright: ignore[reportPrivateUsage]
