"""Constraints as text and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinema.core.errors import FormatError, KinemaError, UsageError
from kinema.data.synthetic import perform
from kinema.io.constraints import parse_path, parse_pin, parse_pose, read_constraints
from kinema.io.formats import save
from kinema.motion.constraints.kinds import Ground, Loop, Pin, Plant, Pose, RootPath


def test_pins_and_paths_as_typed() -> None:
    assert parse_pin("r_wrist@40=0.3,1.2,0.5") == Pin("r_wrist", (40,), ((0.3, 1.2, 0.5),))
    held = parse_pin("r_wrist@40-60=30,120,50", unit=0.01)
    assert held.hold
    assert held.frames == (40, 60)
    assert held.positions[1] == pytest.approx((0.3, 1.2, 0.5))
    assert parse_path("0:0,0 60:1.5,0.2") == RootPath((0, 60), ((0.0, 0.0), (1.5, 0.2)))


def test_a_path_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "path.csv"
    file.write_text("frame,x,z,heading\n0,0,0,0\n60,1.5,0.2,90\n")
    found = parse_path(str(file))
    assert found.frames == (0, 60)
    assert found.headings == pytest.approx((0.0, 1.5707963))


@pytest.mark.parametrize("text", ["r_wrist", "r_wrist@40", "r_wrist@40=1,2", "r_wrist@x=1,2,3", "@4=1,2,3"])
def test_a_pin_that_cannot_be_read_says_how_it_is_written(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pin(text)
    assert parse_pin(caught.value.cure.removeprefix("Write --pin ").rstrip("."))


@pytest.mark.parametrize("text", ["", "0:0,0", "0:0 1:1", "a b"])
def test_a_path_that_cannot_be_read_says_how_it_is_written(text: str) -> None:
    with pytest.raises(UsageError, match="--path"):
        parse_path(text)


def test_a_file_of_constraints(tmp_path: Path) -> None:
    clip = perform("squat", seconds=1.0, fps=30.0, seed=0)
    save(clip, tmp_path / "squat.bvh")
    (tmp_path / "wanted.json").write_text(json.dumps([
        {"kind": "pin", "joint": "r_wrist", "frames": [40], "positions": [[30, 120, 50]]},
        {"kind": "root_path", "frames": [0, 60], "positions": [[0, 0], [150, 20]]},
        {"kind": "plant", "foot": "left", "start": 3, "end": 9},
        {"kind": "ground", "height": 2},
        {"kind": "pose", "frame": 60, "file": "squat.bvh", "source_frame": 15, "joints": ["l_wrist"]},
        {"kind": "loop", "in_place": True},
    ]))  # fmt: skip
    pin, path, plant, ground, pose, loop = read_constraints(tmp_path / "wanted.json", unit=0.01)
    assert isinstance(pin, Pin)
    assert pin.positions[0] == pytest.approx((0.3, 1.2, 0.5))
    assert isinstance(path, RootPath)
    assert path.positions[1] == pytest.approx((1.5, 0.2))
    assert plant == Plant("left", 3, 9)
    assert ground == Ground(0.02)
    assert isinstance(pose, Pose)
    assert pose.joints == ("l_wrist",)
    assert pose.pose.frames == 1
    assert loop == Loop(in_place=True)
    assert parse_pose(f"60={tmp_path / 'squat.bvh'}:15").joints is None
    assert parse_pose(f"60={tmp_path / 'squat.bvh'}:15:left_arm, head").joints == ("left_arm", "head")


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "pinn"}, {"kind": "pin", "joint": "r_wrist"}, [], 3, {"kind": "pin", "wrist": 3},
        {"kind": "plant", "foot": "left", "start": 1}, {"kind": "pose", "frame": 3, "file": "none.bvh"},
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_read_is_one_line(tmp_path: Path, entry: object) -> None:
    file = tmp_path / "wanted.json"
    file.write_text(json.dumps([entry]))
    with pytest.raises(KinemaError):
        read_constraints(file)
    file.write_text("{}")
    with pytest.raises(FormatError, match="a list of constraints"):
        read_constraints(file)
