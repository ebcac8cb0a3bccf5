"""What papers print for the stochastic benchmarks (best of 50), shown beside our own numbers.

"table": read in a table of results that another work prints (GST-FM's and SLD's, GMLF's, KinemaDiff's notes); "issue":
in an issue of a repository; "recalled": written down from memory and not read again. All windows count, singletons
too, unless a note excludes them.
"""

from __future__ import annotations

from kinema.protocols.score_report import PublishedScores

_COLUMNS = ("APD", "ADE", "FDE", "MMADE", "MMFDE", "CMD")
_NEAR = ("MMADE", "MMFDE")


def _row(
    method: str, cells: str, *, recalled: tuple[str, ...] = (), provenance: str = "table", note: str = ""
) -> PublishedScores:
    """A row of `_COLUMNS`; a dash where nothing is printed."""
    values = {name: float(cell) for name, cell in zip(_COLUMNS, cells.split(), strict=True) if cell != "-"}
    return PublishedScores(method, provenance, values, recalled, note)


_COIN = "half of the samples are drawn without the observation"
_NAN = "MMADE and MMFDE leave singletons out, and are not comparable with the others"

H36M_STOCHASTIC: tuple[PublishedScores, ...] = (
    _row("zero velocity", "0 0.597 0.884 0.683 0.909 22.81"),
    _row("DLow", "11.741 0.425 0.518 0.495 0.531 4.927"),
    _row("GSPS", "14.757 0.389 0.496 0.476 0.525 -"),
    _row("DivSamp", "15.310 0.370 0.485 0.475 0.516 11.692", recalled=_NEAR),
    _row("MotionDiff", "15.353 0.411 0.509 0.508 0.536 -"),
    _row("STARS", "15.884 0.358 0.445 0.442 0.471 -"),
    _row("HumanMAC", "6.301 0.369 0.480 0.509 0.545 -"),
    _row("BeLFusion", "7.602 0.372 0.474 0.473 0.507 5.988"),
    _row("TransFusion", "5.975 0.358 0.468 0.506 0.539 -", provenance="recalled"),
    _row("CoMusion", "7.632 0.350 0.458 0.494 0.506 3.202"),
    _row("SLD", "8.741 0.348 0.436 0.435 0.463 -"),
    _row("SkeletonDiffusion", "7.249 0.344 0.450 0.487 0.512 4.178"),
    _row("EquiFusion (H)", "6.501 0.351 0.451 0.491 0.515 7.730"),
    _row("GST-FM", "7.389 0.355 0.470 0.482 0.510 3.480"),
    _row("KinemaDiff", "6.912 0.331 0.449 - - 4.60"),
    _row("GMLF", "4.804 0.333 0.399 - - 3.015"),
)
HUMANEVA_STOCHASTIC: tuple[PublishedScores, ...] = (
    _row("DLow", "4.855 0.251 0.268 0.362 0.339 -"),
    _row("GSPS", "5.825 0.233 0.244 0.343 0.331 -", provenance="recalled"),
    _row("DivSamp", "6.109 0.220 0.234 0.342 0.316 -"),
    _row("MotionDiff", "5.931 0.232 0.236 0.352 0.320 -", provenance="recalled"),
    _row("STARS", "6.031 0.217 0.241 0.328 0.321 -"),
    _row("HumanMAC", "6.554 0.209 0.223 0.342 0.320 -", note=f"{_COIN}; MMFDE is also recalled as 0.335"),
    _row("HumanMAC, always observing", "0.673 0.212 0.261 0.426 0.469 -", provenance="issue", note="by a user"),
    _row("TransFusion", "1.031 0.204 0.234 0.408 0.427 -", provenance="recalled"),
    _row("SLD", "4.066 0.193 0.209 0.305 0.293 -"),
)
AMASS_STOCHASTIC: tuple[PublishedScores, ...] = (
    _row("zero velocity", "0 0.755 0.992 0.814 1.015 39.262"),
    _row("DLow", "13.170 0.590 0.612 0.618 0.617 15.185", provenance="recalled"),
    _row("GSPS", "12.465 0.563 0.613 0.609 0.633 18.404", provenance="recalled"),
    _row("DivSamp", "24.724 0.564 0.647 0.623 0.667 50.239", provenance="recalled"),
    _row("BeLFusion", "9.376 0.513 0.560 0.569 0.585 16.995"),
    _row("CoMusion", "10.848 0.494 0.547 0.469 0.466 9.636", note=_NAN),
    _row("SkeletonDiffusion", "9.456 0.480 0.545 0.561 0.580 11.417"),
    _row("KinemaDiff", "- 0.478 0.540 0.456 0.457 9.448", note=f"{_NAN} (inferred from the values)"),
    _row("GST-FM (sigma 0.7)", "8.203 0.472 0.539 0.521 0.512 2.986"),
    _row("GMLF", "7.144 0.461 0.474 - - 8.579"),
)
