"""Runs inside Blender: imports each file of a list into an empty scene and writes down what came of it.

Arguments: a JSON list of {"file", "fps", "report"}. A report is an NPZ of the bones' heads in every frame, in metres,
y up; of the bones' names; of first and last frame and frames per second as the scene has them; and of the mesh.
"""

import json
import sys
import traceback
from pathlib import Path

import bpy
import numpy as np


def load(path: Path, fps: float) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.fps, render.fps_base = round(fps), round(fps) / fps
    if path.suffix == ".bvh":
        bpy.ops.import_anim.bvh(
            filepath=str(path), global_scale=0.01, update_scene_fps=True, update_scene_duration=True
        )
    elif path.suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=str(path))
    else:
        bpy.ops.import_scene.fbx(filepath=str(path))


def measured(step: float) -> dict:
    """Frames are taken `step` apart: Blender's FBX import puts keys where a whole rate would have them."""
    scene = bpy.context.scene
    (body,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    first, last = body.animation_data.action.frame_range
    bones = [bone.name for bone in body.pose.bones]
    meshes = [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.find_armature() is body]
    heads, corners = [], []
    for place in range(round((last - first) / step) + 1):
        frame = first + place * step
        scene.frame_set(int(frame), subframe=frame % 1)
        heads.append([body.matrix_world @ body.pose.bones[name].head for name in bones])
        graph = bpy.context.evaluated_depsgraph_get()
        places = [
            mesh.matrix_world @ vertex.co for mesh in meshes for vertex in mesh.evaluated_get(graph).data.vertices
        ]
        corners.append([np.min(places, 0), np.max(places, 0)] if places else np.zeros((2, 3)))
    turn = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # Blender's z is our y
    return {
        "heads": np.array(heads) @ turn.T,
        "bones": np.array(bones),
        "range": np.array([first, first + (last - first) / step]),
        "fps": scene.render.fps / scene.render.fps_base,
        "corners": np.array(corners) @ turn.T,
        "meshes": len(meshes),
    }


for job in json.loads(Path(sys.argv[-1]).read_text()):
    try:
        load(Path(job["file"]), job["fps"])
        base = bpy.context.scene.render.fps_base
        np.savez(job["report"], **measured(base if job["file"].endswith(".fbx") else 1.0))
    except Exception:  # noqa: BLE001 - whatever it was, the test is to say it
        Path(job["report"]).with_suffix(".txt").write_text(traceback.format_exc())
