"""Behaviour is kept: the answers of models, verbs and protocols are those that were stored.

Where a change is meant, write those cases anew, and only those: python tests/proof/record.py --only NAME (see there).
"""

from __future__ import annotations

from typing import Any

import pytest
from proof_cases import Case, Work, cases, read_golden
from proof_compare import LIMITS, worst

CASES = tuple(cases())
# Shapes are checked by the other tests; here they would double the time. Warnings are what the inputs are for.
pytestmark = [pytest.mark.usefixtures("unchecked"), pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("proof"))


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return read_golden()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_as_it_was(case: Case, work: Work, golden: dict[str, Any]) -> None:
    over = worst(golden[case.name], case.ask(work), LIMITS[case.limit])
    assert not over, f"{len(over)} numbers differ:\n" + "\n".join(over[:8])


def test_every_case_is_stored_once_and_nothing_else() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert list(read_golden()) == names


def test_a_small_change_is_seen() -> None:
    """One entry of an array that is off by a thousandth of its size, one number of a report, one name."""
    fact = {"answer": {"shape": [2, 3], "numbers": [0.5, 2.0, 0.25, 1.0]}, "report": {"method": "squad", "jerk": 4.0}}
    limit = LIMITS["learned"]
    assert worst(fact, fact, limit) == []
    moved = {**fact, "answer": {"shape": [2, 3], "numbers": [0.5, 2.0, 0.252, 1.0]}}
    shaped = {**fact, "answer": {"shape": [3, 2], "numbers": [0.5, 2.0, 0.25, 1.0]}}
    for report in ({"method": "linear", "jerk": 4.0}, {"method": "squad", "jerk": 4.01}, {"method": "squad"}):
        assert len(worst(fact, {**fact, "report": report}, limit)) == 1
    for other in (moved, shaped, {"report": fact["report"]}):
        assert len(worst(fact, other, limit)) == 1
    renamed = {**fact, "report": {"method": "squad", "trembling": 4.0}}
    assert worst(fact, renamed, limit) == []
