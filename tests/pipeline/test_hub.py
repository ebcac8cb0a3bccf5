"""Models to and from a hub, which here is a folder: what is sent, what is fetched, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from command import run
from kinema.core.errors import CheckpointError, KinemaError, MissingDataError, UsageError
from kinema.data.synthetic import perform
from kinema.pipeline.checkpoints.hub import fetched, pull, push
from kinema.pipeline.open import WEIGHTS, model_identity
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.train import Means, train
from kinema.recipes import recipe

FILES = {"config.json", "model.safetensors", "README.md"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "mine"
    return train(recipe("simlpe").tiny().with_steps(2), out, means=Means(device="cpu"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's client with a folder for its server."""
    client = pytest.importorskip("huggingface_hub")
    server = tmp_path / "server"

    class Api:
        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
            (server / name).mkdir(parents=True, exist_ok=exist_ok)
            (server / name / ".private").write_text(str(private))

        def upload_folder(self, *, repo_id: str, folder_path: str, revision: str | None) -> None:
            assert revision is None
            shutil.copytree(folder_path, server / repo_id, dirs_exist_ok=True)

        def model_info(self, name: str, *, revision: str | None, files_metadata: bool) -> Any:
            assert files_metadata
            files = [path for path in (server / name).iterdir() if not path.name.startswith(".")]
            return SimpleNamespace(
                siblings=[SimpleNamespace(rfilename=path.name, size=path.stat().st_size) for path in files]
            )

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        if not (server / name).is_dir():
            raise client.errors.LocalEntryNotFoundError("no network, and not in the cache")
        to = tmp_path / "cache" / f"{revision}"
        to.mkdir(parents=True, exist_ok=True)
        for pattern in allow_patterns:
            for file in (server / name).glob(pattern):
                shutil.copy(file, to)
        return str(to)

    monkeypatch.setattr(client, "HfApi", Api)
    monkeypatch.setattr(client, "snapshot_download", download)
    return server


def test_a_folder_stands_for_the_hub(trained: Path, tmp_path: Path) -> None:
    there = Path(push(trained, str(tmp_path / "there")))
    assert {file.name for file in there.iterdir()} == FILES
    assert "state" not in json.loads((there / "config.json").read_text())
    card = (there / "README.md").read_text()
    assert "SiMLPe" in card
    assert "library_name: kinema" in card
    back = pull(str(there), tmp_path / "back")
    walk = perform("walk", seconds=2.0, fps=30.0, seed=3)
    own, other = (open_pipeline(folder).forecast(walk, seconds=0.3).samples for folder in (trained, back))
    assert torch.equal(own.rotations, other.rotations)
    assert model_identity(there) == model_identity(back)
    push(trained, str(there))  # once more, over itself


def test_there_and_back_again(trained: Path, hub: Path, tmp_path: Path) -> None:
    assert push(trained, "hub:me/walker", private=True) == "hub:me/walker"
    assert {file.name for file in (hub / "me/walker").iterdir()} == FILES | {".private"}
    assert (hub / "me/walker/.private").read_text() == "True"
    (hub / "me/walker/run_me.py").write_text("raise SystemExit('a checkpoint must not run')")
    opened = open_pipeline("hub:me/walker")
    assert opened.name == "me/walker"
    assert not (fetched("hub:me/walker@main") / "run_me.py").exists()
    back = pull("hub:me/walker", tmp_path / "back")
    assert {file.name for file in back.iterdir()} == FILES


def test_sizes_are_known_before_anything_is_downloaded(trained: Path, hub: Path, tmp_path: Path) -> None:
    push(trained, "hub:me/mine")
    with (hub / "me" / "mine" / "optimizer.bin").open("wb") as other:  # is not fetched, whatever its size
        other.truncate(30_000_000_000)
    pull("hub:me/mine", tmp_path / "small")
    weights = hub / "me" / "mine" / "model.safetensors"
    shutil.rmtree(tmp_path / "cache")
    with weights.open("r+b") as file:
        file.truncate(17_000_000_000)  # a sparse file
    with pytest.raises(CheckpointError, match=r"got model.safetensors of 17,000 MB\. Nothing was downloaded"):
        pull("hub:me/mine", tmp_path / "large")
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "large").exists()


def test_the_card_of_a_shipped_model_goes_with_it(tmp_path: Path) -> None:
    push(WEIGHTS / "simlpe-cmu", str(tmp_path / "copy"))
    assert (tmp_path / "copy/README.md").read_text() == (WEIGHTS / "simlpe-cmu/README.md").read_text()
    assert (tmp_path / "copy/model.safetensors").stat().st_size < 2**20  # half precision stays half


def test_what_is_refused(trained: Path, hub: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no network") as caught:
        open_pipeline("hub:me/nobody")
    assert caught.value.exit_code == 3
    for name in ("hub:walker", "hub:/walker", "hub:me/", "hub:me/x/y"):
        with pytest.raises(UsageError, match="hub:USER/NAME"):
            open_pipeline(name)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="other files in it"):
        push(trained, str(tmp_path / "full"))
    with pytest.raises(UsageError, match="folder with files"):
        pull(str(trained), tmp_path / "full")
    with pytest.raises(MissingDataError):
        push(tmp_path / "full", str(tmp_path / "other"))
    (hub / "me/odd").mkdir(parents=True)
    (hub / "me/odd/config.json").write_text("{")
    with pytest.raises(CheckpointError, match="JSON"):
        pull("hub:me/odd", tmp_path / "odd")
    assert not (tmp_path / "odd").exists()


def test_a_hub_that_refuses(trained: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = pytest.importorskip("huggingface_hub")

    class Closed(client.HfApi):
        def upload_folder(self, **_: object) -> None:
            raise ConnectionError("403 Forbidden\nlog in")

    monkeypatch.setattr(client, "HfApi", Closed)
    with pytest.raises(KinemaError, match="403 Forbidden log in") as caught:
        push(trained, "hub:me/walker")
    assert "hf auth login" in caught.value.cure


def test_from_the_command_line(trained: Path, hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "push", trained, "hub:me/walker") == 0
    assert run("models", "pull", "hub:me/walker", "-o", tmp_path / "back") == 0
    assert capsys.readouterr().out.split() == ["hub:me/walker", str(tmp_path / "back")]
    assert run("models", "push", "slerp", tmp_path / "nothing") == 2
    assert "which has no weights" in capsys.readouterr().err
    assert run("models", "show", "simlpe-cmu") == 0
    assert run("models", "simlpe-cmu") == 0


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A copy of a shipped model, to be forged."""
    return Path(shutil.copytree(WEIGHTS / "simlpe-cmu", tmp_path / "hostile"))


def forge(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "a/b.safetensors", ".safetensors", 7, "x.pt"])
def test_weights_have_a_plain_name_inside_the_folder(hostile: Path, tmp_path: Path, name: object) -> None:
    shutil.copy(hostile / "model.safetensors", tmp_path / "x.safetensors")
    forge(hostile, weights=name)
    with pytest.raises(CheckpointError, match="plain name") as caught:
        pull(str(hostile), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "README.md"])
def test_links_out_of_the_folder_and_what_is_no_file_are_not_pulled(hostile: Path, tmp_path: Path, file: str) -> None:
    (hostile / file).rename(tmp_path / "secret")
    (hostile / file).symlink_to(tmp_path / "secret")
    with pytest.raises(CheckpointError, match="link out of the folder"):
        pull(str(hostile), tmp_path / "out")
    (hostile / file).unlink()
    (hostile / file).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="link out of the folder"):
        pull(str(hostile), tmp_path / "out")


def test_the_links_of_the_hubs_own_cache_are_followed(hostile: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models--me--walker"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots/1").mkdir(parents=True)
    for number, file in enumerate(sorted(hostile.iterdir())):
        file.rename(cache / f"blobs/{number}")
        (cache / "snapshots/1" / file.name).symlink_to(f"../../blobs/{number}")
    assert {file.name for file in pull(str(cache / "snapshots/1"), tmp_path / "out").iterdir()} == FILES


def test_a_name_of_ten_thousand_letters_is_one_short_line(hostile: Path) -> None:
    forge(hostile, licence="x" * 10_000)
    with pytest.raises(CheckpointError, match="10000 letters") as caught:
        open_pipeline(hostile)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("change", [{"layers": 10**9}, {"layers": 10**5}, {"width": 10**7}])
def test_a_config_that_asks_for_more_than_its_weights_is_refused_before_it_is_built(
    hostile: Path, change: dict[str, int]
) -> None:
    recipe_ = json.loads((hostile / "config.json").read_text())["recipe"]
    for stage in recipe_["stages"]:
        stage["model"] |= {key: value for key, value in change.items() if key in stage["model"]}
    assert recipe_ != json.loads((hostile / "config.json").read_text())["recipe"]
    forge(hostile, recipe=recipe_)
    with pytest.raises(CheckpointError, match="header of the weights"):
        open_pipeline(hostile)
