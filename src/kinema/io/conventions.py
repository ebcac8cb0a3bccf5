"""What files do not say: the length of a unit, the rate behind a rounded frame time, and which axis is up."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from kinema.core.errors import FormatError, KinemaWarning, UsageError, damaged, unknown_name, warn_of_file
from kinema.motion.motion import Clip, Motion
from kinema.motion.orientation import AXES, Up, find_up, rests_along, with_up

# The first is what nearly every exporter writes. Their ranges for a standing body do not overlap.
UNITS: dict[str, float] = {"cm": 0.01, "m": 1.0, "mm": 0.001, "inch": 0.0254, "ASF unit": 0.0254 / 0.45}
STANDING = (1.1, 2.3)  # metres: from a child to somebody tall who holds up a hand
MILLISECONDS = 4.0
"""A frame time from here on counts milliseconds: nobody records a frame every four seconds."""
_USUAL_RATES = (24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 144, 150, 180, 200, 240, 250, 300, 360, 480, 500, 1000)


def check_one(clip: Clip) -> None:
    """Raises UsageError for a clip with batch axes, where a file holds one clip."""
    if clip.batch_shape:
        got = f"a batch of shape {tuple(clip.batch_shape)}"
        raise UsageError(expected="one clip", got=got, cure="Save one at a time: clip.one(0).")


def no_rate(where: str, what: str, option: str = "--source-fps 30 (fps=30)") -> FormatError:
    """The error about a file of `what`, which does not say its frame rate."""
    return damaged(where, f"a frame rate, which {what} does not hold", "none", f"Say it: {option}.")


def one_person(file: Path, people: Sequence[str], person: str | None, length: Callable[[str], int]) -> str:
    """One of the people in a file: the one who is asked for, else who is there longest, and a KinemaWarning says so.

    Raises UsageError for a person who is not there.
    """
    if person is not None and person not in people:
        raise unknown_name("person", person, people)
    if person is None and len(people) > 1:
        person = max(people, key=length)
        names = ", ".join(people)
        warn_of_file(file, f"{len(people)} people ({names}); {person}, who is there longest, is taken: --person NAME")
    return people[0] if person is None else person


def infer_unit(size: float) -> tuple[float, bool]:
    """Metres per file unit for a body `size` file units tall, and whether that makes it a plausible body.

    Where no unit does, the answer is the centimetre, and False.
    """
    low, high = STANDING
    for unit in UNITS.values():
        if low <= size * unit <= high:
            return unit, True
    return UNITS["cm"], False


def metres_or(file: Path, size: float) -> float:
    """Metres per unit of a file that counts metres by its standard: another unit only where the body fits no metre.

    A KinemaWarning says where another one was taken.
    """
    unit, plausible = infer_unit(size)
    if not plausible or unit == 1.0:
        return 1.0
    body = f"the body is then {size * unit:.2f} m"
    warn_of_file(file, f"the unit is taken to be the {unit_name(unit)} because {body}; --unit overrides it")
    return unit


def unit_name(unit: float) -> str:
    """ "cm", "m", "mm", "inch", "ASF unit", or the number of metres."""
    return next((name for name, metres in UNITS.items() if math.isclose(unit, metres, rel_tol=1e-4)), f"{unit:g} m")


def frame_rate(frame_time: str) -> float:
    """Frames per second of a frame time as it is written: 1 / frame time, free of the rounding of the text.

    A text is a rounding of 1/n where it differs from it by less than one unit of its last digit. It is taken for that
    rate where n is one of the usual rates and within 1.5 %, or any whole number and within 0.01 %: .0083333 is 120,
    0.033 is 30, 0.0417083 stays 23.976. From 4 on the number is taken as milliseconds.
    A text that is no time gives 0.
    """
    try:
        seconds, exponent = float(frame_time), Decimal(frame_time.strip()).as_tuple().exponent
    except (ValueError, ArithmeticError):
        return 0.0
    if not 1e-9 < seconds < math.inf:
        return 0.0
    if seconds >= MILLISECONDS:
        seconds, exponent = seconds / 1000, exponent - 3 if isinstance(exponent, int) else exponent
    rate = 1 / seconds
    last_digit = 10.0**exponent if isinstance(exponent, int) else 0.0
    usual = min(_USUAL_RATES, key=lambda n: abs(1 / n - seconds))
    for whole, tolerance in ((usual, 0.015), (max(round(rate), 1), 1e-4)):
        if abs(1 / whole - seconds) < last_digit and abs(whole - rate) <= tolerance * rate:
            return float(whole)
    return rate


UpAxis = Literal["x", "y", "z", "-x", "-y", "-z", "keep"]
"""The axis of a file that is up; "keep": leave it as it is, whatever the motion shows."""


def upright(clip: Clip, up: str | None, name: str, *, unsaid: str = "", usual: str | None = None) -> Clip:
    """The clip with y up. `up` is the file's axis; None: what the motion shows, where that is clear.

    A BVH is written in its own axes again. Where the motion shows no axis, it is the `usual` one of such files. Warns
    where an axis was found and, with `unsaid` (what the file lacks), where none was. Raises UsageError for an unknown
    axis.
    """
    if up not in (None, "keep", *AXES):
        raise UsageError(expected=f"an axis: {', '.join(AXES)}, or keep", got=f"'{up}'", cure="Say --up z.")
    if up in ("keep", "y") or clip.points().positions.shape[-1] != 3:
        return clip
    if up is None:
        found = find_up(clip)
        if not found.clear and usual is not None:
            found = Up(usual, clear=True, reason="as such files have it")
        if not found.clear and unsaid:
            warnings.warn(f"{name}: {unsaid}; y is taken to be up, --up z says otherwise", KinemaWarning, stacklevel=4)
        if not found.clear or found.axis == "y":
            return clip
        up = found.axis
        note = f"{up} is up in this file ({found.reason}); it is read with y up. --up keep leaves it as it is"
        warnings.warn(f"{name}: {note}", KinemaWarning, stacklevel=4)
    turned = with_up(clip, up)
    if isinstance(turned, Motion) and turned.layout is not None:
        layout = replace(turned.layout, up=up, rest_turned=rests_along(clip.skeleton, up))
        turned = replace(turned, layout=layout)
    return turned
