"""One limit on the size of an answer, for the command line, Python and the studio."""

from __future__ import annotations

import math
import os

from kinema.core.errors import UsageError

VARIABLE = "KINEMA_BUDGET"
LARGEST = 20.0
"""Millions of joint poses (frames x joints x samples) without leave: about ten gigabytes of memory at worst."""


def allow(millions: float) -> None:
    """Allow answers of so many millions of joint poses, in this process and those that it starts.

    Raises UsageError unless it is a positive number.
    """
    if not 0 < millions < math.inf:
        raise UsageError(
            expected="a budget above 0, in millions of joint poses", got=f"{millions:g}", cure="Use --budget 100."
        )
    os.environ[VARIABLE] = f"{millions:g}"


def suggest(millions: float) -> None:
    """`allow` so many unless somebody has chosen a budget already."""
    if VARIABLE not in os.environ:
        allow(millions)


def check_answer(frames: float, joints: int, samples: int = 1) -> None:
    """Raises UsageError where an answer of so many frames, joints and samples is larger than the budget."""
    try:
        largest = float(os.environ.get(VARIABLE, LARGEST))
    except ValueError as error:
        raise UsageError(
            expected=f"a number of millions in {VARIABLE}", got=os.environ[VARIABLE], cure=f"Set {VARIABLE}=100."
        ) from error
    millions = frames * joints * samples / 1e6
    if millions > largest:
        raise UsageError(
            expected=f"an answer of at most {largest:g} million joint poses (frames x joints x samples)",
            got=f"{frames:.6g} frames x {joints} joints x {samples} samples: {millions:.4g} million",
            cure="Lower --seconds, --samples or the rate, or allow it: "
            f"--budget {math.ceil(millions) if millions < 1e300 else millions:g}, {VARIABLE} in the environment, or "
            "kinema.core.budget.allow in Python.",
        )
