"""A run on disk: whole whatever happens, and clear about what is wrong with it."""

from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import SKELETON, facts, same

import kinema.core.atomic
from kinema.core.atomic import atomic_path
from kinema.core.errors import CheckpointError, KinemaError, MissingDataError
from kinema.training.checkpoint import RunFolder, read_tensors, skeleton_from_json, skeleton_to_json, write_tensors


def tensors(step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    weights = {"model.w": torch.full((3, 4), float(step)), "model.n": torch.tensor(step)}
    return weights, {"weights.w": torch.full((3, 4), step + 0.5)}


def save(folder: Path, step: int, *, last: bool = False) -> RunFolder:
    run = RunFolder(folder)
    run.save(facts(), *tensors(step), step=step, last=last)
    return run


def is_whole_at(run: RunFolder, step: int) -> bool:
    weights, state = tensors(step)
    return run.facts()["step"] == step and same(run.weights(), weights) and same(run.state(), state)


def three_parts(error: KinemaError) -> None:
    assert error.expected
    assert error.got
    assert error.cure


def test_the_newest_is_kept_and_the_old_files_go(tmp_path: Path) -> None:
    run = save(tmp_path, 4)
    assert {file.name for file in tmp_path.iterdir()} == {
        "config.json", "model-00000004.safetensors", "state-00000004.safetensors",
    }  # fmt: skip
    assert is_whole_at(run, 4)
    save(tmp_path, 8, last=True)
    assert {file.name for file in tmp_path.iterdir()} == {
        "config.json", "model.safetensors", "state-00000008.safetensors",
    }  # fmt: skip
    assert is_whole_at(run, 8)


@pytest.mark.parametrize("name", ["model-00000004.safetensors", "state-00000004.safetensors", "config.json"])
def test_what_a_kill_left_half_written_goes_with_the_next_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    save(tmp_path, 4)
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda *_, **__: None)  # a killed process removes nothing
        with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / name):
            raise KeyboardInterrupt
    assert list(tmp_path.glob(".*"))
    save(tmp_path, 8)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_full_disk_leaves_the_old_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The disk fills up at the first, second or third file of a save."""
    run = save(tmp_path, 4)
    calls = iter(range(10))
    real = os.fsync

    def fsync(handle: int) -> None:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(kinema.core.atomic.os, "fsync", fsync)
    with pytest.raises(KinemaError, match="no space left on device") as caught:
        save(tmp_path, 8)
    three_parts(caught.value)
    monkeypatch.undo()
    assert is_whole_at(run, 4)
    assert not list(tmp_path.glob(".*")), "a half-written file was left"
    save(tmp_path, 8)
    assert is_whole_at(run, 8)


def test_a_write_that_the_system_refuses(tmp_path: Path) -> None:
    """A limit on the size of files, instead of a disk that is really full: the error comes from within safetensors."""
    run = save(tmp_path, 4)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(KinemaError, match="a place to write") as caught:
            save(tmp_path, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    three_parts(caught.value)
    assert is_whole_at(run, 4)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("dies_at", ["model", "state", "config"])
def test_a_crash_between_files_leaves_no_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str) -> None:
    run = save(tmp_path, 4)
    real = Path.replace

    def replace(self: Path, target: Any) -> Path:
        if Path(target).name.startswith(dies_at):
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 8)
    monkeypatch.undo()
    assert is_whole_at(run, 4)
    save(tmp_path, 12)
    assert len(list(tmp_path.iterdir())) == 3
    assert is_whole_at(run, 12)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(KinemaError, match="a place to write") as caught:
        save(tmp_path / "file" / "run", 4)
    three_parts(caught.value)


@pytest.mark.parametrize("part", ["model-00000004.safetensors", "state-00000004.safetensors", "config.json"])
@pytest.mark.parametrize("keep", [0.5, 0.0, 0.98])
def test_a_file_cut_short(tmp_path: Path, part: str, keep: float) -> None:
    run = save(tmp_path, 4)
    whole = (tmp_path / part).read_bytes()
    (tmp_path / part).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(CheckpointError) as caught:
        (run.weights(), run.state())
    three_parts(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize("part", ["model-00000004.safetensors", "state-00000004.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, part: str) -> None:
    run = save(tmp_path, 4)
    (tmp_path / part).unlink()
    with pytest.raises(CheckpointError, match=part) as caught:
        (run.weights(), run.state())
    three_parts(caught.value)


def test_another_format_version(tmp_path: Path) -> None:
    run = save(tmp_path, 4)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "format_version": 7, "kinema": "9.9"}))
    with pytest.raises(CheckpointError) as caught:
        run.facts()
    assert "format version 1" in caught.value.expected
    assert "version 7, written by kinema 9.9" in caught.value.got


@pytest.mark.parametrize("key", ["recipe", "skeleton", "step", "trained_on", "weights"])
def test_a_config_without_a_key(tmp_path: Path, key: str) -> None:
    run = save(tmp_path, 4)
    config = json.loads((tmp_path / "config.json").read_text())
    del config[key]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"no {key}"):
        run.facts()


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    for folder, got in ((tmp_path, "no config.json"), (tmp_path / "none", "no such folder")):
        with pytest.raises(MissingDataError, match=got) as caught:
            RunFolder(folder).facts()
        assert caught.value.exit_code == 3


def test_weights_without_state_cannot_be_resumed(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save(facts(), tensors(4)[0], {}, step=4, last=True)
    assert same(run.weights(), tensors(4)[0])
    with pytest.raises(CheckpointError, match="without the state"):
        run.state()


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save(facts(), {"model.w": torch.tensor([0.1, 2.0]).half()}, {}, step=1, last=True)
    weight = run.weights()["model.w"]
    assert weight.dtype == torch.float32
    torch.testing.assert_close(weight, torch.tensor([0.1, 2.0]), atol=1e-4, rtol=0)


def test_tied_weights_can_be_written(tmp_path: Path) -> None:
    weight = torch.randn(4, 3)
    write_tensors(tmp_path / "t.safetensors", {"a": weight, "b": weight, "c": weight.T, "d": weight[1:]})
    back = read_tensors(tmp_path / "t.safetensors")
    assert torch.equal(back["c"], weight.T)
    assert torch.equal(back["d"], weight[1:])


def test_a_skeleton_survives_json_exactly() -> None:
    offsets = torch.tensor([[0.1, 1 / 3, -7e-5], [0, -0.4321, 1e-9]])
    skeleton = type(SKELETON)("toy", ("hip", "knee"), (-1, 0), offsets, aliases={"pelvis": "hip"})
    back = skeleton_from_json(json.loads(json.dumps(skeleton_to_json(skeleton))))
    assert torch.equal(back.offsets, offsets)
    assert (back.name, back.joints, back.parents, back.mirror) == ("toy", ("hip", "knee"), (-1, 0), (0, 1))
    assert back.aliases == {"pelvis": "hip"}


def test_a_skeleton_with_a_part_missing() -> None:
    data = skeleton_to_json(SKELETON)
    del data["offsets"]
    with pytest.raises(CheckpointError, match="offsets") as caught:
        skeleton_from_json(data)
    three_parts(caught.value)
