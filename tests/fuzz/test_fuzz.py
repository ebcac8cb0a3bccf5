"""A short fuzz run over every reader, in a process of its own: `make fuzz` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.hard
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and limits on memory, which this system has not")
def test_some_hundred_spoilt_files(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    command = [sys.executable, str(HERE / "fuzz_run.py"), "--files", "440", "--seed", "7", "--keep", str(tmp_path)]
    around = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "440 files, 0 findings" in done.stderr
