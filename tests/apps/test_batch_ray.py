"""The same jobs on a real Ray cluster: of this machine, two cores, on loopback, stopped afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_batch import Doubling

from kinema.apps.batch.jobs import Outcome, pieces_in, run_job
from kinema.apps.batch.workers import OnRay
from kinema.core.atomic import write_text
from kinema.core.errors import UsageError

pytestmark = pytest.mark.ray
PORT = 26379
# Ray takes "127.0.0.1" for the machine's address on the network, unless it is told, by this name, that there is none.
# It listens when it is imported.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def _no_cluster(**options: object) -> None:
    raise ConnectionError(f"Could not find any running Ray instance at {options['address']}.")


def test_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    write_text(tmp_path / "in/a.txt", "one")
    pieces = pieces_in(tmp_path / "in", tmp_path / "out", patterns=["*.txt"])
    monkeypatch.setattr(ray, "init", _no_cluster)  # a cluster of somebody else may run on this machine
    with pytest.raises(UsageError, match="a Ray cluster at auto") as caught:
        list(run_job(Doubling(), pieces, tmp_path / "out", OnRay(1)))
    assert "ray start --head" in caught.value.cure


def test_what_starts_or_joins_a_cluster_stays_on_loopback_and_reports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every `ray start` that we print or document; and kinema starts no cluster itself."""
    given: dict[str, object] = {}

    def init(**options: object) -> None:
        given.update(options, usage=os.environ.get("RAY_USAGE_STATS_ENABLED"))
        raise ConnectionError("none")

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setattr("kinema.apps.batch.workers.require", lambda *_: ray)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    write_text(tmp_path / "in/a.txt", "one")
    pieces = pieces_in(tmp_path / "in", tmp_path / "out", patterns=["*.txt"])
    with pytest.raises(UsageError) as caught:
        list(run_job(Doubling(), pieces, tmp_path / "out", OnRay(1)))
    assert given["address"] == "auto"  # joins a cluster, and never starts one
    assert given["usage"] == "0"
    root = Path(__file__).parents[2]
    pages = [caught.value.cure, *(path.read_text() for path in (root / "docs").rglob("*.md"))]
    commands = [line for page in pages for line in re.findall(r"ray start [^`#\n]*", page)]
    assert len(commands) > 2
    for command in commands:
        assert "--disable-usage-stats" in command, command
        if "--head" in command:
            assert re.search(r"--node-ip-address (127\.0\.0\.1|10\.)", command), command  # Ray's own is every interface
    assert "127.0.0.1" in caught.value.cure


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    ray = Path(sys.executable).with_name("ray")
    if not ray.is_file() and not shutil.which("ray"):
        pytest.skip("the command `ray` is not there")
    here = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": here, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    options = ["--num-cpus", "2", "--node-ip-address", "127.0.0.1", "--include-dashboard", "false",
               "--object-store-memory", "100000000", "--disable-usage-stats"]  # fmt: skip
    command = [ray, "start", "--head", "--port", str(PORT), *options]
    started = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert started.returncode == 0, started.stderr
    try:
        yield f"127.0.0.1:{PORT}"
    finally:
        subprocess.run([ray, "stop", "--force"], capture_output=True, timeout=120, check=False)


def test_a_cluster_does_what_a_process_does(cluster: str, tmp_path: Path) -> None:
    for name, text in {"a.txt": "one", "b.txt": "bad", "c.txt": "deadly", "d.txt": "two", "e.txt": "six"}.items():
        write_text(tmp_path / "in" / name, text)

    def job() -> dict[str, Outcome]:
        pieces = pieces_in(tmp_path / "in", tmp_path / "out", patterns=["*.txt"])
        return {one.piece.source.name: one for one in run_job(Doubling(), pieces, tmp_path / "out", OnRay(2, cluster))}

    found = job()
    assert [found[name].status for name in sorted(found)] == ["done", "failed", "failed", "done", "done"]
    assert found["b.txt"].error is not None
    assert found["b.txt"].error["cure"] == "Write another."
    assert found["c.txt"].error is not None
    assert "process that finishes" in found["c.txt"].error["expected"]
    assert (tmp_path / "out/e.txt").read_text() == "sixsix"
    again = job()
    assert [again[name].status for name in sorted(again)] == ["kept", "failed", "failed", "kept", "kept"]
