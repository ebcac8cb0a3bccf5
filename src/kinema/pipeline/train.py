"""`train`: from a recipe to a run folder."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kinema.core.atomic import hold
from kinema.core.constants import VERSION
from kinema.core.errors import CheckpointError, KinemaWarning, MissingDataError, UsageError
from kinema.data.augment import Augment
from kinema.data.loader import Loader
from kinema.data.source import Source, Split
from kinema.data.windows import WindowSet
from kinema.models.base import Model
from kinema.pipeline.checkpoints.checkpoint import constants_of, facts_of, feature_shape, portable, take_statistics
from kinema.pipeline.checkpoints.given import GivenWeights
from kinema.recipes import Recipe, Stage
from kinema.recipes.codec import differences, from_json, to_json
from kinema.representations.base import Representation
from kinema.training.checkpoint import LOG, RunFolder, skeleton_from_json
from kinema.training.distributed import Process, processes
from kinema.training.log import JsonLines, ProgressBar, Reporter, TensorBoard
from kinema.training.loop import Job, fit


@dataclass(frozen=True)
class Means:
    """How a run is computed; nothing here changes the result (except rounding on another device).

    `device` is "auto" (a GPU if available), "cpu" or "cuda"; `workers` is the number of loader processes, `cache` a
    folder for encoded windows; `progress` shows a bar on standard error.
    """

    device: str = "auto"
    cache: Path | None = None
    workers: int = 0
    compiled: bool = False
    progress: bool = False
    tensorboard: bool = False


def train(
    recipe: Recipe,
    out: Path | str,
    *,
    resume: bool = False,
    init_from: Path | str | None = None,
    means: Means | None = None,
) -> Path:
    """Train every stage of a recipe into the run folder `out`, which `kn.open` opens.

    The last stage's model is in `out` itself, those of earlier stages in `out/stages/NAME`. `resume` continues an
    interrupted run. Under torchrun every process calls this.

    `init_from` names a run folder, a shipped model or a model of the hub. The stage of its weights starts from them,
    with their feature statistics and a new optimiser; earlier stages are not trained. Its recordings and licence are
    added to those of the new run.

    Raises UsageError if `out` exists without `resume`, if the folder has another recipe, or for `resume` together with
    `init_from`; MissingDataError if there is nothing to resume; CheckpointError for weights of another architecture.
    """
    out, means = Path(out), means or Means()
    if resume and init_from is not None:
        raise UsageError(
            expected="either --resume or --init-from",
            got="both",
            cure="Leave --init-from out: a resumed run keeps its own weights.",
        )
    given = None if init_from is None else GivenWeights.read(init_from)
    folders = _folders(recipe, out)
    with contextlib.ExitStack() as held:
        process = held.enter_context(processes())
        _check_folder(recipe, folders, out, resume=resume)
        if process.leads:
            held.enter_context(hold(out, "a training"))
            _check_folder(recipe, folders, out, resume=resume)  # another one may have ended just now
        process.wait()
        begun = given.about(recipe) if given else _begun(folders)
        ground = _Ground(recipe, means, process, given, begun)
        if resume:
            _warn_of_version(folders)
            ground.check_against(folders)
        first = [stage.name for stage in recipe.stages].index(begun["stage"]) if begun else 0
        earlier = ground.scaffold(recipe.stages[:first])
        for index, stage in enumerate(recipe.stages[first:], start=first):
            folder = folders[stage.name]
            earlier[stage.name] = ground.train_stage(index, stage, folder, earlier, resume=resume and folder.exists())
            process.wait()
    return out


@dataclass
class _Ground:
    """Shared by all stages of a run: the encoded windows, and the representation with its statistics.

    `given` are weights to start from; `begun` are the facts about them in config.json, also in a resumed run.
    """

    recipe: Recipe
    means: Means
    process: Process
    given: GivenWeights | None = None
    begun: Mapping[str, Any] | None = None
    representation: Representation = field(init=False)
    windows: dict[str, WindowSet] = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.device = pick_device(self.means.device, self.process)
        self.representation = recipe.representation.build(recipe.source.skeleton)
        self.windows = {"train": self._windows("train")}
        if _has_clips(recipe.source):
            self.windows["val"] = self._windows("val")
        if self.given:
            self.given.standardise(self.representation, recipe)
        elif recipe.representation.standardise:
            self.representation.statistics = self.windows["train"].statistics(recipe.deviation)

    def check_against(self, folders: dict[str, RunFolder]) -> None:
        """Use the statistics of the run to resume. Raises CheckpointError for other data."""
        for folder in folders.values():
            if not folder.exists():
                continue
            facts = folder.facts()
            take_statistics(self.representation, folder.weights())
            if skeleton_from_json(facts["skeleton"]) != self.representation.skeleton:
                raise _other(folder, "skeleton", facts["skeleton"]["name"], self.representation.skeleton.name)
            if facts["trained_on"] != sorted(self.trained_on):
                found = len(self.windows["train"].identities)
                raise _other(folder, "recordings", f"{len(facts['trained_on'])} of them", f"{found} others")
            was, now = _frames_of(facts), len(self.windows["train"].features)
            if was not in (None, now):  # another folder, whose files have the same names
                raise _other(folder, "recordings", f"{was} frames", f"{now} frames under the same names")

    @property
    def trained_on(self) -> frozenset[str]:
        """The recordings of the training windows and of the given weights."""
        return self.windows["train"].identities | frozenset(self.begun["trained_on"] if self.begun else ())

    def scaffold(self, stages: Sequence[Stage]) -> dict[str, Model]:
        """New models of stages that are not trained, on which later ones are built."""
        earlier: dict[str, Model] = {}
        with torch.random.fork_rng():
            for stage in stages:
                classes = self._loaders(stage)[0].batch(0).query.action.shape[-1]
                earlier[stage.name] = stage.build(feature_shape(self.representation, classes), earlier)
        return earlier

    def train_stage(
        self, index: int, stage: Stage, folder: RunFolder, earlier: dict[str, Model], *, resume: bool
    ) -> Model:
        """Build, train and save one stage."""
        loader, validation = self._loaders(stage)
        classes = loader.batch(0).query.action.shape[-1]
        with torch.random.fork_rng():
            torch.manual_seed(self.recipe.seed * 1000 + index)  # own weights for each stage, equal in all processes
            model = stage.build(feature_shape(self.representation, classes), earlier)
        recipe, source = self.recipe, self.recipe.source
        starts = self.given is not None and self.given.facts["stage"] == stage.name
        if self.given and starts:
            self.given.start(model, recipe, source.actions if classes else ())
        licence = source.licence
        if self.begun:
            licence = f"{licence}; initial weights: {self.begun['licence']}"
        facts = facts_of(
            recipe,
            stage,
            self.representation,
            trained_on=self.trained_on,
            licence=licence,
            classes=classes,
            actions=source.actions if classes else (),
            styles=source.styles if classes else (),
            data={"source": source.name, "train": _counts(loader, self.windows["train"])}
            | ({"val": _counts(validation, self.windows["val"])} if validation else {}),
        )
        if self.begun:
            facts["init_from"] = dict(self.begun)
        job = Job(stage, loader, folder, recipe.seed, validation, facts, constants_of(self.representation), starts)
        start = int(folder.facts()["step"]) if resume else 0
        with self._reporters(stage, folder, start) as reporters:
            return fit(
                model,
                job,
                resume=resume,
                device=self.device,
                process=self.process,
                reporters=reporters,
                compiled=self.means.compiled,
                workers=self.means.workers,
            )

    def _windows(self, split: Split) -> WindowSet:
        recipe, cache = self.recipe, self.means.cache
        phases = recipe.phases if split == "train" else 1
        return WindowSet.build(recipe.source, split, self.representation, cache=cache, phases=phases)

    def _loaders(self, stage: Stage) -> tuple[Loader, Loader | None]:
        def loader(split: str, augment: Augment) -> Loader:
            return Loader(
                self.windows[split],
                self.representation,
                stage.task,
                batch_size=stage.batch_size,
                seed=self.recipe.seed,
                augment=augment,
                balance=stage.balance,
                stride=stage.stride,
                rank=self.process.rank,
                world=self.process.world,
            )

        validation = None
        if "val" in self.windows:
            with contextlib.suppress(UsageError):  # validation recordings may be too short
                validation = loader("val", Augment())
        return loader("train", stage.augment), validation

    @contextlib.contextmanager
    def _reporters(self, stage: Stage, folder: RunFolder, start: int) -> Generator[list[Reporter]]:
        reporters: list[Reporter] = []
        if self.process.leads:
            reporters.append(JsonLines(folder.log, start))
            if self.means.progress:
                reporters.append(ProgressBar(stage.name, start, stage.steps))
            if self.means.tensorboard:
                reporters.append(TensorBoard(folder.path))
        try:
            yield reporters
        finally:
            for reporter in reporters:
                reporter.close()


def pick_device(name: str, process: Process) -> torch.device:
    """The device of that name for this process. Raises UsageError if there is none."""
    there = torch.cuda.is_available()
    if name not in ("auto", "cpu", "cuda") or (name == "cuda" and not there):
        raise UsageError(
            expected="a device among auto, cpu, cuda",
            got=f"'{name}'" + (" on a machine without a CUDA device" if name == "cuda" else ""),
            cure="Use --device auto.",
        )
    if name == "cpu" or not there:
        return torch.device("cpu")
    torch.cuda.set_device(process.local_rank)
    return torch.device("cuda", process.local_rank)


def _folders(recipe: Recipe, out: Path) -> dict[str, RunFolder]:
    """The folder of each stage; the last stage uses `out` itself."""
    *earlier, last = recipe.stages
    return {stage.name: RunFolder(out / "stages" / stage.name) for stage in earlier} | {last.name: RunFolder(out)}


def _begun(folders: Mapping[str, RunFolder]) -> Mapping[str, Any] | None:
    """The facts about the initial weights of the run in these folders; None without."""
    for folder in folders.values():
        if folder.exists() and (begun := folder.facts().get("init_from")):
            return begun
    return None


def _check_folder(recipe: Recipe, folders: dict[str, RunFolder], out: Path, *, resume: bool) -> None:
    begun = [folder for folder in folders.values() if folder.exists()]
    if not resume:
        if out.exists() and (not out.is_dir() or begun or any(map(_is_foreign, out.iterdir()))):
            raise UsageError(
                expected=f"a new or empty folder to train into at {out}",
                got="a folder with files in it" if out.is_dir() else "a file",
                cure=f"Use --resume to continue the run in it, or a new folder, as --out {out}-2.",
            )
        return
    if not begun:
        raise MissingDataError(
            expected=f"a run to resume in {out}",
            got="no config.json in it" if out.is_dir() else "no such folder",
            cure="Start it without --resume.",
        )
    for folder in begun:
        kept = to_json(from_json(folder.facts()["recipe"], Recipe))  # adds keys that are newer than the folder
        for where, was, wanted in differences(kept, to_json(portable(recipe)))[:1]:
            raise UsageError(
                expected=f"the recipe that {folder.path} was started with ({where} = {was!r})",
                got=f"{where} = {wanted!r}",
                cure=f"Repeat the options of the run, or start a new one with --out {folder.path}-2.",
            )


def _is_foreign(file: Path) -> bool:
    """False for the files that a run leaves when it is killed before its first checkpoint, and folders of such."""
    if file.is_dir():
        return any(map(_is_foreign, file.iterdir()))
    return not file.name.startswith((".", LOG, "model-", "state-"))


def _has_clips(source: Source) -> bool:
    return next(iter(source.clips("val")), None) is not None


def _counts(loader: Loader, windows: WindowSet) -> dict[str, int]:
    return {"clips": len(windows.clips), "frames": len(windows.features), "windows": len(loader)}


def _frames_of(facts: Mapping[str, Any]) -> int | None:
    """How many frames a run was trained on; None in a folder that does not say it."""
    counts = facts.get("data", {})
    return counts.get("train", {}).get("frames") if isinstance(counts, dict) else None


def _warn_of_version(folders: Mapping[str, RunFolder]) -> None:
    """A KinemaWarning where another version of kinema started the run."""
    for version in {str(folder.facts()["kinema"]) for folder in folders.values() if folder.exists()} - {VERSION}:
        note = (
            f"the run was started with kinema {version[:40]}, this is {VERSION}: the result may differ from a whole run"
        )
        warnings.warn(note, KinemaWarning, stacklevel=3)


def _other(folder: RunFolder, what: str, was: str, now: str) -> CheckpointError:
    return CheckpointError(
        expected=f"the {what} that the run in {folder.path} was started with ({was})",
        got=now,
        cure=f"Use the same data, or start a new run with --out {folder.path}-2.",
    )
