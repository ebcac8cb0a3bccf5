"""Push and pull models: to and from a repository of the Hugging Face hub, or a folder with the same files.

A repository holds config.json, the weights as safetensors, and the card README.md; no other file is sent or fetched,
and none of these can execute code. "hub:USER/NAME" and "hub:USER/NAME@REVISION" are repositories; anything else is a
folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from kinema.core.atomic import atomic_path, write_text
from kinema.core.errors import CheckpointError, KinemaError, MissingDataError, UsageError, require
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.training.checkpoint import CONFIG, RunFolder

PREFIX = "hub:"
CARD = "README.md"
_WEIGHTS = "model.safetensors"
_LARGEST = (("*.safetensors", 16_000), (CONFIG, 64), (CARD, 4))
"""What is fetched, and how many megabytes a file may have."""
_MOST = 20_000  # megabytes of a whole model


def push(folder: Path, target: str, *, private: bool = False) -> str:
    """Send the model of a run folder to a repository (created if missing) or a folder; returns the target.

    Training state is not sent. A run without a card gets a short one. Raises CheckpointError for a damaged model,
    UsageError for a folder with other files, and KinemaError if the hub refuses.
    """
    loaded = load_model(folder)
    if not target.startswith(PREFIX):
        place = Path(target)
        if place.is_dir() and any(not _ours(file.name) for file in place.iterdir()):
            raise UsageError(expected=f"a new or empty folder, or a model's, at {place}", got="other files in it",
                             cure=f"Push to a new folder, as {place / folder.name}.")  # fmt: skip
        _copy(folder, place, loaded)
        return str(place)
    name, revision = _repository(target)
    hub = _hub()
    with tempfile.TemporaryDirectory() as made:
        _copy(folder, Path(made), loaded)
        try:
            api = hub.HfApi()
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=made, revision=revision)
        except Exception as error:  # the client's errors have no common base
            raise KinemaError(
                expected=f"a repository {name} that may be written to",
                got=_line(error),
                cure="Log in with `hf auth login`, to an account that may write to that repository.",
            ) from error
    return target


def pull(source: str, out: Path) -> Path:
    """Copy the model of a repository or folder to a new folder `out`.

    Raises UsageError if `out` is not empty, MissingDataError if there is no such model, CheckpointError if it is
    damaged, of another version, or a file of it is a link out of the folder or too large.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(expected=f"a new or empty folder at {out}", got="a file or a folder with files",
                         cure=f"Use a new folder, as --out {out}-2.")  # fmt: skip
    folder = fetched(source) if source.startswith(PREFIX) else _own_files(Path(source))
    _copy(folder, out, load_model(folder))
    return out


def fetched(source: str) -> Path:
    """The folder of a repository in the hub's cache, downloaded if necessary.

    Raises UsageError for an invalid name or without huggingface_hub, MissingDataError if the download fails,
    CheckpointError for files that are too large, before they are downloaded, or links to elsewhere.
    """
    name, revision = _repository(source)
    hub = _hub()
    _check_sizes(hub, name, revision)
    try:
        folder = Path(hub.snapshot_download(name, revision=revision, allow_patterns=[CONFIG, "*.safetensors", CARD]))
    except Exception as error:  # the client's errors have no common base
        raise MissingDataError(
            expected=f"the model {name} of the hub",
            got=_line(error),
            cure="Copy the name from the model's page; for a private model run `hf auth login` first.",
        ) from error
    return _own_files(folder)


def _check_sizes(hub: Any, name: str, revision: str | None) -> None:
    """Raises CheckpointError where a file that would be downloaded is too large; sizes are asked of the hub first.

    Without an answer (no network, and the model in the cache) what the download gives is checked afterwards.
    """
    try:
        files = hub.HfApi().model_info(name, revision=revision, files_metadata=True).siblings or ()
    except Exception:  # noqa: BLE001 - the client's errors have no common base; the download says what is wrong
        return
    total = 0
    for file in files:
        largest = next((most for pattern, most in _LARGEST if fnmatch(file.rfilename, pattern)), None)
        size = int(file.size or 0)
        if largest is None:
            continue  # not downloaded
        total += size
        if size > largest * 1_000_000 or total > _MOST * 1_000_000:
            one = size > largest * 1_000_000
            raise CheckpointError(
                expected=f"files of at most {largest:,} MB each and {_MOST:,} MB together in {name}",
                got=f"{file.rfilename} of {size / 1e6:,.0f} MB" if one else f"{total / 1e6:,.0f} MB",
                cure="Nothing was downloaded. Take a smaller model, or copy this one by hand and name its folder.",
            )


def _own_files(folder: Path) -> Path:
    """The folder. Raises CheckpointError where a model's file is no regular file of it, or too large.

    The hub's cache keeps files in "blobs" beside "snapshots" and links to them: these links are its own.
    """
    inside = [folder.resolve()]
    if folder.parent.name == "snapshots":
        inside.append((folder.parent.parent / "blobs").resolve())
    for name, largest in _LARGEST:
        for file in folder.glob(name):
            real = file.resolve()
            if not real.is_file() or real.parent not in inside or real.stat().st_size > largest * 1_000_000:
                raise CheckpointError(
                    expected=f"regular files in {folder}, and {name} of at most {largest} MB",
                    got=f"{file.name}, a link out of the folder, no file, or larger",
                    cure="Copy the model itself into the folder; do not link to it.",
                )
    return folder


def called(source: str) -> str:
    """The name of a model of the hub."""
    return _repository(source)[0]


def _repository(source: str) -> tuple[str, str | None]:
    name, _, revision = source.removeprefix(PREFIX).partition("@")
    user, slash, model = name.partition("/")
    if not (user and slash and model) or "/" in model:
        raise UsageError(
            expected="hub:USER/NAME or hub:USER/NAME@REVISION", got=f"'{source}'", cure="Write it as hub:USER/NAME."
        )
    return name, revision or None


def _hub() -> Any:
    return require("huggingface_hub", "hub", "which connects to the hub")


def _copy(folder: Path, out: Path, loaded: Adapter) -> None:
    """Copy weights and card, then the config: an interrupted copy is no model."""
    facts = {key: value for key, value in RunFolder(folder).facts().items() if key != "state"}
    with atomic_path(out / _WEIGHTS) as beside:
        shutil.copyfile(RunFolder(folder).file(), beside)
    card = folder / CARD
    write_text(out / CARD, card.read_text(encoding="utf-8") if card.is_file() else _card(folder.name, loaded))
    write_text(out / CONFIG, json.dumps({**facts, "weights": _WEIGHTS}, indent=1) + "\n")


def _card(name: str, loaded: Adapter) -> str:
    """A short model card."""
    representation, recipe = loaded.trained_representation(), loaded.card.recipe.name if loaded.card.recipe else ""
    body = representation.skeleton
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    return f"""---
library_name: kinema
license: other
tags: [human-motion]
---
# {name}

{type(loaded.model).__name__}: {parameters:,} parameters, {loaded.card.step:,} steps of the recipe `{recipe}`.

* **Skeleton:** `{body.name}`, {len(body)} joints, {representation.fps:g} frames per second.
* **Training data:** {len(loaded.trained_on)} recordings; their identities are in `config.json`.
* **Licence of the data:** {loaded.card.licence or "unknown"}
"""


def _ours(name: str) -> bool:
    return name in (CONFIG, CARD, _WEIGHTS) or name.startswith(".")


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
