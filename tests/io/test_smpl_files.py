"""Model files of the SMPL family: rest joints for a shape, and what a damaged file is told."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, KinemaWarning, MissingDataError
from kinema.io import smpl
from kinema.io.formats import load, save
from kinema.motion import skeletons as catalog
from kinema.motion.skeletons.smpl import rest_pelvis
from little_amass import model_arrays, write_model


@pytest.mark.parametrize("body", ["smpl", "smplh", "smplx"])
def test_rest_joints(tmp_path: Path, body: str) -> None:
    read = smpl.load(write_model(tmp_path / "model.npz", body))
    assert read.body == body
    assert torch.allclose(read.skeleton().offsets, catalog.skeleton(smpl.BODIES[body]).offsets, atol=1e-6)


def test_shape_moves_joints_as_its_vertices_move(tmp_path: Path) -> None:
    arrays = model_arrays()
    betas = np.linspace(-2, 2, 16)
    vertices = arrays["v_template"] + arrays["shapedirs"] @ betas
    body = smpl.load(write_model(tmp_path / "model.npz"))
    assert np.allclose(body.joints(torch.from_numpy(betas)), arrays["J_regressor"] @ vertices)
    ten = np.where(np.arange(16) < 10, betas, 0)
    assert torch.allclose(body.joints(torch.from_numpy(betas[:10])), body.joints(torch.from_numpy(ten)))
    few = smpl.load(write_model(tmp_path / "few.npz", shapedirs=arrays["shapedirs"][..., :10]))
    assert torch.allclose(few.joints(torch.from_numpy(betas)), few.joints(torch.from_numpy(betas[:10])))


@pytest.mark.parametrize(
    ("key", "array", "said"),
    [
        ("J_regressor", None, "key 'J_regressor': expected it; got only"),
        ("v_template", np.zeros((208, 2)), "'v_template'"),
        ("shapedirs", np.zeros((7, 3, 10)), "'shapedirs'"),
        ("v_template", np.full((208, 3), np.nan), "finite numbers"),
        ("kintree_table", np.zeros((2, 52), dtype=np.int64), "the tree of SMPL"),
        ("kintree_table", np.zeros((0, 52), dtype=np.int64), "two rows"),
        ("kintree_table", np.zeros(52, dtype=np.int64), "two rows"),
        ("v_template", np.array([None]), "plain arrays"),
    ],
)
def test_a_damaged_file(tmp_path: Path, key: str, array: Any, said: str) -> None:
    path = write_model(tmp_path / "model.npz", **{key: array})
    with pytest.raises(FormatError, match=f"model.npz.*{said}"):
        smpl.load(path)


@pytest.mark.parametrize(
    "names",
    [
        ("male/model.npz", "female/model.npz", "neutral/model.npz"),
        ("SMPLX_MALE.npz", "SMPLX_FEMALE.npz", "SMPLX_NEUTRAL.npz"),
        ("basicmodel_m_lbs_10.pkl", "basicModel_f_lbs_10.pkl", "basicmodel_neutral_lbs.pkl"),
    ],
)
def test_the_file_for_a_gender(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [smpl.find(tmp_path, gender).relative_to(tmp_path).as_posix() for gender in ("male", "female", "other")]
    assert found == list(names)
    (tmp_path / names[2]).unlink()
    with pytest.raises(MissingDataError, match="'other'"):
        smpl.find(tmp_path, "other")
    with pytest.raises(MissingDataError, match="no file at"):
        smpl.load(tmp_path / "nothing.npz")


def test_a_pickle_of_arrays_is_read_and_one_of_code_refused(tmp_path: Path) -> None:
    arrays = model_arrays("smpl")
    path = tmp_path / "basicmodel_neutral_lbs.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=2))
    assert smpl.load(path).body == "smpl"
    path.write_bytes(pickle.dumps({**arrays, "f": Path}))
    with pytest.raises(FormatError, match="pathlib"):
        smpl.load(path)


def test_shape_gender_and_path_come_back_and_another_models_betas_do_not(tmp_path: Path) -> None:
    poses, betas = np.zeros((4, 165)), np.arange(16.0)
    poses[:, 0] = np.pi / 2  # stands, z up
    amass = {"trans": np.full((4, 3), 2.0), "betas": betas, "gender": "female", "mocap_framerate": 60.0}
    np.savez(tmp_path / "h.npz", poses=poses[:, :156], **amass)
    np.savez(tmp_path / "x.npz", poses=poses, **amass)
    save(load(tmp_path / "h.npz"), tmp_path / "own.npz")  # by way of kinema's own layout
    save(load(tmp_path / "own.npz"), tmp_path / "back.npz", format="amass")
    back = np.load(tmp_path / "back.npz")
    assert back["gender"] == "female"
    assert (back["betas"] == betas).all()
    assert np.abs(back["trans"] - 2.0).max() < 1e-6
    with pytest.warns(KinemaWarning, match="no betas of SMPL-H"):
        save(load(tmp_path / "x.npz"), tmp_path / "back.npz", format="amass")
    assert not np.load(tmp_path / "back.npz")["betas"].any()
    assert np.load(tmp_path / "back.npz")["gender"] == "female"


def test_the_path_of_aist_is_divided_by_its_scaling(tmp_path: Path) -> None:
    poses, path = np.zeros((3, 72)), np.tile([90.0, 180.0, 0.0], (3, 1))
    record = {"smpl_poses": poses, "smpl_trans": path, "smpl_scaling": np.array([90.0])}
    (tmp_path / "aist.pkl").write_bytes(pickle.dumps(record))
    clip = load(tmp_path / "aist.pkl", up="y")
    moved = clip.root - rest_pelvis(clip.skeleton)
    assert torch.allclose(moved, torch.tensor([1.0, 2.0, 0.0]).expand(3, 3), atol=1e-6)
