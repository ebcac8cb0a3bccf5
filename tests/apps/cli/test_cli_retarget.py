"""`kinema retarget`, `--map` on the verbs, and `generate --skeleton`: answers on the user's own skeleton."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from command import run
from families import named, slanting
from kinema.apps.cli import generate as verb
from kinema.core.errors import KinemaWarning
from kinema.data.synthetic import perform
from kinema.io import formats as files
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    files.save(named(perform("walk", seconds=1.5, fps=30.0, seed=1), "mixamo"), tmp_path / "walk.bvh")
    return tmp_path / "walk.bvh"


def own_body(folder: Path, *, strange: bool = False) -> Path:
    """A file of somebody's own: A-pose, names of the mannequin (or of nobody), odd channel orders, metres, 24 fps."""
    clip = named(slanting(perform("idle", seconds=1.0, fps=24.0, seed=1)), "unreal")
    if strange:
        body = clip.skeleton
        clip = replace(clip, skeleton=Skeleton("x", tuple(f"J{i}" for i in range(24)), body.parents, body.offsets))
    place = ("Yposition", "Xposition", "Zposition")
    turns = ("Yrotation", "Xrotation", "Zrotation")
    leaves = {joint for joint, children in enumerate(clip.skeleton.children) if not children}
    ends = {joint for joint in leaves if strange is False and clip.skeleton.joints[joint].endswith("_end")}
    channels = tuple(() if j in ends else (*place, *turns) if j == 0 else turns for j in range(24))
    layout = FileLayout(clip.skeleton.joints, channels, 1.0, "0.0416667")
    files.save(replace(clip, layout=layout), folder / "own.bvh", rest="source")
    return folder / "own.bvh"


def same_file_shape(path: Path, own: Path) -> Motion:
    """What an answer has of the user's file: names, tree, offsets, channel orders, unit."""
    there, here = files.load(path), files.load(own)
    assert there.skeleton == here.skeleton
    assert there.layout is not None
    assert here.layout is not None
    assert (there.layout.channels, there.layout.unit) == (here.layout.channels, here.layout.unit)
    return there


def test_retarget_answers_in_the_file_of_the_target(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    own = own_body(tmp_path)
    assert run("retarget", walk, own, "-o", tmp_path / "out.bvh", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["matched"]["thigh_l"] == "mixamorig:LeftUpLeg"
    assert (told["resting"], told["shared"], told["fps"]) == ([], [], 30.0)
    there, source = same_file_shape(tmp_path / "out.bvh", own), files.load(walk)
    assert (there.fps, there.frames) == (30.0, source.frames)
    for name in ("l_knee", "r_ankle", "l_wrist", "r_elbow"):
        ours, theirs = (clip.points().positions[:, clip.skeleton.index(name)] for clip in (there, source))
        assert float((ours - theirs).norm(dim=-1).max()) < 2e-3


def test_convert_and_retarget_agree_to_the_bit(walk: Path, tmp_path: Path) -> None:
    """A skeleton by name, a joint map, positions alone: the two commands write the same files."""
    files.save(files.load(walk).points(), tmp_path / "points.npz")
    own = own_body(tmp_path, strange=True)
    known = {"pelvis": 0, "neck": 3, "head": 4, "l_hip": 16, "l_knee": 17, "l_ankle": 18, "r_hip": 20, "r_knee": 21}
    known |= {"l_shoulder": 7, "l_elbow": 8, "l_wrist": 9, "r_shoulder": 12, "r_elbow": 13, "r_wrist": 14}
    known["r_ankle"] = 22
    lines = [f'{part} = "J{place}"' for part, place in known.items()]
    (tmp_path / "map.toml").write_text("[joints]\n" + "\n".join(lines))
    for source, given in ((walk, ()), (tmp_path / "points.npz", ()), (own, ("--map", tmp_path / "map.toml"))):
        for body in ("smpl24", "cmu38"):
            for suffix in (".bvh", ".npz"):
                one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
                assert run("convert", source, one, "--to", body, *given) == 0
                assert run("retarget", source, body, "-o", other, *given) == 0
                assert one.read_bytes() == other.read_bytes(), (source.name, body, suffix)


def test_retarget_to_the_catalogue_with_feet_locked(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("retarget", walk, "smpl24", "-o", tmp_path / "out.npz", "--lock-feet") == 0
    out, err = capsys.readouterr()
    assert "45 frames of 24 joints" in out or "46 frames of 24 joints" in out
    assert "joints follow their counterparts" in err
    assert "spine2" in err
    assert files.load(tmp_path / "out.npz").skeleton.joints == skeleton("smpl24").joints


def test_positions_become_a_body(walk: Path, tmp_path: Path) -> None:
    files.save(files.load(walk).points(), tmp_path / "points.npz")
    assert run("retarget", tmp_path / "points.npz", "cmu38", "-o", tmp_path / "out.bvh") == 0
    assert len(files.load(tmp_path / "out.bvh").skeleton) >= 38


def test_a_map_opens_a_stranger_to_the_verbs(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    own = own_body(tmp_path, strange=True)
    out = tmp_path / "out.bvh"
    said = r"matched by the lengths of the bones \(confidence"
    assert run("retarget", walk, own, "-o", out) == 0
    assert re.search(said, " ".join(capsys.readouterr().err.split()))
    with pytest.warns(KinemaWarning, match=said):
        assert run("forecast", "simlpe-cmu", own, "--seconds", "0.5", "-o", out) == 0
    kin = skeleton("kinema24")
    lines = [f'{part} = "J{kin.index(part)}"' for part in kin.aliases if not part.endswith("_end")]
    (tmp_path / "map.toml").write_text("[joints]\n" + "\n".join(lines) + "\n")
    given = ("--map", tmp_path / "map.toml")
    assert run("retarget", walk, own, "-o", out, *given) == 0
    same_file_shape(out, own)
    assert run("forecast", "simlpe-cmu", own, "-o", out, "--seconds", "0.5", *given) == 0
    there = same_file_shape(out, own)
    assert (there.fps, there.frames) == (24.0, 12)
    assert run("upsample", own, "--rate", "2", "-o", out, *given) == 0
    assert run("inbetween", own, "--every", "6", "-o", out, *given) == 0
    assert run("repair", own, "-o", out, *given) == 0
    assert run("convert", own, tmp_path / "out.npz", "--to", "canon17", *given) == 0
    same_file_shape(out, own)


def test_a_forecast_says_which_parts_it_does_not_see(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "map.toml").write_text('[joints]\nl_wrist = ""\nhead = ""\n')
    given = ("--map", tmp_path / "map.toml", "--seconds", "0.2")
    assert run("forecast", "simlpe-cmu", walk, "-o", tmp_path / "out.bvh", *given) == 0
    assert "no joint of walk matches head, l_wrist: simlpe-cmu reads them" in " ".join(capsys.readouterr().err.split())


def test_generate_on_the_users_body(tmp_path: Path, capsys: Captured) -> None:
    """The step of `generate --skeleton`, without a model: clips of a batch onto a file's skeleton, rate and layout."""
    own = own_body(tmp_path)
    made = perform("wave", seconds=1.0, fps=30.0, seed=2)
    batch = replace(made, rotations=made.rotations.expand(2, -1, -1, -1, -1), root=made.root.expand(2, -1, -1))
    there = verb.onto(batch, files.load(own), set())
    assert isinstance(there, Motion)
    assert (there.batch_shape, there.fps) == (torch.Size([2]), 24.0)
    files.save(there.one(1), tmp_path / "out.bvh")
    same_file_shape(tmp_path / "out.bvh", own)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("none.bvh", "smpl24"), 2, "no file at"),
        (("walk.bvh", "smpl42"), 2, "Did you mean smpl24"),
        (("walk.bvh", "none.bvh"), 2, "no file at"),
        (("walk.bvh", "smpl24", "--map", "none.toml"), 2, "no file at"),
        (("walk.bvh", "smpl24", "--map", "walk.bvh"), 1, "expected TOML"),
        (("walk.bvh", "coco17", "-o", "out.abc"), 2, "file suffix"),
    ],
)
def test_bad_input_is_one_line(
    walk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: tuple[str, ...], code: int, says: str
) -> None:
    monkeypatch.chdir(walk.parent)
    assert run("retarget", *arguments) == code
    err = capsys.readouterr().err
    assert says in err
    assert [path.name for path in walk.parent.iterdir()] == ["walk.bvh"]


def test_a_limb_without_a_counterpart_is_named_and_ends_in_four(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    own = own_body(tmp_path)
    own.write_text(own.read_text().replace("lowerarm_l", "tube_l").replace("hand_l", "claw_l"))
    out = tmp_path / "out.npz"
    for words in (("retarget", own, "smpl24", "-o", out), ("convert", own, out, "--to", "smpl24")):
        assert run(*words) == 4
        assert not out.exists()
        err = " ".join(capsys.readouterr().err.split())
        assert "left upper arm (left_shoulder to left_elbow), left forearm (left_elbow to left_wrist)" in err
        assert run(*words, "--allow-unmatched") == 0
        assert "left_elbow" in capsys.readouterr().err
        out.unlink()


def test_the_report_has_the_direction_error_of_every_limb(walk: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("retarget", walk, "smpl24", "-o", tmp_path / "out.npz", "--json") == 0
    errors = json.loads(capsys.readouterr().out)["direction_errors"]
    assert len(errors) == 8
    assert max(errors.values()) < 0.1  # degrees: limbs point exactly where they did, but for float32
