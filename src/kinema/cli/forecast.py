"""`kinema forecast MODEL FILE`: say what a body will do next."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.cli.console import note
from kinema.motion.files import load, save
from kinema.run import open_run


def forecast(
    model: str,
    file: Path,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    seconds: float | None = None,
    samples: int = 1,
    seed: int = 0,
    append: bool = False,
    unit: float | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Say what a body will do next, on its own skeleton and at its own frame rate.

    Parameters
    ----------
    model
        A shipped model, a baseline (see `kinema models`) or a run folder.
    file
        The motion so far: BVH, NPZ or exponential-map text.
    out
        Where to write: .bvh, .npz or .glb. Default: FILE.forecast.bvh in this folder. Of several samples, each gets a BVH
        or GLB of its own (OUT-1.bvh, OUT-2.bvh ...), and one NPZ holds them all.
    seconds
        How far to look; default: as far as the model was trained to.
    samples
        How many futures.
    seed
        Same seed, same motion.
    append
        Write the observed motion in front of the future.
    unit
        Metres per file unit, where the file does not say (BVH): 0.01 for centimetres.
    json_
        Say on standard output, as JSON, what was written.
    """
    run = open_run(model)
    clip = load(file, unit=unit)
    answer = run.answer(clip, seconds=seconds, samples=samples, seed=seed)
    for line in answer.notes:
        note(line)
    out = out or Path(f"{file.stem}.forecast.bvh")
    written: list[str] = []
    if samples == 1 or out.suffix == ".npz":
        whole = answer.whole() if append else answer.samples.one(0) if samples == 1 else answer.samples
        save(whole, out)
        written.append(str(out))
    else:
        for index in range(samples):
            path = out.with_name(f"{out.stem}-{index + 1}{out.suffix}")
            save(answer.whole(index) if append else answer.samples.one(index), path)
            written.append(str(path))
    frames, fps = answer.samples.frames, answer.samples.fps
    if json_:
        json.dump(
            {"model": run.name, "files": written, "frames": frames, "fps": fps, "notes": answer.notes}, sys.stdout
        )
        print()
    else:
        print(f"{frames} frames at {fps:g} fps ({frames / fps:.2f} s) by {run.name}: {', '.join(written)}")
