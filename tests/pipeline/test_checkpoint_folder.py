"""Models on disk: what comes back is what was trained; what does not fit is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.core.errors import CheckpointError, MissingDataError
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.checkpoints.checkpoint import load_model, portable, save_model
from kinema.pipeline.train import Means, train
from kinema.recipes import Recipe, recipe


def small() -> Recipe:
    return recipe("simlpe").tiny().with_steps(3).with_value("representation.standardise", "true")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(small(), tmp_path_factory.mktemp("runs") / "run", means=Means(device="cpu"))


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def answer(loaded: Adapter) -> torch.Tensor:
    task = loaded.card.stage.task
    window = torch.randn(2, task.frames, loaded.representation.width, generator=torch.Generator().manual_seed(0))
    query = task.query(window, loaded.representation)
    return loaded.model.predict(query, 1, torch.Generator().manual_seed(0))


def test_everything_comes_back(trained: Path) -> None:
    loaded = load_model(trained)
    source = small().source
    assert loaded.card.recipe == small()
    assert loaded.card.step == 3
    assert loaded.card.licence == source.licence
    assert loaded.trained_on == {clip.identity for clip in source.clips("train")}
    assert loaded.representation.skeleton == source.skeleton
    assert not loaded.model.training
    frames = torch.cat([loaded.representation.encode(clip) for clip in source.clips("train")])
    torch.testing.assert_close(loaded.representation.statistics.mean, frames.mean(0), atol=1e-4, rtol=1e-3)
    assert loaded.card.facts["data"]["train"]["clips"] == len(list(source.clips("train")))
    assert loaded.card.facts["data"]["val"]["windows"] > 0


def test_weights_to_ship_are_small_and_answer_the_same(trained: Path, tmp_path: Path) -> None:
    loaded = load_model(trained)
    keep = {key: value for key, value in loaded.card.facts.items() if key not in ("state", "weights", "step")}
    for half, tolerance in ((False, 0.0), (True, 2e-3)):
        folder = tmp_path / str(half)
        save_model(folder, loaded.model, keep, loaded.representation, step=loaded.card.step, half=half)
        assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors"}
        back = load_model(folder)
        assert (back.card.recipe, back.trained_on, back.card.step) == (
            loaded.card.recipe,
            loaded.trained_on,
            loaded.card.step,
        )
        torch.testing.assert_close(answer(back), answer(loaded), atol=tolerance, rtol=tolerance)
        assert torch.equal(back.representation.statistics.std, loaded.representation.statistics.std)
    sizes = [(tmp_path / half / "model.safetensors").stat().st_size for half in ("True", "False")]
    assert sizes[0] < 0.7 * sizes[1]


def test_the_place_of_the_data_is_not_kept() -> None:
    here = recipe("simlpe-cmu").with_value("source.root", "/home/me/data")
    assert portable(here) == recipe("simlpe-cmu")


def rewritten(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))

    return damage


def cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def another_skeleton(config: dict[str, Any]) -> None:
    for key in ("joints", "parents", "offsets", "mirror"):
        config["skeleton"][key] = config["skeleton"][key][:1]
    config["skeleton"] |= {"aliases": {}, "mirror": [0]}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "bytes that cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no such file"),
        (lambda folder: (folder / "config.json").write_text("{"), "not JSON"),
        (rewritten(lambda config: config.update(format_version=2)), "version 2"),
        (rewritten(another_skeleton), "of another skeleton"),
        (rewritten(lambda config: config["skeleton"]["parents"].reverse()), "parents"),
        (rewritten(lambda config: config["skeleton"].pop("offsets")), "offsets"),
        (
            rewritten(lambda config: config["recipe"]["source"].update(kind="Hops")),
            "'Hops', which is no kind of recipe.source of kinema. Import the package",
        ),
        (rewritten(lambda config: config["recipe"].update(sed=1)), "Did you mean seed"),
        (rewritten(lambda config: config["recipe"]["stages"][0]["model"].update(layers=9)), "blocks.8"),
        (rewritten(lambda config: config["recipe"]["stages"][0]["model"].update(kind="os.system")), "os.system"),
        (rewritten(lambda config: config.update(stage="gan")), "gan"),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_line(run: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(run)
    with pytest.raises(CheckpointError) as caught:
        load_model(run)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.cure
    assert caught.value.exit_code == 1


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no such folder"):
        load_model(tmp_path / "nothing")
