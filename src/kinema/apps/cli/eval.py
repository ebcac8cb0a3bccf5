"""Benchmarks on the command line: `kinema eval`, and `kinema forecast --protocol`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from kinema.apps.cli.options import Json
from kinema.core.atomic import write_text
from kinema.core.errors import UsageError

if TYPE_CHECKING:
    import torch

    from kinema.protocols.report import Report
    from kinema.protocols.stochastic.windows import FutureWindows


def evaluate(
    model: str,
    *,
    protocol: str,
    data: Path | None = None,
    json_: Json = False,
    out: Path | None = None,
    answers: Path | None = None,
    classifier: Path | None = None,
) -> None:
    """Score a model by a protocol, next to the published results.

    Parameters
    ----------
    model
        A shipped model, a baseline, a run folder, or a curve (linear, squad, savgol ...) where gaps are filled.
    protocol
        Forecasts: cmu-legacy, cmu-physical, h36m-legacy. 50 futures: open-stochastic, h36m-stochastic,
        humaneva-stochastic, amass-stochastic. Gaps: lafan1, open-inbetween, rib, upsample-grid. Actions:
        action-generation, action-generation-bandai2, mmd-legacy, tokens.
    data
        The folder with the protocol's data. Default: $KINEMA_DATA.
    out
        Also write the whole report to this file, .md or .json.
    answers
        For rib and upsample-grid: write ground truth, answers and straight lines to this .h5 file.
    classifier
        For h36m-stochastic: your h36m_classifier.pth, for an FID by its features.
    """
    if out is not None and out.suffix not in (".md", ".json"):
        cure = f"Type --out {out.with_suffix('.md')}."
        raise UsageError(expected="a file that ends in .md or .json", got=str(out), cure=cure)
    from kinema.pipeline.evaluate import evaluate as score
    from kinema.protocols.report import markdown

    report = score(model, protocol, data, answers, classifier)
    if out is not None:
        whole = json.dumps(report.to_json(full=True), indent=2) + "\n"
        write_text(out, markdown(report) if out.suffix == ".md" else whole)
    if json_:
        print(json.dumps(report.to_json()))
    _show(report, sys.stderr.isatty() if json_ else sys.stdout.isatty(), to_error=json_)


def _show(report: Report, terminal: bool, *, to_error: bool) -> None:
    from kinema.protocols.report import rich_tables

    console = Console(stderr=to_error, width=None if terminal else 120, highlight=False)
    for table in rich_tables(report, console.width):
        console.print(table)
        console.print()
    for note in report.notes:
        console.print(f"- {note}", markup=False)
    leaks = report.leak.sure or report.leak.possible
    console.print(report.leak.message, markup=False, style="bold red" if leaks else "")


def forecast_windows(model: str, protocol: str, data: Path | None, out: Path) -> None:
    """Write ground truth and forecast of every window of a protocol. Raises UsageError for another kind of protocol."""
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


def sample_grid(model: str, protocol: str, data: Path | None, out: Path, rows: int, cols: int, seed: int) -> None:
    """Draw `rows` windows of a stochastic protocol with `cols` samples each. Raises UsageError for another protocol.

    The model answers all windows in one call, so that the same seed gives the same picture.
    """
    from kinema.motion.motion import Points
    from kinema.pipeline.pipeline import open as open_pipeline
    from kinema.protocols.registry import named
    from kinema.protocols.stochastic.protocol import StochasticProtocol
    from kinema.viz.grid import GridRow, check_grid, write_grid

    benchmark = named(protocol)
    check_grid(out)
    if not isinstance(benchmark, StochasticProtocol) or rows < 1 or cols < 1:
        raise UsageError(
            expected="a stochastic protocol (open-stochastic, ...), at least one row and one column",
            got=f"{protocol}, {rows} rows, {cols} columns",
            cure="For other protocols use --samples-out samples.npz, then kinema render samples.npz.",
        )
    pipeline, windows = open_pipeline(model), benchmark.windows(data)
    chosen = _spread(windows, rows)
    past = windows.past(chosen)
    futures = pipeline.sample(past, windows.predicted, cols, seed).positions
    observed = past.positions - past.positions[..., :1, :]
    found: list[GridRow] = []
    for row, window in enumerate(chosen.tolist()):
        first = int(windows.first[window]) + windows.observed
        truth = windows.positions[first : first + windows.predicted]
        parts = (Points(windows.skeleton, each, windows.fps) for each in (observed[row], truth, futures[:, row]))
        found.append(GridRow(windows.groups[int(windows.group[window])], *parts))
    write_grid(found, out, title=pipeline.name)
    print(out)


def _spread(windows: FutureWindows, count: int) -> torch.Tensor:
    """`count` windows: one action after the other, evenly over the actions, from the middle of each."""
    import torch

    group = windows.group
    places = [(group == each).nonzero()[:, 0] for each in range(len(windows.groups))]
    places = [place for place in places if len(place)]
    rounds = -(-count // len(places))
    step = max(1, len(places) // count)
    wanted = [
        int(place[min(len(place) * (2 * each + 1) // (2 * rounds), len(place) - 1)])
        for each in range(rounds)
        for place in places[::step]
    ]
    return torch.tensor(list(dict.fromkeys(wanted))[:count])
