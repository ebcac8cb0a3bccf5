"""Constraints: what is left, what changed, how the jerk changed, by constraint; and the CPU time.

`python benchmarks/bench_constraints.py` prints the table of docs/results.md. The motion is a procedural walk of three
seconds; the pins lie 5 to 12 cm from where the walk has the joint.
"""

from __future__ import annotations

import time

import torch

from kinema.data.synthetic import perform
from kinema.motion.constraints.kinds import Constraint, Ground, Loop, Pin, Plant, RootPath
from kinema.motion.constraints.solver import meet
from kinema.motion.edit import resample
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.skeletons import skeleton

BODIES = ("cmu38", "smpl24", "smplx55", "bandai21", "lafan22", "kinema24")
RATES = (24.0, 30.0, 60.0, 120.0)


def pinned(clip: Motion, joint: str, frame: int, *by: float) -> Pin:
    position = clip.points().positions[frame, clip.skeleton.index(joint)] + torch.tensor(by)
    x, y, z = position.tolist()
    return Pin(joint, (frame,), ((x, y, z),))


def wanted(clip: Motion) -> dict[str, list[Constraint]]:
    half, end = clip.frames // 2, clip.frames - 1
    x, z = float(clip.root[half, 0]), float(clip.root[half, 2])
    return {
        "hand": [pinned(clip, "r_wrist", half, 0.08, 0.1, 0.05)],
        "both hands": [pinned(clip, "r_wrist", half, 0.08, 0.1, 0.05), pinned(clip, "l_wrist", half, 0.05, 0.05, 0.08)],
        "head": [pinned(clip, "head", half, 0.0, -0.06, 0.04)],
        "foot planted": [Plant("left", half, half + round(0.2 * clip.fps))],
        "path": [RootPath((0, half, end), ((0.0, 0.0), (x + 0.2, z), (x + 0.4, 1.8 * z)))],
        "ground": [Ground(0.03)],
        "loop": [Loop()],
    }


def main() -> None:
    torch.set_num_threads(1)
    walk = perform("walk", seconds=3.0, fps=120.0, seed=0)
    print("| constraint | largest residual, mm | moved, cm | jerk, median | CPU ms for 300 frames, median |")
    print("|---|---|---|---|---|")
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for name in BODIES:
        body = walk if name == "kinema24" else retarget(walk, skeleton(name))
        for fps in RATES:
            clip = resample(body, fps)
            for what, constraints in wanted(clip).items():
                began = time.process_time()
                met = meet(clip, constraints)
                spent = (time.process_time() - began) * 300 / clip.frames
                residual = max(each.residual for each in met.residuals)
                moved = max(each.moved for each in met.residuals)
                ratio = max(each.jerk for each in met.residuals)
                rows.setdefault(what, []).append((residual, moved, ratio, spent))
    for what, found in rows.items():
        values = torch.tensor(found)
        print(
            f"| {what} | {1000 * float(values[:, 0].max()):.3f} | {100 * float(values[:, 1].median()):.1f} |"
            f" {float(values[:, 2].median()):.2f} | {1000 * float(values[:, 3].median()):.0f} |"
        )


if __name__ == "__main__":
    main()
