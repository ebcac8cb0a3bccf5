"""Keypoint JSON: every layout comes back as it went in, and says what is wrong where."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.core.errors import FormatError, KinemaWarning, UsageError
from kinema.io import keypoints

GENERATOR = torch.Generator().manual_seed(0)


def triples(count: int, shift: float = 0.0) -> list[float]:
    spots = torch.rand(count, 3, generator=GENERATOR, dtype=torch.float64)
    spots[:, :2] = spots[:, :2] * 100 + 200 + shift
    return spots.reshape(-1).tolist()


def openpose_folder(folder: Path, frames: int = 5, *, start: int = 3) -> Path:
    folder.mkdir()
    for frame in range(frames):
        person = {
            "person_id": [-1],
            "pose_keypoints_2d": triples(25),
            "face_keypoints_2d": [],
            "hand_left_keypoints_2d": triples(21),
            "hand_right_keypoints_2d": triples(21),
            "pose_keypoints_3d": [],
            "mood": float(frame),
        }
        page = {"version": 1.3, "people": [person]}
        (folder / f"dance_{frame + start:012d}_keypoints.json").write_text(json.dumps(page))
    return folder


def alphapose(frames: int, count: int = 17) -> list[dict[str, Any]]:
    return [
        {"image_id": f"{i}.jpg", "category_id": 1, "keypoints": triples(count), "score": 2.5 + i,
         "box": [1.0, 2.0, 30.0, 40.0 + i], "idx": 7}
        for i in range(frames)
    ]  # fmt: skip


def mmpose(frames: int) -> dict[str, Any]:
    pages = []
    for i in range(frames):
        rows = torch.tensor(triples(17), dtype=torch.float64).reshape(17, 3)
        one = {"keypoints": rows[:, :2].tolist(), "keypoint_scores": rows[:, 2].tolist(), "bbox": [[0, 1, 2, 3]]}
        pages.append({"frame_id": i + 1, "instances": [one]})
    return {"meta_info": {"dataset_name": "coco"}, "instance_info": pages}


def mediapipe(frames: int) -> list[dict[str, Any]]:
    marks = torch.rand(frames, 33, 4, generator=GENERATOR, dtype=torch.float64).tolist()
    return [
        {
            "timestamp_ms": 33 * i,
            "pose_landmarks": [dict(zip(("x", "y", "z", "visibility"), m, strict=True)) for m in f],
        }
        for i, f in enumerate(marks)
    ]


def as_json(path: Path, page: Any) -> Path:
    path.write_text(json.dumps(page))
    return path


def close(a: Any, b: Any) -> bool:
    """Equal JSON, numbers to rounding."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, (int, float)) and not isinstance(a, bool):
        return abs(a - b) <= 1e-12 * max(1.0, abs(a))
    return a == b


def test_an_openpose_folder_comes_back_as_it_went_in(tmp_path: Path) -> None:
    folder = openpose_folder(tmp_path / "in")
    found = keypoints.read(folder, fps=25)
    points = found.person()
    assert found.format == "openpose"
    assert points.frames == 5
    assert len(points.skeleton) == 67
    raw = json.loads(sorted(folder.iterdir())[2].read_text())["people"][0]
    elbow = points.skeleton.index("l_elbow")  # number 6 in BODY_25
    assert points.positions[2, elbow].tolist() == pytest.approx(raw["pose_keypoints_2d"][18:20], rel=1e-6)
    assert points.positions[2, points.skeleton.index("right_hand_4")].tolist() == pytest.approx(
        raw["hand_right_keypoints_2d"][12:14], rel=1e-6
    )
    keypoints.write(points, tmp_path / "out", found)
    for path in folder.iterdir():
        assert json.loads((tmp_path / "out" / path.name).read_text()) == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("alphapose", alphapose(4)),
        ("alphapose", alphapose(3, 26)),
        ("alphapose", alphapose(2, 136)),
        ("alphapose", alphapose(2, 133)),
        ("coco", [{**row, "image_id": i} for i, row in enumerate(alphapose(4))]),
        ("mmpose", mmpose(4)),
        ("mmpose", mmpose(4)["instance_info"]),
        ("mediapipe", mediapipe(3)),
        ("mediapipe", {"width": 640, "height": 480, "frames": mediapipe(3)}),
    ],
)
def test_json_comes_back_as_it_went_in(tmp_path: Path, form: str, page: Any) -> None:
    path = as_json(tmp_path / "a.json", page)
    found = keypoints.read(path, fps=30, size=None if "width" in page else (640, 480))
    assert found.format == form
    keypoints.write(found.people, tmp_path / "b.json", found)
    assert close(json.loads((tmp_path / "b.json").read_text()), page)


def test_twice_the_rate_carries_every_field_between_frames(tmp_path: Path) -> None:
    found = keypoints.read(openpose_folder(tmp_path / "in"), fps=25)
    points = found.person()
    from kinema.motion.edit import resample

    keypoints.write(resample(points, 50), tmp_path / "out", found)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(names) == 9
    assert names[0] == "dance_000000000003_keypoints.json"
    assert names[-1].startswith("dance_00000000001")
    half = json.loads((tmp_path / "out" / names[1]).read_text())["people"][0]
    assert half["mood"] == 0.5
    assert half["pose_keypoints_3d"] == []
    hand = points.positions[:2, points.skeleton.index("left_hand_8")].mean(0).tolist()
    assert half["hand_left_keypoints_2d"][24:26] == pytest.approx(hand, rel=1e-6)


def test_coco_annotations_keep_images_and_visibility(tmp_path: Path) -> None:
    rows = [{"id": i + 1, "image_id": 10 * i, "category_id": 1, "keypoints": [5.0, 6.0, 2] * 16 + [0, 0, 0]}
            for i in range(3)]  # fmt: skip
    images = [{"id": 10 * i, "file_name": f"{i}.png", "width": 9} for i in range(4)]
    path = as_json(tmp_path / "a.json", {"images": images, "annotations": rows, "categories": [{"id": 1}]})
    found = keypoints.read(path, fps=30)
    points = found.person()
    assert points.frames == 4
    assert points.confidence is not None
    assert points.confidence[0].tolist() == [1.0] * 16 + [0.0]
    assert not points.confidence[3].any()
    assert points.positions[3].isnan().all()
    keypoints.write(points, tmp_path / "b.json", found)
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(path.read_text())


def test_frames_out_of_order_or_left_out_are_put_in_their_place(tmp_path: Path) -> None:
    rows = alphapose(6)
    path = as_json(tmp_path / "a.json", [rows[4], rows[0], rows[5], rows[1]])
    points = keypoints.read(path, fps=30).person()
    assert points.frames == 6
    assert points.confidence is not None
    assert (points.confidence > 0).any(-1).tolist() == [True, True, False, False, True, True]
    assert points.positions[5, 0, 0] == pytest.approx(rows[5]["keypoints"][0], rel=1e-6)


def test_two_people_are_never_mixed(tmp_path: Path) -> None:
    """Without ids, people are followed: the small one on the left stays the small one, whatever the order."""
    rows = []
    for frame in range(8):
        small = [v for k in range(17) for v in (100 + k + frame, 100 + 2.0 * k, 0.9)]
        large = [v for k in range(17) for v in (400 + 5.0 * k - frame, 100 + 10.0 * k, 0.8)]
        both = [{"image_id": f"{frame}.jpg", "keypoints": person, "score": 1.0} for person in (small, large)]
        rows += both if frame % 2 else both[::-1]
    found = keypoints.read(as_json(tmp_path / "a.json", rows), fps=30)
    assert len(found.people) == 2
    with pytest.warns(KinemaWarning, match="largest"):
        chosen = found.person()
    assert chosen.positions[:, 0, 0].tolist() == [400 - frame for frame in range(8)]
    other = next(track for track in found.people if track != found.largest)
    assert found.person(other).positions[:, 0, 0].tolist() == [100 + frame for frame in range(8)]
    with pytest.raises(UsageError, match="track id"):
        found.person("nobody")
    keypoints.write(found.people, tmp_path / "b.json", found)
    assert json.loads((tmp_path / "b.json").read_text()) == rows  # everybody at the place of the file
    moved = replace(found.people["1"], positions=found.people["1"].positions + 0.1)
    keypoints.write({"1": moved}, tmp_path / "c.json", found)
    numbers = [number for row in json.loads((tmp_path / "c.json").read_text()) for number in row["keypoints"]]
    assert max(len(str(number)) for number in numbers) < 9  # no 400.1000061035156


def test_track_ids_of_the_file_are_kept_and_may_not_repeat(tmp_path: Path) -> None:
    rows = alphapose(3) + [{**row, "idx": 9} for row in alphapose(3)]
    found = keypoints.read(as_json(tmp_path / "a.json", rows), fps=30)
    assert set(found.people) == {"7", "9"}
    with pytest.raises(FormatError, match=r"frame 0.*every track id once"):
        keypoints.read(as_json(tmp_path / "b.json", rows[:3] + rows[:3]), fps=30)


def test_a_person_missing_first_and_last_is_unknown_there_and_stays_so(tmp_path: Path) -> None:
    folder = openpose_folder(tmp_path / "in", 4)
    for name in (sorted(folder.iterdir())[0], sorted(folder.iterdir())[3]):
        name.write_text(json.dumps({"version": 1.3, "people": []}))
    found = keypoints.read(folder, fps=25)
    points = found.person()
    assert points.confidence is not None
    assert (points.confidence > 0).any(-1).tolist() == [False, True, True, False]
    keypoints.write(points, tmp_path / "out", found)
    for path in folder.iterdir():
        assert json.loads((tmp_path / "out" / path.name).read_text()) == json.loads(path.read_text())
    filled = replace(points, positions=torch.ones_like(points.positions), confidence=None)
    keypoints.write(filled, tmp_path / "filled", found)
    assert all(json.loads(path.read_text())["people"] for path in (tmp_path / "filled").iterdir())


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ([{"image_id": "3.jpg", "score": 1}], r"a.json, record 0 .frame 3.jpg.*'keypoints'"),
        ([{"keypoints": [0.0] * 51}], None),
        ([{"image_id": "3.jpg", "keypoints": [0.0] * 50}], "3 numbers for each keypoint"),
        ([{"image_id": "3.jpg", "keypoints": [1.0] * 30}], "17, 26, 33, 133, 136 keypoints; got 10"),
        ([{"image_id": "3.jpg", "keypoints": [float("nan")] * 51}], "finite"),
        ([{"image_id": "cat", "keypoints": [1.0] * 51}], "number in their name"),
        ([{"image_id": i * 10**6, "keypoints": [1.0] * 51} for i in (0, 1)], "frame numbers"),
        ([{"frame_id": 4, "instances": [{"keypoints": [[1, 2]] * 17}]}], "frame 4, person 0, field 'keypoint_scores'"),
        ([{"frame_id": 4, "instances": []}], "at least one person"),
        ([{"pose_landmarks": [[{"x": 1, "y": 2}] * 32]}], "33 landmarks"),
        ([{"pose_landmarks": [[{"x": 1}] * 33]}], "field 'y'"),
        ([], "without a record"),
        ({"a": 1}, "the fields a"),
        ({"people": []}, "Name the folder"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, page: Any, said: str | None) -> None:
    with pytest.raises(FormatError, match=said):
        keypoints.read(as_json(tmp_path / "a.json", page), fps=30, size=(10, 10))


def test_damaged_folders_are_named_with_file_and_field(tmp_path: Path) -> None:
    folder = openpose_folder(tmp_path / "in")
    with pytest.raises(FormatError, match="frame rate"):
        keypoints.read(folder, fps=None)
    broken = sorted(folder.iterdir())[1]
    text = broken.read_text()
    broken.write_text(text[:40])
    with pytest.raises(FormatError, match=f"{broken.name}: expected JSON"):
        keypoints.read(folder, fps=25)
    broken.write_text(text.replace("pose_keypoints_2d", "pose", 1))
    with pytest.raises(FormatError, match=f"{broken.name}, person 0, field 'pose_keypoints_2d'"):
        keypoints.read(folder, fps=25)
    with pytest.raises(FormatError, match="size of the picture"):
        keypoints.read(as_json(tmp_path / "m.json", mediapipe(2)), fps=30)


def test_only_what_was_read_can_be_written_back(tmp_path: Path) -> None:
    found = keypoints.read(openpose_folder(tmp_path / "in"), fps=25)
    points = found.person()
    with pytest.raises(UsageError, match="track id"):
        keypoints.write({"7": points}, tmp_path / "out", found)
    from kinema.motion.motion import Points
    from kinema.motion.skeletons import skeleton

    with pytest.raises(UsageError, match="Give back the skeleton"):
        keypoints.write(Points(skeleton("coco17"), torch.zeros(5, 17, 2), 25), tmp_path / "out", found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.person()


def test_the_general_readers_know_keypoints(tmp_path: Path) -> None:
    from kinema.io.formats import load_points, save, sniff

    folder = openpose_folder(tmp_path / "in")
    assert sniff(folder) == "keypoints"
    points = load_points(folder, fps=25)
    assert points.positions.shape == (5, 67, 2)
    assert load_points(as_json(tmp_path / "a.json", alphapose(3)), fps=30).frames == 3
    with pytest.raises(UsageError, match="look like"):
        save(points, tmp_path / "b.json")
