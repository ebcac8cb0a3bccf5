"""The five verbs by name, and the two ways to take known frames."""

from __future__ import annotations

from typing import Literal

Verb = Literal["forecast", "inbetween", "upsample", "repair", "generate"]
VERBS: tuple[Verb, ...] = ("forecast", "inbetween", "upsample", "repair", "generate")
Keys = Literal["exact", "soft"]
"""exact: known frames come back as they are; soft: they are evidence and are smoothed."""
