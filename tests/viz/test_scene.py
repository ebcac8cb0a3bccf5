"""The live viewer answers on this machine, follows the clock, and can be exported."""

import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from kinema.motion.motion import Points
from kinema.viz.layers import Panel
from kinema.viz.scene import ball, cylinder, open_scene, scene_html, serve


def test_rods_lie_along_the_bones(walk: Points) -> None:
    scene = open_scene(walk, port=0)
    try:
        scene.pose(0.4)
        body = scene.bodies[0]
        w, x, y, z = np.asarray(body.bones.batched_wxyzs).T
        along = np.stack((2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)), -1)  # +y, turned
        bone = body.layer.figure.bones[4]
        pose = walk.positions[10].numpy()
        wanted = pose[bone.joint] - pose[bone.parent]
        assert np.allclose(along[4], wanted / np.linalg.norm(wanted), atol=1e-3)
        assert np.allclose(body.bones.batched_positions[4], (pose[bone.joint] + pose[bone.parent]) / 2, atol=1e-3)
    finally:
        scene.close()


def test_bodies_appear_when_their_layer_does(forecast: Panel) -> None:
    scene = open_scene(forecast, port=0)
    try:
        assert len(scene.bodies) == 6  # observed, truth, four futures
        scene.pose(0.5)
        assert [body.bones.visible for body in scene.bodies] == [True, False, False, False, False, False]
        scene.pose(1.5)
        assert [body.bones.visible for body in scene.bodies] == [False, True, True, True, True, True]
    finally:
        scene.close()


def test_serving_says_where_and_stops_when_asked(walk: Points, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    done = threading.Event()

    def visit(address: str) -> None:
        with urllib.request.urlopen(address, timeout=5) as answer:
            said.append(answer.read().decode()[:200])
        said.append(address)
        done.set()

    serve(walk, port=0, ready=visit, keep_on=lambda: not done.is_set())
    assert "<!doctype html>" in said[0].lower()
    assert said[1].startswith("http://127.0.0.1:")
    assert capsys.readouterr().out == ""


def test_the_export_is_one_file(walk: Points, tmp_path: Path) -> None:
    scene_html(tmp_path / "scene.html", walk[:5])
    assert 200_000 < (tmp_path / "scene.html").stat().st_size < 3_000_000


@pytest.mark.parametrize("shape", [ball, cylinder])
def test_meshes_are_sound(shape: object) -> None:
    vertices, faces = shape()  # type: ignore[operator]
    assert faces.min() == 0
    assert faces.max() == len(vertices) - 1
    assert np.abs(vertices).max() <= 1 + 1e-9
