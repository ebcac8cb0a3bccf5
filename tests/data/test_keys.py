"""Tasks of key frames: patterns, corruption, and that what is hidden stays hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.data.corrupt import Corruption, ReleasedCorruption
from kinema.data.keys import Keys, ReleasedKeys
from kinema.data.synthetic import Synthetic
from kinema.data.viewed import Viewed
from kinema.errors import UsageError
from kinema.motion.represent_picture import PictureKeypointsConfig
from kinema.motion.represent_world import RootedRotationsConfig, WorldPositionsConfig

SOURCE = Synthetic(clips_per_action=1, seconds=4.0, fps=30.0, actions=("walk",))
CLIP = next(iter(SOURCE.clips("train")))
SEEDS = torch.arange(24)


def windows(representation_of: object = None) -> tuple[torch.Tensor, object]:
    representation = RootedRotationsConfig(30.0).build(SOURCE.skeleton)
    return representation.encode(CLIP[:64]).expand(24, -1, -1).contiguous(), representation


def test_a_window_depends_on_its_own_seed_alone() -> None:
    window, representation = windows()
    whole = Keys().draw(window, representation, SEEDS)
    part = Keys().draw(window[5:7], representation, SEEDS[5:7])
    assert torch.equal(whole.query.seen[5:7], part.query.seen)
    assert torch.equal(whole.query.trust[5:7], part.query.trust)


@pytest.mark.parametrize("task", [Keys(), Keys(noisy=1.0), ReleasedKeys(frames_in_window=64)])
def test_what_is_hidden_never_shows(task: Keys | ReleasedKeys) -> None:
    window, representation = windows()
    one = task.draw(window, representation, SEEDS)
    owner = torch.tensor(representation.token_of_feature)
    unseen = ~(one.query.trust > 0).any(-1)
    changed = torch.where(unseen[..., None], window + 1, window)
    other = task.draw(changed, representation, SEEDS)
    assert unseen.any()
    assert torch.equal(one.query.seen, other.query.seen)
    assert not one.query.seen[(one.query.trust == 0)[..., owner]].any()


def test_exact_keys_are_the_truth_and_doubtful_ones_are_near() -> None:
    window, representation = windows()
    one = Keys().draw(window, representation, SEEDS)
    owner = torch.tensor(representation.token_of_feature)
    exact, doubtful = (one.query.trust >= 1)[..., owner], ((one.query.trust > 0) & (one.query.trust < 1))[..., owner]
    assert exact.any()
    assert doubtful.any()
    assert torch.equal(one.query.seen[exact], window[exact])
    off = (one.query.seen - window)[doubtful].abs()
    assert 0.001 < off.mean() < 0.3


def test_less_confidence_means_more_noise() -> None:
    plain = Corruption(jitter=0, outliers=0, occlusion=0, swap=0, freeze=0, oversmooth=0, drift=0, untold=0)
    known, owner = torch.ones(400, 5, dtype=torch.bool), torch.arange(5)
    errors, told = [], []
    for seed in range(20):
        seen, trust = plain.apply(
            torch.zeros(400, 5), known, owner, (0, 1, 2, 3, 4), torch.Generator().manual_seed(seed)
        )
        errors.append(seen.abs().flatten())
        told.append(trust.flatten())
    stacked = torch.stack((torch.cat(errors), torch.cat(told)))
    assert torch.corrcoef(stacked)[0, 1] < -0.3


def test_the_released_corruption_only_adds_and_swaps_legs() -> None:
    window = torch.full((321, 38), 2.0)
    known = (torch.arange(321) % 8 == 0)[:, None].expand(-1, 19)
    owner = torch.arange(19).repeat_interleave(2)
    partners = PictureKeypointsConfig(30.0).build(SOURCE.skeleton).partners
    seen, trust = ReleasedCorruption().apply(window, known, owner, partners, torch.Generator().manual_seed(0))
    keys = seen[known[:, 0]]
    assert bool(((keys == 0) | (keys >= 2)).all())
    assert (keys > 2).any()
    assert (keys == 0).any()
    assert set(trust.unique().tolist()) == {0.0, 0.5}


def test_bad_values_are_told() -> None:
    with pytest.raises(UsageError, match="rates"):
        Keys(rates=(0, 4))
    with pytest.raises(UsageError, match="noise"):
        Corruption(noise=-1)


@pytest.mark.parametrize("config", [RootedRotationsConfig(30.0), WorldPositionsConfig(30.0)])
def test_an_anchor_leads_back_and_takes_place_and_heading_out(config: RootedRotationsConfig) -> None:
    representation = config.build(SOURCE.skeleton)
    turned = next(iter(Viewed(SOURCE, views=1, tilt=0.0, zoom=(1.0, 1.0)).clips("train")))
    seen = [representation.encode(replace(clip, offsets=None))[None, :50] for clip in (CLIP, turned)]
    trust = torch.ones(1, 50, representation.tokens)
    anchors = [representation.anchor(each, trust) for each in seen]
    own = [anchor.into(each) for anchor, each in zip(anchors, seen, strict=True)]
    heights = torch.tensor([False, True, False]).repeat(representation.width // 3)
    assert torch.allclose(anchors[1].back(own[1]), seen[1], atol=1e-5)
    assert not torch.allclose(seen[0][..., ~heights], seen[1][..., ~heights], atol=0.1)
    assert torch.allclose(own[0][..., ~heights], own[1][..., ~heights], atol=1e-4)


def test_the_picture_of_a_view_is_the_projection() -> None:
    representation = PictureKeypointsConfig(30.0).build(SOURCE.skeleton)
    features = representation.encode(next(iter(Viewed(SOURCE).clips("train"))))
    points = representation.decode(features)
    assert points.positions.shape[-2:] == (19, 2)
    assert torch.allclose(representation.encode(points), features, atol=1e-6)
    twice = representation.mirror(representation.mirror(features))
    assert torch.allclose(twice, features)
    anchor = representation.anchor(features[None], torch.ones(1, len(features), 19))
    assert anchor is not None
    large = representation.anchor(3 * features[None] + 0, torch.ones(1, len(features), 19))
    assert large is not None
    assert torch.allclose(anchor.into(features[None]), large.into(3 * features[None]), atol=1e-5)
