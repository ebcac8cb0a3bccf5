"""Runs inside Blender, which knows nothing of kinema: a GLB in, an FBX out, and a note of what was in it."""

import json
import sys
from pathlib import Path
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Import the job's source, which has a whole rate, and export it at the job's; the count of frames and bones."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = max(1, round(job["fps"])), 1.0
    bpy.ops.import_scene.gltf(filepath=job["source"], disable_bone_shape=True)
    (body,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    # Blender's rate is a whole number over a base: 23.976 is 24 / 1.001.
    scene.render.fps_base = scene.render.fps / job["fps"]
    first, last = body.animation_data.action.frame_range
    scene.frame_start, scene.frame_end = round(first), round(last)
    bpy.ops.export_scene.fbx(
        filepath=job["target"],
        object_types={"ARMATURE", "MESH"},
        add_leaf_bones=False,
        bake_anim_use_all_actions=False,
        bake_anim_use_nla_strips=False,
        bake_anim_simplify_factor=0.0,
    )
    return {"frames": round(last) - round(first) + 1, "bones": len(body.data.bones)}


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[-1]).read_text())
    Path(job["report"]).write_text(json.dumps(convert(job)))
