"""CSV: what is written can be read by any program, and by kinema again."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.core.errors import FormatError, UsageError
from kinema.data.synthetic import perform
from kinema.io import csv as table
from kinema.io.formats import load, load_clip, load_points, save, sniff
from kinema.motion.motion import Motion, Points, stack


def walk(frames: int = 8) -> Motion:
    return perform("walk", seconds=1.0, fps=30.0, seed=3)[:frames]


def rows(path: Path) -> list[dict[str, str]]:
    """As another program reads it."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_one_row_for_each_joint_of_each_frame(tmp_path: Path) -> None:
    motion = walk()
    save(motion, tmp_path / "walk.csv")
    read = rows(tmp_path / "walk.csv")
    assert len(read) == 8 * len(motion.skeleton)
    knee = motion.skeleton.index("l_knee")
    row = read[3 * len(motion.skeleton) + knee]
    assert (row["frame"], row["joint"], row["parent"]) == ("3", "l_knee", "l_hip")
    assert float(row["time"]) == pytest.approx(0.1)
    place = torch.tensor([float(row[axis]) for axis in "xyz"])
    torch.testing.assert_close(place, motion.points().positions[3, knee], atol=1e-6, rtol=0)
    assert sum(float(row[turn]) ** 2 for turn in ("qx", "qy", "qz", "qw")) == pytest.approx(1, abs=1e-6)
    head = (tmp_path / "walk.csv").read_text().splitlines()[:8]
    assert "# fps: 30" in head
    assert any("metres, y up" in line for line in head)


def test_there_and_back(tmp_path: Path) -> None:
    motion = replace(walk(), action="walk")
    save(motion, tmp_path / "walk.csv")
    assert sniff(tmp_path / "walk.csv") == "csv"
    again = load(tmp_path / "walk.csv")
    assert again.skeleton == motion.skeleton
    assert (again.fps, again.action, again.identity) == (30.0, "walk", motion.identity)
    assert again.offsets is None
    torch.testing.assert_close(again.rotations, motion.rotations, atol=1e-6, rtol=0)
    torch.testing.assert_close(again.points().positions, motion.points().positions, atol=2e-6, rtol=0)


def test_bones_that_grow_are_read_back(tmp_path: Path) -> None:
    motion = walk()
    offsets = motion.skeleton.offsets * torch.linspace(1, 1.2, 8)[:, None, None]
    motion = replace(motion, offsets=offsets)
    save(motion, tmp_path / "walk.csv")
    again = load(tmp_path / "walk.csv")
    assert again.offsets is not None
    torch.testing.assert_close(again.points().positions, motion.points().positions, atol=2e-6, rtol=0)


@pytest.mark.parametrize("dim", [2, 3])
def test_positions_alone_with_unknown_ones(tmp_path: Path, dim: int) -> None:
    points = walk().points()
    positions = points.positions[..., :dim].clone()
    positions[2, 4] = torch.nan
    confidence = torch.rand(positions.shape[:-1], generator=torch.Generator().manual_seed(0))
    points = replace(points, positions=positions, confidence=confidence)
    save(points, tmp_path / "walk.csv")
    again = load_clip(tmp_path / "walk.csv")
    assert isinstance(again, Points)
    torch.testing.assert_close(again.positions, positions, atol=1e-6, rtol=0, equal_nan=True)
    assert again.confidence is not None
    torch.testing.assert_close(again.confidence, confidence, atol=1e-6, rtol=0)
    assert again.skeleton.same_tree(points.skeleton)


def test_a_table_that_lost_its_comments_and_names_with_commas(tmp_path: Path) -> None:
    motion = walk()
    names = tuple(f'{name}, "a"' for name in motion.skeleton.joints)
    motion = replace(motion, skeleton=replace(motion.skeleton, joints=names, aliases={"pelvis": names[0]}, mirror=()))
    save(motion, tmp_path / "walk.csv")
    lines = (tmp_path / "walk.csv").read_text().splitlines()
    (tmp_path / "walk.csv").write_text("\r\n".join(line for line in lines if not line.startswith("#")) + "\r\n\r\n")
    again = load(tmp_path / "walk.csv")
    assert again.skeleton.joints == names
    assert again.fps == 30.0
    assert load_points(tmp_path / "walk.csv", fps=60).fps == 60


def test_numbers_alone_are_still_benchmark_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text((",".join(["0.1"] * 117) + "\n") * 4)
    assert sniff(tmp_path / "rows.csv") == "expmap"
    assert len(load(tmp_path / "rows.csv", fps=120).skeleton.joints) == 38


def test_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one at a time"):
        table.save(stack([walk(), walk()]), tmp_path / "walk.csv")


def cell(text: str, line: int, column: int, value: str) -> str:
    lines = text.splitlines()
    cells = lines[line].split(",")
    cells[column] = value
    lines[line] = ",".join(cells)
    return "\n".join(lines) + "\n"


def top(text: str) -> int:
    return next(line for line, words in enumerate(text.splitlines()) if words.startswith("frame,"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace("frame,time,joint", "frame,time,bone"), r"none called joint"),
        (lambda text: "\n".join(text.splitlines()[: top(text) + 1]), "at least one frame; got none"),
        (lambda text: "# kinema csv\n", "columns frame"),
        (lambda text: cell(text, top(text) + 5, 4, "one"), r"line \d+: expected a number in column x; got 'one'"),
        (lambda text: cell(text, top(text) + 5, 5, "inf"), r"a number in column y; got 'inf'"),
        (lambda text: cell(text, top(text) + 5, 4, ""), "a position, and a quaternion of length 1"),
        (lambda text: cell(text, top(text) + 5, 7, "9"), "a quaternion of length 1"),
        (lambda text: cell(text, top(text) + 30, 2, "nobody"), "expected joint l_ankle|expected joint"),
        (lambda text: cell(text, top(text) + 5, 3, "nobody"), r"each after its parent|expected joint"),
        (lambda text: "\n".join(text.splitlines()[:-3]), "cut short"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n7,0.2", r"expected 11 values; got 2"),
        (lambda text: text.replace("# fps: 30", "# fps: none"), "a frame rate above 0; got 'none'"),
        (lambda text: text.replace('0,0.000000,', '0,"0.0', 1), "comma-separated values"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, spoil: Callable[[str], str], says: str) -> None:
    path = tmp_path / "walk.csv"
    save(walk(), path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(FormatError, match=says) as caught:
        load_clip(path)
    assert caught.value.cure
    assert "walk.csv" in str(caught.value)


def test_a_single_frame_needs_a_rate(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    save(walk(1), path)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("#")))
    with pytest.raises(FormatError, match="--source-fps"):
        load(path)
    assert load(path, fps=25).frames == 1
