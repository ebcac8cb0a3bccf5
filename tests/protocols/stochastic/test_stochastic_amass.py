"""The benchmark on AMASS: joints, rates, what is left out."""

from pathlib import Path

import pytest

from kinema.core.errors import MissingDataError
from kinema.protocols.stochastic.protocol import AMASS_STOCHASTIC, amass_takes
from little_amass import write_model, write_take


def test_windows_begin_after_what_the_list_leaves_out(tmp_path: Path) -> None:
    write_take(tmp_path / "amass/DanceDB/1/a_poses.npz", frames=2 * (150 + 150 + 121), fps=120)
    write_take(tmp_path / "amass/SOMA/1/b_poses.npz", frames=150 + 151, fps=59.94, seed=1)
    write_take(tmp_path / "amass/SSM_synced/1/short_poses.npz", frames=140, fps=60, seed=2)
    write_take(tmp_path / "amass/CMU/01/01_01_poses.npz", frames=200, fps=100, seed=3)
    with pytest.raises(MissingDataError, match="body_models"):
        next(amass_takes(str(tmp_path), "test"))
    write_model(tmp_path / "body_models/smplh/neutral/model.npz")
    takes = list(amass_takes(str(tmp_path), "test"))
    assert [(take.action, take.frames, take.fps, len(take.skeleton)) for take in takes] == [
        ("DanceDB", 271, 60, 22), ("SOMA", 151, 60, 22),
    ]  # fmt: skip
    (train,) = amass_takes(str(tmp_path), "train")
    assert train.frames == 100  # every second frame of 100 Hz, as published, although that is 50 Hz
    windows = AMASS_STOCHASTIC.windows(str(tmp_path))
    assert windows.first.tolist() == [0, 120, 271]
    assert windows.groups == ("DanceDB", "SOMA")
