"""Pickles from strangers: arrays and containers come out, nothing else is so much as looked up."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError
from kinema.core.safe_pickle import read_object_npz, read_pickle, read_torch

HOLDINGS = {
    "S1": {"Walking 1": np.arange(24, dtype=np.float32).reshape(2, 4, 3)},
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "swapped": np.arange(3, dtype=">i4"),
    "words": np.array(["a", "longer"]),
    "true": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "objects": np.array([{"deep": np.ones(2)}, None], dtype=object),
    "scalar": np.float32(1.5),
    "more": (1, 2.5, "text", b"bytes", None, [1, {2}], frozenset({3}), collections.OrderedDict(a=1)),
}


class Runs:
    """An object whose unpickling calls a function."""

    def __init__(self, function: Any, *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def same(found: Any, meant: Any) -> None:
    if isinstance(meant, np.ndarray) and meant.dtype != object:
        assert found.dtype == meant.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, meant)
    elif isinstance(meant, dict):
        assert list(found) == list(meant)
        for key in meant:
            same(found[key], meant[key])
    elif isinstance(meant, list | tuple | np.ndarray):
        assert type(found) is type(meant)
        assert len(found) == len(meant)
        for one, other in zip(found, meant, strict=True):
            same(one, other)
    else:
        assert found == meant
        assert type(found) is type(meant)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("modules", ["numpy.core", "numpy._core"])
def test_arrays_and_containers_come_back(protocol: int, modules: str, tmp_path: Path) -> None:
    path = tmp_path / "holdings.pkl"
    written = _unframed(pickle.dumps(HOLDINGS, protocol=protocol))
    if modules == "numpy.core":
        # What numpy 1 writes; the lengths in front of protocol 4's names change with them.
        for name in (b"multiarray", b"numeric"):
            new, old = b"numpy._core." + name, b"numpy.core." + name
            written = written.replace(b"\x8c" + bytes([len(new)]) + new, b"\x8c" + bytes([len(old)]) + old)
            written = written.replace(b"c" + new, b"c" + old)
    path.write_bytes(written)
    same(read_pickle(path), HOLDINGS)


def _unframed(written: bytes) -> bytes:
    """The pickle without its frames, so that it stays true when its length changes."""
    for opcode, _, place in reversed(list(pickletools.genops(written))):
        if opcode.name == "FRAME" and place is not None:
            written = written[:place] + written[place + 9 :]
    return written


def test_what_is_shared_stays_shared_and_what_turns_back_on_itself_is_read(tmp_path: Path) -> None:
    both = np.ones(3)
    knot: list[Any] = [both, {"again": both}]
    knot.append(knot)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(knot))
    found: Any = read_pickle(tmp_path / "a.pkl")
    assert found[0] is found[1]["again"]
    assert found[2] is found
    laughs: list[Any] = [both]
    for _ in range(60):  # 2**60 visits, were each counted
        laughs = [laughs, laughs]
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(laughs))
    read_pickle(tmp_path / "b.pkl")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    ("evil", "named"),
    [
        (lambda mark: Runs(os.system, f"touch {mark}"), r"(posix|nt)\.system"),
        (lambda mark: Runs(eval, f"open({str(mark)!r}, 'w')"), r"builtins\.eval|__builtin__\.eval"),
        (lambda mark: Runs(open, str(mark), "w"), r"io\.open|_io\.open"),
        (lambda mark: Runs(getattr, str(mark), "join"), r"getattr"),
        (lambda mark: Fraction(1, 2), r"fractions\.Fraction"),
        (lambda mark: Path(mark), r"pathlib"),
        (lambda mark: np.datetime64("2020-01-01"), "array of 'M8'"),
    ],
)
def test_anything_else_is_refused_by_name_and_not_run(evil: Any, named: str, protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "it_ran"
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"a": np.ones(3), "b": [evil(mark)]}, protocol=protocol))
    with pytest.raises(FormatError, match=named) as caught:
        read_pickle(path)
    assert str(path) in str(caught.value)
    np.savez(tmp_path / "evil.npz", positions_3d=np.array({"a": evil(mark)}, dtype=object))
    with pytest.raises(FormatError, match=named):
        read_object_npz(tmp_path / "evil.npz", "positions_3d")
    torch.save({"a": torch.ones(3), "b": evil(mark)}, tmp_path / "evil.pt")
    with pytest.raises(FormatError, match=named):
        read_torch(tmp_path / "evil.pt")
    assert not mark.exists()


# Opcodes by hand: what no honest pickler writes.
@pytest.mark.parametrize(
    "opcodes",
    [
        b"cnumpy.core.multiarray\n_reconstruct\n(d}S'__defaults__'\nI1\nstb.",  # attributes of a function
        b"cnumpy.core.multiarray\n_reconstruct\nN}S'_make'\nI1\ns\x86b.",
        b"cnumpy\ndtype\n(S'V8'\ntR.",  # raw memory
        b"cnumpy\ndtype\n.",  # a bare global
        b"cnumpy\nndarray\n(I3\ntR.",
        b"cbuiltins\nset\n)\x81.",  # a class where a function is
        b"(cnumpy.core.multiarray\n_reconstruct\ncbuiltins\nset\n(I0\ntS'b'\ntR.",
        b"Pelsewhere\n.",  # a persistent id
        b"\x82\x01.",  # the extension registry
        b"garbage",
        b"",
    ],
)
def test_crafted_and_damaged_ones_are_refused(opcodes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "crafted.pkl"
    path.write_bytes(opcodes)
    with pytest.raises(FormatError, match="crafted"):
        read_pickle(path)


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps(np.arange(6, dtype=np.uint8), protocol=2)
    (tmp_path / "a.pkl").write_bytes(whole.replace(b"K\x06\x85", b"K\xff\x85"))
    with pytest.raises(FormatError, match=r"shape \(255,\)"):
        read_pickle(tmp_path / "a.pkl")


def test_an_object_in_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, positions_3d=np.array(HOLDINGS, dtype=object), plain=np.ones(3))
    same(read_object_npz(path, "positions_3d"), HOLDINGS)
    with pytest.raises(FormatError, match="called other; got positions_3d, plain"):
        read_object_npz(path, "other")
    with pytest.raises(FormatError, match="an array of float64"):
        read_object_npz(path, "plain")
    np.savez(path, many=np.array([1, None], dtype=object))
    with pytest.raises(FormatError, match="one object"):
        read_object_npz(path, "many")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(FormatError, match="an NPZ archive"):
        read_object_npz(path, "many")


@pytest.mark.parametrize("archive", [True, False], ids=["since 1.6", "before"])
def test_tensors_come_back(archive: bool, tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    held = {
        "turned": base.T,
        "part": base[1:, ::2],
        "half": base.bfloat16(),
        "counts": torch.tensor([1, 2]),
        "nothing": torch.empty(0, 3),
        "flag": torch.tensor(True),
        "state": torch.nn.Linear(3, 2).state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "epoch": 3,
        "numpy": np.ones(2),
    }
    path = tmp_path / "model.pth"
    torch.save(held, path, _use_new_zipfile_serialization=archive)
    found: Any = read_torch(path)
    for key in ("turned", "part", "half", "counts", "nothing", "flag"):
        assert found[key].dtype == held[key].dtype
        assert torch.equal(found[key], held[key])
    assert torch.equal(found["state"]["weight"], held["state"]["weight"])
    assert torch.equal(found["parameter"], torch.ones(2))
    assert found["epoch"] == 3
    same(found["numpy"], held["numpy"])


def test_tensors_beyond_their_numbers_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({"w": torch.arange(4.0)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in parts if name.endswith("data.pkl"))
    assert b"K\x00K\x04\x85" in parts[pickled]
    for old, new in ((b"K\x00K\x04\x85", b"K\x00K\x05\x85"), (b"K\x00K\x04\x85", b"K\x01K\x04\x85")):
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part.replace(old, new) if name == pickled else part)
        with pytest.raises(FormatError, match="beyond its 4 numbers"):
            read_torch(path)
    torch.save({"w": torch.arange(4.0)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for damaged in (whole[:-3], whole.replace(b"K\x04\x85", b"K\x05\x85", 1), whole[:60]):
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            read_torch(path)
    path.write_bytes(b"anything else")
    with pytest.raises(FormatError, match=r"since 1\.6"):
        read_torch(path)
    torch.save({"m": torch.nn.Linear(2, 2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(FormatError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch(path)
    torch.save({"m": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(FormatError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch(path)
    stream = io.BytesIO()
    np.savez(stream, a=np.ones(2))
    path.write_bytes(stream.getvalue())
    with pytest.raises(FormatError, match=r"one data\.pkl"):
        read_torch(path)
