"""What "auto" takes on which machine, that a run says so, and that a resumed run keeps it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import Listener, job, model, stage

from kinema.core.errors import CheckpointError, KinemaWarning
from kinema.recipes import RECIPES, recipe
from kinema.training import precision
from kinema.training.checkpoint import RunFolder
from kinema.training.loop import fit
from kinema.training.precision import Precision, native_bfloat16_on_cpu, precision_of_run

CPU = torch.device("cpu")
ZEN5 = {"avx2": True, "avx512_f": True, "avx512_bf16": True}
# What fewer instructions torch and oneDNN are told to use: the settings under which an older machine is imitated.
OLDER = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


@pytest.mark.parametrize(
    ("has", "vectors", "environment", "native", "words"),
    [
        (ZEN5, "AVX512", {}, True, "has AVX512-BF16"),
        (ZEN5, "AVX512", {"ONEDNN_MAX_CPU_ISA": "avx512_core_amx"}, True, "has AVX512-BF16"),
        ({"avx2": True, "amx_bf16": True}, "AVX512", {}, True, "has AMX"),
        ({"neon": True, "bf16": True}, "DEFAULT", {}, True, "has Arm BF16"),
        ({"neon": True}, "DEFAULT", {}, False, "neither AVX512-BF16 nor AMX nor Arm BF16"),
        ({"avx2": True, "avx512_f": True}, "AVX512", {}, False, "neither AVX512-BF16 nor AMX nor Arm BF16"),
        ({}, "AVX2", {}, False, "neither"),
        (ZEN5, "AVX2", {}, False, "ATEN_CPU_CAPABILITY"),
        (ZEN5, "AVX512", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, False, "ONEDNN_MAX_CPU_ISA=AVX512_CORE"),
        (ZEN5, "AVX512", {"DNNL_MAX_CPU_ISA": "AVX2"}, False, "ONEDNN_MAX_CPU_ISA"),
    ],
)
def test_which_machines_have_it(
    has: dict[str, Any], vectors: str, environment: dict[str, str], native: bool, words: str
) -> None:
    found, why = native_bfloat16_on_cpu(has, vectors, environment, onednn=True)
    assert found is native
    assert words in why


def test_torch_without_onednn_has_no_fast_bfloat16() -> None:
    assert native_bfloat16_on_cpu(ZEN5, "AVX512", {}, onednn=False)[0] is False


def test_this_processor_told_to_be_an_older_one_trains_in_float32() -> None:
    code = (
        "import torch; from kinema.training.precision import precision_of;"
        "print(precision_of('auto', torch.device('cpu')).taken)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | OLDER, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "float32"


def machine(monkeypatch: pytest.MonkeyPatch, *, native: bool) -> None:
    """Let kinema find a processor with or without bfloat16 here."""
    answer = (native, "a test says so")
    monkeypatch.setattr(precision, "native_bfloat16", lambda device: answer)


def test_auto_is_what_the_machine_has_and_the_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, native=False)
    heard = Listener()
    fit(model(), job(tmp_path, stage(precision="auto", steps=4)), reporters=[heard])
    said = {"taken": "float32", "why": "a test says so"}
    assert RunFolder(tmp_path).facts()["precision"] == said
    assert [entry["precision"] for entry in heard.entries.values() if "precision" in entry] == [said]


@pytest.mark.parametrize(("began", "wish"), [("float32", "auto"), ("bfloat16", "auto"), ("float32", "float32")])
def test_a_resumed_run_keeps_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: str, wish: str
) -> None:
    taken: list[str] = []

    def autocast(self: Precision, device: torch.device) -> torch.autocast:
        taken.append(self.taken)
        return torch.autocast(device.type, enabled=False)  # nothing is trained in bfloat16: it might be emulated

    monkeypatch.setattr(Precision, "autocast", autocast)
    machine(monkeypatch, native=began == "bfloat16")
    fit(model(), job(tmp_path, stage(precision=wish, steps=4)))
    said = RunFolder(tmp_path).facts()["precision"]
    machine(monkeypatch, native=began != "bfloat16")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        fit(model(), job(tmp_path, stage(precision=wish, steps=8)), resume=True)
    assert taken == [began] * 8
    assert RunFolder(tmp_path).facts()["precision"] == said
    # The machine that has it not goes on, and says what that costs.
    assert [warning.category for warning in heard] == [KinemaWarning] * (began == "bfloat16")
    assert all("precision auto or float32" in str(warning.message) for warning in heard)


def test_a_precision_that_is_none_is_refused() -> None:
    for entry in ("float16", {"taken": "float8", "why": ""}, {}, 3):
        with pytest.raises(CheckpointError, match="float32 or bfloat16"):
            precision_of_run("auto", CPU, entry)


def test_bfloat16_by_name_is_taken_everywhere_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, native=False)
    chosen = precision_of_run("bfloat16", CPU, None)
    assert chosen.taken == "bfloat16"
    with pytest.warns(KinemaWarning, match="emulated"):
        chosen.warn()


def test_no_recipe_asks_for_bfloat16_and_no_tiny_one_may_take_it() -> None:
    for name in RECIPES:
        assert {stage.precision for stage in recipe(name).stages} <= {"auto", "float32"}
        assert {stage.precision for stage in recipe(name).tiny().stages} == {"float32"}
