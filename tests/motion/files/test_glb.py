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

from kinema.errors import UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.catalog import skeleton
from kinema.motion.files import glb
from kinema.motion.motion import Motion, stack

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
        kind = {5126: np.float32, 5123: np.uint16}[row["componentType"]]
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


def test_the_skin_stands_on_the_ground_and_follows_the_bones(tmp_path: Path) -> None:
    motion = moving()
    glb.save(motion, tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    primitive = read.json["meshes"][0]["primitives"][0]["attributes"]
    places = read.array(primitive["POSITION"])
    owners, weights = read.array(primitive["JOINTS_0"]), read.array(primitive["WEIGHTS_0"])
    np.testing.assert_allclose(weights.sum(1), 1)
    assert places[:, 1].min() == pytest.approx(0, abs=0.05)
    assert 1.4 < np.ptp(places[:, 1]) < 2
    normals = read.array(primitive["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    inverse = read.array(read.json["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    # Skinned in frame 9: the tip of each bone stands where its joint stands.
    skinning = read.global_matrices(9)[:-1] @ inverse
    moved = np.einsum("vij,vj->vi", skinning[owners[:, 0]], np.pad(places, ((0, 0), (0, 1)), constant_values=1))
    joints = motion.points().positions[9].numpy()
    for parent, joint in motion.skeleton.bones:
        del parent
        assert np.linalg.norm(moved[:, :3] - joints[joint], axis=1).min() < 1e-5


def test_faces_look_outwards(tmp_path: Path) -> None:
    glb.save(moving(), tmp_path / "clip.glb")
    read = Glb(tmp_path / "clip.glb")
    attributes = read.json["meshes"][0]["primitives"][0]["attributes"]
    places, normals = read.array(attributes["POSITION"]), read.array(attributes["NORMAL"])
    bones = places.reshape(-1, 24, 3)
    outwards = places.reshape(-1, 24, 3) - bones.mean(1, keepdims=True)
    faces = outwards.reshape(-1, 3, 3).mean(1)
    assert ((faces * normals[::3]).sum(1) > 0).all()


def test_trimesh_reads_it(tmp_path: Path) -> None:
    motion = moving()
    glb.save(motion, tmp_path / "clip.glb")
    scene = trimesh.load(tmp_path / "clip.glb")
    names = set(scene.graph.nodes)
    assert set(motion.skeleton.joints) <= names
    assert len(names - {"world"}) == len(motion.skeleton) + 1
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == 8 * len(motion.skeleton.bones)


def test_one_frame_and_one_joint(tmp_path: Path) -> None:
    motion = moving(frames=1)
    glb.save(motion, tmp_path / "clip.glb")
    np.testing.assert_allclose(
        Glb(tmp_path / "clip.glb").global_matrices(0)[:-1, :3, 3], motion.points().positions[0], atol=2e-6
    )


def test_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one at a time"):
        glb.save(stack([moving(), moving()]), tmp_path / "clip.glb")
