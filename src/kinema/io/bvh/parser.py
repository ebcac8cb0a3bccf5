"""BVH as text: the hierarchy and the number block, before anything is known about units or rotations.

Accepted: tabs, any mixture of line ends, keywords in any case, braces on any line, joint names
with spaces, several end sites on one joint, any number of channels, a wrong `Frames:` count. Refused is what would make
the motion wrong, with the line and, in the number block, the frame (the first row is frame 0).
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from kinema.core.errors import damaged
from kinema.core.text import decode, guess_encoding, number

CHANNEL_NAMES: dict[str, str] = {
    f"{axis}{kind}".lower(): f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ"
}
_MOTION = re.compile(rb"^[ \t]*MOTION\b", re.IGNORECASE | re.MULTILINE)
_FRAMES = re.compile(rb"\s*Frames\s*:[ \t]*(\S*)[^\n]*", re.IGNORECASE)
_FRAME_TIME = re.compile(rb"\s*Frame\s+Time\s*:[ \t]*(\S*)[^\n]*", re.IGNORECASE)
MOST_JOINTS = 10_000  # a body with hands, face and cloth has a few hundred
_RUN_TOGETHER = re.compile(rb"(?<=[\d.])(?=-)")
_TOKEN = re.compile(r"[{}]|[^\s{}]+")


@dataclass
class BvhText:
    """What stands in a BVH file. End sites are joints without channels, called `<parent>_end`, `<parent>_end2` ...

    `offsets` and `values` (frame, channel) are in the file's own units and degrees; `channels[j]` in the file's order.
    `notes` says in plain words what was odd and survived.
    """

    joints: list[str] = field(default_factory=list[str])
    parents: list[int] = field(default_factory=list[int])
    offsets: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    channels: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    end_sites: set[int] = field(default_factory=set[int])
    frame_time: str = ""
    frame_time_line: int = 0
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    notes: list[str] = field(default_factory=list[str])
    encoding: str = "utf-8"


def parse_bvh(data: bytes, name: str) -> BvhText:
    """The content of a BVH file; `name` is what errors call it. Raises FormatError naming the line or the frame."""
    encoding = guess_encoding(data)
    if encoding.startswith("utf"):
        data = decode(data)[0].encode() if encoding != "utf-8" else data
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data or data.isspace():
        _fail(name, 0, "a BVH file", "an empty file", "Copy or export it again.")
    if not re.match(rb"\s*HIERARCHY\b", data, re.IGNORECASE):
        _fail(name, 1, "the word HIERARCHY", _glimpse(data), "This is not a BVH file: give its true format.")
    motion = _MOTION.search(data)
    header = data[: motion.start()] if motion else data
    text = header.decode("utf-8" if encoding.startswith("utf") else encoding, errors="replace")
    bvh = _Hierarchy(text, name).read()
    bvh.encoding = encoding
    if motion is None:
        line = text.count("\n") + 1
        _fail(name, line, "the word MOTION after the hierarchy", "the end of the file", "The file is cut short.")
    _read_motion(bvh, data, motion.end(), name)
    return bvh


class _Hierarchy:
    """A walk over the tokens of the header; `open_joints` are the joints whose brace has not closed yet."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.tokens = list(_TOKEN.finditer(text))
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.at = 1  # after HIERARCHY
        self.bvh = BvhText()
        self.open_joints: list[int] = []
        self.place: dict[str, int] = {}  # of every joint by name
        self.last_number: dict[str, int] = {}  # given to joints that share a name

    def read(self) -> BvhText:
        """The tree. Raises FormatError."""
        while self.at < len(self.tokens):
            word = self._take().lower()
            if word == "root" and self.bvh.joints:
                self.fail("one ROOT", "a second one", "Split the file: kinema holds one body per clip.")
            if word == "root" or (word == "joint" and self.open_joints):
                self._open(self._rest_of_line())
            elif word == "end" and self.open_joints:
                self._open(None)
            elif word == "offset" and self.open_joints:
                self.bvh.offsets[self.open_joints[-1]] = (self._number(), self._number(), self._number())
            elif word == "channels" and self.open_joints:
                self._channels()
            elif word == "}" and self.open_joints:
                self.open_joints.pop()
            else:
                expected = (
                    "OFFSET, CHANNELS, JOINT, End Site or a closing brace" if self.open_joints else "ROOT or MOTION"
                )
                self.fail(
                    expected,
                    f"'{self.tokens[self.at - 1].group()}'",
                    "Export the file again, or write what is expected in that line.",
                )
        if self.open_joints:
            joint = self.bvh.joints[self.open_joints[-1]]
            got = f"the end of the hierarchy with {len(self.open_joints)} still open"
            self.fail(f"a closing brace for '{joint}'", got, "The file is cut short, or its braces do not close.")
        if not self.bvh.joints:
            self.fail("a ROOT joint", "none", "The file is cut short.")
        return self.bvh

    def _open(self, called: str | None) -> None:
        """A joint of that name, or an end site (None), below the joint that is open."""
        bvh, parent = self.bvh, self.open_joints[-1] if self.open_joints else -1
        if called is None:
            self._rest_of_line()  # "Site", and whatever a comment says
            bvh.end_sites.add(len(bvh.joints))
            called = f"{bvh.joints[parent]}_end"
        elif not called:
            self.fail("a joint name", "none", "Name every joint.")
        elif self.place.get(called) in self.open_joints:
            self.fail("a tree", f"a cycle: '{called}' hangs below itself", "Rename one of the two joints.")
        elif called in self.place:
            bvh.notes.append(f"line {self._line()}: a second joint is called '{called}'; it was given a number")
        if len(bvh.joints) == MOST_JOINTS:
            self.fail(f"at most {MOST_JOINTS} joints", "more", "Split the file: kinema holds one body per clip.")
        unique, count = called, self.last_number.get(called, 1)
        while unique in self.place:
            count += 1
            unique = f"{called}{count}"
        self.last_number[called] = count
        self.place[unique] = len(bvh.joints)
        if (word := self._take()) != "{":
            self.fail(f"an opening brace after '{called}'", f"'{word}'", "A brace is missing.")
        self.open_joints.append(len(bvh.joints))
        bvh.joints.append(unique)
        bvh.parents.append(parent)
        bvh.offsets.append((0.0, 0.0, 0.0))
        bvh.channels.append(())

    def _channels(self) -> None:
        joint = self.open_joints[-1]
        count = self._take()
        if not _is_count(count):
            self.fail("the number of channels", f"'{count}'", "Write CHANNELS, a number, and as many channel names.")
        names: list[str] = []
        for _ in range(int(count)):
            word = self._take()
            known = "Wrotation" if word.lower() == "wrotation" else CHANNEL_NAMES.get(word.lower())
            if known is None:
                self.fail(
                    f"{count} channels among {', '.join(CHANNEL_NAMES.values())}", f"'{word}'", "Use these names only."
                )
            names.append(known)
        turns = "".join(channel[0] for channel in names if channel.endswith("rotation"))
        places = [channel for channel in names if channel.endswith("position")]
        quaternion = sorted(turns) == ["W", "X", "Y", "Z"]
        if (
            not quaternion and (len(turns) > 3 or "W" in turns or any(a == b for a, b in itertools.pairwise(turns)))
        ) or len({*places}) < len(places):
            self.fail(
                "each channel once, and at most three rotations or the four of a quaternion (W, X, Y, Z)",
                " ".join(names),
                "Name each channel once in the CHANNELS line.",
            )
        self.bvh.channels[joint] = tuple(names)

    def _take(self) -> str:
        if self.at >= len(self.tokens):
            self.fail("more of the hierarchy", "the end of the file", "The file is cut short.")
        self.at += 1
        return self.tokens[self.at - 1].group()

    def _rest_of_line(self) -> str:
        """What stands between here and the end of the line or the brace on it."""
        line, first = self._line(), self.at
        while self.at < len(self.tokens) and self._line(self.at) == line and self.tokens[self.at].group() not in "{}":
            self.at += 1
        return self.text[self.tokens[first].start() : self.tokens[self.at - 1].end()] if self.at > first else ""

    def _number(self) -> float:
        word = self._take()
        value = number(word)
        if value is None or not np.isfinite(value):
            self.fail("three finite numbers after OFFSET", f"'{word}'", "Write three numbers, such as OFFSET 0 10 0.")
        return value

    def _line(self, token: int | None = None) -> int:
        place = self.tokens[min(self.at - 1 if token is None else token, len(self.tokens) - 1)].start()
        return bisect.bisect_right(self.line_starts, place)

    def fail(self, expected: str, got: str, cure: str) -> NoReturn:
        """Raises FormatError at the line of the token last taken."""
        _fail(self.name, self._line(), expected, got, cure)


def _read_motion(bvh: BvhText, data: bytes, start: int, name: str) -> None:
    """Frame count, frame time and the number block, which begins behind them."""

    def line(place: int) -> int:
        return data.count(b"\n", 0, place) + 1

    frames = _FRAMES.match(data, start)
    if frames is None:
        _fail(name, line(start) + 1, "'Frames:' after MOTION", _glimpse(data[start:]), "The file is cut short.")
    declared = frames.group(1).decode(errors="replace")
    if not _is_count(declared):
        _fail(
            name,
            line(frames.start(1)),
            "a whole number of frames",
            f"'{declared}'",
            "Write a line such as Frames: 120.",
        )
    time = _FRAME_TIME.match(data, frames.end())
    if time is None:
        _fail(name, line(frames.end()) + 1, "'Frame Time:'", _glimpse(data[frames.end() :]), "The file is cut short.")
    bvh.frame_time = time.group(1).decode(errors="replace")
    bvh.frame_time_line = line(time.start(1))
    width = sum(len(channels) for channels in bvh.channels)
    if width == 0:
        _fail(name, line(start), "at least one channel", "a hierarchy without any", "Export the motion with channels.")
    rows = data[time.end() :].split(b"\n")
    bvh.values = _numbers(rows, width, int(declared), line(time.end()), name, bvh.notes)
    if int(declared) != len(bvh.values):
        bvh.notes.append(f"'Frames:' says {declared} but {len(bvh.values)} are there; all of those were read")


def _numbers(
    rows: list[bytes], width: int, declared: int, first_line: int, name: str, notes: list[str]
) -> NDArray[np.float64]:
    """The rows. One call parses them all; only where that fails are they gone through, to say which is wrong."""
    empty = not any(row.strip() for row in rows)
    try:
        values = np.zeros((0, 0)) if empty else np.loadtxt(rows, comments=None, ndmin=2)
    except ValueError:
        values = np.zeros((0, 0))
    if values.shape[1] not in (0, width) or (not values.size and not empty):
        values = _wrapped(rows, width, declared)
        if not values.size and (split := _split(rows, width)) is not None:
            notes.append("some numbers have no blank between them, as in 0.0000-0.0000; they were read as two")
            values = split
    if values.shape[1] != width or not np.isfinite(values).all():
        _explain(rows, width, declared, first_line, name)
    return values


def _wrapped(rows: list[bytes], width: int, declared: int) -> NDArray[np.float64]:
    """Some exporters break a frame over several lines: welcome where the numbers are exactly as many as declared."""
    counts = [len(row.split()) for row in rows]
    if sum(counts) != width * declared or max(counts) >= width:
        return np.zeros((0, 0))
    try:
        return np.array(b" ".join(rows).split(), dtype=np.float64).reshape(-1, width)
    except ValueError:
        return np.zeros((0, 0))


def _split(rows: list[bytes], width: int) -> NDArray[np.float64] | None:
    """Rows in which a minus sign stands right after a digit: two numbers without a blank, where the count then fits."""
    apart = [_RUN_TOGETHER.sub(b" ", row) for row in rows]
    try:
        values = np.loadtxt(apart, comments=None, ndmin=2) if apart != rows else np.zeros((0, 0))
    except ValueError:
        return None
    return values if values.shape[1] == width else None


def _explain(rows: list[bytes], width: int, declared: int, first_line: int, name: str) -> NoReturn:
    """The error for a number block that is not whole: the first row that is wrong, and how."""
    frame = 0
    for line, row in enumerate(rows, start=first_line):
        words = row.decode(errors="replace").split()
        if not words:
            continue
        where = f"{name}, line {line}, frame {frame}"
        for word in words:
            value = number(word)
            if value is None or not math.isfinite(value):
                cure = "Repair the row, or cut the clip before it."
                if _RUN_TOGETHER.search(word.encode()):
                    cure = "Put a blank before the minus sign."
                raise damaged(where, "finite numbers", f"'{word[:40]}'", cure)
        if len(words) != width:
            last = not any(later.strip() for later in rows[line - first_line + 1 :])
            cure = "The file is cut short: copy or export it again." if last else "Repair the row, or export it again."
            raise damaged(where, f"{width} numbers", str(len(words)), cure)
        frame += 1
    got = "zero frames" if declared == 0 else f"none ('Frames:' says {declared})"
    _fail(name, first_line, "at least one frame of numbers", got, "The file is cut short: copy or export it again.")


def _is_count(word: str) -> bool:
    return word.isdecimal() and len(word) < 19


def _glimpse(data: bytes) -> str:
    """The first word of what is there instead, fit for one line."""
    words = data[:200].split()
    word = words[0][:24].decode("ascii", errors="replace") if words else ""
    return f"'{word}'" if word.isprintable() and word else ("the end of the file" if not words else "binary data")


def _fail(name: str, line: int, expected: str, got: str, cure: str) -> NoReturn:
    raise damaged(name, expected, got, cure, line=line)
