"""Files as people have them (tests/io/cases): what each is read as, and that it is written back as it came."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command import run
from kinema.core.errors import FormatError, KinemaError, KinemaWarning, UsageError
from kinema.core.text import decode, encode, guess_encoding
from kinema.data.sources.folder import read_segments
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io import keypoints
from kinema.io.bvh import save as bvh_save
from kinema.io.conventions import upright
from kinema.io.formats import files_in, load, load_clip, load_points, save
from kinema.io.summary import summarise
from kinema.motion.motion import Motion, Points
from kinema.motion.orientation import find_up, from_up
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.joint_map import read_joint_map
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

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


def test_amass_in_both_dialects_is_read_without_further_options(tmp_path: Path) -> None:
    with pytest.warns(KinemaWarning, match="z is up"):
        whole = load(CASES / "mini_poses.npz")
    assert (whole.fps, len(whole.skeleton), find_up(whole).axis) == (120, 52, "y")
    parts = read("mini_parts_only.npz")
    assert (parts.fps, len(parts.skeleton), find_up(parts).axis) == (30, 22, "y")
    # The feet of an average body are within a hand's breadth of the floor.
    assert abs(float(whole.points().positions[..., 1].min())) < 0.1


def test_amass_is_written_from_any_body_and_read_back(tmp_path: Path) -> None:
    clip = read("mini_parts_only.npz")
    save(clip, tmp_path / "own.npz", format="amass")
    with np.load(tmp_path / "own.npz") as arrays:
        assert arrays["poses"].shape == (clip.frames, 156)
        assert float(arrays["mocap_framerate"]) == 30
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinemaWarning)
        again = load(tmp_path / "own.npz")
    # Another kind of body rests its pelvis 1 cm lower; the trip itself costs float32 rounding.
    away = again.points().positions[:, :22] - clip.points().positions
    assert float((away - away[:, :1]).abs().max()) < 1e-4
    save(read("unreal_ik_bones.bvh"), tmp_path / "other.npz", format="amass")
    assert len(load_points(tmp_path / "other.npz").skeleton) == 52


def test_lifters_results_by_person_with_gaps_in_frame_ids() -> None:
    with pytest.warns(KinemaWarning, match="2 people .*--person"):
        clip = load(CASES / "wham_output.pkl", fps=30)
    assert (clip.frames, clip.skeleton.name) == (10, "smpl24")  # eight frames, and the two that were missing
    assert float(clip.root[4, 2]) == pytest.approx((2 + 2 * 1 / 3) * 0.03, abs=1e-5)  # on the line between 2 and 3
    other = load_clip(CASES / "wham_output.pkl", fps=30, person="1")
    assert other.frames == 3
    with pytest.raises(KinemaError, match="person among 0, 1"):
        load_clip(CASES / "wham_output.pkl", fps=30, person="7")
    with pytest.raises(FormatError, match="--source-fps 30"):
        load(CASES / "wham_output.pkl")


def test_gvhmr_4d_humans_and_3dpw_stand_upright() -> None:
    gvhmr = read("hmr4d_results.pt")
    assert (gvhmr.frames, gvhmr.fps, len(gvhmr.skeleton)) == (10, 30, 22)
    humans = read("phalp.pkl", fps=30)  # compressed by joblib; in the axes of the camera, y down
    assert (humans.frames, find_up(humans).axis) == (4, "y")
    assert read("3dpw.pkl").fps == 30
    for clip in (gvhmr, humans):
        positions, body = clip.points().positions, clip.skeleton
        assert bool((positions[:, body.index("head"), 1] > positions[:, body.index("l_ankle"), 1] + 1).all())


def test_a_joblib_file_that_names_a_function_is_refused(tmp_path: Path) -> None:
    data = (CASES / "wham_output.pkl").read_bytes()
    path = tmp_path / "bad.pkl"
    path.write_bytes(
        data.replace(b"cnumpy\nndarray", b"cos\nsystem").replace(
            b"numpy\x94\x8c\x07ndarray", b"posix\x94\x8c\x06system"
        )
    )
    assert path.read_bytes() != data
    with pytest.raises(FormatError, match=r"system.*refused"):
        load(path, fps=30)


def test_an_array_of_joints_needs_a_body_and_a_rate_and_says_which() -> None:
    with pytest.raises(FormatError, match="--source-skeleton smpl22"):
        load_points(CASES / "joints22.npy")
    with pytest.raises(FormatError, match="--source-fps 30"):
        load_points(CASES / "joints22.npy", skeleton=skeleton("smpl"))
    clip = load_points(CASES / "joints22.npy", skeleton=skeleton("smpl"), fps=20)
    np.testing.assert_array_equal(clip.positions, np.load(CASES / "joints22.npy"))
    assert clip.skeleton.joints == skeleton("smpl22").joints


def test_batches_and_flat_rows_of_joints(tmp_path: Path) -> None:
    joints = np.load(CASES / "joints22.npy")
    np.save(tmp_path / "batch.npy", np.stack([joints, joints + np.array([1, 0, 0])]))
    batch = load_points(tmp_path / "batch.npy", skeleton=skeleton("smpl22"), fps=20)
    assert tuple(batch.batch_shape) == (2,)
    np.save(tmp_path / "flat.npy", joints.reshape(len(joints), -1))
    flat = load_points(tmp_path / "flat.npy", skeleton=skeleton("smpl22"), fps=20)
    np.testing.assert_array_equal(flat.positions, joints)


def test_humanml_features_give_back_positions(tmp_path: Path) -> None:
    """Features made here from positions and a heading, as the data set's page defines them, and recovered."""
    joints = np.load(CASES / "joints22.npy").astype(np.float64)
    frames = len(joints)
    half = np.linspace(0, 0.6, frames)  # half of the angle of the root about y
    joints[:, :, [0, 2]] -= joints[:1, :1, [0, 2]]

    def about_y(angle: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        return np.einsum(
            "tij,t...j->t...i", rotvec_to_rotmat(torch.tensor(np.stack((0 * angle, angle, 0 * angle), -1))), vectors
        )

    rows = np.zeros((frames, 263))
    rows[:-1, 0] = np.diff(half)
    step = np.diff(joints[:, 0], axis=0, prepend=joints[:1, 0]) * [1, 0, 1]
    rows[:-1, 1:3] = about_y(2 * half, step)[1:][:, [0, 2]]
    rows[:, 3] = joints[:, 0, 1]
    rows[:, 4:67] = about_y(2 * half, joints[:, 1:] - joints[:, :1] * [1, 0, 1]).reshape(frames, -1)
    np.save(tmp_path / "000001.npy", rows)
    with pytest.warns(KinemaWarning, match="20 frames per second"):
        clip = load_points(tmp_path / "000001.npy")
    np.testing.assert_allclose(clip.positions, joints, atol=1e-5)
    np.save(tmp_path / "std.npy", (rows - rows.mean(0)) / (rows.std(0) + 1e-6))
    with pytest.raises(FormatError, match=r"Std\.npy"):
        load_points(tmp_path / "std.npy", fps=20)


TRC = """PathFileType\t4\t(X/Y/Z)\twalk.trc
DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames
60\t60\t2\t4\tmm\t60\t1\t2
Frame#\tTime\tHip\t\t\tNeck\t\t\tLAnkle\t\t\tRAnkle\t\t
\t\tX1\tY1\tZ1\tX2\tY2\tZ2\tX3\tY3\tZ3\tX4\tY4\tZ4

1\t0.0\t0\t900\t0\t0\t1450\t0\t100\t80\t0\t\t\t
2\t0.016667\t0\t900\t10\t0\t1450\t10\t100\t80\t0\t-100\t80\t0
"""


def test_a_trc_gives_named_points_in_metres_and_a_blank_is_unseen(tmp_path: Path) -> None:
    (tmp_path / "walk.trc").write_text(TRC)
    clip = load_points(tmp_path / "walk.trc")
    assert clip.fps == 60
    assert float(clip.positions[1, clip.skeleton.index("Neck"), 1]) == pytest.approx(1.45)
    assert clip.confidence is not None
    assert float(clip.confidence[0, clip.skeleton.index("RAnkle")]) == 0
    (tmp_path / "bad.trc").write_text(TRC.replace("1450", "x"))
    with pytest.raises(FormatError, match=r"bad\.trc, line 7"):
        load_points(tmp_path / "bad.trc")


def test_a_c3d_gives_its_markers(tmp_path: Path) -> None:
    """markers.c3d: five markers of ezc3d in millimetres, 100 frames per second."""
    pytest.importorskip("ezc3d", reason="pip install 'kinema[c3d]'")
    clip = load_points(CASES / "markers.c3d")
    assert (clip.fps, clip.frames, set(clip.skeleton.joints)) == (100, 3, {"LASI", "RASI", "C7", "LANK", "RANK"})
    assert float(clip.positions[0, clip.skeleton.index("C7"), 2]) == pytest.approx(1.45)
    (tmp_path / "cut.c3d").write_bytes((CASES / "markers.c3d").read_bytes()[:300])
    with pytest.raises(FormatError, match="a whole C3D file"):
        load_points(tmp_path / "cut.c3d")


def test_an_array_of_freemocap_is_known_by_its_number_of_points(tmp_path: Path) -> None:
    marks = np.array([list(mark.values())[:3] for mark in world(1)[0]["pose_world_landmarks"][0]])  # type: ignore[index]
    whole = np.full((4, 553, 3), np.nan)  # body, hands and face, millimetres, z up; one point unseen
    whole[:, :33] = marks @ np.array([[1, 0, 0], [0, 0, -1], [0, -1, 0]]) * 1000
    whole[2, 15] = np.nan
    np.save(tmp_path / "mediapipe_skeleton_3d.npy", whole)
    with pytest.warns(KinemaWarning, match="the mm"):
        clip = load_points(tmp_path / "mediapipe_skeleton_3d.npy", fps=30)
    assert clip.skeleton.name == "mediapipe33"
    assert find_up(clip).axis == "y"
    assert clip.confidence is not None
    assert float(clip.confidence[2, 15]) == 0


def test_a_csv_with_a_column_per_coordinate_is_read(tmp_path: Path) -> None:
    """FreeMoCap's mediapipe_body_3d_xyz.csv: millimetres, z up, no rate."""
    whole = load_points(CASES / "unreal_ik_bones.bvh")
    parts = {"nose": "head", "left_hip": "l_hip", "right_hip": "r_hip", "left_knee": "l_knee", "right_knee": "r_knee",
             "left_ankle": "l_ankle", "right_ankle": "r_ankle", "left_shoulder": "l_shoulder",
             "right_shoulder": "r_shoulder"}  # fmt: skip
    places = (
        whole.positions[:, whole.skeleton.indices(list(parts.values()))]
        @ torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        * 1000
    )
    head = ",".join(f"{name}_{axis}" for name in parts for axis in "xyz")
    np.savetxt(tmp_path / "body.csv", places.flatten(1).numpy(), delimiter=",", header=head, comments="")
    with pytest.raises(FormatError, match="--source-fps 30"):
        load_points(tmp_path / "body.csv")
    with pytest.warns(KinemaWarning, match="the mm"):
        clip = load_points(tmp_path / "body.csv", fps=30)
    own = clip.positions[:, clip.skeleton.indices(list(parts))]
    np.testing.assert_allclose(own, whole.positions[:, whole.skeleton.indices(list(parts.values()))], atol=1e-5)


def world(frames: int = 3) -> list[dict[str, object]]:
    """MediaPipe's world landmarks: metres about the hips, y down."""
    rows = np.zeros((33, 3))
    rows[:11, 1], rows[11:13, 1], rows[13:23, 1] = -0.65, -0.5, -0.2
    rows[25:27, 1], rows[27:, 1] = 0.4, 0.8
    rows[12::2, 0] = -0.1
    rows[11::2, 0] = 0.1
    marks = [dict(zip("xyz", row.tolist(), strict=True)) | {"visibility": 0.9} for row in rows]
    return [{"frame": index, "pose_world_landmarks": [marks]} for index in range(frames)]


@pytest.mark.parametrize("lines", [False, True])
def test_world_landmarks_are_points_in_metres_with_y_up(tmp_path: Path, lines: bool) -> None:
    path = tmp_path / f"world.json{'l' if lines else ''}"
    path.write_text("\n".join(map(json.dumps, world())) if lines else json.dumps(world()))
    clip = load_points(path, fps=30)
    assert tuple(clip.positions.shape) == (3, 33, 3)
    assert find_up(clip).axis == "y"
    assert float(clip.positions[0, clip.skeleton.index("l_ankle"), 1]) < 0


def test_poseflow_a_single_picture_and_json_lines_come_back_as_they_were(tmp_path: Path) -> None:
    rows = json.loads((CASES / "ap.json").read_text())
    flow: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        flow.setdefault(row["image_id"], []).append({"keypoints": row["keypoints"], "idx": 1, "scores": 2.5})
    single = [{"keypoints": np.reshape(rows[0]["keypoints"], (17, 3))[:, :2].tolist(), "keypoint_scores": [0.9] * 17}]
    marks = json.loads((CASES / "mp.json").read_text())
    texts = {
        "flow.json": json.dumps(flow), "picture.json": json.dumps(single),
        "mp.jsonl": "".join(f"{json.dumps(mark)}\n" for mark in marks),
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        people = keypoints.read(tmp_path / name, fps=30, size=(1000, 500))
        keypoints.write(people.people, tmp_path / f"back_{name}", people)
        back = (tmp_path / f"back_{name}").read_text()
        assert (back.count("\n") > 1) == name.endswith("jsonl")
        again = keypoints.read(tmp_path / f"back_{name}", fps=30, size=(1000, 500))
        assert again.format == people.format
        torch.testing.assert_close(again.person().positions, people.person().positions, equal_nan=True)
    with pytest.raises(FormatError, match=r"--picture 1920x1080.*width and height"):
        keypoints.read(CASES / "mp.json", fps=30)


def test_lifted_poses_of_mmpose_are_points_in_space(tmp_path: Path) -> None:
    pose = skeleton("h36m17").rest_positions.numpy() @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up
    frames = [
        {"frame_id": index, "instances": [{"keypoints": pose.tolist(), "keypoint_scores": [1.0] * 17}]}
        for index in (1, 3)
    ]
    (tmp_path / "lifted.json").write_text(json.dumps({"meta_info": {}, "instance_info": frames}))
    clip = load_points(tmp_path / "lifted.json", fps=30)
    assert tuple(clip.positions.shape) == (3, 17, 3)
    assert bool(clip.positions[1].isnan().all())  # frame 2 was not seen
    assert find_up(clip).axis == "y"


def page_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + size])


def test_a_character_from_blender_is_read_as_blender_has_it() -> None:
    """character.glb: unreal_ik_bones.bvh imported by Blender 5.0 below an object of scale 0.01, with a skin."""
    clip, own = read("character.glb"), read("unreal_ik_bones.bvh")
    assert (clip.frames, clip.fps, find_up(clip).axis) == (12, 30, "y")
    names = [name for name in own.skeleton.joints if name in clip.skeleton.joints]
    assert len(names) == len(clip.skeleton) > 20
    positions = own.points().positions[:, own.skeleton.indices(names)]
    # Blender keeps float32 at a scale of a hundredth.
    torch.testing.assert_close(clip.points().positions[:, clip.skeleton.indices(names)], positions, atol=1e-4, rtol=0)


def test_a_new_animation_goes_into_the_characters_own_file(tmp_path: Path) -> None:
    character = read("character.glb")
    moved = retarget(read("zup.bvh"), character)
    save(moved, tmp_path / "out.glb")
    old, new = page_of(CASES / "character.glb"), page_of(tmp_path / "out.glb")
    for key in ("meshes", "skins", "materials", "nodes", "scenes"):
        assert new.get(key) == old.get(key)
    assert [one["name"] for one in new["animations"]][1:] == [one["name"] for one in old["animations"]]
    with pytest.warns(KinemaWarning, match="2 animations"):
        again = load(tmp_path / "out.glb")
    torch.testing.assert_close(again.points().positions, moved.points().positions, atol=1e-5, rtol=0)
    save(moved, tmp_path / "text.gltf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinemaWarning)
        text = load(tmp_path / "text.gltf")
    torch.testing.assert_close(text.points().positions, moved.points().positions, atol=1e-5, rtol=0)
    save(moved, tmp_path / "plain.glb", rest="tpose")  # a body of kinema's own, as before
    assert len(page_of(tmp_path / "plain.glb")["meshes"]) == 1
    save(moved, tmp_path / "moved.bvh")  # with an end site on every leaf
    back = load(tmp_path / "moved.bvh")
    own = back.points().positions[:, back.skeleton.indices(moved.skeleton.joints)]
    torch.testing.assert_close(own, moved.points().positions, atol=1e-4, rtol=0)


def test_kinemas_own_glb_and_a_vrm_with_its_names(tmp_path: Path) -> None:
    clip = read("unreal_ik_bones.bvh")
    save(clip, tmp_path / "own.glb")
    again = load(tmp_path / "own.glb")
    torch.testing.assert_close(again.points().positions, clip.points().positions, atol=1e-5, rtol=0)
    page = page_of(tmp_path / "own.glb")
    names = [node["name"] for node in page["nodes"]]
    bones = {"hips": "pelvis", "head": "head", "leftFoot": "foot_l", "rightFoot": "foot_r", "leftHand": "hand_l"}
    page["extensions"] = {
        "VRMC_vrm": {"humanoid": {"humanBones": {bone: {"node": names.index(name)} for bone, name in bones.items()}}}
    }
    text = json.dumps(page).encode()
    text += b" " * (-len(text) % 4)
    data = (tmp_path / "own.glb").read_bytes()
    rest = data[20 + int.from_bytes(data[12:16], "little") :]
    head = data[:8] + (20 + len(text) + len(rest)).to_bytes(4, "little") + len(text).to_bytes(4, "little") + b"JSON"
    (tmp_path / "own.vrm").write_bytes(head + text + rest)
    vrm = load(tmp_path / "own.vrm")
    assert vrm.skeleton.aliases["l_ankle"] == "foot_l"
    assert vrm.skeleton.aliases["pelvis"] == "pelvis"


ASF = """:version 1.10
:name body
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name hip
    direction 1 0 0
    length 2
    axis 0 0 90 XYZ
  end
  begin
    id 2
    name femur
    direction 0 -1 0
    length 7
    axis 0 0 90 XYZ
    dof rx ry rz
    limits (-160 20) (-70 70) (-60 70)
  end
:hierarchy
  begin
    root hip
    hip femur
  end
"""


def test_an_amc_turns_the_bones_of_its_asf_about_their_own_axes(tmp_path: Path) -> None:
    amc = ":FULLY-SPECIFIED\n:DEGREES\n1\nroot 1 17 3 0 0 0\nfemur 0 0 0\n2\nroot 1 17 4 0 90 0\nfemur 0 90 0\n"
    (tmp_path / "02_01.amc").write_text(amc)
    with pytest.raises(KinemaError, match=r"Put the skeleton beside it, as 02\.asf"):
        load(tmp_path / "02_01.amc", fps=120)
    (tmp_path / "02.asf").write_text(ASF)
    with pytest.raises(FormatError, match="--source-fps 120"):
        load(tmp_path / "02_01.amc")
    clip = load(tmp_path / "02_01.amc", fps=120)
    inch = 0.0254 / 0.45
    positions = clip.points().positions / inch
    knee, femur = clip.skeleton.index("femur_end"), clip.skeleton.index("femur")
    torch.testing.assert_close(positions[0, femur], torch.tensor([3.0, 17, 3]), atol=1e-4, rtol=0)
    torch.testing.assert_close(positions[0, knee], torch.tensor([3.0, 10, 3]), atol=1e-4, rtol=0)
    # The root's quarter turn about y puts the hip along -z. The femur's axis y is -x of the body (a quarter turn about
    # z), so it swings by a quarter turn about -x, from -y to -y x -x = +z of the body, which the root turns to +x.
    torch.testing.assert_close(positions[1, femur], torch.tensor([1.0, 17, 2]), atol=1e-4, rtol=0)
    torch.testing.assert_close(positions[1, knee], torch.tensor([8.0, 17, 2]), atol=1e-4, rtol=0)
    assert clip.identity == "cmu/02_01"
    (tmp_path / "02_01.amc").write_text(amc.replace("femur 0 90 0", "femur 0 90"))
    with pytest.raises(FormatError, match=r"02_01\.amc, line 8: expected 3 numbers of femur"):
        load(tmp_path / "02_01.amc", fps=120)


def test_an_npz_of_kimodo_needs_no_options(tmp_path: Path) -> None:
    """Kimodo's files have positions and rotations; names, tree, bones and rate follow from them."""
    clip = read("mini_parts_only.npz")
    save(clip, tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as arrays:
        keys = ("posed_joints", "global_rot_mats", "local_rot_mats", "root_positions", "foot_contacts")
        np.savez(tmp_path / "kimodo.npz", **{key: arrays[key] for key in keys})  # type: ignore[arg-type]
    with pytest.warns(KinemaWarning, match="Kimodo's 30 frames per second"):
        again = load(tmp_path / "kimodo.npz")
    assert again.skeleton.same_tree(clip.skeleton)
    torch.testing.assert_close(again.points().positions, clip.points().positions, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a.mot", "OpenSim motion.*TRC"),
        ("a.mp4", "a video.*pose detector"),
        ("a.blend", "Export GLB"),
        ("a.asf", r"\.amc"),
    ],
)
def test_what_is_not_read_is_named_and_says_what_to_do(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(KinemaError, match=what):
        load(tmp_path / name)


def test_info_says_what_a_person_can_act_on() -> None:
    points = summarise(CASES / "ap.json", fps=30)
    assert (points.unit_name, points.up, points.people) == ("px", "-y", ("0",))
    assert points.unseen == "6 frames unseen (9-14)"
    assert points.gaps == 1
    assert 300 < points.height < 500  # pixels
    assert points.picture is not None
    lying = summarise(CASES / "z_up.bvh")
    assert (lying.up, lying.up_in_file, lying.canon17_matched) == ("y", "z", 17)
    assert "z" in lying.up_reason
    assert lying.feet is not None
    assert lying.feet.sinks < 0.05
    assert lying.floor == pytest.approx(0, abs=0.05)
    people = summarise(CASES / "wham_output.pkl", fps=30)
    assert people.people == ("0", "1")
    assert any("2 frames are missing" in note for note in people.warnings)


def test_of_two_characters_that_one_is_read_which_the_animation_moves(tmp_path: Path) -> None:
    page, data = page_of(CASES / "character.glb"), (CASES / "character.glb").read_bytes()
    count = len(page["nodes"])
    for node in page["nodes"][:count]:  # the same character again, with joints of other names
        below = {"children": [child + count for child in node["children"]]} if "children" in node else {}
        page["nodes"].append({**node, **below, "name": f"B:{node['name']}"})
    (skin,), (animation,) = page["skins"], page["animations"]
    page["skins"].append({**skin, "joints": [joint + count for joint in skin["joints"]]})
    channels = [
        {**one, "target": {**one["target"], "node": one["target"]["node"] + count}} for one in animation["channels"]
    ]
    page["animations"].append({**animation, "name": "second", "channels": channels})
    text = json.dumps(page).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + int.from_bytes(data[12:16], "little") :]
    head = [b"glTF", (2).to_bytes(4, "little"), (20 + len(text) + len(rest)).to_bytes(4, "little")]
    (tmp_path / "both.glb").write_bytes(b"".join([*head, len(text).to_bytes(4, "little"), b"JSON", text, rest]))
    alone, second = read("character.glb"), load_clip(tmp_path / "both.glb", animation="2")
    assert isinstance(second, Motion)
    assert second.skeleton.joints == tuple(f"B:{name}" for name in alone.skeleton.joints)
    torch.testing.assert_close(second.points().positions, alone.points().positions)
    save(second, tmp_path / "out.glb")
    with pytest.warns(KinemaWarning, match="3 animations"):
        assert load(tmp_path / "out.glb").skeleton.joints == second.skeleton.joints


def test_one_of_several_animations_is_chosen_by_name_or_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    character = read("character.glb")
    save(retarget(read("zup.bvh"), character), tmp_path / "two.glb")
    first, second = (one["name"] for one in page_of(tmp_path / "two.glb")["animations"])
    with pytest.warns(KinemaWarning, match=rf"2 animations \({first}, {second}\).*--animation"):
        assert load(tmp_path / "two.glb").frames != character.frames
    for wanted in (second, "2"):
        again = load_clip(tmp_path / "two.glb", animation=wanted)
        torch.testing.assert_close(again.points().positions, character.points().positions, atol=1e-5, rtol=0)
    assert run("convert", tmp_path / "two.glb", tmp_path / "two.npz", "--animation", "2") == 0
    assert load(tmp_path / "two.npz").frames == character.frames
    capsys.readouterr()
    for wanted in ("3", "0", "nothing"):
        assert run("info", tmp_path / "two.glb", "--animation", wanted) == 2
        assert f"an animation among {', '.join(sorted((first, second)))}; got '{wanted}'" in capsys.readouterr().err
    assert run("info", CASES / "zup.bvh", "--animation", "1") == 2
    assert "Leave out --animation" in capsys.readouterr().err


def test_a_glb_with_z_up_is_turned_and_written_back_in_its_axes(tmp_path: Path) -> None:
    """glTF says y; some exporters write z. Only limbs decide: a box on a floor at z = 0 stays."""
    walk = perform("walk", seconds=0.5, fps=30.0, seed=3)
    save(from_up(walk, "z"), tmp_path / "z.glb")
    with pytest.warns(KinemaWarning, match="z is up in this file"):
        clip = load(tmp_path / "z.glb")
    torch.testing.assert_close(clip.points().positions, walk.points().positions, atol=1e-4, rtol=0)
    save(clip, tmp_path / "back.glb")
    kept = load_points(tmp_path / "z.glb", up="keep").positions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinemaWarning)
        torch.testing.assert_close(load_points(tmp_path / "back.glb", up="keep").positions, kept, atol=1e-4, rtol=0)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8-sig", "cp932", "latin-1"])
def test_texts_of_every_kind_are_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    name = {"cp932": "左足首 ひざ", "latin-1": "tête Fuß"}.get(encoding, "左足 ête")
    walk = perform("walk", seconds=0.2, fps=30.0, seed=3)
    body = replace(walk.skeleton, joints=(*walk.skeleton.joints[:-1], name), aliases={})
    save(replace(walk, skeleton=body).points(), tmp_path / "a.csv")
    rows = np.random.default_rng(0).normal(0, 0.3, (3, 99))
    np.savetxt(tmp_path / "a.txt", rows, delimiter=",")
    (tmp_path / "a.json").write_bytes((CASES / "ap.json").read_bytes())
    (tmp_path / "labels.csv").write_text(f"file,action\na.bvh,{name}\n", encoding="utf-8")
    (tmp_path / "map.toml").write_text(f'[joints]\npelvis = "{name}"\n', encoding="utf-8")
    before = {form: load_clip(tmp_path / f"a.{form}", fps=30.0).points().positions for form in ("csv", "txt", "json")}
    for path in tmp_path.iterdir():
        path.write_bytes(encode(path.read_text(encoding="utf-8"), encoding))
    for form, positions in before.items():
        clip = load_clip(tmp_path / f"a.{form}", fps=30.0)
        torch.testing.assert_close(clip.points().positions, positions, equal_nan=True)
    assert load_clip(tmp_path / "a.csv").skeleton.joints[-1] == name
    assert [segment.labels for segment in read_segments(tmp_path / "labels.csv", {"a.bvh"})] == [(name,)]
    assert name in str(read_joint_map(tmp_path / "map.toml"))


def test_a_chain_of_five_thousand_joints_has_no_limit() -> None:
    count = 5000
    names = tuple(f"j{joint}" for joint in range(count))
    chain = Skeleton("chain", names, (-1, *range(count - 1)), torch.ones(count, 3))
    assert chain.below(10) == set(range(10, count))


def test_what_retargeting_loses_is_said() -> None:
    walk = perform("walk", seconds=0.2, fps=30.0, seed=3)
    body = read("character.glb")
    away = torch.zeros(body.frames, len(body.skeleton), 3)
    away[-1, 5, 1] = 0.04
    with pytest.warns(KinemaWarning, match=r"move by up to 4.0 cm in its file; they are stiff in the result"):
        moved = retarget(walk, replace(body, offsets=body.skeleton.offsets + away))
    assert moved.offsets is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", KinemaWarning)
        retarget(walk, replace(body, offsets=body.skeleton.offsets + 0 * away))


def test_frames_of_openpose_in_a_folder_of_motions_are_named_for_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "a_000_keypoints.json").write_text('{"version": 1.3, "people": []}')
    (tmp_path / ".hidden.bvh").write_text("")
    (tmp_path / "walk.bvh").write_text("damaged: its own error says so")
    found = {path.name: why for path, why in files_in(tmp_path)}
    assert found == {"a_000_keypoints.json": "a frame of OpenPose: give its folder", "walk.bvh": ""}


@pytest.mark.parametrize("suffix", [".npy", ".pkl", ".trc", ".c3d", ".amc"])
def test_a_format_that_is_only_read_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UsageError, match=r"such files are only read\. Name it walk\.npz"):
        save(perform("walk", seconds=0.2, fps=30.0, seed=0), tmp_path / f"walk{suffix}")
