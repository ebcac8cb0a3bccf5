"""Human3.6M through a camera, on files of exactly its layout: projection by hand, centring, scaling, takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.core.errors import FormatError, MissingDataError
from kinema.data.sources.h36m_camera import ACTIONS, TEST, TRAIN, CalibratedCamera, H36MCamera

h5py = pytest.importorskip("h5py")
FRAMES = 304


def take(subject: int, action: str, number: int) -> np.ndarray:
    generator = np.random.default_rng([subject, ACTIONS.index(action), number])
    return generator.normal(size=(FRAMES, 32, 3)) * 300 + [0, 0, 900]


def write(path: Path, positions: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["3D_positions"] = positions.reshape(len(positions), 96).T


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("h36m") / "h36m"
    # The camera stands 5 m along +y and looks back: its x is -x of the world, its y points down.
    rotation = np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]])
    for subject in (*TRAIN, *TEST):
        for action in ACTIONS:
            for number in (0, 1):
                name = action if number == 0 else f"{action} 1"
                write(root / f"S{subject}" / "MyPoses" / "3D_positions" / f"{name}.h5", take(subject, action, number))
        write(root / f"S{subject}" / "MyPoses" / "3D_positions" / "WalkDog.h5", take(subject, "Walking", 5))
    with h5py.File(root / "cameras.h5", "w") as file:
        for subject in (*TRAIN, *TEST):
            for number, name in enumerate(("54138969", "55011271"), start=1):
                group = file.create_group(f"subject{subject}/camera{number}")
                group["R"], group["T"] = rotation.T, np.array([[0.0], [5000.0], [0.0]])
                group["f"], group["c"] = np.array([[1000.0], [1000.0]]), np.array([[500.0], [500.0]])
                group["k"], group["p"] = np.zeros((3, 1)), np.zeros((2, 1))
                group["Name"] = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
    return root


def test_takes_splits_and_labels(tree: Path) -> None:
    source = H36MCamera(str(tree.parent))
    test = list(source.clips("test"))
    assert len(test) == 20
    assert {clip.action for clip in test} == {action.lower() for action in ACTIONS}
    assert len({clip.identity for clip in test}) == 20
    assert not list(source.clips("val"))
    held = H36MCamera(str(tree), validation=9)
    assert len(list(held.clips("val"))) == 20
    assert len(list(held.clips("train"))) == 80


def test_pixels_are_those_of_the_pinhole_centred_and_scaled(tree: Path) -> None:
    clip = next(H36MCamera(str(tree)).clips("test"))
    world = take(11, "Directions", 0)[300:]
    depth = 5000 - world[..., 1]
    pixels = 1000 * np.stack((-world[..., 0], -world[..., 2]), -1) / depth[..., None]
    hips = [take(s, a, n)[:, 0, 1] for s in TRAIN for a in ACTIONS for n in (0, 1)]
    expected = (pixels - pixels[:, :1]) * (depth[:, :1] / np.mean([5000 - hip for hip in hips]))[..., None]
    assert clip.positions.shape == (4, 32, 2)
    np.testing.assert_allclose(clip.positions.numpy(), expected * [1, -1], rtol=1e-4, atol=1e-3)


def test_a_lens_bends_as_the_formula_says() -> None:
    camera = CalibratedCamera(
        np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), np.array([0.1, 0.01, 0.001]), np.array([0.2, 0.3])
    )
    (u, v), depth = camera.see(np.array([1.0, 2.0, 2.0]))
    x, y, square = 0.5, 1.0, 1.25
    factor = 1 + 0.1 * square + 0.01 * square**2 + 0.001 * square**3 + 0.2 * y + 0.3 * x
    assert depth == 2.0
    assert u == pytest.approx(x * factor + 0.3 * square)
    assert v == pytest.approx(y * factor + 0.2 * square)


def test_what_is_not_there_or_of_another_layout_is_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"cameras\.h5"):
        next(H36MCamera(str(tmp_path)).clips("test"))
    (tmp_path / "cameras.h5").write_bytes((tree / "cameras.h5").read_bytes())
    with pytest.raises(MissingDataError, match="0 of 2 takes of Directions"):
        next(H36MCamera(str(tmp_path)).clips("test"))
    for name in ("Directions", "Directions 1"):
        write(tmp_path / "S11" / "MyPoses" / "3D_positions" / f"{name}.h5", np.zeros((10, 32, 3)))
    with pytest.raises(FormatError, match=r"shape \(96, 10\)"):
        next(H36MCamera(str(tmp_path)).clips("test"))
