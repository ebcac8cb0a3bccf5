"""`kinema data`: what of a data set is there, and benchmark files from their origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from kinema.data.cmu_from_bvh import benchmark_rows
from kinema.data.h36m_expmap import ACTIONS, CLIPS, ORIGIN, SUBJECTS, H36MExpmap, Inventory
from kinema.errors import CheckFailedError, UsageError
from kinema.motion.files.expmap import save_rows

app = App(name="data", help="Check a data set; rebuild benchmark files from a BVH.")
_SHOWN = 8  # names of a kind before the rest is only counted


@app.command
def check(
    dataset: Literal["h36m-expmap"],
    /,
    *,
    root: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Say which files of a data set are there and whole. Exit code 4 where one is not.

    Parameters
    ----------
    dataset
        h36m-expmap: Human3.6M's exponential maps, S{1,5,6,7,8,9,11}/ACTION_{1,2}.txt.
    root
        The folder that holds S1, S5 ...; default: the one that KINEMA_DATA names.
    json_
        Say it on standard output as JSON.
    """
    found = H36MExpmap(root=None if root is None else str(root)).inventory()
    total = len(SUBJECTS) * len(ACTIONS) * len(CLIPS)
    if json_:
        print(json.dumps({"dataset": dataset, "folder": str(found.folder), "expected": total, "whole": len(found.whole),
                          "missing": list(found.missing), "damaged": dict(found.damaged)}))  # fmt: skip
    else:
        _show(found, total)
    if len(found.whole) < total:
        raise CheckFailedError(
            expected=f"{total} files of {dataset} in {found.folder}",
            got=f"{len(found.whole)} whole, {len(found.missing)} missing, {len(found.damaged)} damaged",
            cure=ORIGIN,
        )


@app.command(name="cmu-from-bvh")
def cmu_from_bvh(file: Path, /, *, out: Annotated[Path, Parameter(name=["--out", "-o"])]) -> None:
    """Rebuild a text file of the CMU forecasting benchmark from its trial's BVH.

    Parameters
    ----------
    file
        The trial in the 2010 MotionBuilder-friendly conversion (cgspeed), T-pose included.
    out
        The text file, for example test/washwindow/washwindow_1.txt of a benchmark tree.
    """
    if not file.is_file():
        raise UsageError(expected="a BVH file", got=f"no file at {file}", cure="Check the path.")
    rows = benchmark_rows(file)
    save_rows(rows, out)
    print(f"{len(rows)} rows of {rows.shape[1]} columns: {out}")


def _show(found: Inventory, total: int) -> None:
    print(f"{found.folder}: {len(found.whole)} of {total} files are there and whole.")
    for kind, names in (("missing", found.missing), ("damaged", tuple(why for _, why in found.damaged))):
        for name in names[:_SHOWN]:
            print(f"  {kind}: {name}")
        if len(names) > _SHOWN:
            print(f"  {kind}: {len(names) - _SHOWN} more")
