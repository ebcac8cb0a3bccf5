"""A pass of each exported part in onnxruntime and in torch, on one core, at the sizes that people use.

`python benchmarks/bench_export.py MODEL ...` (extra `export`; shipped models or run folders; default: those shipped).
Prints, for every part, the medians in milliseconds of processor time (one thread each; a busy machine does not count),
their ratio (above 1: onnxruntime is faster), and how far the answers are apart.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from kinema.apps.onnx.graph import difference, parts_of, write_graph
from kinema.apps.onnx.runtime import session_of
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.open import model_folder

SIZES = {"batch": 1, "sample": 10, "frame": 90, "token": 30}
ROUNDS = 15


def measured(model: str, folder: Path) -> list[tuple[str, float, float, float]]:
    place = model_folder(model)
    assert place is not None
    rows = list[tuple[str, float, float, float]]()
    for part in parts_of(load_model(place)).values():
        file = folder / f"{part.name}.onnx"
        write_graph(part, file, "{}")
        session = session_of(file, threads=1)
        example = part.example(SIZES, torch.Generator().manual_seed(0))
        given = {name: value.numpy() for name, value in example.items()}
        times: dict[str, list[float]] = {"torch": [], "onnx": []}
        apart = 0.0
        for repeat in range(ROUNDS + 3):
            begun = time.process_time()
            with torch.inference_mode():
                wanted = part.network(**example)
            middle = time.process_time()
            found = session.run(None, given)
            end = time.process_time()
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            apart = max(apart, *(difference(one, other) for one, other in zip(wanted, found, strict=True)))
            if repeat >= 3:
                times["torch"].append(1000 * (middle - begun))
                times["onnx"].append(1000 * (end - middle))
        rows.append((part.name, statistics.median(times["torch"]), statistics.median(times["onnx"]), apart))
    return rows


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'model':28}{'part':12}{'torch ms':>10}{'onnx ms':>10}{'ratio':>8}{'apart':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for model in sys.argv[1:] or ["simlpe-cmu", "conv-seq2seq-cmu"]:
            for part, plain, graph, apart in measured(model, Path(folder)):
                row = f"{Path(model).name:28}{part:12}{plain:10.2f}{graph:10.2f}{plain / graph:8.2f}{apart:10.1e}"
                print(row, flush=True)


if __name__ == "__main__":
    main()
