"""Published rows: nothing mistyped (they add up to what is printed), and every mark is one of the four."""

from __future__ import annotations

import pytest

from kinema.protocols.published import CMU_PUBLISHED, LABELS_MS
from kinema.protocols.tables import Published, mean_over

FIVE = ("basketball", "jumping", "running", "soccer", "walking")
# Method, windows, metric -> the mean over eight actions as printed, at 80 160 320 400 560 1000.
PRINTED = {
    ("Res-sup", "8", "euler_rad"): (0.38, 0.62, 1.02, 1.18, None, 1.67),
    ("ConvSeq2Seq", "8", "euler_rad"): (0.32, 0.52, 0.86, 0.99, None, 1.55),
    ("LTD", "8", "euler_rad"): (0.25, 0.39, 0.68, 0.79, None, 1.33),
    ("LTD", "8", "mpjpe_mm"): (11.5, 20.4, 37.8, 46.8, None, 96.5),
    ("MSR-GCN 10->10", "8", "mpjpe_mm"): (8.98, 15.71, 32.73, 41.82, None, None),
    ("Res-sup", "all", "mpjpe_mm"): (24.21, 43.76, 76.19, 88.93, 107.80, 139.00),
    ("DMGNN", "all", "mpjpe_mm"): (14.07, 24.44, 45.91, 56.45, 73.07, 104.34),
    ("LTD", "all", "mpjpe_mm"): (9.94, 18.02, 33.55, 40.94, 54.23, 81.87),
    ("MSR-GCN", "all", "mpjpe_mm"): (8.72, 15.83, 30.57, 38.10, 51.83, 78.63),
    ("PGBIG", "all", "mpjpe_mm"): (8.20, 15.41, 30.13, 37.27, 50.19, 76.69),
    ("TCL+PGBIG", "all", "mpjpe_mm"): (7.55, 14.30, 28.33, 35.44, 48.60, 78.44),
}


@pytest.mark.parametrize("row", CMU_PUBLISHED, ids=lambda row: f"{row.method}-{row.windows}-{row.metric}")
def test_the_cells_add_up_to_the_printed_mean(row: Published) -> None:
    mean = mean_over(row.rows, tuple(row.rows))
    printed = PRINTED[(row.method, row.windows, row.metric)]
    assert mean is not None
    assert len(mean) == len(LABELS_MS)
    assert len(row.rows) == 8
    # Printed means are rounded as their cells are: to 2 decimals, or (LTD's eight windows) to 1.
    slack = 0.06 if (row.method, row.windows, row.metric) == ("LTD", "8", "mpjpe_mm") else 0.011
    for ours, theirs in zip(mean, printed, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or theirs is None or ours == pytest.approx(theirs, abs=slack)


def test_every_row_says_where_it_comes_from() -> None:
    assert {row.provenance for row in CMU_PUBLISHED} <= {"pdf", "readme", "csv", "recalled"}
    assert all(row.provenance == "recalled" for row in CMU_PUBLISHED if row.metric == "euler_rad")
    assert all(row.provenance in row.label for row in CMU_PUBLISHED)


def test_the_goal_that_is_quoted_for_five_actions() -> None:
    for method, wanted in (("LTD", (12.67, 47.60, 83.96)), ("PGBIG", (10.69, 44.79, 79.07))):
        (row,) = (r for r in CMU_PUBLISHED if (r.method, r.windows) == (method, "all"))
        mean = mean_over(row.rows, FIVE)
        assert mean is not None
        assert [mean[0], mean[3], mean[5]] == pytest.approx(wanted, abs=0.006)
