"""Exponential-map text: columns, the sign of the vectors, units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, UsageError
from kinema.io import expmap
from kinema.io import formats as files
from kinema.motion.skeletons import skeleton

UNIT = 0.0564444


def rows(columns: int, frames: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, columns)) * 0.4


def write(path: Path, values: np.ndarray) -> Path:
    path.write_text("\n".join(",".join(f"{x:.9f}" for x in row) for row in values) + "\n")
    return path


def row_vector_kinematics(values: np.ndarray, offsets: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    """The format's own definition, written out: p_child = offset @ R_parent + p_parent, R_child = R @ R_parent."""
    places, turns = np.zeros((len(values), len(parents), 3)), np.zeros((len(values), len(parents), 3, 3))
    for frame, row in enumerate(values):
        for joint, parent in enumerate(parents):
            vector = row[3 + 3 * joint : 6 + 3 * joint]
            angle = np.linalg.norm(vector)
            x, y, z = vector / angle
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
            if parent < 0:
                places[frame, joint], turns[frame, joint] = row[:3], turn
            else:
                places[frame, joint] = offsets[joint] @ turns[frame, parent] + places[frame, parent]
                turns[frame, joint] = turn @ turns[frame, parent]
    return places


@pytest.mark.parametrize(("name", "columns", "unit"), [("cmu38", 117, UNIT), ("h36m32", 99, 0.001)])
def test_positions_follow_the_row_vector_definition(tmp_path: Path, name: str, columns: int, unit: float) -> None:
    body, values = skeleton(name), rows(columns)
    motion = expmap.load(write(tmp_path / "walking_1.txt", values), body, 120, unit)
    expected = row_vector_kinematics(values, body.offsets.numpy() / unit, body.parents) * unit
    np.testing.assert_allclose(motion.points().positions, expected, atol=1e-5)
    assert (motion.fps, motion.frames) == (120, 6)


def test_there_and_back(tmp_path: Path) -> None:
    body, values = skeleton("cmu38"), rows(117)
    motion = expmap.rows_to_motion(torch.from_numpy(values), body, 120, UNIT)
    np.testing.assert_allclose(expmap.motion_to_rows(motion, UNIT), values, atol=2e-6)
    expmap.save(motion, tmp_path / "again.txt", UNIT)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "again.txt", delimiter=","), values, atol=2e-6)


def test_the_front_door_knows_both_benchmarks(tmp_path: Path) -> None:
    cmu = write(tmp_path / "cmu.txt", rows(117))
    with pytest.raises(FormatError, match=r"a frame rate.*--source-fps"):
        files.load(cmu)
    motion = files.load(cmu, fps=120)
    assert motion.skeleton.name == "cmu38"
    np.testing.assert_allclose(motion.root, rows(117)[:, :3] * UNIT, atol=1e-6)
    files.save(motion, tmp_path / "again.txt")
    np.testing.assert_allclose(np.loadtxt(tmp_path / "again.txt", delimiter=","), rows(117), atol=2e-5)
    human = files.load(write(tmp_path / "h36m.txt", rows(99)), fps=50)
    assert human.skeleton.name == "h36m32"
    np.testing.assert_allclose(human.root, rows(99)[:, :3] * 0.001, atol=1e-7)


def test_116_columns(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"short.txt, line 1: expected 117 columns .*cmu38\); got 116"):
        files.load(write(tmp_path / "short.txt", rows(116)), fps=120)
    lines = write(tmp_path / "one.txt", rows(117)).read_text().splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0]
    (tmp_path / "one.txt").write_text("\n".join(lines))
    with pytest.raises(FormatError, match=r"one.txt, line 4: expected 117 columns .* got 116"):
        files.load(tmp_path / "one.txt", fps=120)
    with pytest.raises(UsageError, match=r"117 columns.*got 116"):
        expmap.rows_to_motion(torch.zeros(2, 116), skeleton("cmu38"), 120, UNIT)


@pytest.mark.parametrize(("bad", "message"), [("nan", "line 3: expected finite numbers; got 'nan'"), ("x", "got 'x'")])
def test_a_number_that_is_none(tmp_path: Path, bad: str, message: str) -> None:
    path = write(tmp_path / "bad.txt", rows(117))
    lines = path.read_text().splitlines()
    lines[2] = ",".join([bad, *lines[2].split(",")[1:]])
    path.write_text("\n".join(lines))
    with pytest.raises(FormatError, match=message):
        files.load(path, fps=120)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(FormatError, match="an empty file"):
        files.load(tmp_path / "empty.txt", fps=120)


@pytest.mark.shared
def test_real_rows_walk_at_a_human_pace(shared_data: Path) -> None:
    with np.load(shared_data / "cmu_forecast.npz", allow_pickle=False) as pack:
        names = [str(name) for name in pack["name"]]
        chosen = next(i for i, name in enumerate(names) if "walking_1" in name)
        start, stop = pack["start"][chosen : chosen + 2]
        values = torch.from_numpy(pack["expmap"][start:stop])
    motion = expmap.rows_to_motion(values[1:], skeleton("cmu38"), 120, UNIT)
    np.testing.assert_allclose(expmap.motion_to_rows(motion, UNIT), values[1:], atol=1e-5)
    positions = motion.points().positions
    assert 0.8 < float((motion.root[-1] - motion.root[0])[[0, 2]].norm()) / motion.duration < 2
    assert 1.3 < float((positions[..., 1].amax(1) - positions[..., 1].amin(1)).median()) < 2
