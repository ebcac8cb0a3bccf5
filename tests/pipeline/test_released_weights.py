"""Checkpoints under the names of the released codes, written here, become runs that answer as those codes do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import kinema as kn
from kinema.core.errors import CheckpointError, FormatError, MissingDataError, UsageError
from kinema.core.query import Query, even_time
from kinema.data.synthetic import Synthetic
from kinema.models.base import FeatureShape, Model
from kinema.models.render_in_between.released import RenderInBetweenReleased
from kinema.models.simlpe.model import SiMLPe
from kinema.models.smrnet.model import SMRNet
from kinema.pipeline.checkpoints.given import Imported, import_released
from kinema.recipes import Recipe, recipe
from kinema.representations.picture import skeleton19
from kinema.training.checkpoint import RunFolder
from plain_render_in_between import Plain
from released_networks import ReleasedSiMLPe, ReleasedSMRNet


def scattered(network: nn.Module) -> nn.Module:
    """No weight at its start, where norms are ones and biases zeros and a wrong name would not show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return network.eval()


def small(name: str, **sizes: Any) -> Recipe:
    made = recipe(name)
    stage = replace(made.stages[0], model=replace(made.stages[0].model, **sizes))  # pyright: ignore
    return replace(made, stages=(stage,))


def loaded(run: Path, model: Model) -> Model:
    weights = RunFolder(run).weights()
    names = {name.removeprefix("model."): value for name, value in weights.items() if name.startswith("model.")}
    model.load_state_dict(names)
    return model.eval()


def written(network: nn.Module, path: Path) -> Path:
    torch.save(network.state_dict(), path)
    return path


def simlpe(tmp_path: Path, layers: int = 6) -> tuple[ReleasedSiMLPe, Path]:
    network = scattered(ReleasedSiMLPe(layers=layers))
    assert isinstance(network, ReleasedSiMLPe)
    return network, written(network, tmp_path / "model-iter-40000.pth")


def test_simlpe(tmp_path: Path) -> None:
    network, file = simlpe(tmp_path)
    made = import_released(small("simlpe-faithful-h36m", layers=6), [file], tmp_path / "run")
    assert made == Imported(tmp_path / "run", 4 + 6 * 4, ())
    model = loaded(made.folder, SiMLPe.Config(layers=6).build(FeatureShape(66, 22)))
    assert isinstance(model, SiMLPe)
    past = torch.randn(3, 50, 66, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(past), network(past, 10), atol=1e-4, rtol=1e-4)
    clip = next(iter(Synthetic(clips_per_action=1, seconds=3.0, actions=("walk",)).clips("train")))
    answer = kn.open(made.folder).forecast(clip, seconds=0.8)
    assert bool(answer.samples.root.isfinite().all())


def test_the_older_names_of_simlpe_and_those_of_several_devices(tmp_path: Path) -> None:
    network, _ = simlpe(tmp_path)
    renamed = {
        f"module.{name.replace('motion_mlp.mlps', 'motion_transformer.transformer')}": value
        for name, value in network.state_dict().items()
    }
    torch.save({"state_dict": renamed, "optimizer": {"state": {0: {"step": torch.ones(())}}}}, tmp_path / "old.pth")
    here = small("simlpe-faithful-h36m", layers=6)
    one = import_released(here, [tmp_path / "model-iter-40000.pth"], tmp_path / "one").folder
    other = import_released(here, [tmp_path / "old.pth"], tmp_path / "other").folder
    for name, value in RunFolder(one).weights().items():
        assert torch.equal(value, RunFolder(other).weights()[name]), name


def test_smrnet_whose_recordings_have_z_up(tmp_path: Path) -> None:
    network = scattered(ReleasedSMRNet(12, 48, 32, 4, 3))
    file = written(network, tmp_path / "ckpt_ema_1500.pt")
    sizes = {"coefficients": 12, "width": 32, "heads": 4, "layers": 3, "steps": 4}
    made = import_released(small("smrnet-faithful", **sizes), [file], tmp_path / "run")
    assert made.unmatched == ()
    model = loaded(made.folder, SMRNet.Config(**sizes).build(FeatureShape(48, 16)))
    assert isinstance(model, SMRNet)
    generator = torch.Generator().manual_seed(1)
    y, observation = (torch.randn(2, 12, 48, generator=generator) for _ in range(2))
    level = torch.tensor([3, 700])

    def up(features: torch.Tensor) -> torch.Tensor:  # x, z, -y of every joint
        places = features.unflatten(-1, (16, 3))
        return torch.stack((places[..., 0], places[..., 2], -places[..., 1]), -1).flatten(-2)

    with torch.no_grad():
        embedded = model.denoiser.embed(up(observation), torch.zeros(2, 25, 48), torch.ones(2))
        found = model.denoiser(up(y)[None], level, embedded)[0]
        torch.testing.assert_close(found, up(network(y, level, observation)), atol=1e-4, rtol=1e-4)
    clip = next(iter(Synthetic(clips_per_action=1, seconds=3.0, actions=("walk",)).clips("train")))
    answer = kn.open(made.folder).forecast(clip, seconds=1.0, samples=2)
    assert len(answer.samples.root) == 2
    assert bool(answer.samples.root.isfinite().all())


def test_a_checkpoint_of_smrnet_has_the_published_size() -> None:
    """25,318,052 numbers under the released names; every one of them finds its place, and none is left over."""
    with torch.device("meta"):
        network = ReleasedSMRNet(20, 48, 512, 8, 8)
        model = SMRNet.Config().build(FeatureShape(48, 16))
    state = network.state_dict()
    assert sum(value.numel() for value in state.values()) == 25_318_052
    found, unmatched = model.from_released(state)
    assert unmatched == []
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }


def test_render_in_between_whose_pictures_have_y_down(tmp_path: Path) -> None:
    network = scattered(Plain(layers=2))
    assert isinstance(network, Plain)
    # As torch 1.4 saved it: pickles in a row, no archive.
    torch.save(network.state_dict(), tmp_path / "model_epoch399.pth", _use_new_zipfile_serialization=False)
    generator = np.random.default_rng(0)
    mean, std = generator.standard_normal((19, 2)), generator.uniform(0.5, 2.0, (19, 2))
    for name, array in (("mean", mean), ("std", std)):
        np.save(tmp_path / f"{name}.npy", array)
    made = import_released(
        small("render-in-between-faithful", layers=2),
        [tmp_path / "model_epoch399.pth"],
        tmp_path / "run",
        mean=tmp_path / "mean.npy",
        std=tmp_path / "std.npy",
        skeleton="kinema24",
    )
    assert made.unmatched == ()
    flip = torch.tensor([1.0, -1.0]).repeat(19)
    weights = RunFolder(made.folder).weights()
    torch.testing.assert_close(weights["representation.mean"], flip * torch.from_numpy(mean).float().flatten())
    torch.testing.assert_close(weights["representation.std"], torch.from_numpy(std).float().flatten())
    model = loaded(made.folder, RenderInBetweenReleased.Config(layers=2).build(FeatureShape(38, 19)))
    assert isinstance(model, RenderInBetweenReleased)
    for length in (33, 25):  # a whole window, and a padded one
        valid = torch.arange(33) < length
        known = valid & (torch.arange(33) % 8 == 0)
        observed = torch.randn(1, 33, 38, generator=torch.Generator().manual_seed(2)) * known[:, None]
        query = Query(
            observed * flip, 0.5 * known[None, :, None].float().expand(-1, -1, 19), even_time(33, 60.0, 1), valid[None],
            torch.zeros(1, 0),
        )  # fmt: skip
        with torch.no_grad():
            keys, answer = model(query)
            there_keys, there = network(observed, known, valid)
        torch.testing.assert_close(keys[:, known] * flip, there_keys[:, known], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(answer[:, valid] * flip, there[:, valid], atol=1e-4, rtol=1e-4)
    places = torch.randn(1, 1, 2) + torch.randn(5, 19, 2).cumsum(0) * 0.02
    slow = kn.open(made.folder).upsample(kn.Points(skeleton19(), places[0] + torch.zeros(5, 19, 2), 30.0), rate=4)
    assert slow.motion.frames == 17
    assert bool(slow.motion.points().positions.isfinite().all())


def test_the_statistics_that_a_release_keeps_elsewhere_are_asked_for(tmp_path: Path) -> None:
    file = written(Plain(layers=2), tmp_path / "netG.pth")
    faithful = small("render-in-between-faithful", layers=2)
    with pytest.raises(UsageError, match=r"no --mean and no --std"):
        import_released(faithful, [file], tmp_path / "run", skeleton="kinema24")
    np.save(tmp_path / "mean.npy", np.zeros((18, 2)))
    with pytest.raises(FormatError, match=r"38 numbers.*shape"):
        import_released(
            faithful, [file], tmp_path / "run", skeleton="kinema24", mean=tmp_path / "mean.npy",
            std=tmp_path / "mean.npy",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_a_body_that_comes_with_data_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINEMA_DATA", raising=False)
    file = written(Plain(layers=2), tmp_path / "netG.pth")
    with pytest.raises(MissingDataError, match="--skeleton"):
        import_released(small("render-in-between-faithful", layers=2), [file], tmp_path / "run")


def test_what_does_not_match_is_listed_and_what_is_missing_is_an_error(tmp_path: Path) -> None:
    network, file = simlpe(tmp_path)
    here = small("simlpe-faithful-h36m", layers=6)
    state = network.state_dict()
    torch.save({**state, "dct_m": torch.eye(50)}, tmp_path / "more.pth")
    assert import_released(here, [tmp_path / "more.pth"], tmp_path / "run").unmatched == ("dct_m",)
    with pytest.raises(UsageError, match="new or empty"):
        import_released(here, [file], tmp_path / "run")
    missing = {name: value for name, value in state.items() if name != "motion_mlp.mlps.3.norm0.beta"}
    torch.save(missing, tmp_path / "less.pth")
    with pytest.raises(CheckpointError, match=r"no blocks\.3\.norm\.bias \(66,\)"):
        import_released(here, [tmp_path / "less.pth"], tmp_path / "new")
    with pytest.raises(CheckpointError, match=r"blocks\.5\.mix\.weight"):
        import_released(small("simlpe-faithful-h36m", layers=5), [file], tmp_path / "new")
    with pytest.raises(CheckpointError, match=r"enter\.weight of shape \(66, 66\) for \(75, 75\)"):
        import_released(small("simlpe-faithful", layers=6), [file], tmp_path / "new")
    with pytest.raises(UsageError, match="-faithful"):
        import_released(recipe("conv-seq2seq-faithful-h36m"), [file], tmp_path / "new")
    with pytest.raises(UsageError, match="a stage of"):
        import_released(here, [file], tmp_path / "new", stage="tokens")
    assert not (tmp_path / "new").exists()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(ReleasedSiMLPe(layers=1), tmp_path / "whole.pth")  # the module itself, not its weights
    with pytest.raises(FormatError, match="asks for released_networks"):
        import_released(small("simlpe-faithful-h36m", layers=1), [tmp_path / "whole.pth"], tmp_path / "run")
    torch.save({"G": {"a": torch.ones(1)}, "D": {"a": torch.ones(1)}}, tmp_path / "two.pth")
    with pytest.raises(FormatError, match="2: G, D"):
        import_released(small("simlpe-faithful-h36m", layers=1), [tmp_path / "two.pth"], tmp_path / "run")
