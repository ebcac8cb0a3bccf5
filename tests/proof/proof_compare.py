"""How far two records of one case are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LIMITS: dict[str, float] = {
    # Recorded and compared on AVX-512, AVX2 and plain SSE, with 1 and 2 threads; the largest difference found is beside
    # each. Numbers are kept with six digits, which alone is 1e-5 of an array whose mean is above its entries.
    "files": 5e-5,  # 8e-6: arithmetic of rotations, and the last digit kept
    "learned": 2e-4,  # 3.4e-5: matrix products in another order, once more through the jerk of an answer
    "table": 3e-4,  # 3.7e-5: the same, through the jitter of an answer, a third difference over 1/30 s cubed
    "judged": 2e-2,  # 2e-3: judges after three steps of Adam, whose first steps are the signs of gradients
}
"""How far a number may be off, as a share of the size of its array, or of itself in a report."""
LOOSE: dict[str, float] = {
    "share": 0.05,  # 0: contacts are thresholds of a speed, and a frame may fall on either side
    "foot_skate": 0.05,  # 0: the same
}
"""Numbers by name that have a limit of their own, absolute for `share` and `foot_skate`."""
FLOORS: dict[str, float] = {
    "bone_drift": 0.1,  # metres of 1e-6: rounding, unless bones change
    "keys": 0.1,  # millimetres of 1e-4 where keys come back as they are
    "share": 1.0,
    "foot_skate": 1.0,
}
FLOOR = 1e-3
"""A number of a report that is smaller is compared as if it had this size."""


def worst(golden: Any, found: Any, limit: float) -> list[str]:
    """The differences above their limits, in words, the largest first."""
    over = [
        (share / own, f"{where}: {words} (off by {share:.2g}, at most {own:.2g})")
        for where, share, words in differences(golden, found)
        if share > (own := max(limit, LOOSE.get(_last(where), LOOSE.get(_above(where), 0.0))))
    ]
    return [words for _, words in sorted(over, reverse=True)]


def _last(where: str) -> str:
    return where.rpartition("/")[2]


def _above(where: str) -> str:
    """Where methods stand side by side the metric is one step up: /keys/linear."""
    return _last(where.rpartition("/")[0])


def differences(golden: Any, found: Any, where: str = "") -> Iterator[tuple[str, float, str]]:
    """Where the two differ, by how much (as a share of the array's size or of the number), and in words.

    Infinite: another shape, another text, or a thing that is missing. A number of a report whose name is gone counts as
    found where an unused number of the report is the same: names may change, numbers not.
    """
    lost: list[tuple[str, float]] = []
    used: set[str] = set()
    yield from _differences(golden, found, where, lost, used)
    spare = [value for name, value in _numbers(found, where) if name not in used]
    for name, value in lost:
        near = min(spare, key=lambda other, value=value, name=name: _share(value, other, name), default=None)
        if near is None:
            yield name, float("inf"), f"{value} is missing"
            continue
        spare.remove(near)
        yield name, _share(value, near, name), f"{value} became {near} (by another name)"


def _differences(
    golden: Any, found: Any, where: str, lost: list[tuple[str, float]], used: set[str]
) -> Iterator[tuple[str, float, str]]:
    if isinstance(golden, dict) and "numbers" in golden and "shape" in golden:
        yield from _array(golden, found, where)
    elif isinstance(golden, dict) and isinstance(found, dict):
        for key, value in golden.items():
            name = f"{where}/{key}"
            if key in found:
                yield from _differences(value, found[key], name, lost, used)
            elif gone := list(_numbers(value, name)):
                lost += gone
            else:
                yield name, float("inf"), f"{value} is missing"
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        for place, (one, other) in enumerate(zip(golden, found, strict=True)):
            yield from _differences(one, other, f"{where}/{place}", lost, used)
    elif _is_number(golden) and _is_number(found):
        used.add(where)
        yield where, _share(golden, found, where), f"{golden} became {found}"
    elif golden != found:
        yield where, float("inf"), f"{golden} became {found}"


def _array(golden: dict[str, Any], found: Any, where: str) -> Iterator[tuple[str, float, str]]:
    if not isinstance(found, dict) or any(golden.get(key) != found.get(key) for key in ("shape", "unknown")):
        yield where, float("inf"), f"{golden} became {found}"
        return
    size = max(golden["numbers"][1], 1e-9)
    for place, (one, other) in enumerate(zip(golden["numbers"], found["numbers"], strict=True)):
        yield f"{where}/{place}", abs(one - other) / size, f"{one} became {other}"


def _numbers(part: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(part, dict) and not ("numbers" in part and "shape" in part):
        for key, value in part.items():
            yield from _numbers(value, f"{where}/{key}")
    elif isinstance(part, list):
        for place, value in enumerate(part):
            yield from _numbers(value, f"{where}/{place}")
    elif _is_number(part):
        yield where, part


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _share(golden: float, found: float, where: str) -> float:
    floor = FLOORS.get(_last(where), FLOORS.get(_above(where), FLOOR))
    return abs(golden - found) / max(abs(golden), floor)
