"""Render-In-Between, mended, for joint rotations: every gap between key frames by one transformer over a fitted curve.

Ho et al., BMVC 2021, asked a transformer for all frames between key frames. This one is asked about one gap at a time
(`question`) and corrects a Hermite curve whose tangents were fitted to training motion (`curve_transformer`). What is
known counts as exact. The answer is bent through single joints that are known inside a gap. Gaps of one layout are
answered together. Legend: B batch, T frame, J token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.geometry.rotations import (
    quat_difference,
    quat_product,
    quat_to_sixd,
    quat_xyzw_to_rotmat,
    rotmat_to_quat_xyzw,
    rotvec_to_quat_xyzw,
)
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.models.render_in_between.curve_transformer import (
    NODES,
    CurveTransformer,
    GapGrid,
    NeutralBody,
    between,
    columns,
    cubic_tangents,
    turned_about,
)
from kinema.models.render_in_between.keyframes import Keyframes
from kinema.models.render_in_between.question import (
    KEYS,
    LENGTHS,
    LONGEST,
    RATE,
    REACH,
    RUNS,
    GapQuestion,
    Poses,
    kind_of,
    read_frames,
    read_table,
)

_KINDS = tuple(itertools.product(range(3), repeat=2))  # what is known on either side of a gap, see `kind_of`
_SIDES = 6  # terms of the curve


class GapTransformer(Model):
    """The model. `predict` gives exact values back as they are, bit for bit."""

    completes = True
    takes_noise = False
    graphs = ("gap",)

    @dataclass(frozen=True)
    class Config:
        """2.8 million parameters.

        The loss is the error of joint positions (each by its deviation over the motion), `rotation` times that of
        global rotations and `velocity` times that of the positions' velocities, each over the curve's own at that
        length. Of a training window with many gaps `gaps` are asked about. `terms` whitened numbers tell a token of its
        pose. The curve, the whitening and the usual errors are measured on `measured` windows for each of `lengths`.
        """

        dim: int = 256
        heads: int = 4
        layers: int = 5
        dropout: float = 0.1
        terms: int = 320
        rotation: float = 0.5
        velocity: float = 0.3
        gaps: int = 2
        lengths: tuple[int, ...] = LENGTHS
        measured: int = 250

        def __post_init__(self) -> None:
            if not self.lengths or list(self.lengths) != sorted(set(self.lengths)) or self.lengths[0] < 1:
                raise UsageError(
                    expected="lengths of gaps that rise from 1 frame or more",
                    got=f"{self.lengths}",
                    cure="Give model.lengths such values in the recipe, as [1, 8, 30].",
                )

        def build(self, shape: FeatureShape) -> GapTransformer:
            """The model for rotations in the room. Raises UsageError for other features."""
            return GapTransformer(self, shape)

        def tiny(self) -> GapTransformer.Config:
            """Two narrow layers, and tables of three lengths."""
            return replace(self, dim=32, heads=2, layers=2, dropout=0.0, terms=48, lengths=(1, 8, 30), measured=12)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        if shape.body is None:
            raise UsageError(
                expected="features that are joint rotations in the room (RootedRotations)",
                got=f"{shape.width} other features",
                cure='Set representation.kind to "RootedRotations", or take the recipe render-in-between-3d.',
            )
        self.config, self.shape = config, shape
        self.body = NeutralBody(shape.body())
        self.network = CurveTransformer(config, self.body)
        rest = shape.rest() if shape.rest else torch.zeros(shape.width)
        self.register_buffer("rest", rest, persistent=False)
        self.register_buffer("owner", torch.tensor(shape.owners()), persistent=False)

    rest: Tensor
    owner: Tensor

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window. The generator is not used: the answer is one."""
        return repeat_samples(self._answer(query).to(query.observed.dtype), samples)

    def _answer(self, query: Query) -> Float[Tensor, "B T F"]:
        """Features of all frames; exact values copied."""
        with torch.autocast(query.observed.device.type, enabled=False):
            known = Known.of(query, self.body, self.rest, self.owner)
            turned = self.body.chained(known.shown)
            turns, hips = turned.turns.clone(), turned.hips.clone()
            for gaps in known.alike():
                question, frame = known.question(gaps, self.body)
                matrix, moved = frame.back(*self.both_sides(question, known.grid(gaps[0])))
                quats = rotmat_to_quat_xyzw(matrix.transpose(-1, -2))
                done = 0
                for gap in gaps:
                    part, inner = slice(done, done + len(gap.rows)), slice(gap.first + 1, gap.last)
                    turns[gap.rows, inner], hips[gap.rows, inner] = quats[part, 1:-1], moved[part, 1:-1]
                    done += len(gap.rows)
            answer = self.body.features(known.bent(self.body.unchained(Poses(turns, hips))))
            sure = (query.confidence >= 1) & query.valid[..., None]
            return torch.where(sure[..., self.owner], query.observed, answer)

    def both_sides(
        self, question: GapQuestion, grid: GapGrid
    ) -> tuple[Float[Tensor, "B N J 3 3"], Float[Tensor, "B N 3"]]:
        """The mean of the answer and of the mirror image of the answer to the mirrored question."""
        earlier, later = (both(known, self.body.mirrored(known)) for known in (question.earlier, question.later))
        found, hips = self.network.correct(replace(question, earlier=earlier, later=later), grid)
        rows = question.earlier.hips.shape[0]
        one, other, hips, mirrored = found[:rows], found[rows:], hips[:rows], hips[rows:]
        signs = one.new_tensor([-1.0, 1.0, 1.0])
        other = other[..., self.body.partners, :, :] * signs * signs[:, None]
        mean = (one + other)[..., :2, :].flatten(-2) / 2
        return columns(mean), (hips + mirrored * signs) / 2

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Errors of positions, rotations and velocities over the curve's own. Gaps of one layout are asked together."""
        query, config = batch.query, self.config
        device = query.observed.device.type
        with torch.autocast(device, enabled=False):
            known = Known.of(query, self.body, self.rest, self.owner)
            valid = query.valid[..., None]
            target = self.body.local(torch.where(valid, batch.target.float(), self.rest))
        parts: dict[str, list[Tensor]] = {"positions": [], "rotations": [], "velocity": []}
        for gaps in known.alike(self.config.gaps):
            with torch.autocast(device, enabled=False), torch.no_grad():
                question, frame = known.question(gaps, self.body)
                truth = self.body.chained(frame.into(gather(target, gaps)))
            answer = self.network.correct(question, known.grid(gaps[0]), faded=False)
            with torch.autocast(device, enabled=False):
                found = self.network.errors(answer, truth)
                row = read_table(self.network.error, question.span - 1, self.network.lengths)[question.kind]
                for name, errors in zip(parts, found / row.clamp(min=1e-3)[:, None], strict=True):
                    parts[name].append(errors)
        means = {
            name: torch.cat(values).mean() if values else self.network.leave.bias.sum() * 0.0
            for name, values in parts.items()
        }
        total = means["positions"] + config.rotation * means["rotations"] + config.velocity * means["velocity"]
        return {"loss": total, **means}

    @torch.no_grad()
    def measure(self, batches: Iterator[Batch]) -> None:
        """Fit the curve's tangents by least squares, then measure its errors and the directions of the inputs."""
        found = list(itertools.islice(batches, 1 + self.config.measured // 48))
        target = torch.cat([batch.target.float() for batch in found])
        whole = torch.cat([batch.query.valid for batch in found]).all(1)
        windows = self.body.local(target[whole] if bool(whole.any()) else target)
        measure_tables(self.network, both(windows, self.body.mirrored(windows)), self.config.measured)


@dataclass(frozen=True, eq=False)
class GapPlace:
    """Rows of a batch that have the same keys: the frames of the two (`first`, `last`), and those that are read.

    `scale` is what times are multiplied by, below 1 for gaps that are longer than any that was learnt.
    """

    rows: Tensor
    first: int
    last: int
    read: tuple[int, ...]
    scale: float


@dataclass(frozen=True, eq=False)
class OwnFrame:
    """Where the first key of each row stands, and how far the body is turned away from +z there."""

    heading: Float[Tensor, " B"]
    centre: Float[Tensor, "B 3"]

    @classmethod
    def of(cls, key: Poses, body: NeutralBody) -> OwnFrame:
        """From the local poses of the key."""
        return cls(body.heading(body.chained(key)), key.hips)

    def into(self, local: Poses) -> Poses:
        """Poses as seen from there."""
        return turned_about(local, -self.heading, self.centre)

    def question(self, before: Float[Tensor, " _"], after: Float[Tensor, " _"], known: Poses) -> GapQuestion:
        """The question of a gap whose known frames are at these times."""
        local, kind = self.into(known), kind_of(before.tolist(), after.tolist())
        return GapQuestion(before, after, local[:, : len(before)], local[:, len(before) :], kind)

    def back(self, matrix: Float[Tensor, "B N J 3 3"], hips: Tensor) -> tuple[Tensor, Tensor]:
        """Columns of global rotations, and hips, in the room again."""
        sine, cosine = self.heading.sin(), self.heading.cos()
        zero, one = torch.zeros_like(sine), torch.ones_like(sine)
        turn = torch.stack((cosine, zero, sine, zero, one, zero, -sine, zero, cosine), -1).unflatten(-1, (3, 3))
        flat = self.centre * self.centre.new_tensor([1.0, 0.0, 1.0])
        return matrix @ turn[:, None, None].mT, hips @ turn.mT + flat[:, None]


@dataclass(frozen=True, eq=False)
class Known:
    """What a query knows, as local poses: keys are the frames of which every joint is known that is known at all.

    `shown` are the observations; of frames that are no keys they show only the joints that are `there`, the others as
    at the nearest key. `groups` lists the rows with the same keys at the same times, and these keys.
    """

    shown: Poses
    there: Bool[Tensor, "B T J"]
    time: Float[Tensor, "B T"]
    keys: Bool[Tensor, "B T"]
    groups: tuple[tuple[Tensor, tuple[int, ...]], ...]

    @classmethod
    def of(cls, query: Query, body: NeutralBody, rest: Tensor, owner: Tensor) -> Known:
        """From a query."""
        there = (query.confidence > 0) & query.valid[..., None]
        raw = body.local(torch.where(there[..., owner], query.observed.float(), rest))
        time = query.time.float() * RATE
        keys = (there | ~there.any(1, keepdim=True)).all(-1) & there.any(-1)
        patterns, number = torch.cat((keys.to(time), time), 1).unique(dim=0, return_inverse=True)
        turns, hips = raw.turns.clone(), raw.hips.clone()
        groups: list[tuple[Tensor, tuple[int, ...]]] = []
        place = torch.arange(turns.shape[1], device=turns.device)
        for group in range(len(patterns)):
            rows = (number == group).nonzero()[:, 0]
            frames = keys[rows[0]].nonzero()[:, 0]
            groups.append((rows, tuple(frames.tolist())))
            given = raw[rows]
            if len(frames):
                near = frames[(place[:, None] - frames).abs().argmin(1)]
                known = there[rows] | keys[rows][..., None]
                given = Poses(
                    torch.where(known[..., None], given.turns, given.turns[:, near]),
                    torch.where(known[..., :1], given.hips, given.hips[:, near]),
                )
            turns[rows], hips[rows] = given.turns, given.hips
        return cls(Poses(turns, hips), there, time, keys, tuple(groups))

    def alike(self, most: int | None = None) -> list[list[GapPlace]]:
        """All gaps, those of one layout together. Of each group of rows at most `most`, spread evenly."""
        found: dict[tuple[object, ...], list[GapPlace]] = {}
        for rows, keys in self.groups:
            time = self.time[rows[0]].tolist()
            pairs = [pair for pair in enumerate(itertools.pairwise(keys)) if pair[1][1] > pair[1][0] + 1]
            if most is not None and len(pairs) > most:
                pairs = [pairs[(2 * place + 1) * len(pairs) // (2 * most)] for place in range(most)]
            for place, (first, last) in pairs:
                scale = min(1.0, (LONGEST + 1) / max(time[last] - time[first], 1e-3))
                before = [scale * (time[first] - time[frame]) for frame in reversed(keys[: place + 1])]
                after = [scale * (time[frame] - time[last]) for frame in keys[place + 1 :]]
                left = [keys[place - at] for at in reversed(read_frames(before, RUNS[0]))]
                right = [keys[place + 1 + at] for at in read_frames(after, RUNS[1])]
                frames = (*left, *range(first, last + 1), *right)
                clock = tuple(round(scale * (time[frame] - time[first]), 3) for frame in frames)
                found.setdefault((clock, len(left)), []).append(GapPlace(rows, first, last, (*left, *right), scale))
        return list(found.values())

    def grid(self, gap: GapPlace) -> GapGrid:
        """The frames from key to key, the time of the first 0."""
        row = int(gap.rows[0])
        times = ((self.time[row, gap.first : gap.last + 1] - self.time[row, gap.first]) * gap.scale).tolist()
        return GapGrid.of(times[-1], times, self.shown.hips)

    def question(self, gaps: list[GapPlace], body: NeutralBody) -> tuple[GapQuestion, OwnFrame]:
        """Gaps of one layout as one question, each seen from its first key."""
        one, row = gaps[0], int(gaps[0].rows[0])
        time = ((self.time[row] - self.time[row, one.first]) * one.scale).to(self.shown.hips)
        count = one.read.index(one.first) + 1
        parts = (self.shown.turns, self.shown.hips)
        known = Poses(*(torch.cat([part[gap.rows[:, None], list(gap.read)] for gap in gaps]) for part in parts))
        frame = OwnFrame.of(known[:, count - 1], body)
        before, after = time[list(one.read[:count])], time[list(one.read[count:])]
        return frame.question(before, after, known), frame

    def bent(self, local: Poses) -> Poses:
        """The answer led through the joints that are known in frames that are no keys: what it lacks there is added,
        and between known frames of a joint the share of it that lies on the straight line."""
        partly = self.there & ~self.keys[..., None]
        if not bool(partly.any()):
            return local
        tokens = partly.shape[-1]
        owner = torch.arange(tokens + 1, device=partly.device).clamp(max=tokens).repeat_interleave(3)
        owner = torch.where(owner == tokens, 0, owner)  # the hips are the root's
        off = torch.cat(
            (quat_difference(local.turns, self.shown.turns), (self.shown.hips - local.hips)[..., None, :]), -2
        )
        off = torch.where(partly[..., owner], off.flatten(2), 0.0)
        lines = Keyframes(partly | self.keys[..., None], self.time, owner).linear(off).unflatten(-1, (-1, 3))
        turns = quat_product(local.turns, rotvec_to_quat_xyzw(lines[..., :-1, :]))
        return Poses(turns, local.hips + lines[..., -1, :])


def both(first: Poses, second: Poses) -> Poses:
    """The rows of one batch, then those of another."""
    return Poses(torch.cat((first.turns, second.turns)), torch.cat((first.hips, second.hips)))


def gather(poses: Poses, gaps: list[GapPlace]) -> Poses:
    """Poses from key to key, the gaps one after the other."""
    parts = (poses.turns, poses.hips)
    return Poses(*(torch.cat([part[gap.rows, gap.first : gap.last + 1] for gap in gaps]) for part in parts))


def measure_tables(network: CurveTransformer, windows: Poses, samples: int) -> None:
    """Everything about a network that is measured on motion: tables of the curve, whitening, deviations.

    `windows` [window, frame] are whole windows of training motion, `samples` how many serve for each length.
    """
    body, generator = network.body, torch.Generator().manual_seed(0)
    frames = windows.hips.shape[1]
    possible: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for row, length in enumerate(network.lengths):
        for kind, (left, right) in enumerate(_KINDS):
            if (layout := _layout(length, left, right, frames)) is not None:
                possible[row, kind] = layout

    def ask(row: int, kind: int) -> tuple[GapQuestion, Poses]:
        before, after = possible[row, kind]
        length = network.lengths[row] + 1
        reach = before[-1] + length + after[-1]
        chosen = torch.randint(len(windows.hips), (samples,), generator=generator)
        start = torch.randint(frames - reach, (samples,), generator=generator) + before[-1]
        offsets = [*(-frame for frame in reversed(before)), *(length + frame for frame in after)]
        known = windows[(chosen[:, None], start[:, None] + torch.tensor(offsets))]
        truth = windows[(chosen[:, None], start[:, None] + torch.arange(length + 1))]
        frame = OwnFrame.of(known[:, len(before) - 1], body)
        times = known.hips.new_tensor(offsets)
        return frame.question(times[: len(before)], times[len(before) :], known), frame.into(truth)

    rows = [(row, kind) for row in range(len(network.lengths)) for kind in range(len(_KINDS))]
    for row, kind in possible:
        network.tangents[row, kind] = _fitted(*ask(row, kind))
    _fill(network.tangents, rows, possible)
    inputs: list[Tensor] = []
    lacking: list[Tensor] = []
    places: list[Tensor] = []
    for row, kind in possible:
        question, truth = ask(row, kind)
        times = torch.arange(truth.hips.shape[1]).to(truth.hips)
        base, true = body.chained(network.drawn(question, times)), body.chained(truth)
        turned = quat_to_sixd(true.turns) - quat_to_sixd(base.turns)
        off = torch.cat((turned.flatten(2), true.hips - base.hips), -1)[:, 1:-1]
        size = off.square().mean((0, 2)).sqrt().clamp(min=1e-4)
        network.size[row, kind] = _stretched(size)
        middle = torch.randint(off.shape[1], (3,), generator=generator)
        lacking.append((off / size[None, :, None])[:, middle].flatten(0, 1))
        nodes = torch.arange(1, network.lengths[row] + 1, max(1, network.lengths[row] // NODES)).to(truth.hips)
        inputs.append(network.inputs(question, nodes)[::2].flatten(0, 1)[::3])
        matrix = quat_xyzw_to_rotmat(true.turns).transpose(-1, -2)
        places.append(body.positions(matrix, true.hips).flatten(0, 1))
    _fill(network.size, rows, possible)
    network.deviation.copy_(torch.cat(places).std(0).clamp(min=1e-3))
    network.known.measure(torch.cat(inputs))
    network.colour.measure(torch.cat(lacking))
    for row, kind in possible:
        question, truth = ask(row, kind)
        times = torch.arange(truth.hips.shape[1]).to(truth.hips)
        base, true = body.chained(network.drawn(question, times)), body.chained(truth)
        network.error[row, kind] = network.errors((columns(quat_to_sixd(base.turns)), base.hips), true).mean(1)
    _fill(network.error, rows, possible)


def _layout(length: int, left: int, right: int, frames: int) -> tuple[list[int], list[int]] | None:
    """Distances of known frames on both sides of a gap, for sides as in `kind_of`; None where they are too
    many for windows of so many frames."""
    step = length + 1
    if (left == 2 or right == 2) and step <= 2:
        return None
    for keys in range(KEYS, 1, -1):
        even = [step * place for place in range(keys) if step * place <= REACH]
        before = [[0], list(RUNS[0]), even][left]
        after = [[0], list(RUNS[1]), even][right]
        if len(even) > 1 and before[-1] + step + after[-1] < frames:
            return before, after
    short = [[0], list(RUNS[0])][left] if left < 2 else None, [[0], list(RUNS[1])][right] if right < 2 else None
    if short[0] is not None and short[1] is not None and short[0][-1] + step + short[1][-1] < frames:
        return short[0], short[1]
    return None


def _fitted(question: GapQuestion, truth: Poses) -> Float[Tensor, "S 6"]:
    """Tangents by weighted least squares, drawn towards those of the cubic; hard windows count less."""
    times = torch.arange(1, truth.hips.shape[1] - 1).float()
    line, terms = question.terms(times)
    first, inside = question.earlier[:, -1:], truth[:, 1:-1]
    turns = quat_difference(first.turns, inside.turns)
    hips = inside.hips - first.hips
    cubic = cubic_tangents(question).to(line)
    design = torch.stack([term.expand_as(line) for term in terms], -1)
    left = torch.cat((turns, hips[..., None, :]), -2) - line - (design * cubic[:, None]).sum(-1)
    weight = (1 / (left.norm(dim=-1, keepdim=True).mean(1, keepdim=True) + 0.02)).sqrt()
    design, left = design * weight[..., None], left * weight
    design = design.movedim(2, 0).flatten(1, 3).double()
    left = left.movedim(2, 0).flatten(1, 3).double()
    square = design.mT @ design
    # A joint that hardly moves has no tangents of its own: a hundredth of a radian counts as nothing.
    ridge = 1e-2 * square.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-4 * design.shape[1]
    square = square + ridge[:, None, None] * torch.eye(_SIDES, dtype=torch.float64)
    return cubic + torch.linalg.solve(square, design.mT @ left[..., None])[..., 0].to(cubic)


def _stretched(sizes: Float[Tensor, " frame"]) -> Float[Tensor, " node"]:
    """Sizes at the frames of a gap, read at sixteen nodes; zero at the keys."""
    padded = functional.pad(sizes, (1, 1))
    place = (torch.arange(NODES) + 1) / (NODES + 1) * (len(padded) - 1)
    return between(padded, place).clamp(min=1e-4)


def _fill(table: Tensor, rows: list[tuple[int, int]], possible: Mapping[tuple[int, int], object]) -> None:
    """Rows that could not be measured are those of the nearest length, or of fewer known frames."""
    for row, kind in rows:
        if (row, kind) in possible:
            continue
        same = [other for other, own in possible if own == kind]
        if same:
            table[row, kind] = table[min(same, key=lambda other: abs(other - row)), kind]
        else:
            table[row, kind] = table[row, 0]
