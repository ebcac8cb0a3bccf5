"""`RunFolder`: a run on disk. Safetensors and JSON only, so a checkpoint cannot run code.

    config.json                    what the run is and which files hold it; replaced last, atomically
    model-00001000.safetensors     the weights that are evaluated, and the statistics of the representation
    state-00001000.safetensors     what resuming needs besides: raw weights, optimiser moments, the average
    log.jsonl                      one line per logged step

The files of step 2000 are written beside those of step 1000; then `config.json` names them, and then the old ones are
removed. Wherever this is interrupted, the run is whole, as of one step. The last step's weights are called
model.safetensors. Weights may be stored in half precision; they are read as float32.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from kinema.core.atomic import atomic_path, temporary_prefix, write_text
from kinema.core.constants import VERSION
from kinema.core.errors import CheckpointError, FormatError, MissingDataError
from kinema.core.text import read_json
from kinema.motion.skeleton import Skeleton

FORMAT_VERSION = 1
CONFIG = "config.json"
LOG = "log.jsonl"
_LONGEST = 4096  # letters of a name or a text in config.json
_REQUIRED = ("kinema", "recipe", "stage", "step", "skeleton", "trained_on", "licence", "weights")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one trained stage. `path` need not exist before the first `save`."""

    path: Path

    @property
    def log(self) -> Path:
        """The log of the run, one JSON object per line."""
        return self.path / LOG

    def exists(self) -> bool:
        """Whether a checkpoint has been saved here."""
        return (self.path / CONFIG).is_file()

    def save(
        self,
        facts: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        *,
        step: int,
        last: bool,
    ) -> None:
        """Replace the checkpoint by that of `step`. Raises KinemaError where it cannot; the old one is then whole."""
        names = {"weights": "model.safetensors" if last else f"model-{step:08}.safetensors"}
        write_tensors(self.path / names["weights"], weights)
        if state:
            names["state"] = f"state-{step:08}.safetensors"
            write_tensors(self.path / names["state"], state)
        config = {"format_version": FORMAT_VERSION, "kinema": VERSION, **facts, "step": step, **names}
        write_text(self.path / CONFIG, json.dumps(config, indent=1) + "\n")
        self.tidy(keep=names.values())

    def tidy(self, keep: Iterable[str]) -> None:
        """Remove the files of older steps and of interrupted saves; `keep` are file names."""
        kept = set(keep)
        unfinished = (temporary_prefix(name) for name in ("model.safetensors", "state.safetensors", CONFIG, LOG))
        for pattern in (
            "model*.safetensors",
            "state-*.safetensors",
            *(f"{prefix}*" for prefix in unfinished),
            ".tmp??????",  # where safetensors writes what it renames in the end
        ):
            for file in self.path.glob(pattern):
                if file.name not in kept:
                    file.unlink(missing_ok=True)

    def facts(self) -> dict[str, Any]:
        """The content of `config.json`.

        Raises CheckpointError where it is damaged or of another format version, MissingDataError where there is none.
        """
        file = self.path / CONFIG
        if not file.is_file():
            raise MissingDataError(
                expected=f"a run folder or a set of weights at {self.path}",
                got="no config.json in it" if self.path.is_dir() else "no such folder",
                cure="Give the folder that `kinema train` wrote; `kinema models` lists the shipped ones.",
            )
        try:
            facts = read_json(file)
        except FormatError as error:
            raise _damaged(file, f"text that is not JSON ({error.got})") from error
        if not isinstance(facts, dict):
            raise _damaged(file, "JSON that is not an object")
        found = cast("dict[str, Any]", facts)
        version = found.get("format_version")
        if version != FORMAT_VERSION:
            raise CheckpointError(
                expected=f"{file} of format version {FORMAT_VERSION}",
                got=f"version {version}, written by kinema {found.get('kinema', 'of unknown version')}",
                cure=f"Install the version of kinema that wrote it (this is {VERSION}), or train the model again.",
            )
        if missing := [key for key in _REQUIRED if key not in found]:
            raise _damaged(file, f"no {', '.join(missing)}")
        if (longest := max(map(len, _texts(found)))) > _LONGEST:
            raise _damaged(file, f"a name or text of {longest} letters")
        return found

    def file(self, kind: Literal["weights", "state"] = "weights") -> Path:
        """The file that `config.json` names. Raises CheckpointError unless it is a plain file name of safetensors."""
        name = self.facts()[kind]
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*\.safetensors", name):
            raise _damaged(self.path / CONFIG, f"{kind} that are no plain name of a .safetensors file: {name!r:.80}")
        return self.path / name

    def weights(self) -> dict[str, Tensor]:
        """The evaluated weights ("model." names) and statistics ("representation." names), as float32."""
        tensors = read_tensors(self.file())
        return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}

    def state(self) -> dict[str, Tensor]:
        """The state that resuming needs. Raises CheckpointError where the folder holds weights only."""
        if self.facts().get("state") is None:
            raise CheckpointError(
                expected=f"a run that can be resumed in {self.path}",
                got="weights without the state of their training",
                cure="Start a new run in another folder.",
            )
        return read_tensors(self.file("state"))


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically. Raises KinemaError where the file cannot be written."""
    with atomic_path(file) as beside:
        try:
            # A copy of each, because safetensors refuses tensors that share memory (tied weights do).
            whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
            save_file(whole, beside)
        except SafetensorError as error:  # it hides the operating system's error (a full disk) in its text
            raise OSError(str(error)) from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read safetensors. Raises CheckpointError where the file is missing, cut short or not safetensors at all."""
    if not file.is_file():
        raise CheckpointError(
            expected=f"the tensors of the run in {file}",
            got="no such file",
            cure="Copy the run folder again, whole: config.json names the files that belong to it.",
        )
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise _damaged(file, f"{file.stat().st_size} bytes that cannot be read as such ({error})") from error


def sizes_of(file: Path) -> tuple[int, int]:
    """The count of tensors and of numbers in the header of safetensors. Raises CheckpointError as `read_tensors`."""
    try:
        with safe_open(file, "pt") as opened:
            shapes = [opened.get_slice(name).get_shape() for name in opened.keys()]  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise _damaged(file, f"bytes that cannot be read as such ({error})") from error
    return len(shapes), sum(math.prod(shape) for shape in shapes)


def skeleton_to_json(skeleton: Skeleton) -> dict[str, Any]:
    """The whole skeleton as JSON data; float32 offsets survive exactly."""
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "parents": list(skeleton.parents),
        "offsets": skeleton.offsets.tolist(),
        "mirror": list(skeleton.mirror),
        "aliases": dict(skeleton.aliases),
    }


def skeleton_from_json(data: Mapping[str, Any]) -> Skeleton:
    """The skeleton again. Raises CheckpointError where a part is missing; SkeletonError where it is not a skeleton."""
    try:
        return Skeleton(
            str(data["name"]),
            tuple(data["joints"]),
            tuple(data["parents"]),
            torch.tensor(data["offsets"], dtype=torch.float32),
            tuple(data["mirror"]),
            dict(data["aliases"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            expected="a skeleton with name, joints, parents, offsets, mirror and aliases",
            got=f"one that cannot be read ({error!r})",
            cure="Copy the checkpoint's config.json again, or train the model again.",
        ) from error


def _texts(page: object) -> Iterator[str]:
    """Every key and text of JSON data."""
    if isinstance(page, str):
        yield page
    elif isinstance(page, Mapping):
        for key, value in cast("Mapping[str, object]", page).items():
            yield key
            yield from _texts(value)
    elif isinstance(page, list):
        for value in cast("list[object]", page):
            yield from _texts(value)


def _damaged(file: Path, found: str) -> CheckpointError:
    return CheckpointError(
        expected=f"a whole {file.suffix.lstrip('.')} file at {file}",
        got=found,
        cure="Copy the folder again, or train the model again.",
    )
