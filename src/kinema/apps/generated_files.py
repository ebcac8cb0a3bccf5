"""Write generated clips: motion files, films and strips, one folder per action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw

from kinema.core.atomic import atomic_path
from kinema.core.errors import UsageError
from kinema.io.formats import save
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.viz import film, raster
from kinema.viz.raster import font_of

FORMATS: tuple[str, ...] = ("bvh", "glb", "npz", "gif", "mp4", "png")
_MOTION_FILES = ("bvh", "glb")
_MARGIN, _INK = 22, "#3d4658"  # of names on the picture of all actions


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats without dots, each once. Raises UsageError for an unknown one."""
    plain = tuple(dict.fromkeys(one.strip().lower().removeprefix(".") for one in formats if one.strip()))
    strange = [one for one in plain if one not in FORMATS]
    if strange or not plain:
        raise UsageError(
            expected=f"formats among {', '.join(FORMATS)}",
            got=", ".join(strange) or "none",
            cure="Type --formats bvh,npz.",
        )
    return plain


def write_clips(clips: Clip, folder: Path, name: str, formats: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Write clips of batch shape (sample,) into `folder`; returns the files and notes for the user.

    One BVH and GLB per sample, one NPZ for all, pictures (GIF, MP4, a strip as PNG) of the first. Positions become
    rotations by inverse kinematics for BVH and GLB; flat (2-D) motion has neither. MP4 needs PyAV.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    notes: list[str] = []
    clips = replace(clips, action=name, identity=f"generated/{name}")
    wanted = [one for one in formats if one in _MOTION_FILES]
    if wanted and isinstance(clips, Points) and clips.positions.shape[-1] != 3:
        notes.append("flat motion has no BVH and no GLB")
        wanted = []
    if wanted:
        if isinstance(clips, Points):
            notes.append("the model predicts joint positions; the rotations in BVH and GLB are fitted to them")
        turned = clips if isinstance(clips, Motion) else fit_rotations(clips, clips.skeleton)
        for sample in range(clips.batch_shape.numel()):
            for one in wanted:
                written.append(folder / f"{name}-{sample + 1}.{one}")
                save(turned.one(sample), written[-1])
    if "npz" in formats:
        written.append(folder / f"{name}.npz")
        save(clips, written[-1])
    return written + _pictures(clips.one(0), folder / name, formats, notes), notes


def write_strips(rows: Sequence[tuple[str, Clip]], path: Path) -> None:
    """One picture with a strip of the first clip of every action and its name."""
    strips = [raster.strip(_titled(clips.one(0), name), count=8, height=200) for name, clips in rows]
    width = max(strip.width for strip in strips)
    sheet = Image.new("RGB", (width, sum(strip.height for strip in strips)), "white")
    top = 0
    write = ImageDraw.Draw(sheet)
    for (name, _), strip in zip(rows, strips, strict=True):
        sheet.paste(strip.convert("RGB"), (0, top))
        write.text((_MARGIN, top + 2), name, font=font_of(15), fill=_INK)
        top += strip.height
    with atomic_path(path) as beside:
        sheet.save(beside, "PNG", optimize=True)


def folder_name(action: str) -> str:
    """An action's name as a folder name: special characters become dashes."""
    return "".join(letter if letter.isalnum() or letter in "-_+." else "-" for letter in action).strip(".-") or "action"


def _pictures(clip: Clip, stem: Path, formats: Sequence[str], notes: list[str]) -> list[Path]:
    written: list[Path] = []
    wanted = [one for one in ("gif", "mp4", "png") if one in formats]
    if "mp4" in wanted and find_spec("av") is None:
        notes.append("no MP4: PyAV is not installed (pip install 'kinema[video]')")
        wanted.remove("mp4")
    if clip.frames < 2 and {"gif", "mp4"} & set(wanted):
        notes.append("one frame is no film: no GIF, no MP4")
        wanted = [one for one in wanted if one == "png"]
    shown = _titled(clip, stem.name)
    for one in wanted:
        path = stem.with_name(f"{stem.name}.{one}")
        if one == "gif":
            film.gif(path, shown)
        elif one == "mp4":
            film.mp4(path, shown)
        else:
            with atomic_path(path) as beside:
                raster.strip(shown, count=min(8, clip.frames)).save(beside, "PNG", optimize=True)
        written.append(path)
    return written


def _titled(clip: Clip, name: str) -> Clip:
    return replace(clip, identity=name)
