"""`train`: folders that are in use, resuming with another recipe or other data, several stages, killed at any time."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinema.core.atomic import hold, temporary_prefix
from kinema.core.constants import VERSION
from kinema.core.errors import CheckpointError, KinemaWarning, MissingDataError, UsageError
from kinema.core.query import Batch, Query
from kinema.data.sources.folder import Folder
from kinema.data.synthetic import Synthetic, perform
from kinema.io.formats import save
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.train import Means, pick_device, train
from kinema.recipes import Recipe, recipe
from kinema.recipes.kinds import KINDS
from kinema.training.checkpoint import RunFolder
from kinema.training.distributed import Process

CPU = Means(device="cpu")


def small() -> Recipe:
    return recipe("simlpe").tiny().with_steps(4).with_value("stages.model.save_every", "2")


def three_parts(error: Any) -> None:
    assert error.expected
    assert error.got
    assert error.cure


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UsageError, match="--resume") as caught:
            train(small(), out, means=CPU)
        three_parts(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    folder = tmp_path / "new"
    (folder / "stages").mkdir(parents=True)
    (folder / "stages" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="--resume"):
        train(small(), folder, means=CPU)


def test_a_run_that_was_killed_before_its_first_save_can_be_started_again(tmp_path: Path) -> None:
    unfinished = temporary_prefix("state-00000000.safetensors") + "xyz.safetensors"
    for name in ("log.jsonl", "model-00000000.safetensors", unfinished):
        (tmp_path / name).write_text("")
    with pytest.raises(MissingDataError, match="Start it without --resume"):
        train(small(), tmp_path, resume=True, means=CPU)
    train(small(), tmp_path, means=CPU)
    assert {file.name for file in tmp_path.iterdir()} == {
        "config.json", "log.jsonl", "model.safetensors", "state-00000004.safetensors",
    }  # fmt: skip
    with pytest.raises(UsageError, match="--resume"):
        train(small(), tmp_path, means=CPU)


def test_so_can_a_run_whose_first_stage_had_saved_nothing(tmp_path: Path) -> None:
    """Found by killing: the folder of the stage alone was there."""
    stage = tmp_path / "stages" / "tokens"
    stage.mkdir(parents=True)
    (stage / "log.jsonl").write_text("")
    two = recipe("posegpt").tiny().with_steps(1)
    with pytest.raises(MissingDataError, match="Start it without --resume"):
        train(two, tmp_path, resume=True, means=CPU)
    train(two, tmp_path, means=CPU)
    assert RunFolder(stage).exists()
    assert RunFolder(tmp_path).exists()


def test_nothing_to_resume(tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "none"):
        with pytest.raises(MissingDataError, match="Start it without --resume"):
            train(small(), out, resume=True, means=CPU)
    assert not (tmp_path / "none").exists()


def test_resuming_with_another_recipe_names_the_key(tmp_path: Path) -> None:
    train(small(), tmp_path / "run", means=CPU)
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(UsageError) as caught:
        train(small().with_value("stages.model.optim.lr", "0.125"), tmp_path / "run", resume=True, means=CPU)
    three_parts(caught.value)
    assert "stages.0.optim.lr = " in caught.value.expected
    assert caught.value.got == "stages.0.optim.lr = 0.125"
    assert (tmp_path / "run" / "config.json").read_bytes() == before


@dataclass(frozen=True)
class Changeable(Synthetic):
    """The same recipe, but the data are not what they were."""

    def clips(self, split: Any) -> Any:
        for clip in super().clips(split):
            skeleton = replace(clip.skeleton, offsets=clip.skeleton.offsets * self.grown)
            yield replace(clip, identity=clip.identity + self.mark, skeleton=skeleton)

    @property
    def skeleton(self) -> Any:
        return replace(super().skeleton, offsets=super().skeleton.offsets * self.grown)

    mark = ""
    grown = 1.0


@pytest.mark.parametrize(("change", "says"), [({"mark": "x"}, "recordings"), ({"grown": 1.5}, "skeleton")])
def test_resuming_with_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    monkeypatch.setitem(KINDS, "Changeable", Changeable)
    source = Changeable(clips_per_action=1, actions=("walk",))
    plan = replace(small(), source=source)
    train(plan, tmp_path / "run", means=CPU)
    for name, value in change.items():
        monkeypatch.setattr(Changeable, name, value)
    with pytest.raises(CheckpointError, match=says) as caught:
        train(plan, tmp_path / "run", resume=True, means=CPU)
    three_parts(caught.value)


def test_resuming_on_data_that_have_moved_changed_or_gone(tmp_path: Path) -> None:
    """Another folder is the same run if the files are the same; other files under the same names are refused."""
    plan = small().with_data(str(_takes(tmp_path / "a", seconds=8.0)))
    train(plan, tmp_path / "run", means=CPU)
    before = (tmp_path / "run" / "config.json").read_bytes()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    train(small().with_data(str(tmp_path / "b")), tmp_path / "run", resume=True, means=CPU)
    assert (tmp_path / "run" / "config.json").read_bytes() == before
    other = small().with_data(str(_takes(tmp_path / "c", seconds=9.0)))
    with pytest.raises(CheckpointError, match=r"\d+ frames\); got \d+ frames under the same names") as caught:
        train(other, tmp_path / "run", resume=True, means=CPU)
    three_parts(caught.value)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(MissingDataError, match="which does not exist") as gone:
        train(replace(plan, source=Folder(str(tmp_path / "a"))), tmp_path / "run", resume=True, means=CPU)
    three_parts(gone.value)
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def _takes(folder: Path, *, seconds: float) -> Path:
    save(perform("walk", seconds=seconds, fps=30.0, seed=3), folder / "walk.npz")
    return folder


def test_resuming_with_another_version_is_said(tmp_path: Path) -> None:
    train(small(), tmp_path / "run", means=CPU)
    config = tmp_path / "run" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "kinema": "0.0.1"}))
    with pytest.warns(KinemaWarning, match=rf"started with kinema 0.0.1, this is {VERSION}"):
        train(small(), tmp_path / "run", resume=True, means=CPU)


@pytest.mark.parametrize("part", ["weights.", "average.", "optim.train."])
def test_resuming_with_tensors_of_another_shape(tmp_path: Path, part: str) -> None:
    plan = small().with_value("stages.model.ema", "0.9")
    train(plan, tmp_path / "run", means=CPU)
    file = RunFolder(tmp_path / "run").file("state")
    tensors = load_file(file)
    name = next(name for name, value in tensors.items() if name.startswith(part[:6]) and value.dim() == 2)
    save_file({**tensors, name: tensors[name][:, :-1].contiguous()}, file)
    with pytest.raises(CheckpointError, match=r"got .*(shape|size).*Start a new run") as caught:
        train(plan, tmp_path / "run", resume=True, means=CPU)
    three_parts(caught.value)


def test_a_clock_that_goes_back_changes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(small(), tmp_path / "a", means=CPU)
    back = itertools.count(0.0, -3600.0)
    for name in ("time", "perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: next(back))
    train(small(), tmp_path / "b", means=CPU)
    one, other = (load_file(RunFolder(tmp_path / name).file()) for name in "ab")
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    rates = [
        json.loads(line).get("steps_per_second") for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()
    ]
    assert all(rate is None or rate == 0 for rate in rates)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    train(small(), tmp_path / "run", means=CPU)
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    train(small(), tmp_path / "run", resume=True, means=CPU)
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before


def test_the_cache_and_the_workers_change_nothing(tmp_path: Path) -> None:
    train(small(), tmp_path / "a", means=CPU)
    means = replace(CPU, cache=tmp_path / "cache", workers=1)
    train(small(), tmp_path / "b", means=means)
    assert list((tmp_path / "cache").iterdir())
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert one == two


class Encoder(Model):
    """First stage: one linear map to a code and back."""

    @dataclass(frozen=True)
    class Config:
        code: int = 4

        def build(self, shape: FeatureShape) -> Encoder:
            return Encoder(self, shape)

        def tiny(self) -> Self:
            return self

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(shape.width, config.code), nn.Linear(config.code, shape.width)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        return {"loss": (self.leave(self.enter(batch.target)) - batch.target).abs().mean()}

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Tensor:
        return repeat_samples(self.leave(self.enter(query.observed)), samples)


class Follower(Model):
    """Second stage: moves codes of the first, which is kept as it is."""

    @dataclass(frozen=True)
    class Config:
        upon: str = "encoder"

        def build(self, shape: FeatureShape) -> Follower:
            raise AssertionError("built upon another stage")

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> Follower:
            encoder = earlier[self.upon]
            assert isinstance(encoder, Encoder)
            return Follower(encoder)

        def tiny(self) -> Self:
            return self

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.move = nn.Linear(encoder.enter.out_features, encoder.enter.out_features)

    def phase_parameters(self, phase: str) -> Any:
        return self.move.parameters()

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        moved = self.encoder.leave(self.move(self.encoder.enter(batch.query.observed)))
        return {"loss": (moved - batch.target).abs().mean()}

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Tensor:
        return repeat_samples(self.encoder.leave(self.move(self.encoder.enter(query.observed))), samples)


def two_stages(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setitem(KINDS, "Encoder", Encoder.Config)
    monkeypatch.setitem(KINDS, "Follower", Follower.Config)
    plan = small()
    stage = replace(plan.stages[0], ema=None)
    first = replace(stage, name="encoder", model=Encoder.Config())
    return replace(plan, stages=(first, replace(stage, name="follower", model=Follower.Config())))


def test_a_stage_is_built_upon_the_trained_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = two_stages(monkeypatch)
    train(plan, tmp_path, means=CPU)
    first, last = load_model(tmp_path / "stages" / "encoder"), load_model(tmp_path)
    assert isinstance(last.model, Follower)
    assert torch.equal(last.model.encoder.enter.weight, first.model.state_dict()["enter.weight"])
    assert (first.card.stage.name, last.card.stage.name) == ("encoder", "follower")
    assert first.card.recipe == last.card.recipe == plan


@pytest.mark.parametrize("dies_in", ["encoder", "follower"])
def test_resuming_between_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_in: str) -> None:
    plan = two_stages(monkeypatch)
    train(plan, tmp_path / "whole", means=CPU)
    dying = Encoder if dies_in == "encoder" else Follower
    real, calls = dying.loss, iter(range(100))

    def loss(self: Any, batch: Batch, phase: str) -> dict[str, Tensor]:
        if self.training and next(calls) == 3:
            raise OSError("the machine went down")
        return real(self, batch, phase)

    with monkeypatch.context() as patch:
        patch.setattr(dying, "loss", loss)
        with pytest.raises(OSError, match="went down"):
            train(plan, tmp_path / "cut", means=CPU)
    train(plan, tmp_path / "cut", resume=True, means=CPU)
    for part in (".", "stages/encoder"):
        one, two = RunFolder(tmp_path / "whole" / part).weights(), RunFolder(tmp_path / "cut" / part).weights()
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto", Process()) == torch.device("cpu")
    with pytest.raises(UsageError, match="without a CUDA device"):
        pick_device("cuda", Process())
    with pytest.raises(UsageError, match="auto, cpu, cuda"):
        pick_device("tpu", Process())


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    with hold(tmp_path / "run", "a training"), pytest.raises(UsageError, match="a training, process"):
        train(small(), tmp_path / "run", means=CPU)
    train(small(), tmp_path / "run", means=CPU)
    with hold(tmp_path / "run", "a training"), pytest.raises(UsageError, match="a training, process"):
        train(small(), tmp_path / "run", resume=True, means=CPU)
