"""Which axis of a file is up: found where the motion shows it clearly, said in one line, or as the caller says."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

from kinema.core.errors import KinemaWarning, UsageError
from kinema.motion.motion import Clip, Motion
from kinema.motion.orientation import AXES, Up, find_up, rests_along, with_up

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
