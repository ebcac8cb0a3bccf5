"""A motion that a page has opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinema.motion.motion import Clip


@dataclass(frozen=True, eq=False)
class Upload:
    """A motion that was opened: its file's name, the clip, and what the reader remarked."""

    name: str
    clip: Clip
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> str:
        """One line about it."""
        clip = self.clip
        size = f"{clip.frames} frames at {clip.fps:.4g} per second, {clip.frames / clip.fps:.2f} s"
        return f"{self.name}: {len(clip.skeleton)} joints, {size}"
