"""`kinema demo`, the first five minutes, and `kinema doctor`: what kinema needs, and what could be added."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kinema.apps.cli.console import stderr
from kinema.apps.cli.options import OutRequired
from kinema.core.constants import VERSION

_NEEDED = ("torch", "numpy", "scipy", "safetensors", "jaxtyping", "cyclopts", "rich", "pillow", "viser")
_EXTRAS = {
    "av": "MP4 films: pip install 'kinema[video]'",
    "tensorboard": "curves: pip install 'kinema[train]'",
    "onnxruntime": "ONNX files: pip install 'kinema[export]'",
    "huggingface_hub": "models of the hub: pip install 'kinema[hub]'",
    "mcp": "kinema mcp: pip install 'kinema[mcp]'",
    "motionmcp-sdk": "kinema serve: pip install 'kinema[serve]'",
    "ray": "jobs on many machines: pip install 'kinema[ray]'",
}

_MODULES = {"pillow": "PIL", "motionmcp-sdk": "motionmcp.server"}
"""The module of a package, where it has another name."""


def demo(*, out: OutRequired = Path("kinema-demo"), seed: int = 0) -> None:
    """Run the shipped models on a recording and on procedural motion; needs no network and no GPU.

    Parameters
    ----------
    out
        The folder to write to.
    seed
        The seed of the procedural motion; another seed, another performer.
    """
    stderr.print("loading torch ...")
    from kinema.apps.demo import MODEL
    from kinema.apps.demo import demo as run

    done = run(out, seed=seed, say=lambda text: stderr.print(f"{text} ..."))
    console = Console()
    for title, lines in done.notes.items():
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")
        if title in done.scores:
            page = done.scores[title].table()
            table = Table(*page.columns, box=None)
            for row in page.rows:
                table.add_row(*row)
            console.print(table)
    print(f"\nwritten to {done.folder} ({done.seconds:.0f} s):")
    for name in done.files:
        print(f"  {done.folder / name}")
    program = _program()
    print("\nnext:")
    print(f"  {program} forecast {MODEL} YOUR.bvh -o future.bvh")
    print(f"  {program} view {done.folder / 'forecast.bvh'}")
    print(f"  {program} train simlpe --tiny --out runs/first")


def _program() -> str:
    """How the user can call this program again: by its name if that is found, else as they called it now."""
    called = Path(sys.argv[0])
    if called.name != "kinema":
        return "python -m kinema"
    return "kinema" if shutil.which("kinema") else sys.argv[0]


def doctor() -> int:
    """Check the installation. Exit code 4 if a needed part does not work."""
    table = Table("part", "state", "what to do", box=None)
    table.add_row("kinema", VERSION, "")
    table.add_row("python", platform.python_version(), "" if sys.version_info >= (3, 11) else "use 3.11 or newer")
    broken = 0
    for name in _NEEDED:
        state, cure = _state(name)
        broken += bool(cure)
        table.add_row(name, state, cure)
    for name, cure in _EXTRAS.items():
        state, missing = _state(name)
        table.add_row(f"{name} (optional)", state, cure if missing else "")
    for label, state, cure in _machine():
        table.add_row(label, state, cure)
    Console().print(table)
    print("something is missing" if broken else "everything that kinema needs is installed")
    return 4 if broken else 0


def _state(name: str) -> tuple[str, str]:
    try:
        importlib.import_module(_MODULES.get(name, name))
        return importlib.metadata.version(name), ""
    except (ImportError, OSError) as error:
        return f"not usable: {error}".splitlines()[0], f"pip install {name}"


def _machine() -> list[tuple[str, str, str]]:
    import torch

    from kinema.pipeline.open import shipped_models
    from kinema.pipeline.train import pick_device
    from kinema.training.distributed import Process
    from kinema.training.precision import precision_of

    data = os.environ.get("KINEMA_DATA", "")
    precision = precision_of("auto", pick_device("auto", Process()))
    fast = "float32 and bfloat16" if precision.taken == "bfloat16" else "float32; bfloat16 is slow"
    browser = shutil.which("chromium") or shutil.which("google-chrome") or ""
    return [
        ("accelerator", torch.cuda.get_device_name() if torch.cuda.is_available() else "none; none is needed", ""),
        ("torch build", _build(), ""),
        ("precision", f"{fast}: {precision.why}; training takes {precision.taken} (precision auto)", ""),
        *(("slow", what, cure) for what, cure in _what_is_slow()),
        ("threads", str(torch.get_num_threads()), ""),
        ("shipped models", ", ".join(shipped_models()) or "none", ""),
        ("data folder", data or "not set", "" if data else "for the benchmarks: KINEMA_DATA=FOLDER, or --data FOLDER"),
        ("browser", browser or "none found", "" if browser else "any browser opens the pages that kinema writes"),
    ]


def _build() -> str:
    """For which devices torch was built, and what its kernels use on this processor."""
    import torch

    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
    device = built if torch.version.cuda or torch.version.hip else "CPU only"
    libraries = {"MKL": torch.backends.mkl.is_available(), "oneDNN": torch.backends.mkldnn.is_available()}
    with_ = [name for name, there in libraries.items() if there]
    vectors = torch.backends.cpu.get_cpu_capability()
    return f"{device}; kernels for {vectors}; with {', '.join(with_) or 'neither MKL nor oneDNN'}"


def _what_is_slow() -> list[tuple[str, str]]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return slow_parts(
        threads=torch.get_num_threads(),
        cores=cores,
        has_onednn=torch.backends.mkldnn.is_available(),
        vectors=torch.backends.cpu.get_cpu_capability(),
        has_gpu_driver=shutil.which("nvidia-smi") is not None,
        uses_gpu=torch.cuda.is_available(),
        environment=os.environ,
    )


def slow_parts(
    *,
    threads: int,
    cores: int,
    has_onednn: bool,
    vectors: str,
    has_gpu_driver: bool,
    uses_gpu: bool,
    environment: Mapping[str, str],
) -> list[tuple[str, str]]:
    """What makes kinema slower than this machine allows, each with its cure; empty where nothing does.

    `threads` are those of torch, `cores` those that this process may use, `vectors` is the level of torch's kernels.
    """
    found: list[tuple[str, str]] = []
    if threads < cores:
        limits = [name for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in environment]
        by = f"unset {' '.join(limits)}" if limits else f"set OMP_NUM_THREADS={cores}, if nothing else needs the cores"
        found.append((f"torch uses {threads} of {cores} cores", by))
    if not has_onednn:
        found.append(
            ("torch has no oneDNN: matrix products and bfloat16 are slow", "pip install --force-reinstall torch")
        )
    if vectors == "DEFAULT":
        limited = "ATEN_CPU_CAPABILITY" in environment
        cure = "unset ATEN_CPU_CAPABILITY" if limited else "none here: the processor is older than AVX2"
        found.append(("torch uses no vector instructions", cure))
    if has_gpu_driver and not uses_gpu:
        cure = "install torch's CUDA build; the versions of driver and CUDA must fit"
        found.append(("this machine has an NVIDIA GPU that torch does not use", cure))
    return found
