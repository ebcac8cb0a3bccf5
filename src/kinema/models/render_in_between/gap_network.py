"""`GapReading`: what happens between two exact key frames, read at once from all that is known around them.

Each gap is seen from its own frame of reference, half-way between its two ends. A network (a straight linear way, and
layers beside it) says by what sum of sines, nought at both ends, the truth differs from the cubic curve; a short gap
can differ by little: by the square of its length. Inputs and answers are whitened, which is what makes it learn at all.
Legend: B window, T frame, F feature, G gap, n frame of a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from kinema.models.base import Frame
from kinema.models.render_in_between.whitening import Colouring, Whitening

OFFSETS = (1, 2, 3, 4, 6, 9, 13, 20)  # frames before and after a gap at which the curve is read
_REACH = 0.7  # seconds: gaps of this length and more may differ from the curve as much as motion does
_TOLD = 8  # frames: shorter gaps do not tell which sums of sines are common


@dataclass(frozen=True, eq=False)
class Gaps:
    """Stretches of unknown frames between two known ones: of which window, the frames at either end, and those within
    (`frames`, of which `inside` count)."""

    row: Int64[Tensor, " G"]
    left: Int64[Tensor, " G"]
    right: Int64[Tensor, " G"]
    frames: Int64[Tensor, "G n"]
    inside: Bool[Tensor, "G n"]

    @classmethod
    def of(cls, known: Bool[Tensor, "B T"]) -> Gaps:
        """All of them. In a graph that is exported, where no size may depend on values, every frame is its own gap."""
        length = known.shape[1]
        place = torch.arange(length, device=known.device)
        before = torch.where(known, place, -1).cummax(1).values
        after = torch.where(known, place, length).flip(1).cummin(1).values.flip(1)
        if torch.compiler.is_exporting():
            row = torch.arange(known.shape[0], device=known.device)[:, None].expand(known.shape).flatten()
            inside = (~known & (before >= 0) & (after < length)).flatten()[:, None]
            left, right = before.clamp(min=0).flatten(), after.clamp(max=length - 1).flatten()
            return cls(row, left, right, place.expand(known.shape).flatten()[:, None], inside)
        then = functional.pad(after[:, 1:], (0, 1), value=length)
        row, left = (known & (then > place + 1) & (then < length)).nonzero(as_tuple=True)
        right = then[row, left]
        frames = left[:, None] + 1 + torch.arange(int((right - left).max()) - 1 if len(row) else 0, device=row.device)
        return cls(row, left, right, frames.clamp(max=length - 1), frames < right[:, None])

    def flat(self) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"], tuple[Tensor, Tensor]]:
        """The window and frame of each frame in a gap, and where `frames` names it."""
        if torch.compiler.is_exporting():
            gap = torch.arange(self.row.shape[0], device=self.row.device)
            place = torch.zeros_like(gap)
        else:
            gap, place = self.inside.nonzero(as_tuple=True)
        return self.row[gap], self.frames[gap, place], (gap, place)

    def way(self) -> Float[Tensor, "G n"]:
        """How far each frame is from the left end to the right one, 0 to 1."""
        steps = (self.right - self.left).clamp(min=1)
        return ((self.frames - self.left[:, None]) / steps[:, None]).clamp(0, 1)


class GapReading(nn.Module):
    """The network. `framed` gives windows of standardised features (with trust) their own frame of reference; `terms`
    are the whitened numbers that stand for what is known, and for a correction."""

    def __init__(
        self,
        width: int,
        tokens: int,
        framed: Callable[[Tensor, Tensor], Frame | None] | None,
        *,
        hidden: int,
        layers: int,
        sines: int,
        terms: tuple[int, int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.width, self.tokens, self.sines, self._framed = width, tokens, sines, framed
        self.known = Whitening(2 * len(OFFSETS) * (width + 1) + 2 * width + 3, terms[0])
        self.off = Colouring(sines * width, terms[1])
        self.straight = nn.Linear(self.known.kept, self.off.kept)
        self.enter = nn.Linear(self.known.kept, hidden)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(hidden), nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Dropout(dropout),
                nn.Linear(2 * hidden, hidden),
            )
            for _ in range(layers)
        )  # fmt: skip
        answer = nn.Linear(hidden, self.off.kept)
        self.leave = nn.Sequential(nn.LayerNorm(hidden), answer)
        for last in (self.straight, answer):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(
        self,
        curve: Float[Tensor, "B T F"],
        known: Bool[Tensor, "B T"],
        time: Float[Tensor, "B T"],
    ) -> Float[Tensor, "B T F"]:
        """The curve with its gaps corrected. `known` frames are exact; the curve goes through them."""
        gaps = Gaps.of(known)
        if not gaps.row.shape[0]:
            return curve
        with torch.autocast(curve.device.type, enabled=False):  # what changes from frame to frame deserves its digits
            frame, context, most = self._observed(curve, known, time, gaps)
        terms = self.known(context)
        hidden = self.enter(terms)
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        terms = self.straight(terms) + self.leave(hidden)
        with torch.autocast(curve.device.type, enabled=False):
            waves = most[:, None, None] * self.off(terms).unflatten(-1, (self.sines, self.width))
            waves = _back(frame, waves) - _back(frame, torch.zeros_like(waves))  # it turns, and does not move
            change = self._sines(gaps) @ waves
            row, place, at = gaps.flat()
            return curve.index_put((row, place), change[at] * gaps.inside[at][..., None], accumulate=True)

    @torch.no_grad()
    def measure(self, questions: Iterable[tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
        """See what is common, before training: `questions` are windows' curve, known frames, times, and truth."""
        contexts: list[Tensor] = []
        waves: list[Tensor] = []
        for curve, known, time, truth in questions:
            gaps = Gaps.of(known)
            if not len(gaps.row):
                continue
            frame, context, most = self._observed(curve, known, time, gaps)
            contexts.append(context)
            at, inside = (gaps.row[:, None], gaps.frames), gaps.inside[..., None]
            off = (_into(frame, truth[at]) - _into(frame, curve[at])) * inside
            long = gaps.inside.sum(1) >= _TOLD
            if bool(long.any()):
                found = torch.linalg.pinv((self._sines(gaps) * inside)[long]) @ off[long]
                waves.append((found / most[long, None, None]).flatten(1))
        if contexts:
            self.known.measure(torch.cat(contexts))
        if waves:
            self.off.measure(torch.cat(waves))

    def _observed(
        self, curve: Tensor, known: Tensor, time: Tensor, gaps: Gaps
    ) -> tuple[Frame | None, Float[Tensor, "G context"], Float[Tensor, " G"]]:
        """For each gap its frame of reference, what is around it, and how far it may differ from the curve."""
        offsets = torch.tensor(OFFSETS, device=curve.device)
        left, right = gaps.left[:, None], gaps.right[:, None]
        index = torch.cat((left - offsets, left, right, right + offsets), 1)
        inside = (index >= 0) & (index < curve.shape[1])
        at = (gaps.row[:, None], index.clamp(0, curve.shape[1] - 1))
        around, count = curve[at], len(offsets)
        ends = around[:, count : count + 2]
        frame = self._framed(ends, ends.new_ones(*ends.shape[:2], self.tokens)) if self._framed else None
        around = _into(frame, around)
        first, last = around[:, count : count + 1], around[:, count + 1 : count + 2]
        away = offsets[:, None].to(curve)
        exact = (known[at] & inside).to(curve)
        seconds = (time[gaps.row, gaps.right] - time[gaps.row, gaps.left]).clamp(min=1e-3)[:, None]
        context = torch.cat(
            (
                ((around[:, :count] - first) / away).flatten(1),
                ((around[:, count + 2 :] - last) / away).flatten(1),
                exact[:, :count],
                exact[:, count + 2 :],
                ((first + last) / 2).flatten(1),
                (last - first).flatten(1),
                seconds,
                seconds.sqrt(),
                seconds.log(),
            ),
            1,
        )
        return frame, context, (seconds[:, 0] / _REACH).square().clamp(max=1)

    def _sines(self, gaps: Gaps) -> Float[Tensor, "G n sines"]:
        order = torch.arange(1, self.sines + 1, device=gaps.row.device)
        return torch.sin(torch.pi * gaps.way()[..., None] * order)


def _into(frame: Frame | None, features: Tensor) -> Tensor:
    return features if frame is None else frame.into(features)


def _back(frame: Frame | None, features: Tensor) -> Tensor:
    return features if frame is None else frame.back(features)
