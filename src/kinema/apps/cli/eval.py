"""`kinema eval`: score a model by a named protocol, with baselines and published rows beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from kinema.core.atomic import write_text
from kinema.core.errors import UsageError

if TYPE_CHECKING:
    from kinema.protocols.report import Report


def evaluate(
    model: str,
    *,
    protocol: str,
    data: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
    out: Path | None = None,
    answers: Path | None = None,
    classifier: Path | None = None,
) -> None:
    """Score a model by a named protocol, next to the published rows.

    Parameters
    ----------
    model
        A baseline's name (stochastic protocols: nearest-neighbour too), a shipped model's name, or a run folder;
        protocols of completion: linear, squad, savgol ... or a model that completes.
    protocol
        cmu-legacy (as published), cmu-physical (60 Hz, true millimetres, captured joints), h36m-legacy;
        open-stochastic, h36m-stochastic, humaneva-stochastic, amass-stochastic (50 futures);
        lafan1, open-inbetween, rib, upsample-grid (completion);
        action-generation, action-generation-bandai2, mmd-legacy, tokens (motion from actions, and its codes).
    data
        The folder with the protocol's data; default: the one that KINEMA_DATA names.
    json_
        Write the scores to standard output as JSON, and the tables to standard error.
    out
        Also write the whole report, baselines and published rows by action included: a .md or a .json file.
    answers
        Of rib and upsample-grid: an .h5 file for ground truth, answer and straight lines of clips (gt, pred, interp).
        `kinema render` draws one of them.
    classifier
        Of h36m-stochastic: your own h36m_classifier.pth, for an FID by its features.
    """
    if out is not None and out.suffix not in (".md", ".json"):
        raise UsageError(
            expected="a file that ends in .md or .json", got=str(out), cure="Name another file with --out."
        )
    from kinema.pipeline.evaluate import evaluate as score
    from kinema.protocols.report import markdown

    report = score(model, protocol, data, answers, classifier)
    if out is not None:
        write_text(
            out, markdown(report) if out.suffix == ".md" else json.dumps(report.to_json(full=True), indent=2) + "\n"
        )
    if json_:
        print(json.dumps(report.to_json()))
    _show(report, sys.stderr.isatty() if json_ else sys.stdout.isatty(), to_error=json_)


def _show(report: Report, terminal: bool, *, to_error: bool) -> None:
    from kinema.protocols.report import rich_tables

    # Without a terminal there is no width to fit, and a table must not be cut.
    console = Console(stderr=to_error, width=None if terminal else 120, highlight=False)
    for table in rich_tables(report):
        console.print(table)
        console.print()
    for note in report.notes:
        console.print(f"- {note}", markup=False)
    console.print(
        report.leak.message, markup=False, style="bold red" if report.leak.sure or report.leak.possible else ""
    )
