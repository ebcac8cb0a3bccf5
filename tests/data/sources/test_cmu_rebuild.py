"""Benchmark rows from a CMU BVH: the rule on a file written here, its root on three real trials."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from command import run
from kinema.core.errors import FormatError
from kinema.data.sources.cmu import CmuForecast, benchmark_rows, root_rotation
from kinema.geometry.rotations import rotmat_to_rotvec
from kinema.io.bvh.parser import parse_bvh
from kinema.io.expmap import motion_to_rows, save_rows
from kinema.motion import skeletons as catalog

TURNS = "Zrotation Yrotation Xrotation"
TRIALS = {"02_01": "train/walking/walking_1", "13_11": "train/jumping/jumping_1", "13_39": "train/jumping/jumping_5"}


def cmu_bvh(frames: int = 5, *, turns: str = TURNS, frame_time: str = ".0083333") -> tuple[str, np.ndarray]:
    """A BVH of the benchmark's 38 joints, and its angles in degrees (frame, joint with channels, Z Y X)."""
    body = catalog.skeleton("cmu38")
    children = [[c for c, parent in enumerate(body.parents) if parent == joint] for joint in range(len(body))]
    moving: list[int] = []

    def lines(joint: int, depth: int) -> list[str]:
        pad, offset = "\t" * depth, "\tOFFSET " + " ".join(f"{x:.5f}" for x in body.offsets[joint].tolist())
        if not children[joint]:
            return [f"{pad}End Site", f"{pad}{{", pad + offset, f"{pad}}}"]
        moving.append(joint)
        head = "ROOT" if joint == 0 else "JOINT"
        places = "6 Xposition Yposition Zposition" if joint == 0 else "3"
        block = [f"{pad}{head} {body.joints[joint]}", f"{pad}{{", pad + offset, f"{pad}\tCHANNELS {places} {turns}"]
        for child in children[joint]:
            block += lines(child, depth + 1)
        return [*block, f"{pad}}}"]

    text = ["HIERARCHY", *lines(0, 0), "MOTION", f"Frames: {frames}", f"Frame Time: {frame_time}"]
    angles = np.random.default_rng(0).uniform(-80, 80, (frames, len(moving), 3)).round(4)
    for frame in range(frames):
        text.append(" ".join(f"{x:.4f}" for x in (frame, 17.0, -frame, *angles[frame].flatten())))
    return "\n".join(text) + "\n", angles


def test_every_joint_is_minus_the_log_of_its_channels_and_the_root_is_not(tmp_path: Path) -> None:
    text, angles = cmu_bvh()
    (tmp_path / "06_07.bvh").write_text(text)
    rows = benchmark_rows(tmp_path / "06_07.bvh").numpy()
    assert rows.shape == (5, 117)
    np.testing.assert_allclose(rows[:, :3], [[frame, 17, -frame] for frame in range(5)])
    body = catalog.skeleton("cmu38")
    moving = [joint for joint in range(38) if joint in body.parents]
    vectors = rows[:, 3:].reshape(5, 38, 3)
    for place, joint in enumerate(moving):
        turn = Rotation.from_euler("ZYX", angles[:, place], degrees=True)
        if joint == 0:
            turn = Rotation.from_euler("ZXY", angles[:, place][:, [0, 2, 1]], degrees=True)
        np.testing.assert_allclose(vectors[:, joint], -turn.as_rotvec(), atol=1e-9)
    assert not vectors[:, [joint for joint in range(38) if joint not in moving]].any()


def test_the_file_it_writes_is_one_that_the_source_reads(tmp_path: Path) -> None:
    text, _ = cmu_bvh(80)
    (tmp_path / "x.bvh").write_text(text)
    rows = benchmark_rows(tmp_path / "x.bvh")
    save_rows(rows, tmp_path / "tree" / "test" / "walking" / "walking_1.txt")
    source = CmuForecast(str(tmp_path / "tree"), drop_first=False)
    motion = source._found.motion("test/walking/walking_1", source.skeleton)  # the other files are not there
    np.testing.assert_allclose(motion_to_rows(motion, 0.0564444).numpy(), rows.numpy(), atol=2e-5)


@pytest.mark.shared
@pytest.mark.parametrize("trial", TRIALS)
def test_the_root_of_real_trials(trial: str, shared_data: Path) -> None:
    """The BVH at hand are another (Daz-friendly) conversion: its joints have other axes, but its root is the same.

    All rows of three trials agree to 1e-7, and only if the root is composed in the wrong order; the number of rows
    agrees too, T-pose included. It also proves which trials these files are.
    """
    text = parse_bvh((shared_data / "bvh" / f"cmu_{trial}.bvh").read_bytes(), trial)
    source = CmuForecast(str(shared_data), drop_first=False)
    motion = dict(source.recordings("train"))[TRIALS[trial]]
    assert motion.frames == len(text.values)
    rows = np.load(shared_data / "cmu_forecast.npz")
    place = list(rows["name"]).index(TRIALS[trial])
    own = torch.from_numpy(rows["expmap"][rows["start"][place] : rows["start"][place + 1], 3:6]).double()
    angles = torch.from_numpy(np.deg2rad(text.values[:, 3:6]))
    torch.testing.assert_close(-rotmat_to_rotvec(root_rotation(angles)), own, atol=1e-7, rtol=0)
    right = -torch.from_numpy(Rotation.from_euler("ZYX", angles.numpy()).as_rotvec())
    assert float((right - own).abs().max()) > 0.01


def test_what_is_not_that_conversion_is_refused(tmp_path: Path, write_bvh: object) -> None:
    text, _ = cmu_bvh(turns="Zrotation Xrotation Yrotation")
    (tmp_path / "order.bvh").write_text(text)
    with pytest.raises(FormatError, match="the channels Xposition Yposition Zposition Zrotation Yrotation Xrotation"):
        benchmark_rows(tmp_path / "order.bvh")
    text, _ = cmu_bvh(frame_time=".0333333")
    (tmp_path / "rate.bvh").write_text(text)
    with pytest.raises(FormatError, match="a frame time of 1/120 s"):
        benchmark_rows(tmp_path / "rate.bvh")
    with pytest.raises(FormatError, match="the 38 joints of the benchmark; got 7 joints"), warnings.catch_warnings():
        benchmark_rows(write_bvh(name="small.bvh"))  # type: ignore[operator]


def test_the_command_writes_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str], write_bvh: object) -> None:
    text, _ = cmu_bvh()
    (tmp_path / "14_12.bvh").write_text(text)
    out = tmp_path / "test" / "washwindow" / "washwindow_1.txt"
    assert run("data", "cmu-from-bvh", str(tmp_path / "14_12.bvh"), "-o", str(out)) == 0
    assert np.loadtxt(out, delimiter=",").shape == (5, 117)
    assert "5 rows of 117 columns" in capsys.readouterr().out
    other = write_bvh(name="other.bvh")  # type: ignore[operator]
    assert run("data", "cmu-from-bvh", str(other), "-o", str(tmp_path / "x.txt")) == 1
    assert not (tmp_path / "x.txt").exists()
    assert run("data", "cmu-from-bvh", str(tmp_path / "none.bvh"), "-o", str(out)) == 2
