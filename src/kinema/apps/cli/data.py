"""`kinema data`: check a data set, or rebuild benchmark files from their sources."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App

from kinema.apps.batch.workers import EngineName
from kinema.apps.cli.many import Many, run_pieces
from kinema.apps.cli.options import Flag, Json, OutRequired
from kinema.core.errors import CheckFailedError, FormatError, UsageError

if TYPE_CHECKING:
    from kinema.data.source import Inventory


app = App(name="data", help="Check a data set, or rebuild benchmark files from their sources.")
_SHOWN = 8  # names of a kind before the rest is only counted


@app.command
def check(
    dataset: Literal["amass", "h36m-expmap", "h36m-positions", "humaneva-positions"],
    /,
    *,
    root: Path | None = None,
    json_: Json = False,
) -> None:
    """Check that the files of a data set are complete. Exit code 4 if a file is missing or damaged.

    Parameters
    ----------
    dataset
        amass (DATASET/SUBJECT/*.npz), h36m-expmap (S1/walking_1.txt ...), h36m-positions (data_3d_h36m.npz) or
        humaneva-positions (data_3d_humaneva15.npz).
    root
        The folder of the data set, or its file. Default: $KINEMA_DATA.
    """
    if dataset == "amass":
        _check_amass(root, json_=json_)
        return
    found, origin = _inventory(dataset, None if root is None else str(root))
    things = "files" if dataset == "h36m-expmap" else "takes"
    total = len(found.whole) + len(found.missing) + len(found.damaged)
    if json_:
        print(json.dumps({"dataset": dataset, "folder": str(found.folder), "expected": total, "whole": len(found.whole),
                          "missing": list(found.missing), "damaged": dict(found.damaged)}))  # fmt: skip
    else:
        print(f"{found.folder}: {len(found.whole)} of {total} {things} are complete.")
        _list("missing", found.missing)
        _list("damaged", [why for _, why in found.damaged])
    if len(found.whole) < total:
        raise CheckFailedError(
            expected=f"{total} {things} of {dataset} in {found.folder}",
            got=f"{len(found.whole)} whole, {len(found.missing)} missing, {len(found.damaged)} damaged",
            cure=origin,
        )


@app.command(name="cmu-from-bvh")
def cmu_from_bvh(file: Path, /, *, out: OutRequired) -> None:
    """Rebuild a text file of the CMU forecasting benchmark from its trial's BVH.

    Parameters
    ----------
    file
        The trial from the 2010 MotionBuilder-friendly conversion (cgspeed), with its T-pose.
    out
        The text file to write, for example test/washwindow/washwindow_1.txt.
    """
    from kinema.data.sources.cmu import benchmark_rows
    from kinema.io.expmap import save_rows

    if not file.is_file():
        raise UsageError(
            expected="a BVH file",
            got=f"no file at {file}",
            cure=f"Name the trial: kinema data cmu-from-bvh trial.bvh --out {out}.",
        )
    rows = benchmark_rows(file)
    save_rows(rows, out)
    print(f"{len(rows)} rows of {rows.shape[1]} columns: {out}")


@app.command(name="amass-joints")
def amass_joints(
    folder: Path,
    /,
    *,
    model: Path,
    out: OutRequired,
    fps: float = 60.0,
    as_released: Annotated[bool, Flag] = False,
    skip_bad: Annotated[bool, Flag] = False,
    jobs: int = 1,
    engine: EngineName = "local",
) -> int:
    """Build Render-In-Between's file of joint positions from AMASS. The same command resumes a run that was stopped.

    Writes a report to OUT.report.json, and keeps finished recordings in OUT.parts until the file is complete. Exit code
    1 if a recording is damaged.

    Parameters
    ----------
    folder
        AMASS, SMPL-H release: DATASET/SUBJECT/*_poses.npz.
    model
        Your SMPL-H model: a file, or a folder with one file per gender.
    out
        The HDF5 file to write.
    fps
        Resample all recordings to this many frames per second.
    as_released
        Keep each recording's own rate and use the male body, as the release did.
    skip_bad
        Build the file without the damaged recordings.
    jobs
        The number of recordings at once.
    engine
        local: processes of this machine. ray: actors on its Ray cluster (extra ray).
    """
    from kinema.apps.batch.converting import AmassFitting, amass_pieces
    from kinema.data.sources.amass_joints import Building, write_hdf5
    from kinema.data.sources.arrays import require_h5py

    require_h5py()
    how = Building(None if as_released else fps, as_released)
    parts = out.with_name(f"{out.name}.parts")
    pieces = amass_pieces(folder, parts)
    report = out.with_name(f"{out.name}.report.json")
    failed = run_pieces(AmassFitting(model, how), list(pieces.values()), parts, Many(jobs, engine), report)
    if failed and not skip_bad:
        print(f"kinema: {out} is not written: repair the damaged recordings, or add --skip-bad", file=sys.stderr)
        return failed
    whole = {name: piece.target for name, piece in pieces.items() if piece.target.is_file()}
    write_hdf5(out, whole, how)
    shutil.rmtree(parts)
    print(f"{len(whole)} recordings: {out}")
    return failed


def _check_amass(root: Path | None, *, json_: bool) -> None:
    from kinema.data.sources.amass import Amass, read_take

    damaged, whole = list[tuple[str, str]](), 0
    source = Amass(None if root is None else str(root), skip_bad=True)
    for header in source.recordings:
        try:
            read_take(header)
            whole += 1
        except FormatError as error:
            damaged.append((header.name, str(error)))
    # A file that is not an archive at all is among the files that were left out.
    damaged += [(name, why) for name, why in source.skipped if name in source.damaged]
    left = [(name, why) for name, why in source.skipped if name not in source.damaged]
    if json_:
        print(json.dumps({"dataset": "amass", "folder": str(source.folder), "body": source.taken_body, "whole": whole,
                          "data_sets": source.actions, "left_out": dict(left), "damaged": dict(damaged)}))  # fmt: skip
    else:
        print(f"{source.folder}: {whole} recordings of {source.taken_body}, of {', '.join(source.actions)}.")
        _list("left out", [f"{name}: {why}" for name, why in left])
        _list("damaged", [why for _, why in damaged])
    if damaged:
        got = f"{whole} whole, {len(damaged)} damaged"
        raise CheckFailedError(
            expected=f"whole files in {source.folder}", got=got, cure="Download or copy the damaged files again."
        )


def _inventory(dataset: str, root: str | None) -> tuple[Inventory, str]:
    """What is there of a data set, and where to get the rest."""
    from kinema.data.sources import h36m_rotations as rotations
    from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions

    if dataset == "h36m-positions":
        return H36MPositions(root).inventory(), H36MPositions.archive.origin
    if dataset == "humaneva-positions":
        return HumanEvaPositions(root).inventory(), HumanEvaPositions.archive.origin
    return rotations.H36MExpmap(root).inventory(), rotations.ORIGIN


def _list(kind: str, names: Sequence[str]) -> None:
    for name in names[:_SHOWN]:
        print(f"  {kind}: {name}")
    if len(names) > _SHOWN:
        print(f"  {kind}: {len(names) - _SHOWN} more")
