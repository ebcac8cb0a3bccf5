"""The demo: every shipped system on a recording and on procedural motion. Nothing is pre-computed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinema.apps.demo.ahead import BASELINE, ONE_BEST, many_futures, one_best
from kinema.apps.demo.between import constrained, in_between, repaired
from kinema.apps.demo.part import Cast, DemoPart, DemoScores
from kinema.apps.demo.words import generated
from kinema.core.atomic import atomic_path, write_text
from kinema.core.constants import VERSION
from kinema.io.formats import save
from kinema.pipeline.forecasting import Answer
from kinema.viz.film import gif
from kinema.viz.layers import Panel
from kinema.viz.page import Link, sections_text
from kinema.viz.raster import strip

__all__ = ["BASELINE", "MODEL", "Demo", "demo"]

MODEL = ONE_BEST[0]
_NOTES = {
    "poster.png": "the first forecast as a film strip",
    "forecast.gif": "the first forecast as a film",
    "forecast.bvh": "for Blender and every animation tool",
    "forecast.glb": "for the web and game engines",
}


@dataclass(frozen=True)
class Demo:
    """What a demo wrote: the folder, its files, and the scores of every part by the title of its section.

    `notes` are the lines on which system made what, and which is missing.
    """

    folder: Path
    files: tuple[str, ...]
    scores: Mapping[str, DemoScores]
    seconds: float
    notes: Mapping[str, tuple[str, ...]]


def demo(
    folder: Path | str,
    *,
    seed: int = 0,
    runs: Mapping[str, Path] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Demo:
    """Make motion, run every system on it, and write a page, a poster, a GIF, a BVH, a GLB and a report to `folder`.

    `runs` replaces shipped models by run folders, by the name of the shipped model ("smrnet" ...).
    """
    began, folder, cast = time.perf_counter(), Path(folder), Cast(dict(runs or {}))
    say("forecasting the most likely future")
    best, main, panel = one_best(cast, seed)
    say("sampling many futures")
    futures = many_futures(cast, seed)
    say("filling gaps, repairing damage")
    parts = [in_between(cast), futures, best, repaired(cast, seed)]
    say("meeting constraints")
    parts.append(constrained())
    say("generating motion from actions")
    parts.append(generated(cast, seed))
    say("drawing")
    files = _write(folder, parts, main, panel)
    scores = {part.section.title: part.scores for part in parts if part.scores is not None}
    notes = {part.section.title: tuple(note.text for note in part.section.notes) for part in parts}
    seconds = time.perf_counter() - began
    _report(folder, scores, notes, seconds, seed)
    return Demo(folder, (*files, "report.json"), scores, seconds, notes)


def _write(folder: Path, parts: Sequence[DemoPart], main: Answer, panel: Panel) -> list[str]:
    with atomic_path(folder / "poster.png") as beside:
        strip(panel, count=9, height=360).save(beside, "PNG")
    gif(folder / "forecast.gif", panel)
    save(main.whole(), folder / "forecast.bvh")
    save(main.whole(), folder / "forecast.glb")
    text = sections_text(
        [part.section for part in parts],
        title="kinema: forecast, fill, repair and generate human motion",
        lead="Five systems ran on this machine just now. Recorded clips are from the CMU archive; no model was "
        "trained on them. The other motion is procedural. Every table has a trivial baseline for comparison.",
        links=[Link(name, note) for name, note in _NOTES.items()],
    )
    write_text(folder / "index.html", text)
    return ["index.html", *_NOTES]


def _report(
    folder: Path, scores: Mapping[str, DemoScores], notes: Mapping[str, tuple[str, ...]], seconds: float, seed: int
) -> None:
    report = {
        "kinema": VERSION,
        "seed": seed,
        "data": "recorded clips (CMU, not in any training) and procedural motion, made by this run",
        "parts": {
            title: {
                "made_by": notes[title],
                "measured": scores[title].caption if title in scores else "",
                "scores": scores[title].rows if title in scores else {},
            }
            for title in notes
        },
        "seconds": round(seconds, 1),
    }
    write_text(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
