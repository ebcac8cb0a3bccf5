"""FBX, through the user's Blender: the format is closed, and Blender writes it well.

The clip goes to Blender as a GLB (`glb`) and comes back as an FBX of the same bones, skin, rate and frames, without
leaf bones and without thinning of the curves. Only written, never read.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from kinema.core.atomic import atomic_path
from kinema.core.errors import KinemaError
from kinema.io.blender import find_blender, run_in_blender
from kinema.io.gltf import glb
from kinema.motion.motion import Motion

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
        said = json.loads(report.read_text()) if report.is_file() else {}
        found = said.get("frames"), said.get("bones")
        if not made.is_file() or found != (motion.frames, len(motion.skeleton)):
            raise KinemaError(
                expected=f"an FBX of {motion.frames} frames and {len(motion.skeleton)} bones",
                got=f"{found[0]} frames and {found[1]} bones" if made.is_file() else f"no file from {program.name}",
                cure="Write .glb and look at it in Blender.",
            )
        with atomic_path(path) as beside:
            shutil.copyfile(made, beside)
