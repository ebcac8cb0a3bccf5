"""What the tools do: the requests of the command line, on files of one folder, with plain data as the result."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal

from kinema.core.errors import KinemaWarning, UsageError, unknown_name
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import (
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    SourceOptions,
    UpsampleRequest,
)

if TYPE_CHECKING:
    from kinema.motion.constraints.kinds import Constraint
    from kinema.motion.motion import Clip, Motion
    from kinema.pipeline.pipeline import Pipeline


_MOST = 500  # files in a list
Facts = dict[str, Any]
Entries = list[dict[str, Any]]
_WRITTEN = (".bvh", ".npz", ".glb", ".csv")
_PICTURES = (".png", ".gif")


@dataclass(frozen=True)
class SharedFolder:
    """A folder. Names are relative to it, with slashes; links and ".." are refused."""

    root: Path

    def existing(self, name: str) -> Path:
        """The path of a file or folder in it. Raises UsageError for one that is outside, or not there."""
        path = self._inside(name)
        if not path.exists():
            near = ", ".join(self.files()[:20]) or "no file"
            raise UsageError(expected="a file in the folder", got=f"'{name}'", cure=f"Choose one of: {near}.")
        return path

    def target(self, name: str, suffixes: Sequence[str], *, overwrite: bool) -> Path:
        """The path of a file to write. Raises UsageError outside the folder, for another suffix, and where one is."""
        path = self._inside(name)
        if path.suffix.lower() not in suffixes:
            raise UsageError(
                expected=f"a name that ends in {', '.join(suffixes)}",
                got=f"'{name}'",
                cure=f"Name it {PurePosixPath(name).stem or 'motion'}{suffixes[0]}.",
            )
        if path.exists() and not overwrite:
            raise UsageError(
                expected="a new file",
                got=f"'{name}', which exists",
                cure="Choose another name, or set overwrite.",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def files(self) -> list[str]:
        """The names of the files in it, sorted; links and hidden files are left out."""
        found = (
            path.relative_to(self.root)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(self.root.resolve())
        )
        return [one.as_posix() for one in found if not any(part.startswith(".") for part in one.parts)][:_MOST]

    def name(self, path: Path) -> str:
        """The name of a path in it."""
        return path.relative_to(self.root).as_posix()

    def check_constraints(self, constraints: Sequence[Any]) -> None:
        """Raises UsageError where a pose comes from a file outside the folder."""
        for each in constraints:
            if isinstance(each, dict) and "file" in each:
                self.existing(str(each["file"]))

    def _inside(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith(("\\", "~"))
        if absolute or not parts or ".." in parts or "\0" in name or len(name) > 1000:
            raise self._outside(name)
        path = self.root.joinpath(*parts)
        steps = [self.root.joinpath(*parts[: count + 1]) for count in range(len(parts))]
        if any(step.is_symlink() for step in steps) or not path.resolve().is_relative_to(self.root.resolve()):
            raise self._outside(name)
        return path

    def _outside(self, name: str) -> UsageError:
        return UsageError(
            expected="the name of a file in the folder that `kinema mcp` was started with, without links and ..",
            got=repr(name[:80]),
            cure="Use a relative name such as walk.bvh.",
        )


@dataclass
class Tools:
    """The tools on one folder; one works at a time. `models` are run folders to offer besides the shipped models."""

    folder: SharedFolder
    models: tuple[str, ...] = ()
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def files(self) -> Facts:
        """List the files of the folder."""
        return {"files": self.folder.files()}

    def info(self, file: str) -> Facts:
        """Show what a motion file holds: skeleton, frames, rate, size, speed, and what looks wrong with it."""
        from kinema.io.summary import summarise

        with self._working() as notes:
            summary = summarise(self.folder.existing(file), **SourceOptions().arguments())
            return {**asdict(summary), "file": file, "notes": notes}

    def forecast(
        self,
        request: ForecastRequest,
        file: str,
        out: str,
        model: str = AUTO,
        end: str | None = None,
        append: bool = False,
        constraints: Entries | None = None,
        overwrite: bool = False,
    ) -> Facts:
        """Predict what a body does next, from the motion in `file`. Several samples: out-1, out-2 ..., or one .npz."""
        with self._working() as notes:
            target = self.folder.target(out, _WRITTEN, overwrite=overwrite)
            last = None if end is None else self._clip(end)
            answer = self._open(model, request).ask(
                request, self._clip(file), last, constraints=self._constraints(constraints)
            )
            notes += answer.notes
            count = answer.samples.batch_shape.numel()
            clips = [answer.whole(at) if append else answer.samples.one(at) for at in range(count)]
            whole = answer.samples if count > 1 and not append else None
            written = self._save(clips, target, whole, overwrite=overwrite)
            return self._facts(written, clips[0], notes, answer.residuals)

    def inbetween(
        self,
        request: InbetweenRequest,
        file: str,
        out: str,
        second: str | None = None,
        model: str = AUTO,
        constraints: Entries | None = None,
        overwrite: bool = False,
    ) -> Facts:
        """Fill the gap between two clips (`second` and `frames`), or between the key frames of one (`keys`)."""
        with self._working() as notes:
            target = self.folder.target(out, _WRITTEN, overwrite=overwrite)
            other = None if second is None else self._clip(second)
            done = self._open(model).ask(request, self._clip(file), other, constraints=self._constraints(constraints))
            clips = done.motion if done.motion.batch_shape else done.motion.expand(1)
            each = [clips.one(at) for at in range(clips.batch_shape.numel())]
            written = self._save(each, target, clips if len(each) > 1 else None, overwrite=overwrite)
            return self._facts(written, each[0], [*notes, *done.report.lines()], done.residuals)

    def upsample(
        self,
        request: UpsampleRequest,
        file: str,
        out: str,
        model: str = AUTO,
        constraints: Entries | None = None,
        overwrite: bool = False,
    ) -> Facts:
        """Add frames between those of a clip: slow motion, or a higher frame rate (`rate` or `fps`)."""
        return self._filled(request, file, out, model, constraints, overwrite=overwrite)

    def repair(
        self,
        request: RepairRequest,
        file: str,
        out: str,
        model: str = AUTO,
        constraints: Entries | None = None,
        overwrite: bool = False,
    ) -> Facts:
        """Repair a clip: fill missing values, spikes, jumps and frozen frames; good frames stay as they are."""
        return self._filled(request, file, out, model, constraints, overwrite=overwrite)

    def generate(
        self,
        request: GenerateRequest,
        out: str,
        skeleton: str | None = None,
        model: str = AUTO,
        constraints: Entries | None = None,
        overwrite: bool = False,
    ) -> Facts:
        """Generate motion of an `action` (walk, run, jump ...). `skeleton`: a file whose body and rate it takes."""
        from kinema.motion.retargeting import as_motion
        from kinema.pipeline.constraints import clip_on_body, constrained_clip

        with self._working() as notes:
            target = self.folder.target(out, _WRITTEN, overwrite=overwrite)
            pipeline = self._open(model, request)
            labels = request.labels(pipeline.actions)  # says which actions there are
            clips: Clip = pipeline.ask(
                replace(request, action=labels, style=None) if request.schedule is None else request
            )  # pyright: ignore[reportArgumentType] - labels of one action
            if skeleton is not None:
                clips, lines = clip_on_body(clips, self._clip(skeleton), request.feet)
                notes += lines
            residuals: tuple[Any, ...] = ()
            if wanted := self._constraints(constraints):
                clips, residuals = constrained_clip(clips, wanted)
            each = [as_motion(clips.one(at)) for at in range(clips.batch_shape.numel())]
            written = self._save(each, target, clips if len(each) > 1 else None, overwrite=overwrite)
            return {**self._facts(written, each[0], notes, residuals), "actions": list(pipeline.actions)}

    def retarget(self, file: str, target: str, out: str, feet: bool = False, overwrite: bool = False) -> Facts:
        """Put a motion on another body: `target` is a motion or character file, or a skeleton's name (smpl24 ...)."""
        from kinema.motion.feet.clean import cannot_clean, clean_retargeted
        from kinema.motion.motion import Motion
        from kinema.motion.retargeting import direction_errors, pair_joints, retarget
        from kinema.motion.skeletons import SKELETONS, skeleton

        with self._working() as notes:
            path = self.folder.target(out, _WRITTEN, overwrite=overwrite)
            clip = self._clip(file)
            body = skeleton(target) if target in SKELETONS else self._clip(target)
            pairing = pair_joints(clip.skeleton, body.skeleton if isinstance(body, Motion) else body)
            pairing.require_limbs()
            moved = retarget(clip, body)
            errors = direction_errors(clip, moved)
            if feet and (why := cannot_clean(moved)):
                notes.append(why)
            elif feet:
                moved = clean_retargeted(moved, clip)
            written = self._save([moved], path, None, overwrite=overwrite)
            return {**self._facts(written, moved, [*notes, *pairing.lines()]), "direction_errors": errors}

    def render(
        self,
        file: str,
        out: str,
        size: int = 320,
        poses: int = 8,
        view: Literal["three-quarter", "side", "front"] = "three-quarter",
        theme: Literal["light", "dark"] = "light",
        overwrite: bool = False,
    ) -> Facts:
        """Draw a motion: a strip of `poses` as .png, or a loop as .gif; `size` is the height in pixels."""
        from kinema.core.atomic import atomic_path
        from kinema.viz import film, raster
        from kinema.viz.layers import Panel, layers_of_clip

        if not (64 <= size <= 1024 and 1 <= poses <= 64):
            raise UsageError(expected="64 to 1024 pixels, 1 to 64 poses", got=f"{size}, {poses}", cure="Use size 320.")
        with self._working() as notes:
            path = self.folder.target(out, _PICTURES, overwrite=overwrite)
            clip = SourceOptions().load(self.folder.existing(file))
            panel = Panel("", layers_of_clip(clip.points()))
            if path.suffix.lower() == ".png":
                picture = raster.strip(panel, count=poses, height=size, theme=theme, view=view, sharpness=2)
                with atomic_path(path) as beside:
                    picture.save(beside, "PNG", optimize=True)
            else:
                film.gif(path, panel, size=(size, size), theme=theme, view=view)
            return {"files": [self.folder.name(path)], "notes": notes}

    def _filled(
        self,
        request: UpsampleRequest | RepairRequest,
        file: str,
        out: str,
        model: str,
        constraints: Entries | None,
        *,
        overwrite: bool,
    ) -> Facts:
        from kinema.pipeline.clip_files import open_source
        from kinema.pipeline.requests import FileOptions

        with self._working() as notes:
            path = self.folder.existing(file)
            source = open_source(path, FileOptions())
            suffixes = (
                _WRITTEN if source.people is None else tuple(dict.fromkeys((path.suffix.lower(), ".json", ".npz")))
            )
            target = self.folder.target(out, suffixes, overwrite=overwrite)
            if request.key_mode is None:
                request = replace(request, key_mode=source.keys)
            pipeline, wanted = self._open(model), self._constraints(constraints)
            done = {who: pipeline.ask(request, clip, constraints=wanted) for who, clip in source.clips.items()}
            source.write(done, target)
            for each in done.values():
                notes += each.report.lines()
            first = next(iter(done.values()))
            return {**self._facts([target], first.motion, notes, first.residuals), "found": dict(first.damage)}

    def _open(self, model: str, request: ForecastRequest | GenerateRequest | None = None) -> Pipeline:
        """A pipeline by name: paths and hub names are not opened, but for the run folders that the user named."""
        from kinema.models.baselines import BASELINES
        from kinema.pipeline.defaults import default_model
        from kinema.pipeline.open import METHODS, shipped_models
        from kinema.pipeline.pipeline import open as open_pipeline

        known = (*METHODS, *BASELINES, *shipped_models(), *self.models)
        if model not in known:
            raise unknown_name("model", model, known)
        return open_pipeline(default_model(request) if model == AUTO and request is not None else model)

    def _clip(self, name: str) -> Motion:
        from kinema.pipeline.clip_files import open_source
        from kinema.pipeline.requests import FileOptions

        return open_source(self.folder.existing(name), FileOptions()).only

    def _constraints(self, entries: Entries | None) -> tuple[Constraint, ...]:
        from kinema.io.constraints import constraints_of
        from kinema.io.formats import load

        self.folder.check_constraints(entries or ())
        return constraints_of([*(entries or ())], "constraints", lambda name: load(self.folder.root / name))

    def _save(self, clips: Sequence[Clip], target: Path, whole: Clip | None, *, overwrite: bool) -> list[Path]:
        """Write one file for each clip; all in one where the format holds several."""
        from kinema.apps.batch.tasks import numbered
        from kinema.io.formats import save

        if whole is not None and target.suffix.lower() == ".npz":
            save(whole, target)
            return [target]
        paths = (target,) if len(clips) == 1 else numbered(target, len(clips))
        for path, clip in zip(paths, clips, strict=True):
            self.folder.target(self.folder.name(path), _WRITTEN, overwrite=overwrite)
            save(clip, path)
        return list(paths)

    def _facts(self, written: Iterable[Path], clip: Clip, notes: Sequence[str], residuals: Sequence[Any] = ()) -> Facts:
        facts: Facts = {"files": [self.folder.name(path) for path in written], "frames": clip.frames, "fps": clip.fps}
        left = [each.to_json() for each in residuals]
        return {**facts, **({"constraints": left} if left else {}), "notes": list(dict.fromkeys(notes))}

    @contextmanager
    def _working(self) -> Generator[list[str]]:
        """One tool at a time; its warnings become notes. Nothing else writes to standard output: the protocol does."""
        notes: list[str] = []

        def kept(message: Warning | str, *more: Any, **options: Any) -> None:
            if isinstance(message, KinemaWarning):
                notes.append(str(message))

        with self._turn, redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("always", KinemaWarning)
            warnings.showwarning = kept
            yield notes
