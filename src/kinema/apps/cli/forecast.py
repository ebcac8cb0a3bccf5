"""`kinema forecast [MODEL] FILE`: forecast what comes next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note, tell_constraints
from kinema.apps.cli.many import ONE, ManyFiles, run_many, suffix_of
from kinema.apps.cli.options import Flag, Inline, Json, ModelName, Out
from kinema.core.errors import UsageError
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import ConstraintOptions, FileOptions, ForecastRequest


def forecast(
    what: str,
    file: Path | None = None,
    /,
    *,
    request: Annotated[ForecastRequest | None, Inline] = None,
    model: ModelName = AUTO,
    out: Out = None,
    append: Annotated[bool, Flag] = False,
    end: Path | None = None,
    constraints: Annotated[ConstraintOptions | None, Inline] = None,
    files: Annotated[FileOptions | None, Inline] = None,
    as_json: Json = False,
    format_: Annotated[str | None, Parameter(name="--format")] = None,
    many: ManyFiles = ONE,
    protocol: str | None = None,
    data: Path | None = None,
    samples_out: Path | None = None,
    grid: Path | None = None,
    rows: int = 4,
    cols: int = 6,
) -> int:
    """Forecast what comes next, on the clip's own skeleton and at its own frame rate.

    Parameters
    ----------
    what
        A motion file (kinema forecast walk.bvh), or a model before FILE (kinema forecast smrnet walk.bvh).
    file
        The motion so far: BVH, NPZ or exponential-map text. Or a folder of motion files; OUT is then a folder too.
    out
        The file to write: .bvh, .npz, .csv or .glb. Default: FILE.forecast.bvh in this folder. Several samples:
        OUT-1.bvh, OUT-2.bvh ..., or one NPZ.
    append
        Write the observed motion before the forecast.
    end
        A motion file: every forecast ends in its last pose, turned to the body's own heading (SMRNet).
    format_
        For a folder: the format of the results, bvh, npz or glb. Default: bvh.
    protocol
        Forecast the windows of a benchmark instead of a FILE (see `kinema eval`).
    data
        The folder with the benchmark's data. Default: $KINEMA_DATA.
    samples_out
        For --protocol: write ground truth and forecast of every window to this file, .npz or .h5.
    grid
        For a stochastic --protocol: draw some windows with their samples to this file, .png, .gif or .html.
    rows
        For --grid: the number of windows, spread over the actions.
    cols
        For --grid: the number of samples per window.
    """
    request, options = request or ForecastRequest(), files or FileOptions()
    if protocol is not None or samples_out is not None or grid is not None:
        if file is not None or protocol is None or (samples_out is None) == (grid is None):
            raise UsageError(
                expected="a model and a motion FILE, or a model and --protocol with --samples-out or --grid",
                got="a file as well" if file is not None else "half of that, or both of the last",
                cure=f"Type kinema forecast {what} --protocol cmu-physical --samples-out samples.npz.",
            )
        from kinema.apps.cli.eval import forecast_windows, sample_grid

        if samples_out is not None:
            forecast_windows(what, protocol, data, samples_out)
        elif grid is not None:
            sample_grid(what, protocol, data, grid, rows, cols, request.seed)
        return 0
    if file is None:
        file = Path(what)
        if (not file.exists() and str(file) != "-") or (file / "config.json").is_file():
            missing = bool(file.suffix) and not file.exists()
            raise UsageError(
                expected="a motion FILE, or a model and then a FILE",
                got=f"'{what}', which is not there" if missing else f"'{what}' alone, which is not a motion file",
                cure="Name the file: kinema forecast walk.bvh, or kinema forecast simlpe-cmu walk.bvh.",
            )
    elif model != AUTO:
        raise UsageError(
            expected="one model",
            got=f"'{what}' before the file, and --model {model}",
            cure=f"Type kinema forecast {file} --model {model}.",
        )
    else:
        model = what
    from kinema.apps.batch.jobs import Piece
    from kinema.apps.batch.tasks import Forecasting

    work = Forecasting(request, model, options, end, append, constraints or ConstraintOptions())
    if file.is_dir():
        suffix = suffix_of(format_) or ".bvh"
        return run_many(work, file, out, many, suffix, files=options, pictures=False, as_json=as_json)
    made = work.open()(Piece(file, out or Path(f"{file.stem}.forecast.bvh")))
    facts, written = made.facts, [str(path) for path in made.files]
    for line in facts["notes"]:
        note(line)
    code = tell_constraints(facts.get("constraints", ()))
    if as_json:
        print(json.dumps({"files": written, **facts}))
    else:
        frames, fps = facts["frames"], facts["fps"]
        print(f"{frames} frames at {fps:g} fps ({frames / fps:.2f} s) by {facts['model']}: {', '.join(written)}")
    return code
