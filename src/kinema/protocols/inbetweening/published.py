"""Rows of papers on LaFAN1 (L2Q, L2P, NPSS for gaps of 5, 15, 30 and 45 frames), and the baselines' golden numbers."""

from __future__ import annotations

from collections.abc import Mapping

Row = tuple[float, ...]

GOLDEN: dict[str, dict[str, Row]] = {
    "hold": {
        "l2q_strict": (0.56, 1.10, 1.51, 1.81),
        "l2p": (1.5230, 3.6944, 6.6002, 9.3289),
        "npss_strict": (0.0053, 0.0522, 0.2318, 0.4918),
    },
    "linear": {
        "l2q_strict": (0.22, 0.62, 0.98, 1.25),
        "l2p": (0.3729, 1.2488, 2.3158, 3.4469),
        "npss_strict": (0.0023, 0.0391, 0.2013, 0.4493),
    },
}
"""What the benchmark's own baselines score: "hold" is its zero velocity, "linear" its interpolation."""

_GAPS = (5, 15, 30, 45)
_ROWS: dict[str, tuple[Row, Row, Row]] = {
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


def _by_gap(rows: tuple[Row, Row, Row]) -> dict[str, dict[str, float]]:
    metrics = ("l2q", "l2p", "npss")
    return {
        f"gap {gap}": {metric: row[place] for metric, row in zip(metrics, rows, strict=True) if place < len(row)}
        for place, gap in enumerate(_GAPS)
        if place < len(rows[0])
    }


PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {name: _by_gap(rows) for name, rows in _ROWS.items()}
"""Method -> cell -> metric -> value."""
