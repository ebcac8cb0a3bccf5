"""Motion files: load, save, sniff. One module per format, and the table that names them.

A module is imported when a file of its format is met: to look at one file must not cost the import of all.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinema.core.errors import FormatError, KinemaError, UsageError, unknown_name
from kinema.io.bvh.units import UNITS
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import Rest
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogue_skeleton

__all__ = ["FORMATS", "Format", "LoadOptions", "SaveOptions", "load", "load_clip", "load_points", "save", "sniff"]


@dataclass(frozen=True)
class LoadOptions:
    """What a caller knows about a file that the file may not say: rate, metres per unit, skeleton."""

    fps: float | None = None
    unit: float | None = None
    skeleton: Skeleton | None = None


@dataclass(frozen=True)
class SaveOptions:
    """What a caller wishes of a file: the rest pose that it is written with, the Blender that writes FBX."""

    rest: Rest = "auto"
    blender: Path | str | None = None


@dataclass(frozen=True)
class Format:
    """A row of the table: file suffixes, and the functions that load and save (None: not possible)."""

    suffixes: tuple[str, ...]
    load: Callable[[Path, LoadOptions], Clip] | None
    save: Callable[[Clip, Path, SaveOptions], None] | None


def _load_bvh(path: Path, options: LoadOptions) -> Clip:
    from kinema.io.bvh import load as bvh

    return bvh.load(path, fps=options.fps, unit=options.unit)


def _load_npz(path: Path, options: LoadOptions) -> Clip:
    from kinema.io import npz

    return npz.load(path, fps=options.fps, unit=options.unit, skeleton=options.skeleton)


# Columns of the two benchmarks that use exponential-map text: skeleton of the catalogue, metres per unit.
_EXPMAP = {117: ("cmu38", UNITS["ASF unit"]), 99: ("h36m32", UNITS["mm"])}


def _load_expmap(path: Path, options: LoadOptions) -> Clip:
    from kinema.io import expmap

    known = _EXPMAP.get(expmap.columns(path))
    name, unit = known or ("cmu38", UNITS["ASF unit"])
    skeleton = options.skeleton or catalogue_skeleton(name)
    if options.fps is None:
        raise FormatError(
            where=path.name,
            expected="a frame rate, which this format does not hold",
            got="none",
            cure="Give it: fps=..., or --source-fps (CMU benchmark files have 120, Human3.6M files 50).",
        )
    if options.unit is not None:
        unit = options.unit
    return expmap.load(path, skeleton, options.fps, unit)


def _save_expmap(clip: Clip, path: Path, options: SaveOptions) -> None:
    from kinema.io import expmap

    del options
    motion = _with_rotations(clip, path)
    unit = next((unit for name, unit in _EXPMAP.values() if name == motion.skeleton.name), 1.0)
    expmap.save(motion, path, unit)


def _save_bvh(clip: Clip, path: Path, options: SaveOptions) -> None:
    from kinema.io.bvh import load as bvh

    motion = _with_rotations(clip, path)
    own = motion.layout is not None and motion.layout.joints == motion.skeleton.joints
    bvh.save(_resting(motion, options.rest, has_own=own), path)


def _save_glb(clip: Clip, path: Path, options: SaveOptions) -> None:
    from kinema.io.gltf import glb

    glb.save(_resting(_with_rotations(clip, path), options.rest, has_own=False), path)


def _save_fbx(clip: Clip, path: Path, options: SaveOptions) -> None:
    from kinema.io import fbx

    motion = _resting(_with_rotations(clip, path), options.rest, has_own=False)
    fbx.save(motion, path, blender=options.blender)


def _save_npz(clip: Clip, path: Path, options: SaveOptions) -> None:
    from kinema.io import npz

    del options
    npz.save(clip, path)


def _load_table(path: Path, options: LoadOptions) -> Clip:
    from kinema.io import csv as table

    return table.load(path, fps=options.fps)


def _save_table(clip: Clip, path: Path, options: SaveOptions) -> None:
    from kinema.io import csv as table

    del options
    table.save(clip, path)


def _load_keypoints(path: Path, options: LoadOptions) -> Clip:
    from kinema.io import keypoints

    return keypoints.read(path, fps=options.fps).person()


def _save_keypoints(clip: Clip, path: Path, options: SaveOptions) -> None:
    del clip, options
    raise UsageError(
        expected=f"the keypoints that {path.name} is to look like",
        got="a clip alone, which does not say what the file held besides",
        cure="Use kinema.io.keypoints.write, or save as .npz.",
    )


FORMATS: dict[str, Format] = {
    "bvh": Format((".bvh",), _load_bvh, _save_bvh),
    "npz": Format((".npz",), _load_npz, _save_npz),
    "csv": Format((".csv",), _load_table, _save_table),
    "expmap": Format((".txt",), _load_expmap, _save_expmap),
    "glb": Format((".glb",), None, _save_glb),
    "fbx": Format((".fbx",), None, _save_fbx),
    "keypoints": Format((".json",), _load_keypoints, _save_keypoints),
}
"""Every format by name."""


def load_clip(
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002 - the word users look for
    fps: float | None = None,
    unit: float | None = None,
    skeleton: Skeleton | None = None,
) -> Clip:
    """The clip in a file: a Motion where the file holds rotations, Points where it holds positions only.

    `format` is sniffed where it is not given. `fps`, `unit` (metres per file unit) and `skeleton` say what the file
    does not, or overrule it. Raises UsageError where there is no such file, FormatError where it is not whole.
    """
    path = Path(path)
    if not path.is_file() and not _is_keypoints(path):
        raise _no_file(path)
    row = _row(format or sniff(path))
    if row.load is None:
        raise FormatError(
            where=path.name,
            expected=f"a format that can be read ({', '.join(name for name, other in FORMATS.items() if other.load)})",
            got=f"{format or sniff(path)}, which is only written",
            cure="Keep the motion as BVH or NPZ as well.",
        )
    try:
        return row.load(path, LoadOptions(fps, unit, skeleton))
    except PermissionError as error:
        raise KinemaError(
            expected=f"a file that may be read: {path}", got="permission denied", cure="Change its permissions."
        ) from error


def load(
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    fps: float | None = None,
    unit: float | None = None,
    skeleton: Skeleton | None = None,
) -> Motion:
    """The motion in a file; see `load_clip`. Raises UsageError where the file holds positions only."""
    clip = load_clip(path, format=format, fps=fps, unit=unit, skeleton=skeleton)
    if isinstance(clip, Points):
        raise UsageError(
            expected=f"joint rotations in {Path(path).name}",
            got="joint positions only",
            cure="Use load_points, or find rotations by inverse kinematics "
            "(kinema.motion.retargeting.inverse_kinematics).",
        )
    return clip


def load_points(
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    fps: float | None = None,
    unit: float | None = None,
    skeleton: Skeleton | None = None,
) -> Points:
    """The joint positions in a file, whether it holds them or rotations; see `load_clip`."""
    return load_clip(path, format=format, fps=fps, unit=unit, skeleton=skeleton).points()


def save(
    clip: Clip,
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    rest: Rest = "auto",
    blender: Path | str | None = None,
) -> None:
    """Write a clip, atomically, in the format of the suffix or the one that is named.

    `rest` is the rest pose of BVH, GLB and FBX: "tpose"; "source", that of the clip's skeleton; or "auto", a T-pose
    unless a BVH is written whose clip came from one. `blender` is the program that writes FBX, see
    `kinema.io.blender.find_blender`. Raises UsageError for an unknown suffix, where the format cannot hold
    the clip (positions only, a batch), and where a T-pose is asked for that cannot be told.
    """
    path = Path(path)
    row = _row(format or _by_suffix(path))
    assert row.save is not None
    row.save(clip, path, SaveOptions(rest, blender))


def sniff(path: Path | str) -> str:
    """The name of the format of a file that exists, by its content, then by its suffix.

    Raises FormatError where the content is of a kind that the suffix does not promise (a zip renamed to .bvh), and
    UsageError where neither content nor suffix says anything.
    """
    path = Path(path)
    if path.is_dir() and _is_keypoints(path):
        return "keypoints"
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK\x03\x04"):
        return _sniff_zip(path)
    if head.startswith(b"glTF"):
        return "glb"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:9].upper() == b"HIERARCHY":
        return "bvh"
    if path.suffix.lower() == ".glb":
        raise FormatError(where=path.name, expected="a GLB", got="something else", cure="Give its true format.")
    if path.suffix.lower() == ".csv":
        from kinema.io import csv as table

        return "csv" if table.is_table(head) or not _is_number(head) else "expmap"
    return _by_suffix(path)


def _is_number(head: bytes) -> bool:
    """Whether a text begins with a number, as benchmark rows do."""
    words = head.replace(b",", b" ").split(maxsplit=1)
    try:
        float(words[0] if words else b"")
    except ValueError:
        return False
    return True


def _sniff_zip(path: Path) -> str:
    if path.suffix.lower() not in (*FORMATS["npz"].suffixes, ".zip", ""):
        raise FormatError(
            where=path.name,
            expected=f"a {path.suffix.lower().removeprefix('.').upper()} file",
            got="a zip archive",
            cure="Unpack it and give the file inside (an NPZ is a zip too: then rename it to .npz).",
        )
    from kinema.core.safe_zip import open_archive

    with open_archive(path, "an NPZ archive" if path.suffix.lower() == ".npz" else "a zip archive") as archive:
        if any(name.endswith(".npy") for name in archive.names):
            return "npz"
    raise FormatError(where=path.name, expected="a motion file", got="a zip archive", cure="Unpack it first.")


def _by_suffix(path: Path) -> str:
    for name, row in FORMATS.items():
        if path.suffix.lower() in row.suffixes:
            return name
    known = [suffix for row in FORMATS.values() for suffix in row.suffixes]
    raise unknown_name("file suffix", path.suffix.lower() or path.name, known)


def _is_keypoints(path: Path) -> bool:
    from kinema.io import keypoints

    return keypoints.is_keypoints(path)


def _resting(motion: Motion, rest: Rest, *, has_own: bool) -> Motion:
    from kinema.motion.retargeting.rest_poses import resting

    return resting(motion, rest, has_own=has_own)


def _row(name: str) -> Format:
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]


def _with_rotations(clip: Clip, path: Path) -> Motion:
    if isinstance(clip, Points):
        raise UsageError(
            expected=f"joint rotations to write {path.name}",
            got="joint positions only",
            cure="Save as .npz, or find rotations by inverse kinematics "
            "(kinema.motion.retargeting.inverse_kinematics).",
        )
    return clip


def _no_file(path: Path) -> UsageError:
    if path.is_dir():
        return UsageError(expected="a motion file", got=f"the folder {path}", cure="Name one file in it.")
    there = {other.stem: other for other in sorted(path.parent.glob("*"))}
    near = difflib.get_close_matches(path.stem, there, n=1)  # without suffixes, by which all files are alike
    cure = f"Did you mean {there[near[0]]}?" if near else f"`ls {path.parent}` lists the files that are there."
    return UsageError(expected="a motion file", got=f"no file at {path}", cure=cure)
