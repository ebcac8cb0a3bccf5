"""How long a BVH of 5,000 frames and 21 joints takes to load, beside bvhio and upc-pymotion in the same run.

`python -m pytest benchmarks/bench_bvh.py` (extra `bench`). The peers read the same file; `readAsBvh` and pymotion's
`load` stop at the numbers or Euler angles, `readAsHierarchy` and kinema go on to rotations. The last test takes the
turns in rotation, so that a busy machine is busy for all, and holds kinema to its promise.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.io.bvh import load as bvh

bvhio = pytest.importorskip("bvhio", reason="pip install 'kinema[bench]'")
pymotion_bvh = pytest.importorskip("pymotion.io.bvh", reason="pip install 'kinema[bench]'")

FRAMES = 5000
LIMBS = {"Spine": 4, "LeftArm": 4, "RightArm": 4, "LeftLeg": 4, "RightLeg": 4}  # and the hips: 21 joints


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = ["HIERARCHY", "ROOT Hips", "{", "OFFSET 0 0 0"]
    lines.append("CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation")
    for limb, count in LIMBS.items():
        for joint in range(count):
            lines += [f"JOINT {limb}{joint}", "{", f"OFFSET 0 {20 if limb == 'Spine' else -20} 0"]
            lines.append("CHANNELS 3 Zrotation Xrotation Yrotation")
        lines += ["End Site", "{", "OFFSET 0 10 0", "}", *["}"] * count]
    lines += ["}", "MOTION", f"Frames: {FRAMES}", "Frame Time: 0.0333333"]
    curves = np.random.default_rng(0).normal(size=(FRAMES, 6 + 3 * 20)).cumsum(0)
    lines += [" ".join(f"{value:.6f}" for value in row) for row in curves]
    target = tmp_path_factory.mktemp("bench") / "long.bvh"
    target.write_text("\n".join(lines) + "\n")
    return target


def with_kinema(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bvh.load(path).rotations.shape[:2] == (FRAMES, 26)


def with_pymotion(path: Path) -> None:
    reader = pymotion_bvh.BVH()
    reader.load(str(path))


def with_bvhio(path: Path) -> None:
    bvhio.readAsBvh(str(path))


def with_bvhio_hierarchy(path: Path) -> None:
    bvhio.readAsHierarchy(str(path))


READERS: dict[str, Callable[[Path], None]] = {
    "kinema": with_kinema,
    "pymotion": with_pymotion,
    "bvhio": with_bvhio,
    "bvhio-hierarchy": with_bvhio_hierarchy,
}


@pytest.mark.parametrize("reader", READERS)
def test_load(benchmark, path: Path, reader: str) -> None:
    torch.set_num_threads(1)
    rounds = 2 if reader == "bvhio-hierarchy" else 7
    benchmark.pedantic(READERS[reader], args=(path,), rounds=rounds, warmup_rounds=1 if rounds > 2 else 0)


def test_save(benchmark, path: Path, tmp_path: Path) -> None:
    motion = bvh.load(path, unit=0.01)
    benchmark.pedantic(bvh.save, args=(motion, tmp_path / "out.bvh"), rounds=5)


def test_ratios(path: Path) -> None:
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in READERS}
    for repeat in range(9):
        for name, read in READERS.items():
            if name == "bvhio-hierarchy" and repeat:
                continue
            start = time.perf_counter()
            read(path)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, median in medians.items():
        print(f"{name:16s} {1e3 * median:8.1f} ms   {median / medians['kinema']:6.1f} x kinema")
    assert medians["bvhio"] >= 8 * medians["kinema"]
    assert medians["pymotion"] >= 2 * medians["kinema"]
