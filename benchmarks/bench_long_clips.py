"""CPU seconds and peak memory of the command line on long clips: 1,000, 10,000 and 100,000 frames.

`python benchmarks/bench_long_clips.py [--runs N] [--frames 1000,10000] [VERB ...]` prints a table. Every run is a
process of its own, with one thread; of several runs the least time counts, so that a busy machine does little harm. The
file is a body of 31 joints and 7 end sites at 120 frames per second that swings smoothly, with spikes of one to five
frames in every 180th frame or so. Below the table: what reading and writing 10,000 frames cost by themselves, imports
left out, beside repairing and upsampling.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LIMBS = (
    ("Spine", "Spine1", "Spine2", "Neck", "Head"),
    *(
        (f"{side}Shoulder", f"{side}Arm", f"{side}ForeArm", f"{side}Hand", f"{side}HandIndex1", f"{side}HandIndex2")
        for side in ("Left", "Right")
    ),
    *((f"{side}UpLeg", f"{side}Leg", f"{side}Foot", f"{side}ToeBase") for side in ("Left", "Right")),
    *((f"{side}HandThumb1", f"{side}HandThumb2", f"{side}HandThumb3") for side in ("Left", "Right")),
)
OFFSETS = {"Spine": (0, 10, 0), "Spine1": (0, 12, 0), "Spine2": (0, 12, 0), "Neck": (0, 14, 0), "Head": (0, 10, 0),
           "Shoulder": (4, 10, 0), "Arm": (12, 0, 0), "ForeArm": (28, 0, 0), "Hand": (25, 0, 0),
           "HandIndex1": (9, 0, 0), "HandIndex2": (4, 0, 0), "HandThumb1": (3, 0, 3), "HandThumb2": (4, 0, 0),
           "HandThumb3": (3, 0, 0), "UpLeg": (9, -4, 0), "Leg": (0, -42, 0), "Foot": (0, -40, 0),
           "ToeBase": (0, -4, 13)}  # fmt: skip
ROOTS = {"LeftShoulder": "Spine2", "RightShoulder": "Spine2", "LeftHandThumb1": "LeftHand",
         "RightHandThumb1": "RightHand"}  # fmt: skip
RATE = 120
VERBS: dict[str, tuple[str, ...]] = {
    "info": ("info", "FILE"),
    "convert to BVH": ("convert", "FILE", "OUT.bvh"),
    "convert to NPZ": ("convert", "FILE", "OUT.npz"),
    "convert to GLB": ("convert", "FILE", "OUT.glb"),
    "repair": ("repair", "FILE", "-o", "OUT.bvh"),
    "upsample x4": ("upsample", "FILE", "--rate", "4", "-o", "OUT.bvh"),
    "forecast (SMRNet)": ("forecast", "smrnet", "FILE", "-o", "OUT.bvh"),
    "render to PNG": ("render", "FILE", "-o", "OUT.png"),
}
INSIDE = """
import sys, time, warnings
import torch
from kinema.io.formats import load, save
from kinema.pipeline.completion import complete
from kinema.pipeline.repair import repair
warnings.simplefilter("ignore")
torch.set_num_threads(1)
file, out = sys.argv[1:]
warm = load(file)[:200]
repair(warm), complete(warm, fps=4 * warm.fps)

def least(work):
    times = []
    for _ in range(5):
        begun = time.process_time()
        found = work()
        times.append(time.process_time() - begun)
    return min(times), found

read, clip = least(lambda: load(file))
write, _ = least(lambda: save(clip, out))
mend, _ = least(lambda: repair(clip))
more, whole = least(lambda: complete(clip, fps=4 * clip.fps))
longer, _ = least(lambda: save(whole.motion, out))
print(read, write, mend, more, longer)
"""


def long_file(path: Path, frames: int) -> None:
    """The body as BVH."""
    parents = dict.fromkeys(("Spine", "LeftUpLeg", "RightUpLeg"), "Hips") | ROOTS
    for limb in LIMBS:
        parents |= {below: above for above, below in itertools.pairwise(limb)}
    children: dict[str, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent, []).append(name)
    lines = ["HIERARCHY", *_joint("Hips", children, root=True), "MOTION", f"Frames: {frames}"]
    lines.append(f"Frame Time: {1 / RATE:.7f}")
    random, width = np.random.default_rng(0), 6 + 3 * len(parents)
    speed, phase = random.uniform(0.2, 1.5, width), random.uniform(0, 2 * np.pi, width)
    spikes = random.choice(frames - 10, frames // 180, replace=False)
    with path.open("w") as file:
        file.write("\n".join(lines) + "\n")
        for start in range(0, frames, 1000):
            time = np.arange(start, min(start + 1000, frames))[:, None] / RATE
            rows = 15 * np.sin(2 * np.pi * speed * time + phase) + 4 * np.sin(4.6 * np.pi * speed * time + 2 * phase)
            rows[:, :3] = rows[:, :3] + (0, 92, 0)
            for spike in spikes[(spikes >= start) & (spikes + 5 < start + 1000)]:
                joint, length = int(random.integers(0, 31)), int(random.integers(1, 6))
                here = slice(spike - start, spike - start + length)
                rows[here, 3 + 3 * joint : 6 + 3 * joint] += random.uniform(60, 120, 3)
            file.write("".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in rows.tolist()))


def _joint(name: str, children: dict[str, list[str]], *, root: bool = False) -> list[str]:
    part = name.removeprefix("Left").removeprefix("Right")
    x, y, z = (0, 0, 0) if root else OFFSETS[part]
    lines = [f"{'ROOT' if root else 'JOINT'} {name}", "{", f"OFFSET {-x if name.startswith('Right') else x} {y} {z}"]
    lines.append("CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation" if root
                 else "CHANNELS 3 Zrotation Xrotation Yrotation")  # fmt: skip
    for child in children.get(name, ()):
        lines += _joint(child, children)
    if name not in children:
        lines += ["End Site", "{", "OFFSET 0 5 0", "}"]
    return [*lines, "}"]


def measured(arguments: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of one run of the command line."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    silent = subprocess.DEVNULL
    command = [sys.executable, "-m", "kinema", *arguments]
    process = subprocess.Popen(command, stdout=silent, stderr=silent, env=environment, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024 / (1 if sys.platform != "darwin" else 1024)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verbs", nargs="*", default=list(VERBS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--frames", default="1000,10000,100000")
    chosen = parser.parse_args()
    counts = [int(count) for count in chosen.frames.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in counts:
            long_file(folder / f"{count}.bvh", count)
        print("| verb | " + " | ".join(f"{count:,} frames: CPU s | peak MB" for count in counts) + " |")
        print("|---|" + "---|---|" * len(counts))
        for verb in chosen.verbs:
            cells: list[str] = []
            for count in counts:
                words = [word.replace("FILE", f"{count}.bvh").replace("OUT", "out") for word in VERBS[verb]]
                runs = [measured(words, folder) for _ in range(chosen.runs)]
                cells += [f"{min(run[0] for run in runs):.2f}", f"{max(run[1] for run in runs):.0f}"]
            print(f"| {verb} | " + " | ".join(cells) + " |", flush=True)
        if 10_000 in counts and "repair" in chosen.verbs:
            words = [sys.executable, "-c", INSIDE, str(folder / "10000.bvh"), str(folder / "out.bvh")]
            done = subprocess.run(
                words, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            read, write, mend, more, longer = map(float, done.stdout.split())
            print(f"\n10,000 frames, without imports: read {read:.2f} s, write {write:.2f} s")
            print(f"repair {mend:.2f} s: with both {(read + write + mend) / (read + write):.2f} times as long as they")
            short, both = (read + more + longer) / (read + write), (read + more + longer) / (read + longer)
            print(
                f"upsample x4 {more:.2f} s, write 40,000 frames {longer:.2f} s: with reading {short:.2f} times as long"
            )
            print(f"as reading and writing 10,000 frames, {both:.2f} times as long as what it reads and writes")


if __name__ == "__main__":
    main()
