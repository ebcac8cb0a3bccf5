"""How fast the action GAN samples: one call for all frames against a loop that makes frame after frame.

`python -m pytest benchmarks/bench_action_gan.py -s` prints CPU seconds per 100 clips of 50 frames, and the ratio, on
one thread. The weights are fresh: time does not depend on what was learnt. Both ways give the same motion.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from kinema.core.query import Query, even_time
from kinema.models.action_gan.latent_walk import ACTION_SCALE
from kinema.models.action_gan.model import ActionGAN
from kinema.models.base import FeatureShape, Model
from kinema.nn.noise import row_noise
from kinema.recipes import recipe

FRAMES = 50
TOGETHER = 64  # clips at once, as `kinema generate` asks for them


def fresh(shape: FeatureShape) -> ActionGAN:
    """The recipe's network with fresh weights."""
    torch.manual_seed(0)
    earlier: dict[str, Model] = {}
    for stage in recipe("action-gan").stages:
        earlier[stage.name] = stage.build(shape, earlier)
    model = earlier["motion"].eval()
    assert isinstance(model, ActionGAN)
    return model


def question(clips: int, shape: FeatureShape) -> Query:
    """Nothing is known but the action, each in turn."""
    return Query(
        observed=torch.zeros(clips, FRAMES, shape.width),
        confidence=torch.zeros(clips, FRAMES, shape.tokens),
        time=even_time(FRAMES, 30.0, clips),
        valid=torch.ones(clips, FRAMES, dtype=torch.bool),
        action=torch.eye(shape.classes)[torch.arange(clips) % shape.classes],
    )


def frame_after_frame(model: ActionGAN, query: Query) -> Tensor:
    """The same, written as a loop: one step of the LSTM, one step of the walk, a trailing mean of it, one pose."""
    noise = row_noise(torch.Generator().manual_seed(0), 1, len(query), FRAMES, model.generator.noise)[0]
    action = ACTION_SCALE * query.action
    walk = model.generator
    assert walk.first is not None
    assert walk.back is not None
    assert walk.keep is not None
    stay, keep = 1 - torch.sigmoid(walk.back), torch.sigmoid(walk.keep)
    here = walk.first(torch.cat((noise[:, 0], action), -1))
    calmed = torch.tanh(here)
    speed, state, poses = torch.zeros_like(here), None, [model.decoder(calmed, query.action)]
    for t in range(1, FRAMES):
        given = torch.cat((noise[:, t], action, noise[:, 0], torch.tanh(here), speed), -1)
        out, state = walk.lstm(given[:, None], state)
        speed = keep * speed + (1 - keep) * walk.step(out[:, 0])
        here = stay * here + speed
        calmed = torch.lerp(torch.tanh(here), calmed, model.config.calm)
        poses.append(model.decoder(calmed, query.action))
    return torch.stack(poses, 1)[None]


def taken(sample: Callable[[Query], Tensor], parts: list[Query]) -> tuple[float, Tensor]:
    begun = time.process_time()
    answer = torch.cat([sample(part) for part in parts], 1)
    return time.process_time() - begun, answer


@torch.inference_mode()
def test_a_thousand_clips() -> None:
    torch.set_num_threads(1)
    clips = 1000
    shape = replace(FeatureShape(150, 24, classes=12), fps=30.0)
    model, query = fresh(shape), question(clips, shape)
    parts = [query.map(lambda x, at=at: x[at : at + TOGETHER]) for at in range(0, clips, TOGETHER)]
    best = [float("inf")] * 2
    for _ in range(3):  # in turn, so that a busy machine is busy for both
        together, first = taken(lambda part: model.predict(part, 1, torch.Generator().manual_seed(0)), parts)
        apart, second = taken(lambda part: frame_after_frame(model, part), parts)
        best = [min(best[0], together), min(best[1], apart)]
        assert torch.allclose(first, second, atol=1e-4)
    each = 100 / clips
    print(f"\n{clips} clips of {FRAMES} frames: {best[0] * each:.3f} s per 100, frame after frame "
          f"{best[1] * each:.3f} s; {best[1] / best[0]:.2f} times as fast")  # fmt: skip
    assert best[0] * each < 1
    assert best[1] > best[0]
