"""`kinema forecast [MODEL] FILE`: predict what a body does next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import Json, note
from kinema.apps.cli.many import ONE, ManyFiles
from kinema.apps.cli.verbs.options import Files, ModelName, Out
from kinema.core.errors import UsageError
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import FileOptions, ForecastRequest

if TYPE_CHECKING:
    from kinema.apps.batch.jobs import Made


def forecast(
    what: str,
    file: Path | None = None,
    /,
    *,
    request: Annotated[ForecastRequest | None, Parameter(name="*")] = None,
    model: ModelName = AUTO,
    out: Out = None,
    append: Annotated[bool, Parameter(negative="")] = False,
    end: Path | None = None,
    files: Files = None,
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
    """Predict what a body does next, on its own skeleton and at its own frame rate.

    Parameters
    ----------
    what
        The model, as in --model, where a FILE follows (kinema forecast smrnet walk.bvh); else the file, and --model
        names the model (kinema forecast walk.bvh).
    file
        The motion so far: BVH, NPZ or exponential-map text. Or a folder of them; OUT is then the folder of the results.
    out
        Where to write: .bvh, .npz, .csv or .glb. Default: FILE.forecast.bvh in this folder. Of several samples each has
        a file of its own (OUT-1.bvh, OUT-2.bvh ...), but one NPZ holds them all.
    append
        Write the observed motion before the future.
    end
        A motion file, of any skeleton whose joints have known names: all futures end in its last pose, which is rotated
        to face as the body last did. For models that complete (SMRNet).
    format_
        Of a folder's results: bvh, npz or glb. Default: bvh.
    protocol
        Instead of a FILE: forecast the windows of a benchmark (see `kinema eval`).
    data
        The folder with the protocol's data. Default: the one that KINEMA_DATA names.
    samples_out
        Where ground truth and prediction of every window of the protocol go: .npz or .h5. `kinema render` draws them.
    grid
        Of a stochastic protocol: a picture of some windows, with what was observed, what happened, and samples: .png,
        .gif or .html.
    rows
        How many windows the grid shows, spread over the actions.
    cols
        How many samples it shows of each.
    """
    request, options = request or ForecastRequest(), files or FileOptions()
    if protocol is not None or samples_out is not None or grid is not None:
        if file is not None or protocol is None or (samples_out is None) == (grid is None):
            raise UsageError(
                expected="a model and a motion FILE, or a model and --protocol with --samples-out or --grid",
                got="a file as well" if file is not None else "half of that, or both of the last",
                cure=f"Say kinema forecast {what} --protocol cmu-physical --samples-out samples.npz.",
            )
        if samples_out is not None:
            _forecast_protocol(what, protocol, data, samples_out)
        elif grid is not None:
            _grid(what, protocol, data, grid, rows, cols, request.seed)
        return 0
    if file is None:
        file = Path(what)
        if not file.exists() or (file / "config.json").is_file():
            raise UsageError(
                expected="a motion FILE, or a model and then a FILE",
                got=f"'{what}' alone, which is no motion file",
                cure="Name the file: kinema forecast walk.bvh, or kinema forecast simlpe-cmu walk.bvh.",
            )
    elif model != AUTO:
        raise UsageError(
            expected="one model",
            got=f"'{what}' before the file, and --model {model}",
            cure=f"Say kinema forecast {file} --model {model}.",
        )
    else:
        model = what
    from kinema.apps.batch.jobs import Piece
    from kinema.apps.batch.tasks import Forecasting
    from kinema.apps.cli.many import run_many, suffix_of

    work = Forecasting(request, model, options, end, append)
    if file.is_dir():
        return run_many(work, file, out, many, suffix_of(format_ or "bvh"), as_json=as_json)
    _tell(work.open()(Piece(file, out or Path(f"{file.stem}.forecast.bvh"))), as_json=as_json)
    return 0


def _tell(made: Made, *, as_json: bool) -> None:
    facts, written = made.facts, [str(path) for path in made.files]
    for line in facts["notes"]:
        note(line)
    if as_json:
        print(json.dumps({"files": written, **facts}))
        return
    frames, fps = facts["frames"], facts["fps"]
    print(f"{frames} frames at {fps:g} fps ({frames / fps:.2f} s) by {facts['model']}: {', '.join(written)}")


def _forecast_protocol(model: str, protocol: str, data: Path | None, out: Path) -> None:
    from kinema.pipeline.pipeline import open as open_pipeline
    from kinema.protocols.forecasting.protocol import ForecastingProtocol
    from kinema.protocols.forecasting.sample_file import check_suffix, collect, save_samples
    from kinema.protocols.registry import named

    benchmark = named(protocol)
    check_suffix(out)
    if not isinstance(benchmark, ForecastingProtocol):
        raise UsageError(
            expected="a protocol of one forecast per window: cmu-legacy, cmu-physical or h36m-legacy",
            got=protocol,
            cure=f"Score it: kinema eval {model} --protocol {protocol}.",
        )
    arrays = collect(benchmark, open_pipeline(model), data)
    save_samples(arrays, out)
    actions = sorted({str(action) for action in arrays["action"]})
    print(f"{len(arrays['action'])} windows of {len(actions)} actions ({', '.join(actions)}) by {model}: {out}")


def _grid(model: str, protocol: str, data: Path | None, out: Path, rows: int, cols: int, seed: int) -> None:
    from kinema.apps.sample_grid import sampled_rows
    from kinema.pipeline.pipeline import open as open_pipeline
    from kinema.protocols.registry import named
    from kinema.protocols.stochastic.protocol import StochasticProtocol
    from kinema.viz.grid import check_grid, write_grid

    benchmark = named(protocol)
    check_grid(out)
    if not isinstance(benchmark, StochasticProtocol) or rows < 1 or cols < 1:
        raise UsageError(
            expected="a stochastic protocol (open-stochastic, ...), at least one row and one column",
            got=f"{protocol}, {rows} rows, {cols} columns",
            cure="Draw samples of other protocols with --samples-out and `kinema render`.",
        )
    run = open_pipeline(model)
    write_grid(sampled_rows(benchmark.windows(data), run, rows=rows, samples=cols, seed=seed), out, title=run.name)
    print(out)
