"""`Style`: how somebody moves, as a few numbers about 1 or 0, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Style:
    """The manner of one performer.

    Factors of about 1: `tempo` (how quickly), `stride` (step length), `bounce` (vertical liveliness), `arm_swing`,
    `width` (distance of the feet), `energy` (how far actions go). About 0: `lean` (radians forward), `mood` (-1
    downcast with a hanging head, 1 cheerful), `turn` (radians per second by which a walked path curves, to the left).
    `handed` is 1 for a right-handed performer, -1 for a left-handed one; `size` scales the whole body uniformly.
    """

    tempo: float = 1.0
    stride: float = 1.0
    bounce: float = 1.0
    arm_swing: float = 1.0
    width: float = 1.0
    energy: float = 1.0
    lean: float = 0.0
    mood: float = 0.0
    turn: float = 0.0
    handed: int = 1
    size: float = 1.0

    @staticmethod
    def draw(seed: int) -> Style:
        """The performer of that seed."""
        rng = np.random.default_rng((seed, 0x57E1))

        def about(middle: float, spread: float) -> float:
            return float(middle + spread * np.clip(rng.normal(), -2, 2) / 2)

        return Style(
            tempo=about(1, 0.14),
            stride=about(1, 0.12),
            bounce=about(1, 0.35),
            arm_swing=about(1, 0.4),
            width=about(1, 0.25),
            energy=about(1, 0.2),
            lean=about(0.01, 0.05),
            mood=about(0.1, 0.8),
            turn=about(0, 0.35),
            handed=1 if rng.random() < 0.8 else -1,
            size=about(1, 0.08),
        )
