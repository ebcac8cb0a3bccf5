"""What it costs to start: CPU seconds of `kinema info` on a small file, beside `python -c "import torch"`.

`python benchmarks/bench_startup.py [FILE]`. The two take turns, so that a busy machine is busy for both; of several
runs the least counts. Goal: at most 1.25 times.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 7


def cpu(*arguments: str) -> float:
    """CPU seconds of a Python process with these arguments, one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def small_file(folder: Path) -> Path:
    """A walk of two seconds by the procedural performer."""
    from kinema.data.synthetic import perform
    from kinema.io.formats import save

    target = folder / "walk.bvh"
    save(perform("walk", seconds=2.0, fps=30.0, seed=0), target)
    return target


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(sys.argv[1]) if len(sys.argv) > 1 else small_file(Path(folder))
        ways = {
            'python -c "import torch"': ("-c", "import torch"),
            "kinema info --help": ("-m", "kinema", "info", "--help"),
            "kinema info FILE": ("-m", "kinema", "info", str(file)),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(RUNS):
            for name, arguments in ways.items():
                times[name].append(cpu(*arguments))
    torch = min(times['python -c "import torch"'])
    print("| command | CPU s | times torch |\n|---|---|---|")
    for name, all_times in times.items():
        print(f"| `{name}` | {min(all_times):.2f} | {min(all_times) / torch:.2f} |")


if __name__ == "__main__":
    main()
