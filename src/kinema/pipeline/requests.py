"""Requests: one frozen dataclass per verb, the only list of its options.

The command line turns its fields into options with the text below as help; batch jobs, the Python verbs and the studio
build the same object. A request raises UsageError for invalid values. It holds no clips. This module imports no torch.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from cyclopts import Parameter, Token

from kinema.core.constants import Keys, Verb
from kinema.core.errors import KinemaWarning, UsageError

if TYPE_CHECKING:
    from kinema.motion.constraints.kinds import Constraint
    from kinema.motion.motion import Clip

Labels = Mapping[str, float]
"""Weights of actions and styles by name."""
Schedule = Sequence[tuple[Labels, float]]
"""Label weights with their start times in seconds."""
Feet = Literal["clean", "keep"]
"""What happens to feet that slide or sink."""


def frame_numbers(text: str) -> tuple[int, ...]:
    """The frames of "0,10,35-40". Raises UsageError unless they rise."""
    found: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if first > last or (found and first <= found[-1]):
            raise UsageError(
                expected="frames that rise, such as 0,10,35-40, counted from 0",
                got=f"'{text}'",
                cure="Write the numbers in rising order, each once: 0,10,35-40.",
            )
        found += range(first, last + 1)
    return tuple(found)


def names(text: str) -> tuple[str, ...]:
    """The names in "left_leg,torso"."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def mixture(text: str) -> Labels:
    """The label weights in "walk:0.5,run:0.5", with a KinemaWarning if they do not sum to 1."""
    weights: dict[str, float] = {}
    for part in names(text):
        name, colon, number = part.rpartition(":")
        try:
            weights[name.strip() if colon else part] = float(number) if colon else 1.0
        except ValueError as error:
            raise UsageError(
                expected="ACTION:WEIGHT, as walk:0.5", got=f"'{part}'", cure=f"Write {name}:0.5, with a number."
            ) from error
    total = sum(weights.values())
    if len(weights) > 1 and abs(total - 1) > 1e-6:
        note = f"the weights of {', '.join(weights)} sum to {total:g}: divided by that"
        warnings.warn(note, KinemaWarning, stacklevel=2)
    return weights


def timetable(text: str) -> Schedule:
    """The labels and seconds in "walk@0,run@2s"."""
    parts: list[tuple[Labels, float]] = []
    for part in names(text):
        found = re.fullmatch(r"(.+)@\s*(\d+\.?\d*|\.\d+)\s*s?", part)
        if found is None:
            raise UsageError(
                expected="ACTION@SECONDS, as run@2s", got=f"'{part}'", cure=f"Write {part.partition('@')[0]}@0."
            )
        parts.append((mixture(found[1].strip()), float(found[2])))
    return tuple(parts)


def _text(parse: Any, metavar: str) -> Parameter:
    """An option of one word, converted by `parse`."""

    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        return parse(tokens[0].value)

    return Parameter(
        converter=convert, n_tokens=1, accepts_keys=False, negative="", metavar=metavar, show_default=False
    )


_Frames = Annotated[tuple[int, ...] | None, _text(frame_numbers, "FRAMES")]
_Flag = Parameter(negative="", show_default=False)


def _pixels(text: str) -> tuple[float, float]:
    """The width and height in "1920x1080"."""
    found = re.fullmatch(r"\s*(\d+)\s*[xX*]\s*(\d+)\s*", text)
    if found is None or "0" in found.groups():
        raise UsageError(expected="WIDTHxHEIGHT in pixels", got=f"'{text}'", cure="Type --picture 1920x1080.")
    return float(found[1]), float(found[2])


@dataclass(frozen=True)
class SourceOptions:
    """Facts that a motion file may lack, or have wrong."""

    unit: float | None = None
    """Metres per file unit: 0.01 for centimetres. Default: as the file says, or by the size of the body."""
    source_fps: float | None = None
    """Frames per second of the file, if it has none or a wrong one."""
    up: Literal["x", "y", "z", "-x", "-y", "-z", "keep"] | None = None
    """The axis of the file that is up; keep: leave it as it is. Default: what the motion shows, else y."""
    source_skeleton: str | None = None
    """The skeleton of the file (smpl22, cmu38, h36m32 ...), if it has none."""
    person: str | None = None
    """For a file with several people: the track id. Default: everybody in a picture, else who is there longest."""
    picture: Annotated[tuple[float, float] | None, _text(_pixels, "WIDTHxHEIGHT")] = None
    """Pixels of the picture, for MediaPipe's landmarks, which are shares of it."""

    animation: str | None = None
    """Of a glTF or FBX file with several animations: the name or number of one, counted from 1. Default: the first."""

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `kinema.io.formats.load_clip`. Raises UsageError for an unknown skeleton."""
        from kinema.motion.skeletons import skeleton

        body = None if self.source_skeleton is None else skeleton(self.source_skeleton)
        found = {"fps": self.source_fps, "unit": self.unit, "skeleton": body, "up": self.up}
        return {**found, "person": self.person, "picture": self.picture, "animation": self.animation}

    def load(self, path: Path) -> Clip:
        """The clip in a file; raises as `kinema.io.formats.load_clip`."""
        from kinema.io.formats import load_clip

        return load_clip(path, **self.arguments())


@dataclass(frozen=True)
class FileOptions(SourceOptions):
    """The same, and a joint map."""

    joint_map: Annotated[Path | None, Parameter(name="--map")] = None
    """A joint map (TOML) for skeletons with unknown joint names (docs/retarget.md)."""


@dataclass(frozen=True)
class ConstraintOptions:
    """Constraints that the answer meets exactly (docs/constraints.md). Frames count from 0 in the answer."""

    pin: Annotated[tuple[str, ...], _Flag] = ()
    """Put a joint at a position in metres: r_wrist@40=0.3,1.2,0.5, or r_wrist@40-60=... to hold it. Repeatable."""
    pose: Annotated[tuple[str, ...], _Flag] = ()
    """Take the pose of a frame of another file: 60=other.bvh:0; of some joints or body parts alone:
    60=other.bvh:0:left_arm,right_arm. Repeatable."""
    path: str | None = None
    """Where the root is on the floor, frame:x,z: "0:0,0 60:1.5,0.2", or a CSV file of frame,x,z[,heading]."""
    plant: Annotated[tuple[str, ...], _Flag] = ()
    """Keep a foot still: left@10-30. Repeatable."""
    ground: float | None = None
    """The height of the floor, which no joint goes through."""
    loop: Annotated[bool, _Flag] = False
    """Let the last frame continue into the first."""
    in_place: Annotated[bool, _Flag] = False
    """With --loop: take the travel out."""
    constraints: Path | None = None
    """A JSON file of constraints."""

    def read(self, unit: float | None = None) -> tuple[Constraint, ...]:
        """The constraints; `unit` is metres per unit of what was typed. Raises KinemaError where one cannot be read."""
        from kinema.io.constraints import parse_path, parse_pin, parse_plant, parse_pose, read_constraints
        from kinema.motion.constraints.kinds import Ground, Loop

        scale = unit or 1.0
        found: list[Constraint] = [parse_pin(text, scale) for text in self.pin]
        found += [parse_pose(text) for text in self.pose]
        found += [parse_plant(text) for text in self.plant]
        if self.path is not None:
            found.append(parse_path(self.path, scale))
        if self.ground is not None:
            found.append(Ground(self.ground * scale))
        if self.loop or self.in_place:
            found.append(Loop(self.in_place))
        return (*found, *(read_constraints(self.constraints, scale) if self.constraints else ()))


@dataclass(frozen=True)
class ForecastRequest:
    """Predict what a body does next."""

    verb: ClassVar[Verb] = "forecast"
    seconds: float | None = None
    """How far to predict. Default: as the model was trained."""
    samples: int = 1
    """The number of futures."""
    seed: int = 0
    """The random seed; the same seed gives the same motion."""
    hold: Annotated[tuple[str, ...], _text(names, "PARTS")] = ()
    """Body parts that keep their last pose, relative to the root and in the axes of the world (a held arm does not
    rotate with the body), separated by commas: left_leg, right_leg, torso, left_arm, right_arm, lower, upper. SMRNet
    only."""
    feet: Feet | None = None
    """clean: feet that stand do not slide, and none goes under the floor. keep: feet stay as the model predicts them.
    Default: clean, but for --hold and --end."""

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _check_length(self.seconds, self.samples)
        _check_feet(self.feet)


@dataclass(frozen=True)
class InbetweenRequest:
    """Predict the movement between two clips, or between the key frames of one."""

    verb: ClassVar[Verb] = "inbetween"
    frames: int | None = None
    """Of two clips: the number of new frames between them."""
    keys: _Frames = None
    """Of one clip: the frames to keep, as 0,10,35-40 (counted from 0); the others are predicted."""
    every: int | None = None
    """Of one clip, instead of --keys: keep every Nth frame, and the last."""
    context: int = 0
    """Of two clips: how many more known frames to use before and after the gap. They show how the body moves, and are
    written too. 0: the two poses alone."""
    align: Annotated[bool, _Flag] = False
    """Of two clips: move and rotate the second to the position and heading of the end of the first. Default: keep its
    position."""
    whole: Annotated[bool, _Flag] = False
    """Of two clips: write both completely, with the new frames in between."""
    key_mode: Keys = "exact"
    """exact: known frames stay unchanged. soft: they are noisy, and are smoothed."""
    samples: int = 1
    """How many samples."""
    seed: int = 0
    """The random seed; the same seed gives the same motion."""
    feet: Annotated[bool, _Flag] = False
    """Clean the feet: those that stand do not slide, and none goes under the floor. Known frames stay."""

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _check_keys(self.key_mode)
        _check_length(None, self.samples)
        if (self.frames is not None and self.frames < 1) or self.context < 0:
            raise UsageError(
                expected="--frames 1 or more (frames=) and a context of 0 or more",
                got=f"frames {self.frames}, context {self.context}",
                cure="Use --frames 30, or frames=30 in Python.",
            )
        if self.every is not None and self.every < 1:
            raise UsageError(expected="--every 1 or more", got=f"{self.every}", cure="Use --every 10.")

    def check_two(self) -> int:
        """The number of frames between two clips. Raises UsageError if it is missing, and for keys of one clip."""
        if self.keys is not None or self.every is not None:
            raise UsageError(
                expected="two clips, or key frames of one",
                got="both",
                cure="Leave --keys and --every (keys=) out, or name one clip alone.",
            )
        if self.frames is None:
            raise UsageError(
                expected="the number of frames between two clips: --frames 1 or more (frames=)",
                got="none",
                cure="Use --frames 30, or frames=30 in Python, for a second at 30 per second.",
            )
        return self.frames

    def keys_of(self, count: int) -> tuple[int, ...]:
        """The key frames of one clip of `count` frames. Raises UsageError if they are missing or given twice."""
        keys = self.keys if self.every is None else tuple(sorted({*range(0, count, self.every), count - 1}))
        if keys is None or self.frames is not None or (self.keys is not None and self.every is not None):
            raise UsageError(
                expected="two clips and frames= (--frames 30), or one clip and keys= (--keys 0,10,35 or --every 10)",
                got="one clip and no keys" if keys is None else "one clip and frames, or keys twice",
                cure="Run kinema inbetween A.bvh B.bvh --frames 30 or kinema inbetween A.bvh --keys 0,10,35; in Python "
                "inbetween(a, b, frames=30) or inbetween(a, keys=[0, 10, 35]).",
            )
        return keys


@dataclass(frozen=True)
class UpsampleRequest:
    """Predict the frames between those of a clip."""

    verb: ClassVar[Verb] = "upsample"
    rate: float | None = None
    """The factor of the frame rate: 1 or more, fractions too (2.5)."""
    fps: float | None = None
    """The new frame rate, instead of --rate."""
    key_mode: Keys | None = None
    """exact: known frames stay unchanged. soft: they are noisy, and are smoothed. Default: exact for
    animation, soft for keypoints."""
    seed: int = 0
    """The random seed; the same seed gives the same motion."""
    feet: Annotated[bool, _Flag] = False
    """Clean the feet: those that stand do not slide, and none goes under the floor. Known frames stay, unless
    --key-mode is soft."""

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _check_keys(self.key_mode)
        if (self.rate is None) == (self.fps is None):
            raise UsageError(
                expected="one of rate= and fps= (--rate or --fps)",
                got="neither" if self.rate is None else "both",
                cure="Use --rate 4, or rate=4 in Python, for four times as many frames.",
            )

    def target(self, here: float) -> float:
        """The new rate of a clip of `here` frames per second. Raises UsageError if it is lower."""
        wanted = self.rate if self.rate is not None else (self.fps or 0.0) / here
        if not (math.isfinite(wanted) and wanted >= 1 - 1e-4):
            fewer = wanted * here if 0 < wanted < 1 else here / 2
            raise UsageError(
                expected=f"a rate of 1 or more, or at least {here:g} frames per second",
                got=f"--rate {self.rate:g}" if self.rate is not None else f"--fps {self.fps:g}",
                cure=f"To drop frames: --fps {fewer:g} of `kinema convert IN OUT`, or kn.resample(clip, {fewer:g}).",
            )
        return self.fps if self.fps is not None else here * wanted


@dataclass(frozen=True)
class RepairRequest:
    """Replace missing or damaged frames; good frames stay unchanged."""

    verb: ClassVar[Verb] = "repair"
    frames: _Frames = None
    """The bad frames, if you know them: 12,40-55 (counted from 0, ends included). No others are then searched for."""
    strength: float = 1.0
    """Sensitivity: 2 finds steps half as unusual, 0.5 only the largest. With --key-mode soft it also widens the
    smoothing."""
    key_mode: Keys = "exact"
    """exact: good frames stay unchanged. soft: all frames are smoothed, which removes jitter."""
    seed: int = 0
    """The random seed; the same seed gives the same motion."""
    feet: Annotated[bool, _Flag] = False
    """Clean the feet: those that stand do not slide, and none goes under the floor. Good frames change, too."""

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _check_keys(self.key_mode)
        if not 0 < self.strength < math.inf:
            raise UsageError(expected="a strength above 0", got=f"{self.strength:g}", cure="Use --strength 1.")


@dataclass(frozen=True)
class GenerateRequest:
    """Generate motion of an action, a mixture, or a schedule of actions."""

    verb: ClassVar[Verb] = "generate"
    action: Annotated[str | Labels | None, _text(str, "ACTIONS")] = None
    """One action, or a mixture: walk:0.5,run:0.5 (weights are divided by their sum)."""
    schedule: Annotated[Schedule | None, _text(timetable, "ACTIONS")] = None
    """Actions with start times: walk@0,run@2s."""
    style: Annotated[Labels | None, _text(mixture, "STYLES")] = None
    """The style, for a model that was trained with styles; a mixture as in --action."""
    seconds: float | None = None
    """How long. Default: the length of the training clips."""
    samples: int = 1
    """The number of clips."""
    seed: int = 0
    """The random seed; the same seed gives the same motion."""
    feet: Feet | None = None
    """clean: feet that stand do not slide, and none goes under the floor. keep: feet stay as the model predicts them.
    Default: clean."""

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _check_length(self.seconds, self.samples)
        _check_feet(self.feet)
        if self.action is not None and self.schedule is not None:
            raise UsageError(
                expected="one of --action and --schedule", got="both", cure="Leave --action or --schedule out."
            )

    def labels(self, known: Sequence[str]) -> Labels | Schedule:
        """The label weights, or the schedule of them, for a model with the actions `known`.

        Raises UsageError without an action.
        """
        style = self.style or {}
        if self.schedule is not None:
            return tuple(({**labels, **style}, start) for labels, start in self.schedule)
        if not self.action:
            raise UsageError(
                expected=f"an action among {', '.join(known)}",
                got="none",
                cure=f"Run kinema generate {known[0] if known else 'walk'}.",
            )
        if not isinstance(self.action, str):
            return {**self.action, **style}
        return {**({self.action: 1.0} if self.action in known else mixture(self.action)), **style}


Request = ForecastRequest | InbetweenRequest | UpsampleRequest | RepairRequest | GenerateRequest


def _check_keys(mode: str | None) -> None:
    if mode not in (None, "exact", "soft"):
        raise UsageError(expected="a key mode, exact or soft", got=f"'{mode}'", cure="Use --key-mode soft.")


def _check_feet(feet: str | None) -> None:
    if feet not in (None, "clean", "keep"):
        raise UsageError(expected="feet: clean or keep", got=f"'{feet}'", cure='Use --feet keep, or feet="keep".')


def _check_seed(seed: int) -> None:
    if not isinstance(cast("object", seed), Integral) or not -(2**63) <= seed < 2**63:
        cure = "Use seed=0, or another whole number of less than 19 digits."
        raise UsageError(expected="a seed, a whole number of 64 bits", got=f"{seed!r}", cure=cure)


def _check_length(seconds: float | None, samples: int) -> None:
    numbers = isinstance(cast("object", samples), Integral) and isinstance(cast("object", seconds), Real | None)
    if not numbers:
        got, cure = f"samples={samples!r}, seconds={seconds!r}", "Give numbers: samples=10, seconds=1.5."
        raise UsageError(expected="a whole number of samples, and seconds as a number", got=got, cure=cure)
    if samples < 1 or (seconds is not None and not 0 < seconds < math.inf):
        raise UsageError(
            expected="at least one sample and a positive time",
            got=f"{samples} samples, {'no time' if seconds is None else f'{seconds:g} s'}",
            cure="Use --samples 1 and --seconds 1.",
        )
