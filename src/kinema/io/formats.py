"""Motion files: load, save, sniff. One module per format, and the table that names them.

A module is imported when a file of its format is met: to look at one file must not cost the import of all.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kinema.core.atomic import was_read
from kinema.core.errors import FormatError, KinemaError, UsageError, damaged, unknown_name
from kinema.core.text import number, plain
from kinema.io.conventions import UpAxis, upright
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import Rest
from kinema.motion.skeleton import Skeleton, has_joint

__all__ = [
    "FORMATS", "Format", "LoadOptions", "SaveOptions", "files_in", "left_out", "load", "load_clip", "load_points",
    "save", "sniff",
]  # fmt: skip
_LARGEST_STREAM = 2 * 10**9  # bytes that are read from a pipe
_SHOWN = 6  # files that are named before the rest is counted
_SURE = (".bvh", ".qbvh", ".trc", ".c3d", ".glb", ".gltf", ".vrm", ".vrma", ".fbx", ".amc")
"""Suffixes of files that hold nothing but a motion or a character."""


@dataclass(frozen=True)
class LoadOptions:
    """What a caller knows about a file: rate, metres per unit, skeleton, up, which person, which animation."""

    fps: float | None = None
    unit: float | None = None
    skeleton: Skeleton | None = None
    up: UpAxis | None = None
    person: str | None = None
    picture: tuple[float, float] | None = None
    animation: str | None = None


@dataclass(frozen=True)
class SaveOptions:
    """How a file is to be written: its rest pose, the Blender that writes FBX."""

    rest: Rest = "auto"
    blender: Path | str | None = None


Loader = Callable[[Path, LoadOptions], Clip]
Saver = Callable[[Clip, Path, SaveOptions], None]


@dataclass(frozen=True)
class Format:
    """A row of the table: file suffixes, and the functions that load and save (None: not possible).

    `up`: what shows which axis is up: the motion, only that of legs and a head, the reader, or the format itself, which
    has "y". `people`: a file may
    hold several. `what` is a line for people.
    """

    suffixes: tuple[str, ...]
    load: Loader | None
    save: Saver | None
    up: Literal["motion", "limbs", "y", "reader"] = "motion"
    people: bool = False
    what: str = ""


def _load(module: str, *options: str, function: str = "load") -> Loader:
    """The `load` of a module of this package, or another function of it, with those of the options that it takes."""

    def load(path: Path, given: LoadOptions) -> Clip:
        loaded = importlib.import_module(f"kinema.io.{module}")
        return getattr(loaded, function)(path, **{name: getattr(given, name) for name in options})

    return load


def _save(module: str, *options: str, rotations: bool = False, rest: bool = False, own_rest: str = "") -> Saver:
    """The `save` of a module of this package; a clip of `rotations` only, in the `rest` pose that is wanted.

    `own_rest`: the format keeps the rest pose of the file that the clip came from, if its layout has this field.
    """

    def save(clip: Clip, path: Path, given: SaveOptions) -> None:
        if rotations:
            clip = _with_rotations(clip, path)
            if rest:
                from kinema.motion.retargeting.rest_poses import resting

                fits = clip.layout is not None and clip.layout.joints == clip.skeleton.joints
                own = bool(own_rest) and fits and bool(getattr(clip.layout, own_rest))
                clip = resting(clip, given.rest, has_own=own)
                if given.rest == "tpose" and own_rest == "source":  # not the pose that the file's own mesh is bound in
                    clip = replace(clip, layout=None)
        saved = importlib.import_module(f"kinema.io.{module}")
        saved.save(clip, path, **{name: getattr(given, name) for name in options})

    return save


def _load_keypoints(path: Path, options: LoadOptions) -> Clip:
    from kinema.io import keypoints

    return keypoints.read(path, fps=options.fps, size=options.picture).person(options.person)


def _save_keypoints(clip: Clip, path: Path, options: SaveOptions) -> None:
    del clip, options
    raise UsageError(
        expected=f"the keypoints that {path.name} is to look like",
        got="a clip alone, which does not say what the file held besides",
        cure="Save as .npz or .csv; `kinema upsample` and `kinema repair` write a detector's own layout.",
    )


_SMPL = _load("smpl_params", "fps", "person", "up")
FORMATS: dict[str, Format] = {
    "bvh": Format(
        (".bvh", ".qbvh"),
        _load("bvh.load", "fps", "unit"),
        _save("bvh.load", rotations=True, rest=True, own_rest="channels"),
        what="BVH: a skeleton and its motion",
    ),
    "npz": Format(
        (".npz",),
        _load("npz", "fps", "unit", "skeleton", "up"),
        _save("npz"),
        up="reader",
        what="NPZ: clip in arrays",
    ),
    "amass": Format(
        (".npz",), _SMPL, _save("smpl_params", rotations=True), up="reader", people=True, what="AMASS: SMPL parameters"
    ),
    "smpl": Format(
        (".pkl", ".pt", ".pth", ".pickle", ".joblib"), _SMPL, None, up="reader", people=True, what="SMPL parameters"
    ),
    "npy": Format((".npy",), _load("points", "fps", "unit", "skeleton", function="load_array"), None, what="joints"),
    "trc": Format((".trc",), _load("points", "fps", "unit", function="load_trc"), None, what="TRC: markers by name"),
    "c3d": Format((".c3d",), _load("points", "fps", "unit", function="load_c3d"), None, what="C3D: markers by name"),
    "csv": Format((".csv",), _load("csv", "fps"), _save("csv"), up="y", what="CSV: a row for each joint of each frame"),
    "wide-csv": Format(
        (".csv",), _load("points", "fps", "unit", function="load_wide"), None, what="CSV: points, a row for each frame"
    ),
    "expmap": Format(
        (".txt",),
        _load("expmap", "fps", "unit", "skeleton"),
        _save("expmap", rotations=True),
        what="exponential maps of a benchmark",
    ),
    "glb": Format(
        (".glb", ".vrm", ".vrma", ".gltf"),
        _load("gltf.load", "fps", "unit", "animation"),
        _save("gltf.glb", rotations=True, rest=True, own_rest="source"),
        up="limbs",
        what="glTF: a character",
    ),
    "fbx": Format(
        (".fbx",),
        _load("fbx", "fps", "unit", "animation"),
        _save("fbx", "blender", rotations=True, rest=True),
        up="y",
        what="FBX: a character, through Blender",
    ),
    "amc": Format((".amc",), _load("asf_amc", "fps", "unit"), None, what="AMC with its ASF"),
    "keypoints": Format(
        (".json", ".jsonl", ".ndjson"), _load_keypoints, _save_keypoints, people=True, what="keypoints of a picture"
    ),
    "keypoints-3d": Format(
        (".json", ".jsonl", ".ndjson"), _load("keypoints.mmpose", "fps", "person"), None, people=True, what="keypoints"
    ),
}
"""Every format by name."""


def register(name: str, row: Format) -> None:
    """Make a format known by `name`; one of the same name is replaced."""
    FORMATS[name] = row


def load_clip(
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002 - the word users look for
    fps: float | None = None,
    unit: float | None = None,
    skeleton: Skeleton | None = None,
    up: UpAxis | None = None,
    person: str | None = None,
    picture: tuple[float, float] | None = None,
    animation: str | None = None,
) -> Clip:
    """The clip in a file: a Motion where the file holds rotations, Points where it holds positions only.

    `format` is sniffed where it is not given. `fps`, `unit` (metres per file unit) and `skeleton` say what the file
    does not, or overrule it; `up` is the axis of the file that is up (see `kinema.io.conventions`), `person` one of
    several people, `picture` the width and height in pixels of a picture of which a file gives shares, `animation` the
    name or the number (from 1) of one in a glTF file. A pipe, and "-" for standard input, are read to their end first.
    Raises UsageError where there is no such file, FormatError where it is not whole.
    """
    path, options = Path(path), LoadOptions(fps, unit, skeleton, up, person, picture, animation)
    if is_stream(path):
        with copied(path) as whole:
            return _load_file(whole, format, options)
    if not path.is_file() and not _is_keypoints(path):
        raise _no_file(path)
    return _load_file(path, format, options)


def _load_file(path: Path, format: str | None, options: LoadOptions) -> Clip:  # noqa: A002
    was_read(path)
    row = _row(format or sniff(path))
    if row.load is None:
        read = ", ".join(name for name, other in FORMATS.items() if other.load)
        got = f"{format or sniff(path)}, which is only written"
        raise damaged(path.name, f"a format that can be read ({read})", got, "Keep the motion as BVH or NPZ as well.")
    if options.person is not None and not row.people:
        got, cure = f"{path.name}, which holds one", "Leave out --person."
        raise UsageError(expected="a file with several people (keypoints, SMPL parameters)", got=got, cure=cure)
    if options.animation is not None and row not in (FORMATS["glb"], FORMATS["fbx"]):
        got, cure = f"{path.name}, which holds one motion", "Leave out --animation."
        raise UsageError(expected="a glTF or FBX file, which may have several animations", got=got, cure=cure)
    try:
        clip = row.load(path, options)
        looked = row.up == "motion" or (row.up == "limbs" and has_joint(clip.skeleton, "l_hip", "l_ankle", "head"))
        return clip if row.up == "reader" else upright(clip, options.up or (None if looked else "y"), path.name)
    except PermissionError as error:
        raise KinemaError(
            expected=f"a file that may be read: {path}", got="permission denied", cure="Change its permissions."
        ) from error


def is_stream(path: Path) -> bool:
    """Whether this is a pipe, a device, or "-" for standard input, which can be read only once."""
    return str(path) == "-" or path.is_fifo() or path.is_char_device()


@contextlib.contextmanager
def copied(path: Path) -> Generator[Path]:
    """A file with what a pipe, or standard input ("-"), gives until its end. Raises UsageError above two gigabytes."""
    name = "stdin" if str(path) == "-" else path.name
    with tempfile.TemporaryDirectory(prefix="kinema-") as folder, (Path(folder) / name).open("wb") as file:
        with contextlib.nullcontext(sys.stdin.buffer) if name == "stdin" else path.open("rb") as source:
            while block := source.read(1 << 20):
                file.write(block)
                if file.tell() > _LARGEST_STREAM:
                    raise UsageError(
                        expected=f"at most {_LARGEST_STREAM // 10**9} GB from {name}",
                        got="more",
                        cure="Save it as a file first, and give that.",
                    )
        file.flush()
        yield Path(file.name)


def load(
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    fps: float | None = None,
    unit: float | None = None,
    skeleton: Skeleton | None = None,
    up: UpAxis | None = None,
    person: str | None = None,
) -> Motion:
    """The motion in a file; see `load_clip`. Raises UsageError where the file holds positions only."""
    clip = load_clip(path, format=format, fps=fps, unit=unit, skeleton=skeleton, up=up, person=person)
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
    up: UpAxis | None = None,
) -> Points:
    """The joint positions in a file, whether it holds them or rotations; see `load_clip`."""
    return load_clip(path, format=format, fps=fps, unit=unit, skeleton=skeleton, up=up).points()


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
    `kinema.io.fbx.find_blender`. Raises UsageError for an unknown suffix, where the format cannot hold
    the clip (positions only, a batch), and where a T-pose is asked for that cannot be told.
    """
    path = Path(path)
    row = _row(format or _by_suffix(path))
    if row.save is None:
        written = sorted({suffix for other in FORMATS.values() if other.save for suffix in other.suffixes})
        raise UsageError(
            expected=f"a file that is written ({', '.join(written)})",
            got=f"{path.name}: such files are only read",
            cure=f"Name it {path.stem}.npz.",
        )
    row.save(clip.map(lambda values, axis: values.detach()), path, SaveOptions(rest, blender))


def files_in(folder: Path, given: LoadOptions | None = None, *, pictures: bool = True) -> Iterator[tuple[Path, str]]:
    """Every file below a folder in the order of names, and why it is no motion; "" for one that is.

    A suffix of motion alone decides; other files (.npz, .json, .csv, .txt, .npy, .pkl, .pt) must hold a motion that can
    be read with the options that are `given`. Not `pictures`: points of a picture are none. Hidden files are left out,
    and so is the .asf of an .amc.
    """
    paths = [path for path in folder.rglob("*") if path.is_file()]
    amcs = {path.parent for path in paths if path.suffix.lower() == ".amc"}
    for path in sorted(paths, key=lambda path: path.relative_to(folder).as_posix()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and not (path.suffix.lower() == ".asf" and path.parent in amcs):
            yield path, _why_no_motion(path, given or LoadOptions(), pictures=pictures)


def left_out(files: Mapping[str, str]) -> str:
    """One line about files that are left out, and why."""
    shown = [f"{name} ({why})" for name, why in list(files.items())[:_SHOWN]]
    more = len(files) - len(shown)
    return f"left out: {', '.join(shown)}{f' and {more} more' if more else ''}"


def _why_no_motion(path: Path, given: LoadOptions, *, pictures: bool) -> str:
    suffix = path.suffix.lower()
    if suffix in _SURE:
        return "it needs --source-fps" if suffix == ".amc" and given.fps is None else ""
    if not any(suffix in row.suffixes for row in FORMATS.values()):
        return "no motion"
    try:
        if suffix == ".npz":
            return _why_no_npz(path)
        with path.open("rb") as file:
            if suffix == ".txt" and not _is_number(plain(file.read(512))):
                return "no motion"
        row = FORMATS[sniff(path)]
        if row.load is None or path.stat().st_size > _LARGEST_STREAM:
            return "no motion"
        given = given if row.people else replace(given, person=None)
        usual = replace(given, fps=given.fps or 30.0, picture=given.picture or (1.0, 1.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clip = row.load(path, usual)  # first whether it is a motion at all, then whether the options are enough
            clip = clip if usual == given else row.load(path, given)
    except KinemaError as error:
        if error.cure.startswith("Name the folder"):
            return "a frame of OpenPose: give its folder"
        option = re.search(r"--[a-z][a-z-]+", error.cure)
        return f"it needs {option[0]}" if option else "no motion"
    except OSError as error:
        return error.strerror or "it cannot be read"
    flat = isinstance(clip, Points) and clip.positions.shape[-1] == 2
    return "points of a picture" if flat and not pictures else ""


def _why_no_npz(path: Path) -> str:
    """Whether the names of the arrays are those of a motion; an archive that is damaged counts as one."""
    from kinema.core.safe_zip import open_archive
    from kinema.io.smpl_params import is_params

    try:
        with open_archive(path, "an NPZ archive") as archive:
            keys = set(archive.keys)
    except FormatError:
        return ""
    return "" if keys & {"posed_joints", "local_rot_mats"} or is_params(keys) else "no motion"


def can_write(path: Path) -> bool:
    """Whether a clip alone can be written under that suffix."""
    rows = (row for row in FORMATS.values() if path.suffix.lower() in row.suffixes)
    return any(row.save is not None and row.save is not _save_keypoints for row in rows)


def written_as(path: Path) -> str:
    """The suffix under which the motion of a file is written: its own, or .npz where such files are only read."""
    return path.suffix if can_write(path) else ".npz"


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
    words = plain(head)
    if head.startswith(b"PK\x03\x04"):
        return _sniff_zip(path)
    if head.startswith(b"glTF") or path.suffix.lower() == ".gltf":
        return "glb"
    if path.suffix.lower() in FORMATS["keypoints"].suffixes:
        return "keypoints" if _is_keypoints(path) else "keypoints-3d"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"Kaydara FBX"):
        return "fbx"
    if words.startswith(b"PathFileType"):
        return "trc"
    if words.lstrip()[:9].upper() == b"HIERARCHY":
        return "bvh"
    if path.suffix.lower() == ".glb":
        raise damaged(path.name, "a GLB", "something else", "Give its true format.")
    if path.suffix.lower() == ".csv":
        from kinema.io import csv as table
        from kinema.io.points import is_wide

        if not table.is_table(words) and is_wide(words):
            return "wide-csv"
        return "csv" if table.is_table(words) or not _is_number(words) else "expmap"
    return _by_suffix(path)


def _is_number(head: bytes) -> bool:
    """Whether a text begins with a number, as benchmark rows do."""
    words = head.replace(b",", b" ").split(maxsplit=1)
    return bool(words) and number(words[0]) is not None


def _sniff_zip(path: Path) -> str:
    if path.suffix.lower() not in (*FORMATS["npz"].suffixes, *FORMATS["smpl"].suffixes, ".zip", ""):
        cure = "Unpack it and give the file inside (an NPZ is a zip too: then rename it to .npz)."
        raise damaged(path.name, f"a {path.suffix[1:].upper()} file", "a zip archive", cure)
    from kinema.core.safe_zip import open_archive

    with open_archive(path, "an NPZ archive" if path.suffix.lower() == ".npz" else "a zip archive") as archive:
        if any(name.endswith("data.pkl") for name in archive.names):
            return "smpl"
        if any(name.endswith(".npy") for name in archive.names):
            from kinema.io.smpl_params import is_params

            return "amass" if is_params(archive.keys) and "posed_joints" not in archive.keys else "npz"
    raise damaged(path.name, "a motion file", "a zip archive", "Unpack it first.")


# What is not read, by how it begins or by its suffix: what it is, and what to do.
_UNREAD: dict[str, tuple[str, str]] = {
    ".mot": (
        "an OpenSim motion (coordinates of a model, no positions)",
        "Give the TRC with the markers that OpenCap or OpenSim write beside it.",
    ),
    ".sto": ("an OpenSim storage (a table without positions)", "Give the TRC with the markers."),
    ".osim": ("an OpenSim model, without a motion", "Give the TRC with the markers."),
    **dict.fromkeys(
        (".mp4", ".mov", ".avi", ".mkv", ".webm"),
        ("a video", "Run a pose detector first (AlphaPose, MMPose, OpenPose, WHAM ...) and give its results."),
    ),
    ".dae": ("Collada", "Open it in Blender and export GLB or FBX."),
    **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz"), ("USD", "Open it in Blender and export GLB.")),
    ".blend": ("a Blender file", "Export GLB, FBX or BVH from Blender."),
    ".vmd": (
        "an MMD motion without its skeleton",
        "Open it on its model in Blender (MMD Tools) and export GLB.",
    ),
    ".pmx": ("an MMD model", "Open it in Blender (MMD Tools) and export GLB."),
    ".htr": ("Motion Analysis HTR", "Export BVH, FBX or TRC from the program that wrote it."),
    ".v": ("Vicon V", "Export C3D or FBX from the program that wrote it."),
    ".asf": ("the skeleton of Acclaim motions", "Give the .amc beside it."),
    ".hdf5": ("HDF5", "Save the clip as NPZ: posed_joints, joint_names, parents, fps, unit (docs/files.md)."),
    ".h5": ("HDF5", "Save the clip as NPZ: posed_joints, joint_names, parents, fps, unit (docs/files.md)."),
    ".mat": ("MATLAB", "Save the positions as .npy in Python: numpy.save(path, array) of shape (frame, joint, 3)."),
}


def _by_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    for name, row in FORMATS.items():
        if suffix in row.suffixes:
            return name
    if suffix in _UNREAD:
        what, cure = _UNREAD[suffix]
        raise UsageError(expected="a motion file that is read", got=f"{path.name}: {what}", cure=cure)
    known = [suffix for row in FORMATS.values() for suffix in row.suffixes]
    raise unknown_name("file suffix", path.suffix.lower() or path.name, known)


def _is_keypoints(path: Path) -> bool:
    from kinema.io import keypoints

    return keypoints.is_keypoints(path)


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
    near = difflib.get_close_matches(path.stem, there, n=1, cutoff=0.7)  # suffixes make all alike
    cure = f"Did you mean {there[near[0]]}?" if near else f"`ls {path.parent}` lists the files that are there."
    return UsageError(expected="a motion file", got=f"no file at {path}", cure=cure)
