"""Runs inside Blender: key poses on an armature go to a server, and its answer becomes an action of that armature.

Arguments: the server's address, and a folder for what came of it: `request.json` and `answer.json`, and `seen.npz` with
the heads of all bones in the key poses as they were made, and in every frame of the action, metres, y up. Blender
exports the action as `out.bvh` and `out.glb`.
"""

import base64
import json
import sys
import urllib.request
from math import radians
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion, Vector

# Bones of a person 1.7 m tall, in Blender's axes (z up, facing -y): name, parent, head, tail, roll in degrees.
BONES = (
    ("hips", None, (0, 0, 0.95), (0, 0, 1.05), 0),
    ("spine", "hips", (0, 0, 1.05), (0, 0.01, 1.25), 15),
    ("chest", "spine", (0, 0.01, 1.25), (0, 0, 1.45), 0),
    ("neck", "chest", (0, 0, 1.45), (0, -0.01, 1.53), 0),
    ("head", "neck", (0, -0.01, 1.53), (0, -0.01, 1.7), -30),
    *(
        bone
        for side, x in (("L", 1), ("R", -1))
        for bone in (
            (f"shoulder.{side}", "chest", (0.03 * x, 0, 1.4), (0.16 * x, 0, 1.4), 0),
            (f"upper_arm.{side}", f"shoulder.{side}", (0.18 * x, 0, 1.4), (0.45 * x, 0.01, 1.39), 40 * x),
            (f"forearm.{side}", f"upper_arm.{side}", (0.45 * x, 0.01, 1.39), (0.7 * x, 0, 1.38), -20),
            (f"hand.{side}", f"forearm.{side}", (0.7 * x, 0, 1.38), (0.8 * x, 0, 1.38), 0),
            (f"thigh.{side}", "hips", (0.1 * x, 0, 0.92), (0.1 * x, -0.01, 0.5), 90),
            (f"shin.{side}", f"thigh.{side}", (0.1 * x, -0.01, 0.5), (0.1 * x, 0, 0.08), 10),
            (f"foot.{side}", f"shin.{side}", (0.1 * x, 0, 0.08), (0.1 * x, -0.13, 0.02), 0),
            (f"toe.{side}", f"foot.{side}", (0.1 * x, -0.13, 0.02), (0.1 * x, -0.2, 0.02), 0),
        )
    ),
)
POSES = {  # by frame: turns of bones about their own axes in degrees, and where the hips are moved to, metres
    0: ({"upper_arm.L": (0, 0, -60), "upper_arm.R": (0, 0, 60)}, (0, 0, 0)),
    20: (
        {"upper_arm.L": (-40, 20, 30), "thigh.R": (-35, 0, 5), "shin.R": (50, 0, 0), "head": (0, 30, 0)},
        (0.05, -0.4, -0.03),
    ),
    40: ({"spine": (20, 0, 0), "forearm.L": (0, 0, 70), "hips": (0, 25, 0)}, (0.1, -0.9, -0.01)),
}
FPS = 30
TO_Y_UP = Matrix(((1, 0, 0), (0, 0, 1), (0, -1, 0)))  # Blender's z is the protocol's y


def armature():
    """An armature in an empty scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = FPS
    body = bpy.data.objects.new("body", bpy.data.armatures.new("body"))
    bpy.context.scene.collection.objects.link(body)
    bpy.context.view_layer.objects.active = body
    bpy.ops.object.mode_set(mode="EDIT")
    for name, parent, head, tail, roll in BONES:
        bone = body.data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll = head, tail, radians(roll)
        bone.parent = None if parent is None else body.data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="POSE")
    for bone in body.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return body


def local(bone, matrix):
    """Rotation and place of a bone in its parent's frame; of the root in the world, y up."""
    own = matrix(bone)
    if bone.parent is None:
        return (TO_Y_UP @ own.to_3x3()).to_quaternion(), TO_Y_UP @ own.translation
    inner = matrix(bone.parent).inverted() @ own
    return inner.to_quaternion(), inner.translation


def xyzw(turn):
    return [turn.x, turn.y, turn.z, turn.w]


def heads(body):
    bpy.context.view_layer.update()
    return [tuple(TO_Y_UP @ (body.matrix_world @ bone.head)) for bone in body.pose.bones]


def posed(body, turns, place):
    """Set a key pose by hand, as an animator does."""
    for bone in body.pose.bones:
        bone.matrix_basis = Matrix()
        if bone.name in turns:
            bone.rotation_quaternion = Euler([radians(part) for part in turns[bone.name]]).to_quaternion()
    root = body.pose.bones[0]
    root.location = root.bone.matrix_local.to_3x3().inverted() @ Vector(place)
    bpy.context.view_layer.update()


def request_of(body):
    """What the armature and its poses are in the protocol, and the heads in each key pose."""
    joints = []
    for bone in body.pose.bones:
        turn, place = local(bone, lambda one: one.bone.matrix_local)
        parent = bone.parent.name if bone.parent else None
        joints.append(
            {"name": bone.name, "parent": parent, "rest_translation": list(place), "rest_rotation": xyzw(turn)}
        )
    keys, seen = [], []
    for frame, (turns, moved) in POSES.items():
        posed(body, turns, moved)
        found = {bone.name: local(bone, lambda one: one.matrix) for bone in body.pose.bones}
        key = {"type": "pose_keyframe", "frame": frame, "root_position": list(found["hips"][1])}
        keys.append(key | {"joint_rotations": {name: xyzw(turn) for name, (turn, _) in found.items()}})
        seen.append(heads(body))
    page = {"protocol_version": "1.0", "model": "kinema-inbetween", "skeleton": {"joints": joints}, "constraints": keys}
    return page | {"duration_frames": max(POSES) + 1, "timing": {"fps": FPS}, "options": {"seed": 1}}, seen


def tracks(answer):
    """The channels of the glTF by bone and path."""
    (buffer,) = (base64.b64decode(one["uri"].partition(",")[2]) for one in answer["buffers"])
    animation, found = answer["animations"][0], {}
    for channel in animation["channels"]:
        accessor = answer["accessors"][animation["samplers"][channel["sampler"]]["output"]]
        view = answer["bufferViews"][accessor["bufferView"]]
        width = {"VEC3": 3, "VEC4": 4}[accessor["type"]]
        numbers = np.frombuffer(buffer, "<f4", accessor["count"] * width, view["byteOffset"])
        name = answer["nodes"][channel["target"]["node"]]["name"]
        found[name, channel["target"]["path"]] = numbers.reshape(-1, width).tolist()
    return found


def applied(body, answer):
    """The answer as an action: a key for every bone in every frame."""
    found = tracks(answer)
    body.animation_data_create().action = bpy.data.actions.new("kinema")
    for bone in body.pose.bones:
        rest = local(bone, lambda one: one.bone.matrix_local)[0]
        bone.matrix_basis = Matrix()
        for frame, (x, y, z, w) in enumerate(found[bone.name, "rotation"]):
            bone.rotation_quaternion = rest.inverted() @ Quaternion((w, x, y, z))
            bone.keyframe_insert("rotation_quaternion", frame=frame)
            if bone.parent is None:
                away = TO_Y_UP.inverted() @ Vector(found[bone.name, "translation"][frame]) - bone.bone.head_local
                bone.location = bone.bone.matrix_local.to_3x3().inverted() @ away
                bone.keyframe_insert("location", frame=frame)


address, folder = sys.argv[-2], Path(sys.argv[-1])
body = armature()
page, keys = request_of(body)
(folder / "request.json").write_text(json.dumps(page))
asked = urllib.request.Request(f"{address}/generate", json.dumps(page).encode(), {"Content-Type": "application/json"})
with urllib.request.urlopen(asked, timeout=120) as reply:
    answer = json.load(reply)
(folder / "answer.json").write_text(json.dumps(answer))
applied(body, answer)
first, last = body.animation_data.action.frame_range
frames = []
for frame in range(round(first), round(last) + 1):
    bpy.context.scene.frame_set(frame)
    frames.append(heads(body))
names = [bone.name for bone in body.pose.bones]
np.savez(folder / "seen.npz", keys=keys, frames=frames, range=[first, last], bones=names)
bpy.context.scene.frame_start, bpy.context.scene.frame_end = 0, round(last)
bpy.ops.export_anim.bvh(filepath=str(folder / "out.bvh"), frame_start=0, frame_end=round(last), rotate_mode="NATIVE")
bpy.ops.export_scene.gltf(filepath=str(folder / "out.glb"), export_format="GLB", export_force_sampling=True)
