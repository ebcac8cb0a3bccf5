"""Leaks: test recordings among the training recordings of a model.

The identity of a recording is "set/recording" ("cmu/06_07"). If the recording is not known, it is "?" and the name in
its release ("?cmu/forecast/test/jumping_1": some recording of the CMU archive), and may be any recording of the
archive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kinema.core.errors import some

_MOST, _REST = 8, " (--json names all)"  # recordings that the message names


@dataclass(frozen=True)
class Meeting:
    """A test recording and the training recordings that are, or may be, equal to it."""

    action: str
    test: str
    trained: tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """The certain and the possible meetings of a model (possible: a recording is not identified)."""

    sure: tuple[Meeting, ...] = ()
    possible: tuple[Meeting, ...] = ()

    @property
    def message(self) -> str:
        """One line; it begins in capitals if the scores may be too good."""
        lines: list[str] = []
        if self.sure:
            met = some([_named(m) for m in self.sure], _MOST, between="; ", what=_REST)
            lines.append(f"LEAK: this model was trained on test recordings of this protocol: {met}.")
        if self.possible:
            found = [f"{_named(m)} among {len(m.trained)} recordings" for m in self.possible]
            may = some(found, _MOST, between="; ", what=_REST)
            lines.append(
                f"POSSIBLE LEAK: recordings that are not identified may be the same in training and in test: {may}."
            )
        return " ".join(lines) or "No test recording is known to be among the training recordings."

    def to_json(self) -> dict[str, Any]:
        """Plain data; `met` is "yes", "may" or "no"."""
        as_dicts = {
            name: [{"action": m.action, "test": m.test, "trained_on": list(m.trained)} for m in meetings]
            for name, meetings in (("sure", self.sure), ("possible", self.possible))
        }
        return {"met": "yes" if self.sure else "may" if self.possible else "no", **as_dicts, "message": self.message}


NO_LEAK = Leak()


def _named(meeting: Meeting) -> str:
    return meeting.test if meeting.action == meeting.test else f"{meeting.action} ({meeting.test})"


def archive(identity: str) -> str:
    """The archive that a recording belongs to: "cmu" of "cmu/06_07" and of "?cmu/forecast/test/jumping_1"."""
    return identity.removeprefix("?").split("/", 1)[0].lower()


def find_leak(
    trained_on: Iterable[str], tests: Mapping[str, str] | Iterable[tuple[str, str]], apart: Iterable[str] = ()
) -> Leak:
    """Compare what a model was trained on with the test recordings of a protocol (action -> identity, or pairs).

    `apart` are unidentified recordings that are known to differ from the test ones: the training files of the same
    release. They still match a test of the same name.
    """
    trained, elsewhere = sorted(set(trained_on)), set(apart)
    sure: list[Meeting] = []
    possible: list[Meeting] = []
    for action, test in cast("Iterable[tuple[str, str]]", tests.items() if isinstance(tests, Mapping) else tests):
        if test in trained:
            sure.append(Meeting(action, test, (test,)))
            continue
        may = tuple(one for one in trained if one not in elsewhere and _may_be_one(one, test))
        if may:
            possible.append(Meeting(action, test, may))
    return Leak(tuple(sure), tuple(possible))


def _may_be_one(first: str, second: str) -> bool:
    unsure = first.startswith("?") or second.startswith("?")
    return unsure and archive(first) == archive(second)
