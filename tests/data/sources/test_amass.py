"""AMASS in both dialects, and its stochastic benchmark."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.sources.amass import TEST, TO_Y_UP, TRAIN, VAL, Amass, identity, key, read_header, read_take
from kinema.io import smpl
from kinema.io.formats import load
from little_amass import write_model, write_take


def test_both_dialects(tmp_path: Path) -> None:
    write_take(tmp_path / "KIT/3/kick_poses.npz", fps=100)
    write_take(tmp_path / "GRAB/s1/lift_stageii.npz", body="smplx", fps=120, seed=1)
    old, new = Amass(str(tmp_path)), Amass(str(tmp_path), body="smplx")
    assert old.taken_body == "smplx"  # the first file by name
    assert old.skipped == (("KIT/3/kick_poses", "poses of smplh, not of smplx"),)
    kick = next(iter(Amass(str(tmp_path), body="smplh").clips("train")))
    lift = next(iter(new.clips("test")))
    assert (kick.fps, len(kick.skeleton), kick.action, kick.identity) == (100, 52, "KIT", "amass/kit/3/kick")
    assert (lift.fps, len(lift.skeleton), lift.action) == (120, 55, "GRAB")


def test_the_parts_of_a_pose_stand_for_it(tmp_path: Path) -> None:
    poses = 0.1 * np.random.default_rng(0).standard_normal((5, 165))
    whole = write_take(tmp_path / "SSM/a/one_stageii.npz", body="smplx", frames=5, poses=poses)
    cut = np.split(poses, np.cumsum([3, 63, 3, 6]), axis=1)
    names = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
    parts = write_take(
        tmp_path / "SSM/a/two_stageii.npz", body="smplx", frames=5, poses=None, **dict(zip(names, cut, strict=True))
    )
    takes = [read_take(read_header(path, "SSM/a/x")) for path in (whole, parts)]  # pyright: ignore[reportArgumentType]
    assert torch.equal(takes[0].poses, takes[1].poses)


def test_z_up_becomes_y_up(tmp_path: Path) -> None:
    write_take(
        tmp_path / "CMU/01/01_01_poses.npz", frames=2, poses=np.zeros((2, 156)), trans=np.array([[1, 2, 3.0]] * 2)
    )
    clip = next(iter(Amass(str(tmp_path)).clips("train")))
    # `trans`, and the assumed resting pelvis 0.23 m along -y of the file, as the reader of single files has it.
    assert torch.allclose(clip.root, torch.tensor([1.0, 3.0, -1.77]))
    torch.testing.assert_close(clip.root, load(tmp_path / "CMU/01/01_01_poses.npz", up="z").root)
    # The rest pose of the model stands along y; unturned in a z-up file, it lies with its head towards -z.
    head = clip.points().positions[0, clip.skeleton.index("head")] - clip.root[0]
    rest = clip.skeleton.offsets[[3, 6, 9, 12, 15]].sum(0)
    assert torch.allclose(head, TO_Y_UP @ rest, atol=1e-6)
    assert head[2] < -0.4
    assert clip.identity == "cmu/01_01"


def test_time_is_kept_at_another_rate(tmp_path: Path) -> None:
    write_take(tmp_path / "CMU/01/01_01_poses.npz", frames=60, fps=59.94)
    own = next(iter(Amass(str(tmp_path)).clips("train")))
    half = next(iter(Amass(str(tmp_path), fps=30).clips("train")))
    assert own.fps == pytest.approx(59.94)
    assert half.frames == int(59 / 59.94 * 30) + 1


def test_what_is_no_recording_is_told_of(tmp_path: Path) -> None:
    write_take(tmp_path / "CMU/01/01_01_poses.npz")
    write_take(tmp_path / "CMU/01/shape.npz", poses=None)
    write_take(tmp_path / "CMU/01/norate_poses.npz", mocap_framerate=None)
    write_take(tmp_path / "Elsewhere/1/a_poses.npz")
    source = Amass(str(tmp_path))
    assert dict(source.skipped) == {
        "CMU/01/shape": "no poses",
        "CMU/01/norate_poses": "no frame rate (mocap_framerate or mocap_frame_rate)",
        "Elsewhere/1/a_poses": "its data set Elsewhere is in no split",
    }
    assert source.actions == ("CMU",)
    assert [clip.identity for clip in source.clips("train")] == ["cmu/01_01"]
    assert list(source.clips("test")) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"poses": np.full((40, 156), np.nan)}, r"finite numbers in 'poses'"),
        ({"poses": np.zeros((40, 157))}, r"poses of 72, 156, 165 columns; got 157"),
        ({"trans": np.zeros((39, 3))}, r"'trans' of shape \(40, 3\); got one of shape \(39, 3\)"),
        ({"trans": None}, "'trans'"),
        ({"mocap_framerate": np.array(0.0)}, "a positive frame rate; got 0"),
        ({"mocap_framerate": np.zeros(0)}, "an NPZ archive of arrays"),
        ({"poses": np.array([{"a": 1}] * 40, dtype=object)}, "shape"),
        ({"betas": np.array([{}], dtype=object)}, "plain arrays"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    write_take(tmp_path / "CMU/01/01_01_poses.npz")
    write_take(tmp_path / "CMU/01/bad_poses.npz", **changed)
    with pytest.raises(FormatError, match=f"bad_poses.npz.*{said}"):
        list(Amass(str(tmp_path)).clips("train"))
    lenient = Amass(str(tmp_path), skip_bad=True)
    assert len(list(lenient.clips("train"))) == 1
    assert [name for name, _ in lenient.skipped] == ["CMU/01/bad_poses"]


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = write_take(tmp_path / "CMU/01/01_01_poses.npz")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FormatError, match=r"01_01_poses\.npz: expected an NPZ archive"):
        list(Amass(str(tmp_path)).clips("train"))


def test_a_gender_in_a_pickle_is_not_read(tmp_path: Path) -> None:
    path = write_take(tmp_path / "CMU/01/01_01_poses.npz", gender=np.array("male", dtype=object))
    assert read_take(read_header(path, "CMU/01/01_01_poses")).gender == "neutral"  # pyright: ignore[reportArgumentType]
    write_take(path, gender=np.array(b"male"))
    assert read_take(read_header(path, "CMU/01/01_01_poses")).gender == "male"  # pyright: ignore[reportArgumentType]


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"amass\.is\.tue\.mpg\.de"):
        list(Amass(str(tmp_path)).clips("train"))
    with pytest.raises(UsageError, match="'Nowhere'"):
        Amass(str(tmp_path), datasets=("Nowhere",))
    with pytest.raises(UsageError, match="cmu"):
        Amass(str(tmp_path), test=("cmu",))


def test_names_in_every_release() -> None:
    assert key("BioMotionLab_NTroje/rub061/0027_circle_walk_poses") == key("BMLrub/rub061/0027 circle walk_stageii.npz")
    assert key("DFaust_67/50009/a_poses") == key("DFaust/50009/a_poses")
    assert key("KIT/3/a_1") != key("KIT/3/a1")
    assert identity("CMU/86/86_02_poses") == "cmu/86_02"
    assert identity("MPI_HDM05/bd/x_poses").startswith("?hdm05/")
    assert len(TRAIN) + len(VAL) + len(TEST) == 22


def test_old_spellings_belong_to_their_split(tmp_path: Path) -> None:
    write_take(tmp_path / "MPI_Limits/3/a_poses.npz")
    write_take(tmp_path / "DFaust_67/3/a_poses.npz")
    source = Amass(str(tmp_path), datasets=("MPI_Limits",))
    assert source.actions == ("PosePrior",)
    assert [clip.action for clip in Amass(str(tmp_path)).clips("test")] == ["DFaust"]


def test_bones_of_the_users_own_model(tmp_path: Path) -> None:
    for place, gender in enumerate(("male", "female", "neutral")):
        write_model(tmp_path / "models" / gender / "model.npz", seed=place)
    path = write_take(tmp_path / "amass/KIT/3/kick_poses.npz", seed=4)
    source = Amass(str(tmp_path), model=str(tmp_path / "models"))
    clip = next(iter(source.clips("train")))
    take = read_take(read_header(path, "KIT/3/kick_poses"))  # pyright: ignore[reportArgumentType]
    female = smpl.load(tmp_path / "models/female/model.npz")
    assert torch.allclose(clip.skeleton.offsets, female.skeleton(take.betas).offsets)
    assert clip.skeleton != source.skeleton
    assert clip.skeleton.same_tree(source.skeleton)
    pelvis = (take.trans + female.joints(take.betas)[0].float()) @ TO_Y_UP.T
    assert torch.allclose(clip.root, pelvis, atol=1e-6)
