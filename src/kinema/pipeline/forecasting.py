"""`Run`: a model with everything that it needs to answer about a clip: representation, rate, and where it learnt.

`answer` is the verb of a user: their clip, their skeleton, their rate. `forecast` is what a protocol calls: poses in
the root's frame, at the model's own skeleton and rate. Both go the way of design section 4: encode, standardise, query,
predict, restore, decode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.tasks import known_frames
from kinema.models.base import Model
from kinema.motion.edit import resample, root_free
from kinema.motion.motion import Clip, Motion, Points, concatenate
from kinema.motion.names import CANON17
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.bone_directions import PAST, carry, carry_path
from kinema.motion.skeleton import has_joint
from kinema.pipeline.constraints import Known, Wishes
from kinema.protocols.forecasting.interface import Space
from kinema.representations.base import Representation, RootPositionsConfig, RotationVectorsConfig
from kinema.representations.heading import HeadingRotations
from kinema.representations.root_centred import CentredPositions


@dataclass(frozen=True)
class Answer:
    """What a verb gives back: the clip as it was observed, the sampled continuations, and what should be known of them.

    `samples` has batch shape (samples,) on the user's own skeleton and rate; its first frame follows the last of
    `observed`.
    """

    observed: Motion
    samples: Motion
    notes: tuple[str, ...] = ()

    def whole(self, sample: int = 0) -> Motion:
        """One future behind the observed clip."""
        return concatenate(self.observed, self.samples.one(sample))


@dataclass(frozen=True, eq=False)
class Run:
    """A model that can be asked.

    `representation` is None for the baselines, which take the clip's own skeleton and rate. `observed` is how many
    frames the model looks back, `trained` how many it was trained to predict at once (0: as many as one likes); `only`
    is set for a baseline that answers in one space. A `symmetric` run averages its answer with the mirror image of its
    answer to the mirrored question, so that it treats left and right alike.
    """

    name: str
    model: Model
    representation: Representation | None = None
    observed: int = 2
    trained: int = 0
    trained_on: frozenset[str] = field(default_factory=frozenset[str])
    licence: str = ""
    only: Space | None = None
    symmetric: bool = False

    @property
    def spaces(self) -> frozenset[Space]:
        """What the model can say: rotations, positions, or (baselines) either."""
        if self.representation is None:
            return frozenset({self.only}) if self.only else frozenset({"rotations", "positions"})
        return frozenset({"rotations" if self.representation.space == "rotations" else "positions"})

    def forecast(self, past: Clip, frames: int, space: Space) -> Clip:
        """The `frames` after `past` (batch shape (window,)): poses in the root's frame. Raises UsageError where the
        model cannot answer in that space, or the clip is of another skeleton or rate."""
        if space not in self.spaces:
            raise UsageError(
                expected=f"a question about {' or '.join(sorted(self.spaces))}",
                got=f"one about {space} for {self.name}",
                cure="Ask a model of the other kind.",
            )
        representation = self.representation or _own_representation(past, space)
        features = self._predict(representation, past, frames, samples=1, seed=0)
        return representation.decode(features[0])

    @property
    def deterministic(self) -> bool:
        """Whether all samples of the model are one."""
        return self.model.deterministic

    @torch.inference_mode()
    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of joint places, batch shape (sample, window): what a stochastic protocol asks.

        `past` has batch shape (window,), the model's rate and skeleton. Raises UsageError where the model does not
        speak of places relative to the root with the world's axes kept.
        """
        representation = self.representation
        if representation is None and "positions" in self.spaces:
            # Its own frames, whatever the skeleton: the representation only says what belongs to which joint.
            own = RootPositionsConfig(past.fps).build(past.skeleton)
            seen = (past.positions - past.positions[..., :1, :])[:, -self.observed :].flatten(-2)
            found = self._continue(own, seen, frames, samples, seed)
            return Points(past.skeleton, found.unflatten(-1, (-1, 3)), past.fps)
        if not isinstance(representation, CentredPositions):
            raise UsageError(
                expected="a model of joint places relative to the root (recipes with CentredPositions)",
                got=f"{self.name}, which speaks of {' or '.join(sorted(self.spaces))} in the frame of the root",
                cure="Score it by a protocol of its own kind, or train a recipe made for this one.",
            )
        seen = representation.encode(past[max(0, past.frames - self.observed) :])
        return representation.decode(self._continue(representation, seen, frames, samples, seed)).points()

    def answer(
        self,
        clip: Motion,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        wishes: Wishes | None = None,
    ) -> Answer:
        """Continue a clip of any skeleton and rate for `seconds` (default: the horizon that the model was trained for).

        `wishes` are what all samples have in common. Raises UsageError for a batch of clips, for no samples, for a time
        that is not positive, and for wishes that the model does not heed.
        """
        if clip.batch_shape:
            raise UsageError(
                expected="one clip",
                got=f"{math.prod(clip.batch_shape)} of them at once",
                cure="Ask about one at a time: clip.one(0). (Several samples are one NPZ, but a BVH or GLB each.)",
            )
        if samples < 1 or (seconds is not None and not 0 < seconds < math.inf):
            raise UsageError(
                expected="at least one sample and a positive time",
                got=f"{samples} samples, {'no time' if seconds is None else f'{seconds:g} s'}",
                cure="Say --samples 1 or more, and --seconds above 0 or not at all.",
            )
        if not self.model.continues:
            raise UsageError(
                expected="a model that goes on from what was observed",
                got=f"{self.name}, which makes motion from nothing but actions",
                cure="Ask it to generate; to forecast, ask another model.",
            )
        if wishes and not self.model.completes:
            raise UsageError(
                expected="a model that completes: one that heeds what is known of the future (SMRNet)",
                got=f"{self.name}, which goes on from the past alone",
                cure="Ask another model, or leave out what is to be held and the end.",
            )
        rate = self.representation.fps if self.representation else clip.fps
        seconds = seconds or (self.trained / rate if self.trained else 1.0)
        frames = max(1, math.ceil(seconds * rate - 1e-6))
        own = self._recent(clip, rate)
        lacking = f"{own.frames} of the {self.observed} frames that {self.name} looks back are there"
        notes = [f"{lacking}; the first one was repeated"] if own.frames < self.observed else []
        if self.trained and frames > self.trained:
            notes.append(
                f"trained for {self.trained / rate:.2f} s; beyond it the answer is fed back and grows less sure"
            )
        if unseen := self._unseen(clip):
            notes.append(f"no joint of {clip.skeleton.name} is known as {', '.join(unseen)}: {self.name} sees them at "
                         "rest; a joint map (--map) says which they are")  # fmt: skip
        ahead = self._ahead(own, frames, samples, seed, wishes)
        future = _at_rate(own, ahead, clip.fps, max(1, round(seconds * clip.fps)))
        if self.model.deterministic and samples > 1:
            notes.append(f"{self.name} is deterministic: the {samples} samples are the same")
        return Answer(
            clip, replace(future, layout=clip.layout, action=clip.action, identity=clip.identity), tuple(notes)
        )

    def look_back(self, fps: float) -> tuple[int, int]:
        """How many frames of a clip at `fps` the model itself reads, and how many an answer looks at.

        The second is never smaller: heading, speed and floor are read off the last second.
        """
        rate = self.representation.fps if self.representation else fps
        reads = (self.observed, max(self.observed, 1 + round(PAST * rate)))
        own, whole = (1 + math.ceil((frames - 1) / rate * fps - 1e-6) for frames in reads)
        return own, whole

    def _recent(self, clip: Motion, rate: float) -> Motion:
        """The end of a clip, at the model's rate, ending exactly at the clip's last frame; on the clip's skeleton."""
        frames = max(self.observed, 1 + round(PAST * rate))
        tail = clip[max(0, clip.frames - self.look_back(clip.fps)[1]) :]
        # Resampling counts from the first frame on; turned round, it counts from the last.
        recent = _reversed(resample(_reversed(tail), rate))
        return recent[max(0, recent.frames - frames) :]

    def _unseen(self, clip: Motion) -> list[str]:
        """Parts of the body that the model's skeleton has and the clip's has not, by canonical name."""
        if self.representation is None or clip.skeleton.same_tree(self.representation.skeleton):
            return []
        body = self.representation.skeleton
        return [name for name in CANON17 if has_joint(body, name) and not has_joint(clip.skeleton, name)]

    def _ahead(self, own: Motion, frames: int, samples: int, seed: int, wishes: Wishes | None) -> Motion:
        """The frames after `own`, on its skeleton and where it stands; batch shape (samples,)."""
        if self.representation is None:
            representation, past = _own_representation(own, "rotations"), own
        else:
            representation = self.representation
            same = own.skeleton.same_tree(representation.skeleton)
            past = own if same else retarget(own, representation.skeleton, by="directions")
        known = wishes.known(representation, past, frames) if wishes else None
        features = self._predict(representation, past, frames, samples, seed, known)
        if isinstance(representation, HeadingRotations):  # it says where the body goes
            return carry_path(representation.onward(features, past[-1:]), own)
        poses = representation.decode(features)
        poses = root_free(poses) if isinstance(poses, Motion) else poses
        return carry(poses, own, turned=isinstance(representation, CentredPositions), seen=past)

    @torch.inference_mode()
    def _predict(
        self,
        representation: Representation,
        past: Clip,
        frames: int,
        samples: int,
        seed: int,
        known: Known | None = None,
    ) -> Float[Tensor, "sample *batch frame feat"]:
        """Features, in their own units, of the frames after `past`."""
        seen = representation.encode(past[-self.observed :] if past.frames > self.observed else past)
        if not self.symmetric:
            return self._continue(representation, seen, frames, samples, seed, known)
        both = torch.stack((seen, representation.mirror(seen)))
        if self.model.deterministic and known is None:  # in one pass
            future = self._continue(representation, both.flatten(0, -3), frames, samples, seed)
            one, other = future.unflatten(1, both.shape[:-2]).unbind(1)
        else:
            one = self._continue(representation, seen, frames, samples, seed, known)
            other = self._continue(representation, both[1], frames, samples, seed)
        return (one + representation.mirror(other)) / 2

    def _continue(
        self,
        representation: Representation,
        seen: Float[Tensor, "*batch past feat"],
        frames: int,
        samples: int,
        seed: int,
        known: Known | None = None,
    ) -> Float[Tensor, "sample *batch frame feat"]:
        """Features, in their own units, of the frames after `seen`, of which some may be `known`."""
        single = seen.ndim == 2
        past = representation.standardise(seen[None] if single else seen)
        window = torch.cat((past, past.new_zeros(past.shape[0], frames, past.shape[2])), 1)
        observed = (torch.arange(window.shape[1]) < past.shape[1]).expand(window.shape[:2])
        query = known_frames(window, observed, representation)
        if known is not None:
            query = known.added(query, representation)
        generator = torch.Generator().manual_seed(seed)
        if self.model.training:  # asking is cheaper than telling every module
            self.model.eval()
        answer = self.model.predict(query, samples, generator)
        future = representation.restore(answer[:, :, past.shape[1] :])
        return future[:, 0] if single else future


def _own_representation(clip: Clip, space: Space) -> Representation:
    config = RotationVectorsConfig(clip.fps) if space == "rotations" else RootPositionsConfig(clip.fps)
    return config.build(clip.skeleton)


def _reversed(clip: Motion) -> Motion:
    return clip.map(lambda values, axis: values.flip(axis))


def _at_rate(past: Motion, future: Motion, fps: float, frames: int) -> Motion:
    """`future`, which follows `past`, at another rate: its first frame stands one new frame after `past` ends."""
    last = past[-1:]
    if future.offsets is None and last.offsets is not None:
        future = replace(future, offsets=last.offsets.expand(*future.batch_shape, future.frames, -1, -1))
    resampled = resample(concatenate(last.expand(*future.batch_shape), future), fps)
    return resampled[1 : min(resampled.frames, frames + 1)]
