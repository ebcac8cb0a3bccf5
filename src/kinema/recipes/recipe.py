"""`Recipe`: everything that a result depends on, as frozen dataclasses with a JSON round trip.

A variant is made with `dataclasses.replace` or, from text, with `with_value`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

from kinema.core.errors import MissingDataError, UsageError, unknown_name
from kinema.data.source import Source
from kinema.data.sources.folder import user_folder
from kinema.data.synthetic import Synthetic
from kinema.data.windows import Deviation
from kinema.motion.skeleton import Skeleton
from kinema.recipes import codec
from kinema.representations.base import Representation
from kinema.training.stage import Optim, Phase, Stage, require

Part = TypeVar("Part")
_TINY_STEPS = 30
_TINY_ACTIONS = ("walk", "jump", "wave", "squat")
_OF_ONE_SKELETON = ("joints", "copies", "columns")  # fields of representations that name parts of one skeleton


class RepresentationConfig(Protocol):
    """A representation as data."""

    @property
    def fps(self) -> float:
        """Frames per second of the features."""
        ...

    @property
    def standardise(self) -> bool:
        """Whether features are given the training set's mean 0 and deviation 1."""
        ...

    def build(self, skeleton: Skeleton) -> Representation:
        """The representation on a skeleton, without statistics."""
        ...


@dataclass(frozen=True)
class Recipe:
    """A source of motion, a representation of its frames, and the stages that are trained, one after the other.

    `protocols` are the evaluations for the result. `phases` is the number of offsets that are used where a faster
    recording is thinned to the representation's rate. `deviation` is what standardised features are divided by: the
    deviation over all "frames", or the mean of the deviations within "clips". The run's model is that of the last
    stage; where it is `symmetric`, its prediction is averaged with the mirrored prediction for the mirrored query.
    `share` are pairs (seconds after the last observed frame, share of the model in a forecast); the rest is the last
    observed pose (see `Adapter`). Raises UsageError where there is no stage, two have one name, or the times of `share`
    do not rise.
    """

    name: str
    source: Source
    representation: RepresentationConfig
    stages: tuple[Stage, ...]
    protocols: tuple[str, ...] = ()
    seed: int = 0
    phases: int = 1
    symmetric: bool = False
    deviation: Deviation = "frames"
    share: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        require(bool(names), "at least one stage", "none")
        require(len(set(names)) == len(names), "stages of different names", ", ".join(names))
        require(self.seed >= 0, "a seed of at least 0", self.seed)
        times = [seconds for seconds, _ in self.share]
        require(times == sorted(set(times)), "rising times in share", times)

    def tiny(self) -> Recipe:
        """The recipe's small twin: synthetic motion, small models, a few steps; it trains in seconds, offline.

        It is in float32, so that its result does not depend on the processor.
        """
        # Joints are chosen by the names of the real data's skeleton; the synthetic body takes all of its own.
        given = {name for name in _OF_ONE_SKELETON if getattr(self.representation, name, ())}
        representation = replace(cast("Any", self.representation), **dict.fromkeys(given, ()))
        fps = self.representation.fps
        seconds = max(4.0, 1.5 * max(stage.task.frames for stage in self.stages) / fps)
        return replace(
            self,
            name=f"{self.name}-tiny",
            source=Synthetic(clips_per_action=1, seconds=seconds, fps=fps, actions=_TINY_ACTIONS),
            representation=representation,
            stages=tuple(_tiny_stage(stage) for stage in self.stages),
            protocols=(),
            phases=1,
        )

    def with_data(self, folder: str) -> Recipe:
        """A copy that is trained on what lies below `folder`: the recipe's own data set, or else the user's files.

        The user's motion files become the source `Folder`, with a `labels.csv` in the folder `LabelledFolder`; the
        features are then of all joints, and no protocol belongs to the recipe. Raises UsageError where neither is there
        and the recipe makes its motion itself, and where its features are columns of one benchmark.
        """
        rooted = self.source.rooted(folder)
        if rooted != self.source and _is_there(rooted):
            return replace(self, source=rooted)
        theirs = user_folder(folder)
        if theirs is None and rooted == self.source:
            raise UsageError(
                expected="a folder with motion files for --data",
                got=folder,
                cure=f"Name the folder of your files, or leave --data out: {self.name} makes its motion itself.",
            )
        if theirs is None:
            return replace(self, source=rooted)
        given = {name for name in _OF_ONE_SKELETON if getattr(self.representation, name, ())}
        if given & {"copies", "columns"}:
            raise UsageError(
                expected=f"the data set {self.source.name} below {folder}",
                got="motion files of another skeleton than the benchmark's, whose columns this recipe learns",
                cure=f"kinema train simlpe --data {folder} --out RUN",
            )
        representation = replace(cast("Any", self.representation), **dict.fromkeys(given, ()))
        return replace(self, source=theirs, representation=representation, protocols=())

    def with_value(self, path: str, text: str) -> Recipe:
        """A copy with the value at `path` ("stages.0.optim.lr"; stages and phases also by name) parsed from `text`.

        Raises UsageError for an unknown path, with the nearest one, and for a value of the wrong type.
        """
        return _replaced(self, path.split("."), text, path)

    def with_steps(self, steps: int) -> Recipe:
        """A copy in which every stage takes that many steps; milestones stay."""
        return replace(self, stages=tuple(replace(stage, steps=steps) for stage in self.stages))


def _is_there(source: Source) -> bool:
    try:
        source.stamp()
    except MissingDataError:
        return False
    return True


def _tiny_stage(stage: Stage) -> Stage:
    shrink = _TINY_STEPS / stage.steps

    def tiny(optim: Optim) -> Optim:
        milestones = tuple(round(milestone * shrink) for milestone in optim.milestones)
        return replace(optim, warmup_steps=min(optim.warmup_steps, 3), milestones=milestones)

    optim = stage.optim
    small = tiny(optim) if isinstance(optim, Optim) else tuple(replace(t, optim=tiny(t.optim)) for t in optim)
    return replace(
        stage, model=stage.model.tiny(), optim=small, steps=_TINY_STEPS, batch_size=min(stage.batch_size, 8),
        log_every=1, save_every=10, validate_every=15, validate_batches=2, precision="float32",
    )  # fmt: skip


def _replaced(whole: Part, way: list[str], text: str, path: str) -> Part:
    """`whole` with the value at the end of `way` replaced; `path` is the full way, for errors."""
    head, rest = way[0], way[1:]
    so_far = ".".join(path.split(".")[: -len(way)]) or "the recipe"
    if isinstance(whole, tuple):
        items = cast("tuple[Any, ...]", whole)
        place = _place(items, head, so_far)
        if not rest:
            raise UsageError(
                expected="the path of a single value",
                got=path,
                cure=f"Write the path of a key below it: {path}.KEY=VALUE.",
            )
        changed = (*items[:place], _replaced(items[place], rest, text, path), *items[place + 1 :])
        return cast("Part", changed)
    if not dataclasses.is_dataclass(whole) or isinstance(whole, type):
        raise UsageError(expected=f"a path that ends at {so_far}", got=path, cure=f"Write {so_far}=VALUE.")
    hints = codec.field_types(type(whole))
    # "stage.0" is as clear as "stages.0", and a former name as the one of today.
    former: dict[str, str] = getattr(whole, "FORMER_KEYS", {})
    name = next((one for one in (head, former.get(head, ""), f"{head}s") if one in hints), head)
    if name not in hints:
        raise unknown_name(f"key of {so_far}", head, hints)
    now = getattr(whole, name)
    value = _replaced(now, rest, text, path) if rest else codec.parse(text, hints[name], path)
    return replace(whole, **{name: value})


_FORMER_PHASES = {"critic": "discriminator", "maker": "generator"}


def _place(items: tuple[Any, ...], head: str, so_far: str) -> int:
    names = [str(getattr(item, "name", place)) for place, item in enumerate(items)]
    head = head if head in names else _FORMER_PHASES.get(head, head)
    if head in names:
        return names.index(head)
    if head.isdecimal() and int(head) < len(items):
        return int(head)
    raise unknown_name(f"part of {so_far}", head, {*names, *map(str, range(len(items)))})


__all__ = ["Optim", "Phase", "Recipe", "RepresentationConfig", "Stage"]
