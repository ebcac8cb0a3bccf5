"""Small files in the layouts of AMASS and of SMPL-family models, with numbers of no real body."""

from pathlib import Path
from typing import Any

import numpy as np

from kinema.io.smpl import BODIES
from kinema.motion import skeletons as catalog

WIDTHS = {"smpl": 72, "smplh": 156, "smplx": 165}


def write_take(
    path: Path, *, body: str = "smplh", frames: int = 40, fps: float = 120.0, seed: int = 0, **changed: Any
) -> Path:
    """A recording that wanders; `changed` replaces arrays, and takes out those that are None."""
    numbers = np.random.default_rng(seed)
    arrays: dict[str, Any] = {
        "poses": 0.05 * numbers.standard_normal((frames, WIDTHS[body])).cumsum(0),
        "trans": 0.01 * numbers.standard_normal((frames, 3)).cumsum(0) + (0, 0, 0.9),
        "betas": numbers.standard_normal(16),
        "gender": np.array("female"),
        ("mocap_frame_rate" if body == "smplx" else "mocap_framerate"): np.array(fps),
    }
    arrays = {key: value for key, value in (arrays | changed).items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def model_arrays(body: str = "smplh", seed: int = 0) -> dict[str, Any]:
    """A model of as many vertices as joints, four of them around every joint in turn, and 16 shapes."""
    numbers = np.random.default_rng(seed)
    skeleton = catalog.skeleton(BODIES[body])
    joints = len(skeleton)
    places = np.zeros((joints, 3))
    for joint, parent in enumerate(skeleton.parents):
        places[joint] = skeleton.offsets[joint].numpy() + (places[parent] if joint else 0)
    around = np.repeat(places, 4, 0) + 0.01 * np.tile([[1, 1, 0], [-1, 1, 0], [0, -1, 1], [0, -1, -1]], (joints, 1))
    parents = np.array(skeleton.parents, dtype=np.int64)
    parents[0] = 2**32 - 1
    return {
        "v_template": around,
        "shapedirs": 0.01 * numbers.standard_normal((4 * joints, 3, 16)),
        "J_regressor": np.kron(np.eye(joints), np.full((1, 4), 0.25)),
        "kintree_table": np.stack((parents, np.arange(joints))),
        "f": np.zeros((2, 3), dtype=np.uint32),
    }


def write_model(path: Path, body: str = "smplh", seed: int = 0, **changed: Any) -> Path:
    """A model file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {key: value for key, value in (model_arrays(body, seed) | changed).items() if value is not None}
    np.savez(path, **arrays)
    return path
