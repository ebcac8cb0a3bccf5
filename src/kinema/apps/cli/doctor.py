"""`kinema doctor`: what kinema needs, and what could be added."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys

from rich.console import Console
from rich.table import Table

from kinema.core.constants import VERSION

_NEEDED = ("torch", "numpy", "scipy", "safetensors", "jaxtyping", "cyclopts", "rich", "pillow", "viser")
_EXTRAS = {
    "av": "MP4 films: pip install 'kinema[video]'",
    "tensorboard": "curves: pip install 'kinema[train]'",
    "onnxruntime": "ONNX files: pip install 'kinema[export]'",
    "huggingface_hub": "models of the hub: pip install 'kinema[hub]'",
    "ray": "jobs on many machines: pip install 'kinema[ray]'",
}


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
        importlib.import_module("PIL" if name == "pillow" else name)
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
    browser = shutil.which("chromium") or shutil.which("google-chrome") or ""
    return [
        ("accelerator", torch.cuda.get_device_name() if torch.cuda.is_available() else "none; none is needed", ""),
        ("training in", f"{precision.taken} (precision auto): {precision.why}", ""),
        ("threads", str(torch.get_num_threads()), ""),
        ("shipped models", ", ".join(shipped_models()) or "none", ""),
        ("data folder", data or "not set", "" if data else "for the benchmarks: KINEMA_DATA=FOLDER, or --data FOLDER"),
        ("browser", browser or "none found", "" if browser else "any browser opens the pages that kinema writes"),
    ]
