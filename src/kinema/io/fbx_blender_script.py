"""Runs inside Blender, which knows nothing of kinema: a GLB becomes an FBX, or an FBX a GLB, with a report."""

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


def unpack(job: dict[str, Any]) -> dict[str, Any]:
    """Import an FBX and export its armature, skin and animation as GLB, a key on every frame."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=job["source"])
    bodies = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    if not bodies:
        return {"frames": 0, "bones": 0}
    body = max(bodies, key=lambda thing: len(thing.data.bones))
    scene, action = bpy.context.scene, body.animation_data and body.animation_data.action
    if action:
        scene.frame_start, scene.frame_end = (round(frame) for frame in action.frame_range)
    bpy.ops.export_scene.gltf(filepath=job["target"], export_format="GLB", export_force_sampling=True)
    rate = scene.render.fps / scene.render.fps_base
    return {"frames": scene.frame_end - scene.frame_start + 1, "bones": len(body.data.bones), "fps": rate}


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[-1]).read_text())
    Path(job["report"]).write_text(json.dumps((unpack if job["source"].lower().endswith(".fbx") else convert)(job)))
