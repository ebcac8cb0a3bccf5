"""How a file was written, kept so that it can be written back the same way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileLayout:
    """What a BVH says beyond the motion itself.

    `channels[j]` are the joint's channel names in the file's order, empty for an end site; `unit` is the length of one
    file unit in metres (0.01 for centimetres); `frame_time` is the text of the `Frame Time:` line as it stood there;
    `root_offset` the OFFSET of the root, in file units, which a root with position channels does not use.
    """

    joints: tuple[str, ...]
    channels: tuple[tuple[str, ...], ...]
    unit: float
    frame_time: str
    root_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
