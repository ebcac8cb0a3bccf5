"""Models as ONNX: at tiny sizes, every part says what the model says, and so do the loops around it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command import run
from kinema.apps.onnx import graph, runtime
from kinema.apps.onnx.graph import export, parts_of
from kinema.apps.onnx.ports import PortedNetwork
from kinema.core.errors import CheckFailedError, UsageError
from kinema.core.query import Query
from kinema.data.synthetic import perform
from kinema.data.tasks import known_frames
from kinema.models.posegpt.model import PoseGPT
from kinema.models.smrnet.diffusion import DiffusionSampler
from kinema.models.smrnet.model import SMRNet
from kinema.motion.edit import resample
from kinema.motion.retargeting import retarget
from kinema.nn.noise import RowStreams
from kinema.pipeline.adapter import Adapter, Card
from kinema.pipeline.checkpoints.checkpoint import feature_shape, fresh_model
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.recipes import recipe
from kinema.representations.base import Statistics

# A graph is traced with sizes that are not numbers, which the check of shapes would make numbers of.
pytestmark = [pytest.mark.onnx, pytest.mark.usefixtures("unchecked"), pytest.mark.xdist_group("onnx")]
PARTS = {
    "simlpe": ("forecast",),
    "conv-seq2seq": ("forecast",),
    "smrnet": ("denoiser", "frames"),
    "render-in-between": ("gap",),
    "render-in-between-noisy": ("inbetween",),
    "posegpt": ("step", "cached", "encode", "decode"),
}


@pytest.fixture(autouse=True)
def installed() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra export is not installed")


@cache
def tiny(name: str) -> Adapter:
    """A tiny recipe's model, not trained, with weights that matter and statistics that are not 0 and 1."""
    small = recipe(name).tiny()
    if name == "conv-seq2seq":  # step by step: a graph of few steps shows what there is to see
        small = small.with_value("stages.model.model.predicted", "3")
    stage, actions = small.stages[-1], small.source.actions
    representation = small.representation.build(small.source.skeleton)
    random = torch.Generator().manual_seed(0)
    mean, std = (torch.rand(representation.width, generator=random) for _ in range(2))
    representation.statistics = Statistics(0.2 * mean, 0.5 + std)
    classes = len(actions) if name == "posegpt" else 0
    model = fresh_model(small, stage, feature_shape(representation, classes)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1 and float(weight.abs().max()) < 0.3:
                weight.normal_(std=0.1, generator=random)
    return Adapter(
        name, model, representation, symmetric=small.symmetric, card=Card(actions=actions, recipe=small, stage=stage)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


def written(folder: Path, name: str, which: str) -> tuple[PortedNetwork, Path]:
    part, file = parts_of(tiny(name))[which], folder / f"{name}-{which}.onnx"
    if not file.is_file():
        graph.write_graph(part, file, json.dumps(graph.page_of(tiny(name), part, name)))
    return part, file


def cases() -> list[Any]:
    """Each part; those of Render-In-Between are graphs of thousands of nodes."""
    return [
        pytest.param(name, part, marks=pytest.mark.long if name.startswith("render") else ())
        for name, parts in PARTS.items()
        for part in parts
    ]


@pytest.mark.parametrize(("name", "which"), cases())
def test_a_graph_says_what_the_model_says(folder: Path, name: str, which: str) -> None:
    assert tuple(parts_of(tiny(name))) == PARTS[name]
    part, file = written(folder, name, which)
    assert graph.check_graph(part, file) <= 1e-4
    session = graph.session_of(file)
    assert [port.name for port in session.get_inputs()] == [port.name for port in part.inputs]
    assert [port.name for port in session.get_outputs()] == [port.name for port in part.outputs]


def test_the_walk_around_the_denoiser_is_the_models_own(folder: Path) -> None:
    loaded = tiny("smrnet")
    model, representation = loaded.model, loaded.representation
    assert isinstance(model, SMRNet)
    config = model.config
    denoiser, frames = (graph.session_of(written(folder, "smrnet", which)[1]) for which in ("denoiser", "frames"))
    past = 0.3 * torch.randn(2, config.observed, representation.width, generator=torch.Generator().manual_seed(1))
    window = torch.cat((representation.standardise(past), torch.zeros(2, config.predicted, representation.width)), 1)
    query = known_frames(window, (torch.arange(config.frames) < config.observed).expand(2, -1), representation)
    wanted = representation.restore(model.predict(query, 3, torch.Generator().manual_seed(5)))

    def denoise(x: torch.Tensor, level: int) -> torch.Tensor:
        given = {"noisy": x.numpy(), "level": np.full(2, level), "past": past.numpy()}
        return torch.from_numpy(denoiser.run(None, given)[0])

    base = int(torch.randint(2**60, (), generator=torch.Generator().manual_seed(5)))
    start = RowStreams(base, range(3), range(2)).draw(config.coefficients, representation.width)
    walk = DiffusionSampler(model._alpha_bar, config.steps, "x0", config.solver, config.last_step)  # pyright: ignore[reportPrivateUsage]
    clean = walk.run(denoise, start, draw=lambda: torch.zeros(0))
    found = frames.run(None, {"clean": clean.numpy(), "past": past.numpy()})[0]
    assert config.completion == "estimate"
    assert np.abs(found[:, :, config.observed :] - wanted[:, :, config.observed :].numpy()).max() < 1e-4


@pytest.mark.parametrize("which", ["step", "cached"])
def test_tokens_are_the_models_own_one_after_the_other(folder: Path, which: str) -> None:
    model = tiny("posegpt").model
    assert isinstance(model, PoseGPT)
    part, file = written(folder, "posegpt", which)
    session, count = graph.session_of(file), 5
    chance = torch.rand(2, count, model.books, generator=torch.Generator().manual_seed(3))
    names = {port.name for port in part.inputs}
    given: dict[str, Any] = {"action": np.eye(model.inputs.classes, dtype=np.float32)[[0, 1]]}
    length = count * model.factor
    given["frames"] = np.full(2, length)
    tokens, cache = np.zeros((2, 0, model.books), dtype=np.int64), np.zeros(0, dtype=np.float32)
    if which == "cached":
        (held,) = (port for port in part.inputs if port.name == "cache")
        cache = np.zeros(held.shape({"batch": 2, "token": 0}), dtype=np.float32)
    for step in range(count):
        last = tokens[:, -1:] if step else np.full((2, 1, model.books), 3)
        asked = {"tokens": tokens, "last": last, "cache": cache, "uniform": chance[:, step].numpy()} | given
        chosen, *grown = session.run(None, {name: value for name, value in asked.items() if name in names})
        cache = grown[0] if grown else cache
        tokens = np.concatenate((tokens, chosen[:, None]), 1)
    empty = torch.zeros(2, length, model.shape.width)
    valid = torch.ones(2, length, dtype=torch.bool)
    query = Query(empty, torch.zeros(2, length, 1), empty[..., 0], valid, torch.from_numpy(given["action"]))
    wanted = model.continue_tokens(
        query, torch.zeros(2, count, model.books, dtype=torch.long), torch.zeros(2, dtype=torch.long), chance
    )
    assert (tokens == wanted.numpy()).all()


def test_a_shipped_model_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "simlpe.onnx"
    assert run("export", "simlpe-cmu", out) == 0
    assert "from the model" in capsys.readouterr().out
    page = json.loads(out.with_suffix(".json").read_text())
    session = graph.session_of(out)
    assert json.loads(session.get_modelmeta().custom_metadata_map["kinema"])["inputs"] == page["inputs"]
    assert page["fps"] == 60
    assert page["inputs"][0]["axes"] == ["batch", 10, 75]
    assert page["difference"] < 1e-4
    assert len(page["features"]["tokens"]) == 25
    assert "CMU" in page["licence"]
    # A user with the page and the graph gets what `kinema forecast` says.
    model = open_pipeline("simlpe-cmu")
    representation = model.trained().trained_representation()
    walk = resample(perform("walk", seconds=2.0, fps=60.0, seed=3), 60.0)
    clip = retarget(walk, representation.skeleton, by="directions")[-10:]
    past = representation.encode(clip)[None]
    found = representation.decode(torch.from_numpy(session.run(None, {"past": past.numpy()})[0])[0])
    wanted = model.forecast_windows(clip, 25, "positions")
    again = runtime.open(out).forecast(past[0].numpy(), 25)
    assert np.array_equal(again, session.run(None, {"past": past.numpy()})[0][0])
    assert torch.allclose(found.points().positions, wanted.points().positions, atol=1e-4)


@pytest.mark.long
def test_without_torch_a_clip_is_filled_as_with_it(folder: Path) -> None:
    loaded = tiny("render-in-between")
    _, file = written(folder, "render-in-between", "gap")
    model, representation = runtime.open(file), loaded.trained_representation()
    walk = retarget(resample(perform("walk", seconds=4.0, fps=30.0, seed=3), 30.0), representation.skeleton)
    frames = representation.encode(walk).numpy()
    known = np.zeros(len(frames), dtype=bool)
    known[[*range(12), 30, 31, 45, 50, 58, 110]] = True  # runs, single keys, a long gap
    observed = representation.standardise(torch.from_numpy(frames))[None]
    query = known_frames(observed, torch.from_numpy(known)[None], representation)
    wanted = representation.restore(loaded.model.predict(query, 1, torch.Generator())[0, 0]).numpy()
    found = model.inbetween(frames, known)
    assert np.array_equal(found[known], frames[known])
    # A network that was not trained magnifies the rounding of times (2.4e-4 was seen); the shipped one differs by 1e-6.
    assert np.abs(found[:111] - wanted[:111]).max() < 1e-3
    root, rotations = model.motion(frames)
    assert np.abs(model.features(root, rotations) - frames).max() < 1e-5
    with pytest.raises(UsageError, match="147 features"):
        model.inbetween(frames[:, :9], known)
    with pytest.raises(UsageError, match="kinema export simlpe-cmu"):
        model.forecast(frames, 3)


def test_the_runtime_does_not_import_torch() -> None:
    says = "import sys, kinema.apps.onnx.runtime; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", says], check=False, timeout=120).returncode == 0


def test_what_cannot_be_exported_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, says in (
        (("slerp", tmp_path / "a.onnx"), "which has no weights"),
        (("simlpe-cmu", tmp_path / "a.bin"), "a file called .onnx"),
        (("simlpe-cmu", tmp_path / "a.onnx", "--part", "step"), "part of simlpe-cmu among forecast"),
        (("simlpe-cum", tmp_path / "a.onnx"), "Did you mean simlpe-cmu"),
    ):
        assert run("export", *arguments) == 2
        assert says in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
    with pytest.raises(UsageError, match="ActionGAN"):
        parts_of(tiny("action-gan"))


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "write_graph", lambda part, file, page: file.write_bytes(b"onnx"))
    monkeypatch.setattr(graph, "session_of", lambda file: None)
    monkeypatch.setattr(graph, "_ASKED", ())
    assert export("simlpe-cmu", tmp_path / "fine.onnx").difference == 0.0

    class Liar:
        def run(self, _: None, given: dict[str, Any]) -> list[Any]:
            return [np.zeros((len(given["past"]), 25, 75), dtype=np.float32)]

    monkeypatch.setattr(graph, "_ASKED", ({"batch": 2},))
    monkeypatch.setattr(graph, "session_of", lambda file: Liar())
    with pytest.raises(CheckFailedError, match="a difference of"):
        export("simlpe-cmu", tmp_path / "wrong.onnx")
    assert not (tmp_path / "wrong.onnx").exists()
    assert export("simlpe-cmu", tmp_path / "wrong.onnx", check=False).difference is None
