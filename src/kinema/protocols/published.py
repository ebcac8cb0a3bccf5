"""Published numbers, shown beside our own.

Every row has its provenance: "pdf", "readme", "csv", "table", "issue", "notebook" or "leaderboard" if it was read
there, "recalled" if it was written down from memory. CMU means are not copied, as papers average over seven or eight
actions. Stochastic rows count all windows unless a note excludes some. None of the rows on generation is comparable.
"""

from __future__ import annotations

from collections.abc import Mapping

from kinema.protocols.tables import Published, PublishedScores, Row

LABELS_MS = (80, 160, 320, 400, 560, 1000)
_CMU_ACTIONS = (
    "basketball", "basketball_signal", "directing_traffic", "jumping", "running", "soccer", "walking", "washwindow",
)  # fmt: skip
_WITHOUT_560 = (80, 160, 320, 400, 1000)
_UP_TO_400 = (80, 160, 320, 400)
_RE_ADDED = "its cells add up to the printed average"
_BY_MSR = "as MSR-GCN prints it"
_ON_TEST = "its released code keeps the checkpoint with the lowest test error"

# Euler error, 8 windows, labels without 560.
_EULER_RES_SUP = """
.50 .80 1.27 1.45 1.78 | .41 .76 1.32 1.54 2.15 | .33 .59 .93 1.10 2.05 | .56 .88 1.77 2.02 2.40
.33 .50 .66 .75 1.00 | .29 .51 .88 .99 1.72 | .35 .47 .60 .65 .88 | .30 .46 .72 .91 1.36"""
_EULER_CONV_SEQ2SEQ = """
.37 .62 1.07 1.18 1.95 | .32 .59 1.04 1.24 1.96 | .25 .56 .89 1.00 2.04 | .39 .60 1.36 1.56 2.01
.28 .41 .52 .57 .67 | .26 .44 .75 .87 1.56 | .35 .44 .45 .50 .78 | .30 .47 .80 1.01 1.39"""
_EULER_LTD = """
.33 .52 .89 1.06 1.71 | .11 .20 .41 .53 1.00 | .15 .32 .52 .60 2.00 | .31 .49 1.23 1.39 1.80
.33 .55 .73 .74 .95 | .18 .29 .61 .71 1.40 | .33 .45 .49 .53 .61 | .22 .33 .57 .75 1.20"""

# MPJPE, 8 windows.
_EIGHT_LTD = """
14.0 25.4 49.6 61.4 106.1 | 3.5 6.1 11.7 15.2 53.9 | 7.4 15.1 31.7 42.2 152.4 | 16.9 34.4 76.3 96.8 164.6
25.5 36.7 39.3 39.9 58.2 | 11.3 21.5 44.2 55.8 117.5 | 7.7 11.8 19.4 23.1 40.2 | 5.9 11.9 30.3 40.0 79.3"""
_EIGHT_MSR_GCN = """
12.18 22.01 45.51 57.96 | 2.63 5.37 13.96 18.74 | 6.48 13.49 29.59 38.28 | 14.02 29.77 75.12 98.06
17.68 21.01 19.17 21.95 | 8.11 14.90 33.73 41.98 | 5.70 8.81 16.36 19.87 | 5.01 10.35 28.38 37.69"""

# MPJPE, all windows, 10 frames in, 25 out.
_ALL_RES_SUP = """
15.45 26.88 43.51 49.23 54.30 72.83 | 20.17 32.98 42.75 44.65 51.37 60.57 | 20.52 40.58 75.38 90.36 112.88 153.12
26.85 48.07 93.50 108.90 128.83 162.84 | 25.76 48.91 88.19 100.80 123.91 158.19 | 17.75 31.30 52.55 61.40 72.33 107.37
44.35 76.66 126.83 151.43 182.44 194.33 | 22.84 44.71 86.78 104.68 136.30 202.73"""
_ALL_DMGNN = """
15.57 28.72 59.01 73.05 96.07 138.62 | 5.03 9.28 20.21 26.23 36.58 52.04 | 10.21 20.90 41.55 52.28 72.32 111.23
31.97 54.32 96.66 119.92 160.58 224.63 | 17.42 26.82 38.27 40.08 42.52 46.40 | 14.86 25.29 52.21 65.42 82.22 111.90
9.57 15.53 26.03 30.37 37.80 67.01 | 7.93 14.68 33.34 44.24 56.51 82.84"""
_ALL_LTD = """
11.68 21.26 40.99 50.78 68.05 97.99 | 3.33 6.25 13.58 17.98 27.66 54.00 | 6.92 13.69 30.30 39.97 60.90 114.16
17.18 32.37 60.12 72.55 93.78 127.41 | 14.53 24.20 37.44 41.10 43.52 51.73 | 13.33 24.00 43.77 53.20 70.85 108.26
6.62 10.74 17.40 20.35 25.18 34.41 | 5.96 11.62 24.77 31.63 43.92 66.95"""
_ALL_MSR_GCN = """
10.28 18.94 37.68 47.03 62.77 86.96 | 3.03 5.68 12.35 16.26 24.61 47.91 | 5.92 12.09 28.36 38.04 58.87 111.04
14.99 28.66 55.86 69.05 92.13 124.79 | 12.84 20.42 30.58 34.42 38.78 48.03 | 10.92 19.50 37.05 46.38 64.41 99.32
6.31 10.30 17.64 21.12 27.24 39.70 | 5.49 11.07 25.05 32.51 45.87 71.30"""
_ALL_PGBIG = """
9.53 17.53 35.32 44.23 59.41 84.14 | 2.71 4.88 10.77 14.63 23.69 50.19 | 4.83 9.77 23.62 32.26 51.60 102.32
13.93 27.78 55.80 69.01 91.65 125.60 | 12.69 23.18 38.31 42.24 44.98 51.71 | 11.09 20.63 39.48 48.72 65.41 99.98
6.23 10.34 16.84 19.76 25.06 33.93 | 4.63 9.16 20.87 27.35 39.70 65.69"""
_ALL_TCL = """
9.00 16.86 34.98 44.36 61.58 96.95 | 2.35 4.29 9.20 12.42 19.93 43.04 | 4.49 9.00 21.24 28.83 46.01 94.06
12.79 25.87 53.26 66.48 89.88 126.16 | 11.22 20.28 34.43 39.80 44.96 63.09 | 10.35 19.40 36.84 45.62 61.54 100.88
5.93 10.12 16.68 19.61 26.39 37.70 | 4.25 8.58 20.05 26.43 38.51 65.66"""


def _rows(cells: str, labels: tuple[int, ...] = LABELS_MS, actions: tuple[str, ...] = _CMU_ACTIONS) -> dict[str, Row]:
    """Rows of `actions`, in their order, None at the horizons that are not in `labels`."""
    rows: dict[str, Row] = {}
    for action, row in zip(actions, cells.strip().replace("\n", "|").split("|"), strict=True):
        values = dict(zip(labels, map(float, row.split()), strict=True))
        rows[action] = tuple(values.get(label) for label in LABELS_MS)
    return rows


CMU_PUBLISHED: tuple[Published, ...] = (
    Published("Res-sup", "recalled", "8", "euler_rad", _rows(_EULER_RES_SUP, _WITHOUT_560), _RE_ADDED),
    Published("ConvSeq2Seq", "recalled", "8", "euler_rad", _rows(_EULER_CONV_SEQ2SEQ, _WITHOUT_560), _RE_ADDED),
    Published("LTD", "recalled", "8", "euler_rad", _rows(_EULER_LTD, _WITHOUT_560), _RE_ADDED),
    Published("LTD", "recalled", "8", "mpjpe_mm", _rows(_EIGHT_LTD, _WITHOUT_560), _RE_ADDED),
    Published("MSR-GCN 10->10", "readme", "8", "mpjpe_mm", _rows(_EIGHT_MSR_GCN, _UP_TO_400), "predicts 10 frames"),
    Published("Res-sup", "pdf", "all", "mpjpe_mm", _rows(_ALL_RES_SUP), _BY_MSR),
    Published("DMGNN", "readme", "all", "mpjpe_mm", _rows(_ALL_DMGNN), _BY_MSR),
    Published("LTD", "readme", "all", "mpjpe_mm", _rows(_ALL_LTD), "as retrained by MSR-GCN"),
    Published("MSR-GCN", "readme", "all", "mpjpe_mm", _rows(_ALL_MSR_GCN)),
    Published("PGBIG", "csv", "all", "mpjpe_mm", _rows(_ALL_PGBIG), _ON_TEST),
    Published("TCL+PGBIG", "csv", "all", "mpjpe_mm", _rows(_ALL_TCL)),
)

# Human3.6M, Euler error, 8 windows: the four actions that the first papers print.
_H36M_ACTIONS = ("walking", "eating", "smoking", "discussion")
_H36M_ZERO = """
.39 .68 .99 1.15 | .27 .48 .73 .86 | .26 .48 .97 .95 | .31 .67 .94 1.04"""
H36M_PUBLISHED: tuple[Published, ...] = (
    Published(
        "zero velocity", "recalled", "8", "euler_rad", _rows(_H36M_ZERO, _UP_TO_400, _H36M_ACTIONS), "four actions"
    ),
)


_COLUMNS = ("APD", "ADE", "FDE", "MMADE", "MMFDE", "CMD")
_NEAR = ("MMADE", "MMFDE")


def _futures(
    method: str, cells: str, *, recalled: tuple[str, ...] = (), provenance: str = "table", note: str = ""
) -> PublishedScores:
    """A row of `_COLUMNS`; a dash where nothing is printed."""
    values = {name: float(cell) for name, cell in zip(_COLUMNS, cells.split(), strict=True) if cell != "-"}
    return PublishedScores(method, provenance, values, recalled, note)


_COIN = "half of the samples are drawn without the observation"
_NAN = "MMADE and MMFDE leave singletons out, and are not comparable with the others"

H36M_FUTURES: tuple[PublishedScores, ...] = (
    _futures("zero velocity", "0 0.597 0.884 0.683 0.909 22.81"),
    _futures("DLow", "11.741 0.425 0.518 0.495 0.531 4.927"),
    _futures("GSPS", "14.757 0.389 0.496 0.476 0.525 -"),
    _futures("DivSamp", "15.310 0.370 0.485 0.475 0.516 11.692", recalled=_NEAR),
    _futures("MotionDiff", "15.353 0.411 0.509 0.508 0.536 -"),
    _futures("STARS", "15.884 0.358 0.445 0.442 0.471 -"),
    _futures("HumanMAC", "6.301 0.369 0.480 0.509 0.545 -"),
    _futures("BeLFusion", "7.602 0.372 0.474 0.473 0.507 5.988"),
    _futures("TransFusion", "5.975 0.358 0.468 0.506 0.539 -", provenance="recalled"),
    _futures("CoMusion", "7.632 0.350 0.458 0.494 0.506 3.202"),
    _futures("SLD", "8.741 0.348 0.436 0.435 0.463 -"),
    _futures("SkeletonDiffusion", "7.249 0.344 0.450 0.487 0.512 4.178"),
    _futures("EquiFusion (H)", "6.501 0.351 0.451 0.491 0.515 7.730"),
    _futures("GST-FM", "7.389 0.355 0.470 0.482 0.510 3.480"),
    _futures("KinemaDiff", "6.912 0.331 0.449 - - 4.60"),
    _futures("GMLF", "4.804 0.333 0.399 - - 3.015"),
)
HUMANEVA_FUTURES: tuple[PublishedScores, ...] = (
    _futures("DLow", "4.855 0.251 0.268 0.362 0.339 -"),
    _futures("GSPS", "5.825 0.233 0.244 0.343 0.331 -", provenance="recalled"),
    _futures("DivSamp", "6.109 0.220 0.234 0.342 0.316 -"),
    _futures("MotionDiff", "5.931 0.232 0.236 0.352 0.320 -", provenance="recalled"),
    _futures("STARS", "6.031 0.217 0.241 0.328 0.321 -"),
    _futures("HumanMAC", "6.554 0.209 0.223 0.342 0.320 -", note=f"{_COIN}; MMFDE is also recalled as 0.335"),
    _futures("HumanMAC, always observing", "0.673 0.212 0.261 0.426 0.469 -", provenance="issue", note="by a user"),
    _futures("TransFusion", "1.031 0.204 0.234 0.408 0.427 -", provenance="recalled"),
    _futures("SLD", "4.066 0.193 0.209 0.305 0.293 -"),
)
AMASS_FUTURES: tuple[PublishedScores, ...] = (
    _futures("zero velocity", "0 0.755 0.992 0.814 1.015 39.262"),
    _futures("DLow", "13.170 0.590 0.612 0.618 0.617 15.185", provenance="recalled"),
    _futures("GSPS", "12.465 0.563 0.613 0.609 0.633 18.404", provenance="recalled"),
    _futures("DivSamp", "24.724 0.564 0.647 0.623 0.667 50.239", provenance="recalled"),
    _futures("BeLFusion", "9.376 0.513 0.560 0.569 0.585 16.995"),
    _futures("CoMusion", "10.848 0.494 0.547 0.469 0.466 9.636", note=_NAN),
    _futures("SkeletonDiffusion", "9.456 0.480 0.545 0.561 0.580 11.417"),
    _futures("KinemaDiff", "- 0.478 0.540 0.456 0.457 9.448", note=f"{_NAN} (inferred from the values)"),
    _futures("GST-FM (sigma 0.7)", "8.203 0.472 0.539 0.521 0.512 2.986"),
    _futures("GMLF", "7.144 0.461 0.474 - - 8.579"),
)


_LAFAN1_GAPS = (5, 15, 30, 45)
_LAFAN1_ROWS: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "interpolation [readme]": ((0.22, 0.62, 0.98, 1.25), (0.37, 1.25, 2.32, 3.45), (0.0023, 0.0391, 0.2013, 0.4493)),
    "RMI, TG_complete 2020 [recalled, but for gap 30]": (
        (0.17, 0.42, 0.69, 0.94),
        (0.23, 0.65, 1.28, 2.24),
        (0.0020, 0.0258, 0.1328, 0.3311),
    ),
    "SSMCT 2021 [recalled, but for gap 30]": ((0.14, 0.36, 0.61), (0.22, 0.56, 1.10), (0.0016, 0.0234, 0.1222)),
    "delta-interpolator, 8 seeds [notebook]": (
        (0.1138, 0.3175, 0.5723),
        (0.1290, 0.4670, 0.9954),
        (0.0014, 0.0217, 0.1217),
    ),
    "two-stage, context and detail 2022 [readme]": (
        (0.0994, 0.2839, 0.5446, 0.8727),
        (0.1049, 0.3943, 0.8948, 1.6777),
        (0.0011, 0.0188, 0.1124, 0.3217),
    ),
}


def _by_gap(rows: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]) -> dict[str, dict[str, float]]:
    metrics = ("l2q", "l2p", "npss")
    return {
        f"gap {gap}": {metric: row[place] for metric, row in zip(metrics, rows, strict=True) if place < len(row)}
        for place, gap in enumerate(_LAFAN1_GAPS)
        if place < len(rows[0])
    }


LAFAN1_PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    name: _by_gap(rows) for name, rows in _LAFAN1_ROWS.items()
}
"""Method -> cell -> metric -> value."""


_HUMANACT12 = "HumanAct12, ACTOR's protocol: another classifier, evaluated on the training set"
_H36M_2D = "Human3.6M in 2-D, 10 actions, 50 frames"


def _action(method: str, fid: float, accuracy: float, diversity: float, multimodality: float) -> PublishedScores:
    scores = {"fid": fid, "accuracy": accuracy, "diversity": diversity, "multimodality": multimodality}
    return PublishedScores(f"{method}, HumanAct12", "recalled", scores, note=_HUMANACT12)


def _mmd(method: str, average: float, sequence: float, provenance: str = "recalled") -> PublishedScores:
    return PublishedScores(method, provenance, {"mmd_a": average, "mmd_s": sequence}, note=_H36M_2D)


ACTION_PUBLISHED: tuple[PublishedScores, ...] = (
    _action("real", 0.020, 0.997, 6.85, 2.45),
    _action("Action2Motion", 0.338, 0.917, 6.88, 2.51),
    _action("ACTOR", 0.120, 0.955, 6.84, 2.53),
    _action("INR", 0.088, 0.973, 6.88, 2.57),
    _action("MDM", 0.100, 0.990, 6.86, 2.52),
    _action("MLD", 0.077, 0.964, 6.83, 2.82),
)
MMD_PUBLISHED: tuple[PublishedScores, ...] = (
    _mmd("E2E", 0.991, 0.805),
    _mmd("EPVA", 0.996, 0.806),
    _mmd("adv-EPVA", 0.977, 0.792),
    _mmd("SkeletonVAE", 0.452, 0.467),
    _mmd("SkeletonGAN", 0.419, 0.436),
    _mmd("ActionGAN", 0.195, 0.218),
    _mmd("SA-GCN", 0.146, 0.134, "leaderboard"),
)
