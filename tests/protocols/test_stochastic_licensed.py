"""The licensed stochastic benchmarks from end to end, on archives of our own in the layout of the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kinema.errors import MissingDataError
from kinema.protocols import PROTOCOLS
from kinema.protocols.stochastic import StochasticProtocol
from kinema.run import evaluate
from positions_archive import h36m_subjects, humaneva_subjects, write_archive


def test_zero_velocity_on_human36m_is_measured_over_sixteen_joints(tmp_path: Path) -> None:
    subjects = {name: takes for name, takes in h36m_subjects(176).items() if name in ("S9", "S11")}
    subjects["S9"] = {name: subjects["S9"][name] for name in ("Walking", "Walking 1", "Photo")}
    subjects["S11"] = {"Posing": subjects["S11"]["Posing"][:125]}
    write_archive(tmp_path / "data_3d_h36m.npz", subjects)
    report = evaluate("zero-velocity", "h36m-stochastic", tmp_path)
    setting, scores = report.to_json()["setting"], report.to_json()["scores"]["all-windows"]
    # Three takes of range(0, 51, 25); that of exactly 125 frames gives none.
    assert (setting["windows"], setting["joints"], setting["fps"], setting["threshold_m"]) == (9, 16, 50.0, 0.5)
    protocol = PROTOCOLS["h36m-stochastic"]
    assert isinstance(protocol, StochasticProtocol)
    windows = protocol.windows(tmp_path)
    assert windows.groups == ("Photo", "Walking")
    error = windows.future(torch.arange(9)) - windows.last_seen[:, 1:].flatten(1)[:, None]
    assert scores["ADE"] == pytest.approx(float(error.norm(dim=-1).mean()), abs=1e-5)
    assert any("zero velocity is published as ADE 0.597, FDE 0.884" in note for note in report.to_json()["notes"])


def test_humaneva_is_tested_on_its_validation_takes(tmp_path: Path) -> None:
    write_archive(tmp_path / "data_3d_humaneva15.npz", humaneva_subjects(91))
    setting = evaluate("zero-velocity", "humaneva-stochastic", tmp_path).to_json()["setting"]
    # Eight chunks of walking of range(0, 16, 15); those of 75 frames give none.
    assert (setting["windows"], setting["joints"], setting["fps"]) == (16, 14, 60.0)


@pytest.mark.parametrize("name", ["h36m-stochastic", "humaneva-stochastic"])
def test_without_the_data_it_says_where_to_ask(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"vision\.imar\.ro|humaneva\.is\.tue"):
        evaluate("zero-velocity", name, tmp_path)
