"""A transformer that corrects the fitted Hermite curve across one gap between key frames.

Tokens are the known frames around the gap and at most sixteen nodes evenly spread over it. Each has the pose
there (the curve's, at the nodes), whitened, of its velocity and of the way to both keys. The answer is one correction
for each node, coloured, read at the frames of the gap by a cubic spline that is zero at the keys. (Transformers over
keys and a base curve: Qin et al. 2022, Oreshkin et al. 2022.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from torch import Tensor, nn
from torch.nn import functional

from kinema.geometry.kinematics import BodyTree
from kinema.geometry.rotations import (
    quat_inverse,
    quat_product,
    quat_to_sixd,
    quat_xyzw_to_rotmat,
    rotmat_to_quat_xyzw,
    rotvec_to_quat_xyzw,
    sixd_to_rotmat,
)
from kinema.models.render_in_between.question import GapQuestion, Poses, read_table
from kinema.models.render_in_between.whitening import Colouring, Whitening

if TYPE_CHECKING:
    from kinema.models.render_in_between.gap_transformer import GapTransformer

NODES = 16
_SINES = 4
_TIMES = 12 + 2 * _SINES  # numbers for the time of a token
_PAIRS = 8  # and two tokens of the time between them
_SIDES = tuple((float(left), float(right)) for left in (0.0, 1.0, 0.5) for right in (0.0, 1.0, 0.5))  # of each kind
_STRAIGHT = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])  # until tangents are fitted: straight lines


class NeutralBody(nn.Module):
    """The body that features speak of. Its tensors come with the representation and are not among the weights."""

    def __init__(self, tree: BodyTree) -> None:
        super().__init__()
        self.parents, self.tokens, self.joints = tree.parents, len(tree.parents), len(tree.arms)
        self.across = tree.across
        self.levels, order = _levels(tree.parents)
        # Positions as one product: [token x column, joint] with [frame, xyz, token x column].
        arms = tree.arms.permute(1, 2, 0).reshape(3 * self.tokens, -1)
        neutral = rotmat_to_quat_xyzw(tree.neutral)
        above = torch.cat((torch.tensor([[0.0, 0.0, 0.0, 1.0]]), neutral[list(tree.parents[1:])]))
        partners = torch.tensor(tree.partners)
        for name, buffer in (
            ("arms", arms.contiguous()), ("hips", tree.hips), ("above", above), ("neutral", neutral),
            ("partners", partners), ("parent", torch.tensor(tree.parents[1:])),
            ("order", torch.tensor(order).argsort()),
        ):  # fmt: skip
            self.register_buffer(name, buffer, persistent=False)

    arms: Tensor
    hips: Tensor
    order: Tensor  # of each token, its place in `levels`
    above: Tensor  # the neutral rotation of the token above each
    neutral: Tensor
    partners: Tensor
    parent: Tensor

    def local(self, features: Float[Tensor, "*b feat"]) -> Poses:
        """Root position and local 6-D rotations -> local rotations away from the neutral pose, and the hips."""
        turns = rotmat_to_quat_xyzw(sixd_to_rotmat(features[..., 3:].unflatten(-1, (-1, 6))))
        hips = features[..., :3] + (quat_xyzw_to_rotmat(turns[..., 0, :]) @ self.hips)
        return Poses(quat_product(quat_product(self.above, turns), quat_inverse(self.neutral)), hips)

    def features(self, local: Poses) -> Float[Tensor, "*b feat"]:
        """The way back."""
        turns = quat_product(quat_product(quat_inverse(self.above), local.turns), self.neutral)
        root = local.hips - quat_xyzw_to_rotmat(turns[..., 0, :]) @ self.hips
        return torch.cat((root, quat_to_sixd(turns).flatten(-2)), -1)

    def chained(self, local: Poses) -> Poses:
        """Local rotations -> global ones, those of one depth in the tree together."""
        level = local.turns[..., :1, :]
        found = [level]
        for tokens, above in self.levels:
            level = quat_product(level[..., above, :], local.turns[..., tokens, :])
            found.append(level)
        return Poses(torch.cat(found, -2)[..., self.order, :], local.hips)

    def unchained(self, turned: Poses) -> Poses:
        """Global rotations -> local ones."""
        turns = quat_product(quat_inverse(turned.turns[..., self.parent, :]), turned.turns[..., 1:, :])
        return Poses(torch.cat((turned.turns[..., :1, :], turns), -2), turned.hips)

    def positions(
        self, columns: Float[Tensor, "*b token 3 3"], hips: Float[Tensor, "*b 3"]
    ) -> Float[Tensor, "*b joint 3"]:
        """Joint positions; `columns` are those of global rotations, one after the other."""
        shape = hips.shape[:-1]
        moved = columns.reshape(-1, 3 * self.tokens, 3).transpose(1, 2) @ self.arms + hips.reshape(-1, 3, 1)
        return moved.transpose(1, 2).reshape(*shape, self.joints, 3)

    def heading(self, turned: Poses) -> Float[Tensor, "*b"]:
        """Where a pose of global rotations faces: radians about y, 0 is +z."""
        matrix = quat_xyzw_to_rotmat(turned.turns)
        across = matrix[..., 0, :, 0]
        if self.across:
            places = self.positions(matrix.transpose(-1, -2), torch.zeros_like(turned.hips))
            across = sum(places[..., left, :] - places[..., right, :] for left, right in self.across)
            assert isinstance(across, Tensor)
        return torch.atan2(-across[..., 2], across[..., 0])

    def mirrored(self, local: Poses) -> Poses:
        """Left and right exchanged."""
        signs = local.turns.new_tensor([1.0, -1.0, -1.0, 1.0])
        return Poses(local.turns[..., self.partners, :] * signs, local.hips * local.hips.new_tensor([-1.0, 1.0, 1.0]))


def turned_about(local: Poses, angle: Float[Tensor, " B"], centre: Float[Tensor, "B 3"]) -> Poses:
    """Poses moved by -`centre` on the floor, then turned about the vertical by `angle` radians; [B, frame]."""
    still = torch.zeros_like(angle)
    turn = rotvec_to_quat_xyzw(torch.stack((still, angle, still), -1))[:, None]
    root = quat_product(turn.expand_as(local.turns[..., 0, :]), local.turns[..., 0, :])
    hips = local.hips - centre[:, None] * centre.new_tensor([1.0, 0.0, 1.0])
    hips = hips @ quat_xyzw_to_rotmat(turn[:, 0]).transpose(-1, -2)
    return Poses(torch.cat((root[..., None, :], local.turns[..., 1:, :]), -2), hips)


class CurveBlock(nn.Module):
    """Attention with a bias for pairs of times, then a perceptron. Attention is in float32."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.split, self.join = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.widen, self.narrow = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.heads, self.dropout = heads, dropout
        nn.init.zeros_(self.join.weight)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Float[Tensor, "B N D"], bias: Float[Tensor, "1 head N N"]) -> Float[Tensor, "B N D"]:
        """The tokens after the block."""
        parts = self.split(self.norm_in(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        with torch.autocast(x.device.type, enabled=False):
            query, key, value = parts.float().unbind(0)
            share = (query @ (key.transpose(-1, -2) * key.shape[-1] ** -0.5) + bias).softmax(-1)
            seen = (share @ value).transpose(1, 2).flatten(2)
        x = x + self._thinned(self.join(seen))
        return x + self._thinned(self.narrow(functional.gelu(self.widen(self.norm_out(x)), approximate="tanh")))

    def _thinned(self, x: Tensor) -> Tensor:
        """Dropout, one mask for all tokens of a window."""
        x = x.float()
        if not self.training or not self.dropout:
            return x
        kept = torch.rand(len(x), 1, x.shape[-1], device=x.device) > self.dropout
        return x * kept / (1 - self.dropout)


class CurveTransformer(nn.Module):
    """The curve's tables and the network. `correct` answers a question."""

    def __init__(self, config: GapTransformer.Config, body: NeutralBody) -> None:
        super().__init__()
        self.body, self.lengths, dim, heads = body, config.lengths, config.dim, config.heads
        tokens, joints, rows = body.tokens, body.joints, len(self.lengths)
        self.width = 6 * tokens + 3
        inputs = 4 * self.width + 6 * joints
        for name, buffer in (
            ("tangents", _STRAIGHT.expand(rows, 9, tokens + 1, 6).clone()),  # the curve: how much of each term
            ("size", torch.ones(rows, 9, NODES)),  # usual size of a correction
            ("error", torch.ones(rows, 9, 3)),  # usual error of the curve: positions, rotations, velocities
            ("deviation", torch.ones(joints, 3)),  # of positions, metres
            ("share", torch.ones(rows, 9)),  # of the network's answer in the answer; the rest is the cubic's
        ):
            self.register_buffer(name, buffer)
        self.known, self.colour = Whitening(inputs, config.terms), Colouring(self.width, self.width)
        self.enter = nn.Linear(self.known.kept, dim)
        self.time = nn.Linear(_TIMES, dim)
        self.pair = nn.Sequential(nn.Linear(_PAIRS, 32), nn.GELU(), nn.Linear(32, heads))
        self.blocks = nn.ModuleList(CurveBlock(dim, heads, config.dropout) for _ in range(config.layers))
        self.norm, self.leave = nn.LayerNorm(dim), nn.Linear(dim, self.width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    tangents: Tensor
    size: Tensor
    error: Tensor
    deviation: Tensor
    share: Tensor

    def drawn(self, question: GapQuestion, times: Float[Tensor, " N"]) -> Poses:
        """The curve's local poses at times from key to key."""
        return question.curve(times, self._row(self.tangents, question))

    def _row(self, table: Tensor, question: GapQuestion) -> Tensor:
        return read_table(table, question.span - 1, self.lengths)[question.kind]

    def correct(
        self, question: GapQuestion, grid: GapGrid, *, faded: bool = True
    ) -> tuple[Float[Tensor, "B N J 3 3"], Float[Tensor, "B N 3"]]:
        """The answer at the times of a grid: columns of global rotations, and the hips. `faded` into the cubic where
        that was found better."""
        with torch.no_grad():
            base = self.body.chained(self.drawn(question, grid.times))
            six = quat_to_sixd(base.turns)
        change = self(question, grid)
        six, hips = six + change[..., :-3].unflatten(-1, (-1, 6)), base.hips + change[..., -3:]
        if faded:
            share = self._row(self.share, question)
            cubic = self.body.chained(question.curve(grid.times, cubic_tangents(question)))
            six = share * columns(six)[..., :2, :].flatten(-2) + (1 - share) * quat_to_sixd(cubic.turns)
            hips = share * hips + (1 - share) * cubic.hips
        return columns(six), hips

    def errors(self, answer: tuple[Tensor, Tensor], truth: Poses) -> Float[Tensor, "3 B"]:
        """Of each row the error between the keys: of positions by their deviation (L2P), of global rotations
        (Frobenius), and of the positions' velocities. Answer and truth go from key to key."""
        matrix, hips = (part[:, 1:-1] for part in answer)
        true = quat_xyzw_to_rotmat(truth.turns[:, 1:-1]).transpose(-1, -2)
        apart = self.body.positions(matrix, hips) - self.body.positions(true, truth.hips[:, 1:-1])
        apart = (apart / self.deviation).flatten(2)
        turns = (matrix - true).flatten(2).norm(dim=-1).mean(1)
        speed = functional.pad(apart, (0, 0, 1, 1)).diff(dim=1).norm(dim=-1).mean(1)
        return torch.stack((apart.norm(dim=-1).mean(1), turns, speed))

    def forward(self, question: GapQuestion, grid: GapGrid) -> Float[Tensor, "B N _"]:
        """What is added to the curve at the times of a grid: 6-D global rotations, then the hips."""
        device = self.share.device.type
        with torch.no_grad():
            time, inputs = self._tokens(question, grid.nodes)
            inputs = self.known(inputs)
        first, count = question.before.shape[0], grid.nodes.shape[0]
        with torch.autocast(device, enabled=False):
            bias = self.pair(pair_features(time, question.span)).permute(2, 0, 1)[None]
        hidden = self.enter(inputs).float() + self.time(self._time_features(time, question)).float()
        for block in self.blocks:
            hidden = block(hidden, bias)
        change = self.leave(self.norm(hidden[:, first : first + count])).float()
        with torch.autocast(device, enabled=False):
            change = self.colour(change * self._sizes(question, count)[:, None])
            return torch.einsum("tn,bnf->btf", grid.weights, change)

    def inputs(self, question: GapQuestion, nodes: Float[Tensor, " n"]) -> Float[Tensor, "B N feat"]:
        """The numbers of all tokens, before they are whitened."""
        return self._tokens(question, nodes)[1]

    def _tokens(
        self, question: GapQuestion, nodes: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "B N feat"]]:
        """For known frames and nodes in the order of time: the time, and the numbers."""
        count = question.before.shape[0]
        parts = [self.body.chained(each) for each in (question.earlier, self.drawn(question, nodes), question.later)]
        turns, hips = torch.cat([each.turns for each in parts], 1), torch.cat([each.hips for each in parts], 1)
        time = torch.cat((question.before, nodes, question.after))
        six = quat_to_sixd(turns)
        places = self.body.positions(columns(six), hips)
        beside = places - hips[:, :, None] * hips.new_tensor([1.0, 0.0, 1.0])
        pose = torch.cat((six.flatten(2), hips), -1)
        speed = torch.cat((_speed(pose, time), _speed(places.flatten(2), time)), -1)
        first, second = pose[:, count - 1, None], pose[:, count + nodes.shape[0], None]
        inputs = torch.cat((pose, beside.flatten(2), 10 * speed, pose - first, second - pose), -1)
        return time, inputs

    def _time_features(self, time: Float[Tensor, " N"], question: GapQuestion) -> Float[Tensor, "N _"]:
        span, one = question.span, torch.ones_like(time)
        share = time / span
        way = share.clamp(0, 1)
        inside = ((time > 0) & (time < span)).to(time)
        left, right = time.new_tensor(_SIDES)[question.kind].unbind(-1)
        plain = (
            inside, (time <= 0).to(time), (time >= span).to(time),
            time / 30, (span - time) / 30, share.clamp(-2, 3) / 2, one * span / 30, one * span.log() / 3,
            one * left, one * right, one / span, 4 * inside * way * (1 - way),
        )  # fmt: skip
        wave = torch.pi * torch.arange(1, _SINES + 1, device=time.device) * way[:, None]
        return torch.cat((torch.stack(plain, -1), wave.sin(), wave.cos()), -1)

    def _sizes(self, question: GapQuestion, count: int) -> Float[Tensor, " n"]:
        row = self._row(self.size, question)
        place = (torch.arange(count).to(row) + 1) * ((NODES + 1) / (count + 1)) - 1
        return between(row, place.clamp(0, NODES - 1))


def between(values: Float[Tensor, " n"], place: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Values at places between 0 and n - 1, by straight lines."""
    low = place.floor().long().clamp(max=len(values) - 2)
    return values[low] * (1 - (place - low)) + values[low + 1] * (place - low)


@dataclass(frozen=True, eq=False)
class GapGrid:
    """Where a gap is asked about: the nodes, the times of the answer, and what each node counts at each of these."""

    nodes: Float[Tensor, " n"]
    times: Float[Tensor, " N"]
    weights: Float[Tensor, "N n"]

    @classmethod
    def of(cls, span: float, times: Sequence[float], like: Tensor) -> GapGrid:
        """The nodes of a gap of `span` frames and the cubic spline through them, zero at the keys."""
        weights = like.new_tensor(spline_weights(span, tuple(times)))
        return cls(like.new_tensor(node_times(span)), like.new_tensor(times), weights)


def _levels(parents: Sequence[int]) -> tuple[list[tuple[list[int], list[int]]], list[int]]:
    """Below the root, for each depth of a tree its tokens and the places of their parents one depth above; and all
    tokens in that order."""
    level, order, levels = [0], [0], list[tuple[list[int], list[int]]]()
    while below := [token for token, parent in enumerate(parents) if parent in level and token]:
        levels.append((below, [level.index(parents[token]) for token in below]))
        level = below
        order += below
    return levels, order


def columns(six: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """The columns of the nearest rotation (Gram-Schmidt), one after the other."""
    first = functional.normalize(six[..., :3], dim=-1)
    second = six[..., 3:]
    second = functional.normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack((first, second, torch.linalg.cross(first, second, dim=-1)), -2)


def node_times(span: float) -> tuple[float, ...]:
    """Where the nodes of a gap lie: at its frames, or sixteen even ones where there are more."""
    count = min(max(round(span) - 1, 1 if span > 1.25 else 0), NODES)
    return tuple((node + 1) * span / (count + 1) for node in range(count))


@lru_cache(maxsize=1024)  # arrays: a tensor that was made in inference mode could not be trained with
def spline_weights(span: float, times: tuple[float, ...]) -> Float[np.ndarray, "N node"]:
    """What each node counts at some times: the cubic spline through them that is zero at the keys."""
    nodes = np.array((0.0, *node_times(span), span))
    spline = CubicSpline(nodes, np.eye(len(nodes)), axis=0)
    return np.asarray(spline(np.clip(times, 0.0, span)), dtype=np.float64)[:, 1:-1]


def pair_features(time: Float[Tensor, " N"], span: Float[Tensor, ""]) -> Float[Tensor, "N N _"]:
    """The inputs of attention from the times of two tokens."""
    apart = time - time[:, None]
    far = apart.abs()
    parts = (apart / 10, far / 10, (-far / 2).exp(), (-far / 8).exp(), apart.sign(), apart / span, far / span)
    return torch.stack((*parts, (-4 * far / span).exp()), -1)


def _speed(values: Float[Tensor, "B N F"], time: Float[Tensor, " N"]) -> Float[Tensor, "B N F"]:
    """Central differences over uneven times."""
    step = values.diff(dim=1) / time.diff()[:, None]
    return torch.cat((step[:, :1], (step[:, 1:] + step[:, :-1]) / 2, step[:, -1:]), 1)


def cubic_tangents(question: GapQuestion) -> Float[Tensor, "S 6"]:
    """Tangents of the parabola through a key and its neighbours; the straight line's where no more is known."""
    span = question.span
    left, right = question.span.new_tensor(_SIDES)[question.kind].unbind(-1)
    one, none = torch.ones_like(span), torch.zeros_like(span)
    before, after = (torch.where(side > 0, step, 0.0) for side, step in zip((left, right), question.steps, strict=True))
    slow, fast = before / (before + span), after / (after + span)
    knows_left, knows_right = (left > 0).to(span), (right > 0).to(span)
    row = (
        torch.where(left > 0, slow, one), torch.where(right > 0, fast, one),
        knows_left * (1 - slow), none, knows_right * (1 - fast), none,
    )  # fmt: skip
    return torch.stack(row).expand(question.earlier.turns.shape[-2] + 1, 6)
