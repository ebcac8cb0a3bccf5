"""The file of answers: what it holds, how a clip of it is drawn, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from command import run
from kinema.core.errors import FormatError, UsageError
from kinema.data.synthetic import perform
from kinema.pipeline.evaluate import evaluate
from kinema.protocols.inbetweening.answer_file import is_answer_file, load_answer, write_answers
from kinema.protocols.inbetweening.classical import CLASSICAL
from kinema.protocols.inbetweening.protocol import GridWindows
from kinema.protocols.inbetweening.render_in_between import RIB, keypoints, question
from kinema.protocols.tables import cell_name

h5py = pytest.importorskip("h5py", reason="pip install 'kinema[data]'")


def asked(rate: int = 8) -> GridWindows:
    flat = keypoints(perform("walk", seconds=2.0, fps=30.0, seed=1))[:97]
    return question(replace(flat, identity="hdm05/01_01"), rate, {"views": "narrow", "rate": str(rate)})


def write(path: Path, *questions: GridWindows) -> None:
    with write_answers(path, "rib", "cubic") as keep:
        for one in questions:
            keep(
                cell_name(one.where),
                one.ground_truth,
                {name: one.answer(CLASSICAL[name]) for name in ("linear", "cubic")},
            )


def test_truth_answer_and_lines_of_every_clip(tmp_path: Path) -> None:
    one = asked()
    write(tmp_path / "a.h5", one, asked(16))
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["narrow rate 8/hdm05/01_01"]
        assert {name: group[name].shape for name in group} == dict.fromkeys(("gt", "pred", "interp"), (19, 2, 97))
        np.testing.assert_array_equal(group["gt"][:, :, 5], one.ground_truth.points().positions[0, 5].numpy())
    assert is_answer_file(tmp_path / "a.h5")
    found = load_answer(tmp_path / "a.h5", "narrow rate 16/hdm05/01_01")
    assert (found.model, found.ground_truth.fps, found.ground_truth.frames) == ("cubic", 60.0, 97)
    assert found.ground_truth.skeleton.same_tree(one.ground_truth.skeleton)
    halfway = found.lines.positions[[0, 16]].mean(0)
    torch.testing.assert_close(found.lines.positions[8], halfway)
    assert float((found.answer.positions - found.lines.positions).abs().max()) > 1e-3
    # The report's number is that of the file.
    errors = RIB.errors(one, one.answer(CLASSICAL["cubic"]))
    kept = load_answer(tmp_path / "a.h5", "narrow rate 8/hdm05/01_01")
    aside = kept.answer.positions[0, 8] - kept.ground_truth.positions[0, 8]
    assert float((kept.answer.positions - kept.ground_truth.positions - aside).abs().mean()) == pytest.approx(
        errors["mae"]
    )


def test_three_bodies_stand_side_by_side_in_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.h5", asked())
    assert run("render", str(tmp_path / "a.h5"), "-o", str(tmp_path / "a.gif"), "--frames", "3", "--size", "160") == 0
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
        ink = np.asarray(film.convert("L").crop((0, 0, 160, 130))) < 190
    columns = ink.any(0)
    assert int((columns[1:] & ~columns[:-1]).sum()) >= 3  # with paper between them
    assert run("render", str(tmp_path / "a.h5"), "--clip", "narrow rate 9/hdm05/01_01") == 2
    assert "Did you mean narrow rate 8/hdm05/01_01" in capsys.readouterr().err


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rib or upsample-grid"):
        evaluate("linear", "open-inbetween", tmp_path, tmp_path / "a.h5")
    with pytest.raises(UsageError, match=r"ends in \.h5"):
        evaluate("linear", "rib", tmp_path, tmp_path / "a.npz")
    write(tmp_path / "a.h5", asked())
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["narrow rate 8/hdm05/01_01/pred"]
    with pytest.raises(FormatError, match="pred"):
        load_answer(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"no")
    with pytest.raises(FormatError):
        is_answer_file(tmp_path / "b.h5")
