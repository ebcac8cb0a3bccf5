"""The licensed stochastic benchmarks from end to end, on archives of our own in the layout of the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.metrics.distribution import ClassifierFeatures, Moments, frechet_distance
from kinema.motion.skeletons.h36m import H36M32_TO_17
from kinema.pipeline.evaluate import evaluate
from kinema.protocols.registry import PROTOCOLS
from kinema.protocols.stochastic.protocol import StochasticProtocol
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
    error = windows.future(torch.arange(9)) - windows.last_observed[:, 1:].flatten(1)[:, None]
    assert scores["ADE"] == pytest.approx(float(error.norm(dim=-1).mean()), abs=1e-5)
    assert any("zero velocity is published as ADE 0.597, FDE 0.884" in note for note in report.to_json()["notes"])


def classifier() -> dict[str, torch.Tensor]:
    """Weights laid out as those of the published classifier, under names of our own."""
    torch.manual_seed(0)
    parts = {"rnn": torch.nn.GRU(48, 128, 2), "a": torch.nn.Linear(128, 30), "b": torch.nn.Linear(30, 15)}
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def test_an_fid_by_the_users_own_classifier(tmp_path: Path) -> None:
    subjects = {name: {"Walking": take} for name, take in
                {name: h36m_subjects(226)[name]["Walking"] for name in ("S9", "S11")}.items()}  # fmt: skip
    write_archive(tmp_path / "data_3d_h36m.npz", subjects)
    weights = classifier()
    torch.save({"model": weights}, tmp_path / "classifier.pth")
    features = ClassifierFeatures.read(tmp_path / "classifier.pth")
    protocol = PROTOCOLS["h36m-stochastic"]
    assert isinstance(protocol, StochasticProtocol)
    windows = protocol.windows(tmp_path)
    future = windows.future(torch.arange(len(windows)))
    # By hand, on the archive's own axes and from zeros.
    rows = torch.from_numpy(subjects["S9"]["Walking"])[:, list(H36M32_TO_17)]
    rows = (rows - rows[:, :1])[25:125, 1:].flatten(1)
    recurrent = torch.nn.GRU(48, 128, 2)
    recurrent.load_state_dict({key[4:]: value for key, value in weights.items() if key.startswith("rnn.")})
    states, _ = recurrent(rows[:, None], torch.zeros(2, 1, 128))
    expected = torch.tanh(weights["a.weight"] @ states[-1, 0] + weights["a.bias"])
    torch.testing.assert_close(features.of(future[:1])[0], expected.detach(), atol=1e-5, rtol=1e-4)
    report = evaluate("zero-velocity", "h36m-stochastic", tmp_path, classifier=tmp_path / "classifier.pth")
    scores = report.to_json()["scores"]["all-windows"]
    held = windows.last_observed[:, 1:].flatten(1)[:, None].expand_as(future)
    wanted = frechet_distance(Moments.of(features.of(held)), Moments.of(features.of(future)))
    assert scores["FID"] == pytest.approx(wanted, rel=1e-4)
    assert "FID" not in evaluate("zero-velocity", "h36m-stochastic", tmp_path).to_json()["scores"]["all-windows"]


def test_another_network_is_no_classifier_of_poses(tmp_path: Path) -> None:
    path, weights = tmp_path / "classifier.pth", classifier()
    narrow = {"rnn.weight_ih_l0": torch.zeros(384, 51)}
    lacking = {key: value for key, value in weights.items() if key not in ("a.bias",)}
    for other in (weights | narrow, lacking, {"a.weight": torch.zeros(30, 128)}, [1]):
        torch.save(other, path)
        with pytest.raises(FormatError, match="a classifier of poses of 48 numbers"):
            ClassifierFeatures.read(path)
    with pytest.raises(UsageError, match="h36m-stochastic"):
        evaluate("zero-velocity", "humaneva-stochastic", tmp_path, classifier=path)


def test_humaneva_is_tested_on_its_validation_takes(tmp_path: Path) -> None:
    write_archive(tmp_path / "data_3d_humaneva15.npz", humaneva_subjects(91))
    setting = evaluate("zero-velocity", "humaneva-stochastic", tmp_path).to_json()["setting"]
    # Eight chunks of walking of range(0, 16, 15); those of 75 frames give none.
    assert (setting["windows"], setting["joints"], setting["fps"]) == (16, 14, 60.0)


@pytest.mark.parametrize("name", ["h36m-stochastic", "humaneva-stochastic"])
def test_without_the_data_it_says_where_to_ask(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"vision\.imar\.ro|humaneva\.is\.tue"):
        evaluate("zero-velocity", name, tmp_path)
