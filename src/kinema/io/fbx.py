"""FBX, through the user's Blender: the format is closed, Blender writes it well, and kinema does not contain Blender.

The clip goes to Blender as a GLB and comes back as an FBX of the same bones, skin, rate and frames, without leaf bones
and without thinning of the curves. Blender is the application (`blender`) or a Python that has the package `bpy`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinema.core.atomic import atomic_path
from kinema.core.errors import KinemaError, UsageError, damaged
from kinema.io.gltf import glb
from kinema.io.gltf import load as gltf
from kinema.motion.motion import Motion

VARIABLE = "KINEMA_BLENDER"
"""The environment variable that says where Blender is."""
SECONDS = 300.0
"""How long Blender may take for one clip; starting it alone may take a quarter of a minute."""
_SCRIPT = Path(__file__).with_name("fbx_blender_script.py")


def save(motion: Motion, path: Path | str, *, blender: Path | str | None = None, seconds: float = SECONDS) -> None:
    """Write a clip as FBX, atomically. `blender` is its program, or a Python that has bpy; see `find_blender`.

    Raises UsageError for a clip with batch axes or a program that is not there, KinemaError where there is no Blender,
    where it fails or takes longer than `seconds`, and where it wrote other frames or bones than it was given.
    """
    program = find_blender(blender)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there, made, report = folder / "clip.glb", folder / "clip.fbx", folder / "report.json"
        # At a whole rate, so that Blender has a key on every frame: with 23.976 its glTF import has them beside it.
        glb.save(replace(motion, fps=float(max(1, round(motion.fps)))), there)
        job = {"source": str(there), "target": str(made), "report": str(report), "fps": motion.fps}
        run_in_blender(program, _SCRIPT, job, folder, seconds=seconds)
        written = json.loads(report.read_text()) if report.is_file() else {}
        found = written.get("frames"), written.get("bones")
        if not made.is_file() or found != (motion.frames, len(motion.skeleton)):
            raise KinemaError(
                expected=f"an FBX of {motion.frames} frames and {len(motion.skeleton)} bones",
                got=f"{found[0]} frames and {found[1]} bones" if made.is_file() else f"no file from {program.name}",
                cure="Write .glb and look at it in Blender.",
            )
        with atomic_path(path) as beside:
            shutil.copyfile(made, beside)


def load(
    path: Path | str,
    *,
    fps: float | None = None,
    unit: float | None = None,
    animation: str | None = None,
    blender: Path | str | None = None,
) -> Motion:
    """The motion in an FBX, through Blender: of several animations that of this name or number, else the first.

    Raises KinemaError where there is no Blender or it fails, FormatError where there is no armature.
    """
    path, program = Path(path), find_blender(blender)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, report = folder / f"{path.stem}.glb", folder / "report.json"
        job = {"source": str(path.resolve()), "target": str(made), "report": str(report)}
        run_in_blender(program, _SCRIPT, job, folder, seconds=SECONDS)
        found = json.loads(report.read_text()) if report.is_file() else {}
        if not made.is_file() or not found.get("bones"):
            raise damaged(path.name, "an FBX with an armature", "none", "Export the armature with its animation.")
        made = made.rename(folder / path.name)  # for what is said about it
        clip = gltf.load(made, fps=fps or found.get("fps"), unit=unit, animation=animation)
    return replace(clip, layout=None, identity=f"file/{path.stem}")


def find_blender(given: Path | str | None = None) -> Path:
    """The given program, else the one that KINEMA_BLENDER names, else `blender` on the search path.

    Raises UsageError where the one that was named is not there, KinemaError where there is none at all.
    """
    named = str(given) if given is not None else os.environ.get(VARIABLE) or None
    if (found := shutil.which(named or "blender")) is not None:
        return Path(found)
    if named is not None:
        raise UsageError(
            expected="a Blender program, or a Python that has bpy",
            got=f"nothing that can be run at {named}",
            cure=f"Name the program itself, as in --blender /path/to/blender ({VARIABLE} stands for it).",
        )
    raise KinemaError(
        expected="Blender, which reads and writes this format",
        got="none on the search path",
        cure=f"Install Blender and name its program in {VARIABLE} (convert: --blender PATH), or use .glb or .bvh, "
        "which need none.",
    )


@contextmanager
def named_blender(program: str | None) -> Generator[None]:
    """While the block runs this is the program that KINEMA_BLENDER names, for processes that it starts, too."""
    before = os.environ.get(VARIABLE)
    if program is not None:
        os.environ[VARIABLE] = program
    try:
        yield
    finally:
        if before is not None:
            os.environ[VARIABLE] = before
        elif program is not None:
            del os.environ[VARIABLE]


def run_in_blender(program: Path, script: Path, job: Mapping[str, Any], folder: Path, *, seconds: float) -> None:
    """Run a script in Blender with a job, which it finds as JSON at the path that is its last argument.

    `folder` is a place for that file. Raises KinemaError where Blender cannot be started, ends in an error or takes
    longer than `seconds`.
    """
    note = folder / "job.json"
    note.write_text(json.dumps(job))
    try:
        done = subprocess.run(
            [*_command(program, script), str(note)], capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except OSError as error:
        got = (error.strerror or str(error)).lower()
        raise KinemaError(expected=f"to start {program}", got=got, cure="Name Blender's program: --blender.") from error
    except subprocess.TimeoutExpired as error:
        raise KinemaError(
            expected=f"{program.name} to be done within {seconds:g} s",
            got="no result, and it was stopped",
            cure="Give it a shorter clip, or a machine with less to do.",
        ) from error
    if done.returncode:
        raise KinemaError(
            expected=f"{program} to do its work",
            got=f"exit code {done.returncode} ({_last_words(done.stderr or done.stdout)})",
            cure="It must be Blender 4.2 or newer, or a Python that has bpy; a .glb needs neither.",
        )


def _command(program: Path, script: Path) -> list[str]:
    if program.stem.lower().startswith("blender"):
        alone = ("--background", "--factory-startup", "--python-exit-code", "1")
        return [str(program), *alone, "--python", str(script), "--"]
    return [str(program), "-I", str(script)]  # -I: what is in the environment for our Python is not for that one


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"
