"""What becomes of a sound file: bytes that flip, counts that lie, numbers that are none, nests without end."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Mutator = Callable[[random.Random, bytes], bytes]
NUMBERS = (
    "0",
    "-1",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "1e38",
    "9223372036854775808",
    "4294967296",
    "-0",
    "99999999999",
    "1000000",
    "65537",
    "²",
    "٣",
    "1_0",
    "",
    "0x10",
    "1e",
    "--1",
    "9" * 5000,
    "1e-30",
    "true",
    "null",
)
WORDS = (
    "\x00",
    "\u202e",
    "é",
    "😀",
    "\ud800",
    "\ufeff",
    "𝟘",
    "\r",
    "\n\n",
    "{",
    "}",
    "[",
    '"',
    ",",
    "MOTION",
    "A" * 70000,
)
COUNTS = (0, 1, -1, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**62, 2**63 - 1, -(2**63))
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    10**400,
    0.5,
    -1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "é\x00",
    "1",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    [[[]]] * 3,
    ["x", 1],
    "A" * 70000,
    "\ud800",
    65,
    1000003,
    [[1.0] * 3] * 2,
)


class Runs:
    """Runs a command when it is unpickled; the command leaves a mark."""

    def __reduce__(self) -> Any:
        return os.system, ("touch it_ran",)


def flip(chance: random.Random, data: bytes) -> bytes:
    """A few bytes of another value."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if out:
            out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def cut(chance: random.Random, data: bytes) -> bytes:
    """The beginning only."""
    return data[: chance.randrange(len(data) + 1)]


def splice(chance: random.Random, data: bytes) -> bytes:
    """A stretch taken out, written twice, zeroed, or put elsewhere."""
    first, last = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    last = min(last, first + chance.choice((1, 8, 64, 4096)))
    piece, place = data[first:last], chance.randrange(len(data) + 1)
    return chance.choice(
        (
            data[:first] + data[last:],
            data[:last] + piece + data[last:],
            data[:first] + bytes(len(piece)) + data[last:],
            data[:place] + piece + data[place:],
            data[:last] + piece * 1000 + data[last:],
        )
    )


def count(chance: random.Random, data: bytes) -> bytes:
    """Four or eight bytes, as headers keep counts in them, of an extreme."""
    size = chance.choice((2, 4, 8))
    place = chance.randrange(max(len(data) - size, 1))
    number = chance.choice(COUNTS) % (1 << (8 * size))
    return data[:place] + number.to_bytes(size, chance.choice(("little", "big"))) + data[place + size :]


def number(chance: random.Random, data: bytes) -> bytes:
    """A number in the text replaced."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?", data))
    if not found:
        return flip(chance, data)
    one = chance.choice(found)
    return data[: one.start()] + chance.choice(NUMBERS).encode() + data[one.end() :]


def word(chance: random.Random, data: bytes) -> bytes:
    """A word in the text replaced, or something odd put in."""
    found = list(re.finditer(rb"[A-Za-z_]+|[{}\[\],:\"]", data))
    place = chance.choice(found).span() if found and chance.random() < 0.6 else (chance.randrange(len(data) + 1),) * 2
    put = chance.choice(WORDS).encode("utf-8", "surrogatepass")
    return data[: place[0]] + put + data[place[1] :]


def lines(chance: random.Random, data: bytes) -> bytes:
    """Lines lost, repeated many times over, swapped."""
    rows = data.split(b"\n")
    place, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    kind = chance.randrange(3)
    if kind == 0:
        del rows[place : place + chance.choice((1, 1, 5))]
    elif kind == 1:
        rows[place:place] = rows[place : place + chance.choice((1, 5))] * chance.choice((1, 100, 3000))
    else:
        rows[place], rows[other] = rows[other], rows[place]
    return b"\n".join(rows)


def deep_joints(chance: random.Random, data: bytes) -> bytes:
    """A tower of joints, or thousands of them side by side, of one name or of many."""
    deep, many = chance.choice((50, 3000, 40000)), chance.random() < 0.5
    begin = [f"JOINT {'J' if many else f'J{i}'}\n{{\nOFFSET 0 1 0\nCHANNELS 0\n" for i in range(deep)]
    put = "".join(f"{one}}}\n" for one in begin) if chance.random() < 0.5 else "".join(begin) + "}\n" * deep
    place = data.find(b"JOINT")
    return data[:place] + put.encode() + data[place:]


def json_node(chance: random.Random, data: bytes) -> bytes:
    """A value somewhere in the tree replaced, lost, renamed, or exchanged for another part of it."""
    try:
        page = json.loads(data)
    except (ValueError, RecursionError):
        return flip(chance, data)
    depths: list[list[tuple[Any, Any]]] = []
    level = [page]
    while level:
        depths.append([(node, key) for node in level for key in (node if isinstance(node, dict) else range(len(node)))])
        level = [node[key] for node, key in depths[-1] if isinstance(node[key], dict | list)]
    places = [place for depth in depths for place in depth]
    for _ in range(chance.choice((1, 1, 1, 3))):
        if not places:
            return json.dumps(chance.choice(VALUES)).encode()
        # As often near the root, where there are few, as among thousands of numbers.
        node, key = chance.choice(chance.choice([depth for depth in depths if depth]))
        kind = chance.randrange(6)
        if kind == 0 and isinstance(node, dict):
            node.pop(key, None)
        elif kind == 1 and isinstance(node, dict):
            node[chance.choice(("kind", "", "x", "é"))] = node.pop(key, None)
        elif kind == 2:
            other, its = chance.choice(places)
            swapped = json.dumps(other[its] if not isinstance(other, dict) or its in other else 0)
            _put(node, key, json.loads(swapped))
        elif kind == 3 and isinstance(node, list):
            del node[chance.randrange(len(node) or 1) :]
        else:
            _put(node, key, chance.choice(VALUES))
    return json.dumps(page).encode("utf-8", "surrogatepass")


def _put(node: Any, key: Any, value: Any) -> None:
    if isinstance(node, dict) or key < len(node):
        node[key] = value


def nest(chance: random.Random, data: bytes) -> bytes:
    """A tower of brackets in the place of some value."""
    deep = chance.choice((200, 5000, 200000))
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
    inner = "1" if opening != "[" else ""
    place = re.search(rb"[:\[,]\s*", data[chance.randrange(len(data) or 1) :])
    tower = (opening * deep + inner + closing * deep).encode()
    return tower if place is None else data[: place.end()] + tower + data[place.end() :]


def npz(chance: random.Random, data: bytes) -> bytes:
    """An array of an archive replaced by another, lost, or with a header that lies."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError):
        return flip(chance, data)
    name = chance.choice(sorted(members))
    kind = chance.randrange(7)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[name] = chance.choice((flip, cut, splice, count))(chance, members[name])
    elif kind == 2:
        members[name] = _lie(chance, members[name])
    elif kind == 3:
        members[chance.choice(("x.npy", "../x.npy", "x", name.upper()))] = members.pop(name)
    else:
        members[name] = _array(chance, members[name])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for one, contents in members.items():
            archive.writestr(one, contents)
    return out.getvalue()


def _lie(chance: random.Random, member: bytes) -> bytes:
    """A header with another shape or kind of numbers."""
    shape = chance.choice(
        (b"(10995116277760,)", b"(-1,)", b"(2,)", b"()", b"(0,)", b"(3, 3, 3)", b"(1e9,)", b"(9999, 9999, 99)")
    )
    kind = chance.choice((b"'<f4'", b"'|O'", b"'<U9'", b"'>i8'", b"'<c16'", b"'<M8[s]'", b"[('a', '<f4')]", b"'|V0'"))
    return (
        re.sub(rb"'shape': \([^)]*\)", b"'shape': " + shape, member, count=1)
        if chance.random() < 0.6
        else re.sub(rb"'descr': '[^']*'", b"'descr': " + kind, member, count=1)
    )


def _array(chance: random.Random, member: bytes) -> bytes:
    try:
        before = np.load(io.BytesIO(member), allow_pickle=False)
    except ValueError:
        before = np.zeros(3)
    plain = before.astype(float, copy=True) if before.dtype.kind in "fiub" else np.zeros(before.shape)
    spoilt = plain.copy()
    if spoilt.size:
        spoilt.reshape(-1)[chance.randrange(spoilt.size)] = chance.choice((np.nan, np.inf, 1e300, -1, 2**40, 1e-320))
    others = (
        spoilt,
        spoilt,
        before[..., None],
        before.reshape(-1),
        np.zeros(0),
        np.array(7.0),
        np.array("text"),
        before.astype(str),
        plain.astype(complex),
        plain > 0,
        before[:0] if before.ndim else before,
        plain * 1e300,
        np.array([b"x"]),
        np.array([Runs()], dtype=object),
        np.zeros(before.shape[::-1]),
        np.array(["\ud800"]),
        -plain,
        plain.astype(np.float16),
    )
    out = io.BytesIO()
    np.save(out, chance.choice(others), allow_pickle=True)
    return out.getvalue()


def pickled(chance: random.Random, data: bytes) -> bytes:
    """Something that runs put among what a pickle holds, or an opcode that asks for a lot."""
    asks = (
        b"r" + struct.pack("<I", 0xFFFFFFF0) + b"0",
        b"p4000000000\n",
        b"\x8e" + struct.pack("<Q", 2**40),
        b"B\xff\xff\xff\x7f",
        b"\x8a\xff" + b"\x7f" * 255,
        b"\x8b\xff\xff\xff\x7f",
        b"\x96" + struct.pack("<Q", 2**33),
        b"(" * 100000,
        b"]" * 100000,
        b"cos\nsystem\n(S'touch it_ran'\ntR",
        b'c__builtin__\neval\n(S\'open("it_ran", "w")\'\ntR',
        b"\x95" + struct.pack("<Q", 2**50),
        b"I" + b"9" * 5000 + b"\n",
        b"}" + b")" + b"\x85" * 300000 + b"K\x01s.",
        b"}" + b"(" * 3 + b"u",
        b"\x82\x01",
        b"cnumpy\nndarray\n)\x81",
        b"Q",
        b"Pxx\n",
        b"(lI1\na",
    )
    kind = chance.randrange(4)
    if kind == 0:
        return pickle.dumps({"a": np.ones(2), "b": Runs()}, protocol=chance.randrange(6))
    place = chance.randrange(len(data) + 1)
    if kind == 1:
        return data[:place] + chance.choice(asks) + data[place:]
    if kind == 2:  # right at the beginning, where it is certainly an opcode
        return data[:2] + chance.choice(asks) + data[2:]
    return chance.choice((flip, cut, splice, count, number))(chance, data)


def safetensors(chance: random.Random, data: bytes) -> bytes:
    """Another header, of the right length or not."""
    length = int.from_bytes(data[:8], "little")
    header = chance.choice((json_node, nest, number, word, flip))(chance, data[8 : 8 + length])
    claimed = chance.choice((len(header), len(header), len(header), *(abs(one) for one in COUNTS)))
    return claimed.to_bytes(8, "little") + header + data[8 + length :]


def inside_zip(*mutators: Mutator) -> Mutator:
    """A member of an archive changed by one of these."""

    def mutate(chance: random.Random, data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = chance.choice(sorted(members))
        members[name] = chance.choice(mutators)(chance, members[name])
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for one, contents in members.items():
                archive.writestr(one, contents)
        return out.getvalue()

    return mutate


def inside_zlib(*mutators: Mutator) -> Mutator:
    """What a compressed file holds, changed by one of these and compressed again."""

    def mutate(chance: random.Random, data: bytes) -> bytes:
        return zlib.compress(chance.choice(mutators)(chance, zlib.decompress(data)))

    return mutate


def inside_glb(chance: random.Random, data: bytes) -> bytes:
    """The JSON of a GLB changed, its sizes put right."""
    size = int.from_bytes(data[12:16], "little")
    text = json_node(chance, data[20 : 20 + size])
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    lengths = (20 + len(text) + len(rest)).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return data[:8] + lengths + b"JSON" + text + rest


def npy_pickle(chance: random.Random, data: bytes) -> bytes:
    """The pickle behind the header of an array of objects."""
    start = 10 + int.from_bytes(data[8:10], "little")
    return data[:start] + pickled(chance, data[start:])


def bomb(chance: random.Random, data: bytes) -> bytes:
    """An archive of the same names whose first member unpacks to more than two gigabytes of zeros."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError):
        names = ["a.npy"]
    name, stretch, times = chance.choice(names), bytes(1 << 20), chance.choice((2100, 2100, 10000))
    count = (times << 20) // 4
    header = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
    said = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}"
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = squeeze.compress(header + said.ljust(117).encode() + b"\n") + squeeze.flush(zlib.Z_FULL_FLUSH)
    middle = squeeze.compress(stretch) + squeeze.flush(zlib.Z_FULL_FLUSH)
    raw = first + middle * times + squeeze.flush()
    size = 128 + (times << 20)
    return _one_member(name.encode(), raw, size)


def _one_member(name: bytes, raw: bytes, size: int) -> bytes:
    """A zip archive of one deflated member; its checksum is wrong, which shows only at the end of reading it."""
    facts = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(raw), min(size, 2**32 - 2), len(name), 0)
    local = b"PK\x03\x04" + facts + name + raw
    central = b"PK\x01\x02" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


BYTES: tuple[Mutator, ...] = (flip, flip, cut, splice, count)
TEXT: tuple[Mutator, ...] = (number, number, number, word, lines, *BYTES)
JSON: tuple[Mutator, ...] = (json_node, json_node, json_node, json_node, nest, number, word, *BYTES)
NPZ: tuple[Mutator, ...] = (npz, npz, npz, npz, npz, *BYTES)
