"""What kinema writes, opened by Blender itself: frames, rate, bones, and every joint to a tenth of a millimetre.

Blender is asked once, about all files: starting it takes longer than all the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import kinema.pipeline.pipeline as opening
from command import run as kinema
from kinema.core.errors import KinemaError
from kinema.core.query import Batch, Query
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io import fbx
from kinema.io import formats as files
from kinema.models.base import Model
from kinema.motion.edit import rest_pose
from kinema.motion.motion import Motion
from kinema.motion.names import is_end_point
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.rest_poses import with_rest
from kinema.motion.skeletons import skeleton
from kinema.pipeline.adapter import Card
from kinema.pipeline.pipeline import Pipeline
from kinema.representations.rotations import RotationVectors

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]
ROOT = Path(__file__).parents[2]
NEAR = 1e-4  # metres
CASES = ROOT / "tests" / "io" / "cases"
MINUTES = 5


@pytest.fixture(scope="module")
def blender() -> str:
    """A Python that has bpy: the one that KINEMA_BLENDER names, else the one beside the project."""
    if named := os.environ.get("KINEMA_BLENDER"):
        return named  # who names one wants these tests: they fail where it does not work
    beside = ROOT / ".venv-blender" / "bin" / "python"
    if not beside.exists():
        pytest.skip("no Blender (`make blender` sets one up in .venv-blender; KINEMA_BLENDER names another)")
    return str(beside)


class Waver(Model):
    """An untrained model of actions: small random turns."""

    deterministic = False

    def loss(self, batch: Batch, turn: str) -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> torch.Tensor:
        return 0.1 * torch.randn(samples, *query.observed.shape, generator=generator)


@dataclass(frozen=True)
class Seen:
    """A file, the clip that it should hold, and what Blender found in it."""

    clip: Motion
    heads: np.ndarray
    bones: list[str]
    first_last: tuple[float, float]
    fps: float
    corners: np.ndarray
    meshes: int


def walk(fps: float = 30.0) -> Motion:
    return perform("walk", seconds=1.5, fps=fps, seed=3)


def odd() -> Motion:
    """A walk whose rest pose says nothing, and whose bones change their length."""
    body = walk()
    turns = rotvec_to_rotmat(torch.randn(1, len(body.skeleton), 3, generator=torch.Generator().manual_seed(5)))
    offsets = body.skeleton.offsets * torch.linspace(1, 1.1, body.frames)[:, None, None]
    return with_rest(replace(body, offsets=offsets), replace(rest_pose(body.skeleton), rotations=turns))


def written(folder: Path, blender: str) -> dict[str, Motion]:
    """The files, by name, and what is in them."""
    clips: dict[str, Motion] = {}
    for name, clip in (("walk", walk()), ("fast", walk(120.0)), ("odd", odd())):
        for suffix in (".bvh", ".glb"):
            files.save(clip, folder / f"{name}{suffix}")
            clips[f"{name}{suffix}"] = clip
    files.save(odd(), folder / "plain.bvh", rest="source")
    clips["plain.bvh"] = odd()
    for name, fps in (("film", 24 / 1.001), ("video", 60 / 1.001)):
        clips[f"{name}.bvh"] = walk(fps)
        files.save(walk(fps), folder / f"{name}.bvh")
    character = files.load(CASES / "character.glb")
    clips["hero.glb"] = retarget(walk(), character)  # into the character's own file
    files.save(clips["hero.glb"], folder / "hero.glb")
    for name in ("walk", "odd", "film", "video"):
        files.save(clips[f"{name}.bvh"], folder / f"{name}.fbx", blender=blender)
        clips[f"{name}.fbx"] = clips[f"{name}.bvh"]
    source, made = folder / "walk.bvh", folder / "generated"
    assert kinema("upsample", source, "--rate", "2", "--method", "linear", "-o", folder / "slow.bvh") == 0
    assert (
        kinema("forecast", "constant-velocity", source, "--seconds", "0.4", "--append", "-o", folder / "next.bvh") == 0
    )
    waver = Pipeline.of("waver", Waver(), RotationVectors(skeleton("kinema24"), 30.0), card=Card(actions=("walk",)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open_generator", lambda name: waver)
        assert kinema("generate", "walk", "--model", "waver", "--seconds", "0.5", "-o", made, "--formats", "bvh") == 0
    (one,) = made.glob("*.bvh")
    one.rename(folder / "made.bvh")
    return clips | {name: files.load(folder / name) for name in ("slow.bvh", "next.bvh", "made.bvh")}


NAMES = (
    "walk.bvh", "walk.glb", "walk.fbx", "fast.bvh", "fast.glb", "odd.bvh", "odd.glb", "odd.fbx", "plain.bvh",
    "film.bvh", "film.fbx", "video.bvh", "video.fbx", "hero.glb", "slow.bvh", "next.bvh", "made.bvh",
)  # fmt: skip


@pytest.fixture(scope="module")
def observed(blender: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    folder = tmp_path_factory.mktemp("blender")
    clips = written(folder, blender)
    jobs = [
        {"file": str(folder / name), "fps": clip.fps, "report": str(folder / f"{name}.npz")}
        for name, clip in clips.items()
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    script = Path(__file__).with_name("measure_in_blender.py")
    alone = ["--background", "--factory-startup", "--python"] if Path(blender).stem.startswith("blender") else ["-I"]
    tail = ["--"] if len(alone) > 1 else []
    command = [blender, *alone, str(script), *tail, str(folder / "jobs.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=False)
    found: dict[str, Seen] = {}
    for name, clip in clips.items():
        report = folder / f"{name}.npz"
        said = report.with_suffix(".txt")
        assert report.is_file(), said.read_text() if said.is_file() else done.stderr[-2000:]
        page = np.load(report)
        bones, (first, last) = [str(bone) for bone in page["bones"]], page["range"]
        found[name] = Seen(
            clip, page["heads"], bones, (first, last), float(page["fps"]), page["corners"], int(page["meshes"])
        )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_blender_sees_what_was_written(observed: dict[str, Seen], name: str) -> None:
    file = observed[name]
    clip, body = file.clip, file.clip.skeleton
    first, last = file.first_last
    assert round(last - first) + 1 == clip.frames
    assert file.fps == pytest.approx(clip.fps, rel=1e-5)
    assert (last - first) / file.fps == pytest.approx(clip.duration, rel=1e-4)
    # A BVH has no bone for an end point that stands still in its parent; GLB and FBX have one for every joint.
    whole = not name.endswith(".bvh")
    expected = {joint for joint in body.joints if whole or clip.offsets is not None or not is_end_point(joint)}
    assert set(file.bones) == expected
    assert len(file.bones) == len(expected)
    ours = clip.points().positions[:, body.indices(file.bones)].numpy()
    assert file.heads.shape == ours.shape
    assert np.linalg.norm(file.heads - ours, axis=-1).max() < NEAR


@pytest.mark.parametrize("name", ["walk.glb", "odd.glb", "walk.fbx", "odd.fbx"])
def test_a_skin_goes_with_the_body(observed: dict[str, Seen], name: str) -> None:
    file = observed[name]
    assert file.meshes == 1
    joints = file.clip.points().positions.numpy()
    low, high = file.corners[:, 0], file.corners[:, 1]
    low, high = np.minimum(low, high), np.maximum(low, high)
    # In every frame the skin surrounds the joints, and by no more than half a head.
    assert (joints.min(1) > low - 0.02).all()
    assert (joints.max(1) < high + 0.02).all()
    assert (joints.min(1) - low < 0.15).all()
    assert (high - joints.max(1) < 0.15).all()


def test_an_fbx_is_read_as_it_was_written(blender: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fbx.VARIABLE, blender)
    files.save(walk(), tmp_path / "walk.fbx", blender=blender)
    again = files.load(tmp_path / "walk.fbx")
    assert (again.frames, again.fps) == (walk().frames, 30)
    found = again.points().positions[:, again.skeleton.indices(walk().skeleton.joints)]
    assert float((found - walk().points().positions).norm(dim=-1).max()) < NEAR


def test_blender_that_cannot_is_said(blender: str, tmp_path: Path) -> None:
    with pytest.raises(KinemaError, match=r"within 0\.001 s"):
        fbx.save(walk(), tmp_path / "walk.fbx", blender=blender, seconds=0.001)
    assert not list(tmp_path.iterdir())
