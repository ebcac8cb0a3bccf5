"""Tasks of key frames: patterns, corruption, and that what is hidden stays hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.corruption import Corruption, ReleasedCorruption
from kinema.data.keyframe_task import Keys, ReleasedKeys
from kinema.data.sources.composed import Viewed
from kinema.data.synthetic import Synthetic
from kinema.representations.picture import PictureKeypointsConfig
from kinema.representations.positions import WorldPositionsConfig
from kinema.representations.rotations import RootedRotationsConfig

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
    assert torch.equal(whole.query.observed[5:7], part.query.observed)
    assert torch.equal(whole.query.confidence[5:7], part.query.confidence)


@pytest.mark.parametrize("task", [Keys(), Keys(noisy=1.0), ReleasedKeys(frames_in_window=64)])
def test_what_is_hidden_never_shows(task: Keys | ReleasedKeys) -> None:
    window, representation = windows()
    if isinstance(task, ReleasedKeys):
        representation = PictureKeypointsConfig(30.0).build(SOURCE.skeleton)
        window = representation.encode(CLIP[:64]).expand(24, -1, -1).contiguous()
    one = task.draw(window, representation, SEEDS)
    owner = torch.tensor(representation.token_of_feature)
    unseen = ~(one.query.confidence > 0).any(-1)
    changed = torch.where(unseen[..., None], window + 1, window)
    other = task.draw(changed, representation, SEEDS)
    assert unseen.any()
    assert torch.equal(one.query.observed, other.query.observed)
    assert not one.query.observed[(one.query.confidence == 0)[..., owner]].any()


def test_exact_keys_are_the_truth_and_doubtful_ones_are_near() -> None:
    window, representation = windows()
    one = Keys().draw(window, representation, SEEDS)
    owner = torch.tensor(representation.token_of_feature)
    exact, doubtful = (
        (one.query.confidence >= 1)[..., owner],
        ((one.query.confidence > 0) & (one.query.confidence < 1))[..., owner],
    )
    assert exact.any()
    assert doubtful.any()
    assert torch.equal(one.query.observed[exact], window[exact])
    off = (one.query.observed - window)[doubtful].abs()
    assert 0.001 < off.mean() < 0.3


def test_a_single_gap_is_all_that_is_asked_for() -> None:
    window, representation = windows()
    task = Keys(mix=(0, 0, 0, 0, 1), noisy=0.0, shortened=0.0, longest_gap=30)
    known = (task.draw(window, representation, SEEDS).query.confidence >= 1).all(-1)
    lengths = []
    for row in known.tolist():
        first, last = row.index(True), len(row) - row[::-1].index(True)
        inner = row[first:last]
        gap = inner.count(False)
        assert 1 <= gap <= 30
        assert not any(inner[inner.index(False) : inner.index(False) + gap])
        lengths.append(gap)
    assert min(lengths) < 10 < 20 < max(lengths)


def spoilt(corruption: Corruption, *, turns: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """How far off what is seen is, the confidence, and the window, of twenty draws of one clip."""
    representation = (RootedRotationsConfig if turns else WorldPositionsConfig)(30.0).build(SOURCE.skeleton)
    window = representation.encode(CLIP)
    known = torch.ones(len(window), representation.tokens, dtype=torch.bool)
    draws = [corruption.apply(window, known, representation, torch.Generator().manual_seed(seed)) for seed in range(20)]
    observed, told = (torch.stack(part) for part in zip(*draws, strict=True))
    return observed - window, told, observed


ALONE = {"misses": 0, "occlusion": 0, "swap": 0, "freeze": 0, "oversmooth": 0, "drift": 0, "unrated": 0}


def test_misses_are_far_and_mostly_noticed() -> None:
    off, confidence, _ = spoilt(Corruption(**{**ALONE, "noise": 0, "misses": 1, "calibration": 0}, place=1.0))
    off = off.unflatten(-1, (-1, 3)).norm(dim=-1) / 3**0.5
    missed = off > 1e-5
    assert 0.005 < missed.float().mean() < 0.2
    assert 0.05 < off[missed].mean() < 0.5
    assert confidence[missed].mean() < 0.8 * confidence[~missed].mean()


def test_less_confidence_means_more_noise() -> None:
    off, confidence, _ = spoilt(Corruption(**ALONE))
    off = off.unflatten(-1, (-1, 3)).norm(dim=-1)
    assert torch.corrcoef(torch.stack((off.flatten(), confidence.flatten())))[0, 1] < -0.3


def test_spoilt_rotations_are_rotations_and_the_path_is_off_by_itself() -> None:
    off, confidence, observed = spoilt(Corruption(**{**ALONE, "noise": 0.04}, place=0.5), turns=True)
    first, second = observed[..., 3:].unflatten(-1, (-1, 2, 3)).unbind(-2)
    ones = torch.ones_like(first[..., 0])
    assert torch.allclose(first.norm(dim=-1), ones, atol=1e-4)
    assert torch.allclose(second.norm(dim=-1), ones, atol=1e-4)
    assert float((first * second).sum(-1).abs().max()) < 1e-4
    path, turn = off[..., :3].norm(dim=-1), off[..., 3:9].norm(dim=-1)
    assert torch.corrcoef(torch.stack((turn.flatten(), confidence[..., 0].flatten())))[0, 1] < -0.3
    within = path / path.mean(1, keepdim=True)  # how noisy a window is shows in both
    assert torch.corrcoef(torch.stack((within.flatten(), (turn / turn.mean(1, keepdim=True)).flatten())))[0, 1] < 0.1


def test_hips_taken_for_elsewhere_move_what_is_told_from_them() -> None:
    picture = PictureKeypointsConfig(30.0).build(SOURCE.skeleton)
    features = torch.randn(4, 38)
    off = torch.zeros(4, 38)
    off[:, -2:] = torch.tensor([0.5, -0.25])
    before, after = (picture.decode(each).positions for each in (features, picture.disturbed(features, off)))
    hips = picture.picture.index("pelvis")
    others = [joint for joint in range(19) if joint != hips]
    assert torch.allclose(after[:, others], before[:, others], atol=1e-6)
    assert torch.allclose(after[:, hips] - before[:, hips], torch.tensor([0.5, 0.25]), atol=1e-6)


@pytest.mark.parametrize("fault", ["noise", "drop", "flip"])
def test_the_released_faults_by_joint(fault: str) -> None:
    """Which joints are touched and how, against the released code's lists, by name."""
    from kinema.representations.picture import JOINTS19

    names = [choices[0] for choices in JOINTS19] + ["root"]
    window = torch.randn(321, 38, generator=torch.Generator().manual_seed(7))
    known = (torch.arange(321) % 8 == 0)[:, None].expand(-1, 19)
    counts = {f"{kind}_keys": 15 if kind == fault else 0 for kind in ("noise", "drop", "flip")}
    touched: set[str] = set()
    true = window[::8].unflatten(-1, (19, 2))
    for seed in range(30):
        observed, confidence = ReleasedCorruption(**counts).apply(window, known, torch.Generator().manual_seed(seed))
        assert not observed[~known[:, 0]].any()
        assert set(confidence.unique().tolist()) == {0.0, 0.5}
        own = observed[::8].unflatten(-1, (19, 2))
        hit = (own != true).any(-1)
        assert int(hit.any(1).sum()) == 15
        touched |= {names[token] for token in hit.any(0).nonzero()[:, 0].tolist()}
        if fault == "noise":
            right, up = (own - true).unbind(-1)
            assert 0 <= float(right.min()) < float(right.max()) <= 0.5
            assert -0.5 <= float(up.min()) < float(up.max()) <= 0
        if fault == "drop":  # absolute places, at the origin
            assert torch.allclose((own + own[:, 18:])[hit], torch.zeros(2), atol=1e-6)
        if fault == "flip":
            for name in ("hip", "knee", "ankle", "toe"):
                left, right = names.index(f"l_{name}"), names.index(f"r_{name}")
                row = hit.any(1)
                assert torch.equal(own[row][:, left], true[row][:, right])
    limbs = {f"{side}_{part}" for side in "lr" for part in ("elbow", "wrist", "knee", "ankle", "toe", "hand_end")}
    legs = {f"{side}_{part}" for side in "lr" for part in ("hip", "knee", "ankle", "toe")}
    assert touched == {"noise": limbs, "drop": limbs | {"head"}, "flip": legs}[fault]


def test_the_released_faults_are_of_pictures_alone() -> None:
    with pytest.raises(UsageError, match="nineteen"):
        ReleasedCorruption().apply(torch.zeros(9, 12), torch.ones(9, 2, dtype=torch.bool), torch.Generator())


def test_bad_values_are_told() -> None:
    with pytest.raises(UsageError, match="rates"):
        Keys(rates=(0, 4))
    with pytest.raises(UsageError, match="noise"):
        Corruption(noise=-1)


@pytest.mark.parametrize("config", [RootedRotationsConfig(30.0), WorldPositionsConfig(30.0)])
def test_an_anchor_leads_back_and_takes_place_and_heading_out(config: RootedRotationsConfig) -> None:
    representation = config.build(SOURCE.skeleton)
    turned = next(iter(Viewed(SOURCE, views=1, tilt=0.0, zoom=(1.0, 1.0)).clips("train")))
    observed = [representation.encode(replace(clip, offsets=None))[None, :50] for clip in (CLIP, turned)]
    confidence = torch.ones(1, 50, representation.tokens)
    anchors = [representation.anchor(each, confidence) for each in observed]
    own = [anchor.into(each) for anchor, each in zip(anchors, observed, strict=True)]
    heights = torch.tensor([False, True, False]).repeat(representation.width // 3)
    assert torch.allclose(anchors[1].back(own[1]), observed[1], atol=1e-5)
    assert not torch.allclose(observed[0][..., ~heights], observed[1][..., ~heights], atol=0.1)
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
