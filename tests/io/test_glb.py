"""GLB: read back by an independent parser, and by trimesh."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from kinema.core.errors import UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io.gltf import glb
from kinema.motion.motion import Motion, stack
from kinema.motion.skeletons import skeleton

WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def moving(name: str = "smpl24", frames: int = 25) -> Motion:
    body = skeleton(name)
    random = torch.Generator().manual_seed(3)
    rotations = rotvec_to_rotmat((torch.randn(frames, len(body), 3, generator=random) * 0.4).cumsum(0))
    return Motion(body, rotations, torch.randn(frames, 3, generator=random), 30.0, identity="test/glb")


class Glb:
    """What a viewer sees."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, total = struct.unpack_from("<4sII", data)
        assert (magic, version, total) == (b"glTF", 2, len(data))
        length, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        assert length % 4 == 0
        self.json: dict[str, Any] = json.loads(data[20 : 20 + length])
        size, kind = struct.unpack_from("<I4s", data, 20 + length)
        assert kind == b"BIN\0"
        assert size % 4 == 0
        self.binary = data[28 + length :]
        assert len(self.binary) == size
        assert self.json["buffers"][0]["byteLength"] <= size

    def array(self, accessor: int) -> np.ndarray:
        row = self.json["accessors"][accessor]
        view = self.json["bufferViews"][row["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        kind = {5126: np.float32, 5123: np.uint16, 5125: np.uint32}[row["componentType"]]
        count = row["count"] * WIDTH[row["type"]]
        assert view["byteLength"] == count * np.dtype(kind).itemsize
        values = np.frombuffer(self.binary, kind, count, view["byteOffset"]).reshape(row["count"], -1)
        if "min" in row:
            np.testing.assert_array_equal(values.min(0), np.float32(row["min"]))
            np.testing.assert_array_equal(values.max(0), np.float32(row["max"]))
        return values

    def global_matrices(self, frame: int) -> np.ndarray:
        """Every joint's matrix in one frame, from nodes and animation channels alone."""
        nodes = self.json["nodes"]
        local = [{"translation": node.get("translation", [0, 0, 0]), "rotation": [0, 0, 0, 1]} for node in nodes]
        animation = self.json["animations"][0]
        for channel in animation["channels"]:
            values = self.array(animation["samplers"][channel["sampler"]]["output"])
            local[channel["target"]["node"]][channel["target"]["path"]] = values[frame]
        matrices = np.tile(np.eye(4), (len(nodes), 1, 1))

        def walk(node: int, above: np.ndarray) -> None:
            here = np.eye(4)
            here[:3, :3] = Rotation.from_quat(local[node]["rotation"]).as_matrix()
            here[:3, 3] = local[node]["translation"]
            matrices[node] = above @ here
            for child in nodes[node].get("children", []):
                walk(child, matrices[node])

        for root in self.json["scenes"][0]["nodes"]:
            walk(root, np.eye(4))
        return matrices


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("name", ["smpl24", "cmu38", "canon17"])
def test_the_nodes_move_as_the_motion_does(tmp_path: Path, name: str, carried: bool) -> None:
    motion = moving(name)
    if carried:
        offsets = motion.skeleton.offsets + 0.02 * torch.randn(motion.frames, len(motion.skeleton), 3)
        motion = replace(motion, offsets=offsets)
    glb.save(motion, tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    assert [node["name"] for node in read.json["nodes"]][:-1] == list(motion.skeleton.joints)
    expected = motion.points().positions.numpy()
    for frame in (0, 7, 24):
        matrices = read.global_matrices(frame)
        np.testing.assert_allclose(matrices[:-1, :3, 3], expected[frame], atol=2e-6)


def test_times_rate_and_continuous_quaternions(tmp_path: Path) -> None:
    glb.save(moving(), tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    animation = read.json["animations"][0]
    assert animation["extras"]["fps"] == 30
    times = read.array(animation["samplers"][0]["input"])
    np.testing.assert_allclose(times[:, 0], np.arange(25) / 30, atol=1e-6)
    for channel in animation["channels"]:
        if channel["target"]["path"] == "rotation":
            quats = read.array(animation["samplers"][channel["sampler"]]["output"])
            np.testing.assert_allclose(np.linalg.norm(quats, axis=1), 1, atol=1e-6)
            assert ((quats[1:] * quats[:-1]).sum(1) >= 0).all()


def vertices(read: Glb, name: str) -> np.ndarray:
    """An attribute of all vertices of all parts of the body."""
    return np.concatenate([read.array(part["attributes"][name]) for part in read.json["meshes"][0]["primitives"]])


def skinned(read: Glb, frame: int) -> np.ndarray:
    """Where a viewer puts every vertex."""
    inverse = read.array(read.json["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    turns = read.global_matrices(frame)[:-1] @ inverse
    owners, weights = vertices(read, "JOINTS_0"), vertices(read, "WEIGHTS_0")
    places = np.pad(vertices(read, "POSITION"), ((0, 0), (0, 1)), constant_values=1)
    return np.einsum("vk,vkij,vj->vi", weights, turns[owners], places)[:, :3]


def test_the_skin_stands_on_the_ground_and_follows_the_bones(tmp_path: Path) -> None:
    motion = moving()
    glb.save(motion, tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    np.testing.assert_allclose(vertices(read, "WEIGHTS_0").sum(1), 1)
    np.testing.assert_allclose(np.linalg.norm(vertices(read, "NORMAL"), axis=1), 1, atol=1e-5)
    places = vertices(read, "POSITION")
    assert places[:, 1].min() == pytest.approx(0, abs=0.05)
    assert 1.4 < np.ptp(places[:, 1]) < 2
    # Frame 9: round every joint there is skin, as thick as a limb and no thicker than a trunk.
    moved, joints = skinned(read, 9), motion.points().positions[9].numpy()
    for _, joint in motion.skeleton.bones:
        assert 0.005 < np.linalg.norm(moved - joints[joint], axis=1).min() < 0.13


def test_the_skin_of_a_bone_that_grows_reaches_its_end(tmp_path: Path) -> None:
    motion = moving()
    offsets = motion.skeleton.offsets.repeat(motion.frames, 1, 1)
    elbow = motion.skeleton.index("left_elbow")
    offsets[:, elbow] *= torch.linspace(1.0, 1.3, motion.frames)[:, None]
    glb.save(replace(motion, offsets=offsets), tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    assert elbow in set(vertices(read, "JOINTS_0")[:, 0])
    joints = replace(motion, offsets=offsets).points().positions[-1].numpy()
    gap = np.linalg.norm(skinned(read, motion.frames - 1) - joints[elbow], axis=1).min()
    assert gap < 0.05


def test_faces_look_outwards(tmp_path: Path) -> None:
    glb.save(moving(), tmp_path / "clip.glb")
    mesh = trimesh.load(tmp_path / "clip.glb", force="mesh", process=True)
    assert mesh.is_winding_consistent
    pieces = mesh.split(only_watertight=False)
    assert len(pieces) == len(moving().skeleton.bones)
    assert all(piece.is_watertight and piece.volume > 0 for piece in pieces)
    read = Glb(tmp_path / "clip.glb")
    for part in read.json["meshes"][0]["primitives"]:
        corners = read.array(part["attributes"]["POSITION"])[read.array(part["indices"]).reshape(-1, 3)]
        normals = read.array(part["attributes"]["NORMAL"])[read.array(part["indices"]).reshape(-1, 3)].mean(1)
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert ((faces * normals).sum(1) > 0).all()


def test_left_and_right_have_colours_of_their_own(tmp_path: Path) -> None:
    motion = moving()
    glb.save(motion, tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    assert [material["name"] for material in read.json["materials"]] == ["middle", "left", "right"]
    for part in read.json["meshes"][0]["primitives"][1:]:
        side = read.json["materials"][part["material"]]["name"]
        owners = set(read.array(part["attributes"]["JOINTS_0"])[:, 0])
        assert all(motion.skeleton.joints[owner].startswith(side) for owner in owners)


def test_a_body_far_from_its_root_is_shown_where_it_is_and_as_thick_as_it_should_be(tmp_path: Path) -> None:
    """Files like Bandai's leave the root on the ground and move the hips: no bone leads there, nor does it count."""
    body = skeleton("smpl24")
    names, parents = ("root", *body.joints), (-1, *(parent + 1 for parent in body.parents))
    rest = torch.cat((torch.zeros(1, 3), torch.tensor([[0.5, 0.9, 4.0]]), body.offsets[1:]))
    carried = replace(body, joints=names, parents=parents, offsets=rest, mirror=(), aliases={})
    eye, frames = torch.eye(3).repeat(8, 25, 1, 1), 8
    offsets = rest.repeat(frames, 1, 1)
    offsets[:, 1, 2] += torch.linspace(0, 2, frames)
    glb.save(Motion(carried, eye, torch.zeros(frames, 3), 30.0, offsets=offsets), tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    assert 0 not in set(vertices(read, "JOINTS_0")[:, 0])
    places = vertices(read, "POSITION")
    np.testing.assert_allclose(places[:, [0, 2]].mean(0), 0, atol=0.1)
    assert np.ptp(places[:, 2]) < 0.5
    assert skinned(read, frames - 1)[:, 2].mean() == pytest.approx(6.0, abs=0.1)


def test_trimesh_reads_it(tmp_path: Path) -> None:
    motion = moving()
    glb.save(motion, tmp_path / "clip.glb")
    scene = trimesh.load(tmp_path / "clip.glb")
    names = set(scene.graph.nodes)
    assert set(motion.skeleton.joints) <= names
    faces = {len(mesh.faces) for mesh in scene.geometry.values()}
    assert len(faces) == 2  # the middle, and two sides alike
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) % len(motion.skeleton.bones) == 0


def test_one_frame_and_one_joint(tmp_path: Path) -> None:
    motion = moving(frames=1)
    glb.save(motion, tmp_path / "clip.glb")
    np.testing.assert_allclose(
        Glb(tmp_path / "clip.glb").global_matrices(0)[:-1, :3, 3], motion.points().positions[0], atol=2e-6
    )


def test_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one at a time"):
        glb.save(stack([moving(), moving()]), tmp_path / "clip.glb")
