"""Files as people have them (tests/io/cases): what each is read as, and that it is written back as it came."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, KinemaError, KinemaWarning
from kinema.core.text import decode, encode, guess_encoding
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io import keypoints
from kinema.io.bvh import save as bvh_save
from kinema.io.formats import load, load_clip, load_points, save
from kinema.io.upright import upright
from kinema.motion.motion import Motion, Points
from kinema.motion.orientation import find_up

CASES = Path(__file__).parent / "cases"


def read(name: str, **options: object) -> Motion:
    """The motion of a case, its warnings aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinemaWarning)
        return load(CASES / name, **options)  # type: ignore[arg-type]


def numbers(path: Path) -> np.ndarray:
    """The number block of a BVH."""
    rows = path.read_text().split("Frame Time:")[1].splitlines()[1:]
    return np.array([row.split() for row in rows if row.split()], dtype=float)


@pytest.mark.parametrize(("name", "height"), [("z_up.bvh", 0.945), ("zup.bvh", 0.9)])
def test_z_up_is_found_said_turned_and_written_back(tmp_path: Path, name: str, height: float) -> None:
    with pytest.warns(KinemaWarning, match="z is up in this file .*--up keep"):
        clip = load(CASES / name)
    # Hips about as high as in the README of the case.
    assert float(clip.root[0, 1]) == pytest.approx(height, abs=0.1)
    assert find_up(clip).axis == "y"
    save(clip, tmp_path / "back.bvh")
    np.testing.assert_allclose(numbers(tmp_path / "back.bvh"), numbers(CASES / name), atol=2e-4)
    kept = read(name, up="keep")
    assert find_up(kept).axis == "z"
    np.testing.assert_array_equal(kept.root, read(name, up="y").root)
    assert find_up(read(name, up="z")).axis == "y"


def test_y_down_is_turned_where_the_caller_says_so(tmp_path: Path) -> None:
    upside = read("zero_offsets.bvh", up="-y")
    torch.testing.assert_close(upside.points().positions[..., 1], -read("zero_offsets.bvh").points().positions[..., 1])
    with pytest.raises(KinemaError, match="--up z"):
        upright(read("z_up.bvh"), "up", "z_up.bvh")


def test_a_frame_time_of_zero_names_the_option_and_takes_it() -> None:
    with pytest.raises(FormatError, match=r"positive frame time.*'0'.*--source-fps 30"):
        read("frame_time_zero.bvh")
    assert read("frame_time_zero.bvh", fps=30).fps == 30


def test_milliseconds_and_a_second_are_said(tmp_path: Path) -> None:
    path, text = tmp_path / "ms.bvh", (CASES / "unreal_ik_bones.bvh").read_text()
    path.write_text(re.sub("Frame Time: .*", "Frame Time: 33.333", text))
    with pytest.warns(KinemaWarning, match="milliseconds, 30 frames per second; --source-fps"):
        clip = load(path)
    assert clip.fps == 30
    save(clip, tmp_path / "back.bvh")
    assert "Frame Time: 33.333\n" in (tmp_path / "back.bvh").read_text()
    path.write_text(re.sub("Frame Time: .*", "Frame Time: 1", text))
    with pytest.warns(KinemaWarning, match="1 frames per second.*--source-fps 30"):
        assert load(path).fps == 1


def test_bone_lengths_come_from_the_channels_where_offsets_are_zero(tmp_path: Path) -> None:
    clip = read("zero_offsets.bvh")
    knee = clip.skeleton.index("l_knee")
    assert float(clip.skeleton.bone_lengths[knee]) == pytest.approx(0.42, abs=0.005)
    save(clip, tmp_path / "back.bvh")
    np.testing.assert_allclose(numbers(tmp_path / "back.bvh"), numbers(CASES / "zero_offsets.bvh"), atol=2e-4)


def test_a_repeated_axis_is_written_with_its_own_angles(tmp_path: Path) -> None:
    clip = read("repeated_axis.bvh")
    save(clip, tmp_path / "back.bvh")
    again = load(tmp_path / "back.bvh")
    torch.testing.assert_close(again.points().positions, clip.points().positions, atol=1e-5, rtol=0)
    assert re.search(r"Zrotation Yrotation Zrotation", (tmp_path / "back.bvh").read_text())


def test_quaternion_channels_are_read_and_written(tmp_path: Path) -> None:
    clip = read("quaternion_channels.bvh")
    quarter = rotvec_to_rotmat(torch.tensor([0.0, torch.pi / 2, 0.0]))
    torch.testing.assert_close(clip.rotations[1, 0], quarter, atol=1e-5, rtol=0)
    save(clip, tmp_path / "back.bvh")
    np.testing.assert_allclose(numbers(tmp_path / "back.bvh"), numbers(CASES / "quaternion_channels.bvh"), atol=1e-5)


def test_numbers_without_a_blank_between_them_are_two(tmp_path: Path) -> None:
    with pytest.warns(KinemaWarning, match="no blank between them"):
        clip = load(CASES / "missing_space.bvh")
    save(clip, tmp_path / "back.bvh")
    assert numbers(tmp_path / "back.bvh")[0, 2] == 0
    assert numbers(tmp_path / "back.bvh")[0, 3] <= 0


def test_a_bvh_that_would_not_hold_the_motion_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bvh_save.decimal_lines
    monkeypatch.setattr(bvh_save, "decimal_lines", lambda rows: real(rows + (np.arange(rows.shape[1]) == 1)))
    with pytest.raises(KinemaError, match=r"0\.01 m away in frame"):
        save(read("unreal_ik_bones.bvh"), tmp_path / "back.bvh")
    assert not list(tmp_path.iterdir())


NAMES = {"cp932": "左足首 ひざ", "gb18030": "左大腿 头部", "latin-1": "tête Fuß", "utf-8": "左足 右足"}


@pytest.mark.parametrize("encoding", [*NAMES, "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_names_are_written_back_in_their_encoding(tmp_path: Path, encoding: str) -> None:
    own = NAMES.get(encoding, NAMES["utf-8"]).split()
    text = (CASES / "repeated_axis.bvh").read_text().replace("LeftLeg", own[0]).replace("RightLeg", own[1])
    path, back = tmp_path / "names.bvh", tmp_path / "back.bvh"
    path.write_bytes(encode(text, encoding))
    assert guess_encoding(path.read_bytes()) == encoding
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinemaWarning)
        clip = load(path)
    assert any(own[0] in joint for joint in clip.skeleton.joints)
    save(clip, back)
    assert guess_encoding(back.read_bytes()) == encoding
    assert re.findall(r"JOINT (.*)", decode(back.read_bytes())[0]) == re.findall(r"JOINT (.*)", text)


def test_keypoints_stay_unseen_in_an_npz(tmp_path: Path) -> None:
    people = keypoints.read(CASES / "ap.json", fps=30)
    clip = people.person()
    save(clip, tmp_path / "ap.npz")
    again = load_points(tmp_path / "ap.npz")
    assert again.confidence is not None
    assert clip.confidence is not None
    torch.testing.assert_close(again.confidence, clip.confidence)
    torch.testing.assert_close(again.positions, clip.positions, equal_nan=True)
    with np.load(tmp_path / "ap.npz") as arrays:
        assert (str(arrays["unit"]), str(arrays["up"])) == ("px", "-y")


def test_an_npz_of_points_without_confidence_is_unseen_where_it_is_not_finite(tmp_path: Path) -> None:
    clip = load_points(CASES / "unreal_ik_bones.bvh")
    positions = clip.positions.clone()
    positions[2, 3] = torch.nan
    save(Points(clip.skeleton, positions, clip.fps), tmp_path / "nan.npz")
    again = load_clip(tmp_path / "nan.npz")
    assert isinstance(again, Points)
    assert again.confidence is not None
    assert int((again.confidence == 0).sum()) == 1
