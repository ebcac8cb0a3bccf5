"""The version, and the names of the verbs, where nothing heavy is imported."""

from __future__ import annotations

from typing import Literal

VERSION = "0.1.0"
Verb = Literal["forecast", "inbetween", "upsample", "repair", "generate"]
VERBS: tuple[Verb, ...] = ("forecast", "inbetween", "upsample", "repair", "generate")
Keys = Literal["exact", "soft"]
"""exact: known frames come back as they are; soft: they are evidence and are smoothed."""
