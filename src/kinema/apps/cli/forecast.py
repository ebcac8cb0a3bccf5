"""`kinema forecast MODEL FILE`: say what a body will do next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.batch.jobs import Made, Piece
from kinema.apps.cli.console import JointMapFile, note
from kinema.apps.cli.many import ONE, ManyFiles, run_many, suffix_of
from kinema.core.errors import UsageError


def forecast(
    model: str,
    file: Path | None = None,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    seconds: float | None = None,
    samples: int = 1,
    seed: int = 0,
    append: bool = False,
    hold: str = "",
    end: Path | None = None,
    protocol: str | None = None,
    data: Path | None = None,
    samples_out: Path | None = None,
    grid: Path | None = None,
    rows: int = 4,
    cols: int = 6,
    unit: float | None = None,
    map_: JointMapFile = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    format_: Annotated[str | None, Parameter(name="--format")] = None,
    many: ManyFiles = ONE,
) -> int:
    """Say what a body will do next, on its own skeleton and at its own frame rate.

    Parameters
    ----------
    model
        A shipped model, a baseline (see `kinema models`) or a run folder.
    file
        The motion so far: BVH, NPZ or exponential-map text. Or a folder of them; OUT is then the folder of the results.
    out
        Where to write: .bvh, .npz, .csv or .glb. Default: FILE.forecast.bvh in this folder. Of several samples each has
        a file of its own (OUT-1.bvh, OUT-2.bvh ...), but one NPZ holds them all.
    seconds
        How far to look; default: as far as the model was trained to.
    samples
        How many futures.
    seed
        Same seed, same motion.
    append
        Write the observed motion in front of the future.
    hold
        Body parts that keep the pose they were last seen in, relative to the root and in the axes of the world (a held
        arm does not turn with the body), with commas between: left_leg, right_leg, torso, left_arm, right_arm, lower,
        upper. For models that complete (SMRNet).
    end
        A motion file, of any skeleton whose joints have known names: all futures end in its last pose, which is turned
        to face as the body was last seen. For models that complete (SMRNet).
    protocol
        Instead of a FILE: forecast the windows of a benchmark (see `kinema eval`).
    data
        The folder with the protocol's data; default: the one that KINEMA_DATA names.
    samples_out
        Where truth and prediction of every window of the protocol go: .npz or .h5. `kinema render` draws them.
    grid
        Of a stochastic protocol: a picture of some windows, with what was seen, what happened, and samples: .png, .gif
        or .html.
    rows
        How many windows the grid shows, spread over the actions.
    cols
        How many samples it shows of each.
    unit
        Metres per file unit, where the file does not say (BVH): 0.01 for centimetres.
    map_
        A joint map (TOML): which joint is which, where names do not say (docs/retarget.md).
    json_
        Say on standard output, as JSON, what was written.
    format_
        Of a folder's results: bvh, npz or glb. Default: bvh.
    """
    if file is None or protocol is not None or samples_out is not None or grid is not None:
        if file is not None or protocol is None or (samples_out is None) == (grid is None):
            raise UsageError(
                expected="a model and a motion FILE, or a model and --protocol with --samples-out or --grid",
                got="both, or half of one" if file or protocol or samples_out or grid else f"'{model}' alone",
                cure="Name the model and then the file (kinema forecast simlpe-cmu walk.bvh), or a benchmark and where "
                "its samples or their picture go.",
            )
        if grid is not None:
            _grid(model, protocol, data, grid, rows, cols, seed)
        elif samples_out is not None:
            _forecast_protocol(model, protocol, data, samples_out)
        return 0
    from kinema.apps.batch.tasks import Forecasting

    held = tuple(part.strip() for part in hold.split(",") if part.strip())
    work = Forecasting(model, seconds, samples, seed, append, held, end, unit, map_)
    if file.is_dir():
        return run_many(work, file, out, many, suffix_of(format_ or "bvh"), as_json=json_)
    made = work.open()(Piece(file, out or Path(f"{file.stem}.forecast.bvh")))
    _tell(made, as_json=json_)
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
            cure="Score it with `kinema eval`.",
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
