"""Options that had another name: accepted for one release, with a note that names the new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_MODES = ("exact", "soft")


def modern(arguments: Sequence[str], note: Callable[[str], None]) -> list[str]:
    """The arguments with new names in place of old ones; `note` is told each of them.

    `--keys exact|soft` became --key-mode, `--at 0,10` became --keys, as it is for a single clip of `inbetween`.
    """
    if not arguments or arguments[0] not in ("inbetween", "upsample", "repair"):
        return list(arguments)
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in ("--keys", "--at"):
            found.append(word)
            continue
        value = value if equals else next(words, None)
        new = "--key-mode" if option == "--keys" and value in _MODES else "--keys"
        if new != option:
            note(f"{option} {value} is written {new} {value} now; the old spelling goes with the next release")
        found += [new] if value is None else [new, value]
    return found
