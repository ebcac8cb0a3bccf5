"""Blender asks `kinema serve`: key poses on an armature in, an action out, frames and joint positions compared."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

client = pytest.importorskip("motionmcp.client", reason="motionmcp-sdk is not installed")
pytest.importorskip("fastapi", reason="the server part of motionmcp-sdk is not installed")

from motionmcp.backbone import Limits  # noqa: E402 - after the check

from kinema.apps.serve.server import run  # noqa: E402
from kinema.io.formats import load  # noqa: E402

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]
NEAR = 1e-4  # metres
KEYS = (0, 20, 40)


def blender_python() -> str:
    """A Python that has bpy, as in test_blender.py."""
    if named := os.environ.get("KINEMA_BLENDER"):
        return named
    beside = Path(__file__).parents[2] / ".venv-blender" / "bin" / "python"
    if not beside.exists():
        pytest.skip("no Blender (`make blender` sets one up in .venv-blender; KINEMA_BLENDER names another)")
    return str(beside)


def test_key_poses_of_an_armature_become_an_action(tmp_path: Path) -> None:
    blender = blender_python()
    found: list[str] = []
    stops: list[Callable[[], None]] = []
    thread = threading.Thread(
        target=run, args=(Limits(),), kwargs={"port": 0, "ready": found.append, "stop": stops.append}
    )
    thread.start()
    while not found and thread.is_alive():
        thread.join(0.02)
    script = Path(__file__).with_name("key_poses_in_blender.py")
    alone = ["--background", "--factory-startup", "--python"] if Path(blender).stem.startswith("blender") else ["-I"]
    tail = ["--"] if len(alone) > 1 else []
    command = [blender, *alone, str(script), *tail, found[0], str(tmp_path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    finally:
        stops[0]()
        thread.join()
    assert (tmp_path / "seen.npz").is_file(), done.stderr[-2000:]
    seen = np.load(tmp_path / "seen.npz")
    page, answer = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("request", "answer"))

    assert seen["range"].tolist() == [0, 40]
    assert seen["frames"].shape == (41, len(page["skeleton"]["joints"]), 3)
    # The poses that were set by hand are there again.
    assert np.linalg.norm(seen["frames"][list(KEYS)] - seen["keys"], axis=-1).max() < NEAR
    # Every frame is what the answer says, by forward kinematics from the protocol's own rule.
    (sample,) = client.parse_gltf_samples(answer)
    turns, places = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for at, joint in enumerate(page["skeleton"]["joints"]):
        local, name, parent = sample["local_rot_mats"][:, at].astype(float), joint["name"], joint["parent"]
        if parent is None:
            turns[name], places[name] = local, sample["posed_joints"][:, at].astype(float)
        else:
            places[name] = places[parent] + turns[parent] @ np.array(joint["rest_translation"])
            turns[name] = turns[parent] @ local
    ours = np.stack([places[str(bone)] for bone in seen["bones"]], 1)
    assert np.linalg.norm(seen["frames"] - ours, axis=-1).max() < NEAR
    # Blender's own exports are read with the same frames, rate and positions.
    for name in ("out.bvh", "out.glb"):
        clip = load(tmp_path / name)
        assert (clip.frames, round(clip.fps, 3)) == (41, 30)
        there = clip.points().positions[:, clip.skeleton.indices([str(bone) for bone in seen["bones"]])].numpy()
        assert np.linalg.norm(there - seen["frames"], axis=-1).max() < NEAR
    # And it moves between the keys: the hips travel 0.9 m, never faster than 3 m/s.
    speed = np.linalg.norm(np.diff(seen["frames"][:, 0], axis=0), axis=-1) * 30
    assert 0.2 < speed.mean() < speed.max() < 3
