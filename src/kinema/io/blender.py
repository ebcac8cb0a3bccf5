"""The user's own Blender, as a program that is asked to do one thing and leaves: kinema neither holds nor installs it.

It may be the application (`blender`) or a Python that has the package `bpy`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.core.errors import KinemaError, UsageError

VARIABLE = "KINEMA_BLENDER"
"""The environment variable that says where Blender is."""


def find_blender(wish: Path | str | None = None) -> Path:
    """The program that is wished for, else the one that KINEMA_BLENDER names, else `blender` on the search path.

    Raises UsageError where the one that was named is not there, KinemaError where there is none at all.
    """
    said = str(wish) if wish is not None else os.environ.get(VARIABLE) or None
    if (found := shutil.which(said or "blender")) is not None:
        return Path(found)
    if said is not None:
        raise UsageError(
            expected="a Blender program, or a Python that has bpy",
            got=f"nothing that can be run at {said}",
            cure=f"Name the program itself, as in --blender /path/to/blender ({VARIABLE} stands for it).",
        )
    raise KinemaError(
        expected="Blender, which writes this format",
        got="none on the search path",
        cure=f"Install Blender, or say where it is (--blender PATH, or {VARIABLE}); or write .glb or .bvh, which need "
        "no Blender and which it opens.",
    )


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
            got="no answer, and it was ended",
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
    return lines[-1][:200] if lines else "it said nothing"
