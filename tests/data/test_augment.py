"""Augmentation: the default changes nothing, every part by itself, all of it from the generator."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.augment import Augment, resample_features
from kinema.data.synthetic import perform
from kinema.representations.positions import RootPositions
from kinema.representations.rotations import RootedRotationsConfig
from little_motion import positions, rotations, smooth_motion


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def windows() -> Tensor:
    return torch.stack([positions().encode(smooth_motion(41, seed=seed)) for seed in range(6)])


def apply(augment: Augment, windows: Tensor, frames: int = 20, seed: int = 0) -> Tensor:
    raw = windows[:, : augment.reach(frames)]
    return augment.apply(raw, frames, positions(), generator(seed))


def test_the_default_is_the_identity_and_draws_nothing(windows: Tensor) -> None:
    source = generator()
    before = source.get_state()
    assert torch.equal(Augment().apply(windows[:, :20], 20, positions(), source), windows[:, :20])
    assert torch.equal(source.get_state(), before)
    assert Augment().reach(20) == 20


def test_reach() -> None:
    assert Augment(speed=(0.5, 2.0)).reach(20) == 39
    assert Augment(speed=(0.5, 0.8)).reach(20) == 20
    assert Augment(speed=(1.0, 1.1)).reach(11) == 12
    with pytest.raises(UsageError, match="39 raw frames"):
        Augment(speed=(0.5, 2.0)).apply(torch.zeros(1, 20, 18), 20, positions(), generator())


def test_reverse(windows: Tensor) -> None:
    assert torch.equal(apply(Augment(reverse=1.0), windows), windows[:, :20].flip(1))
    mixed = apply(Augment(reverse=0.5), windows)
    turned = [torch.equal(out, raw.flip(0)) for out, raw in zip(mixed, windows[:, :20], strict=True)]
    same = [torch.equal(out, raw) for out, raw in zip(mixed, windows[:, :20], strict=True)]
    assert any(turned)
    assert any(same)
    assert all(a != b for a, b in zip(turned, same, strict=True))


def test_mirror_twice_is_the_identity(windows: Tensor) -> None:
    once = apply(Augment(mirror=1.0), windows)
    assert torch.equal(once, positions().mirror(windows[:, :20]))
    assert torch.equal(apply(Augment(mirror=1.0), once), windows[:, :20])
    turned = rotations().encode(smooth_motion(20))[None]
    assert torch.equal(Augment(mirror=1.0).apply(turned, 20, rotations(), generator()), rotations().mirror(turned))


def test_a_fixed_pace_is_a_resampling(windows: Tensor) -> None:
    fast = apply(Augment(speed=(2.0, 2.0)), windows)
    assert torch.allclose(fast, windows[:, :39:2], atol=1e-5)
    slow = apply(Augment(speed=(0.5, 0.5)), windows, frames=21)
    between = slow[0]
    # Somewhere in the window, at half the pace: every second frame differs by one raw frame.
    step = (between[2:] - between[:-2]).norm(dim=-1)
    raw = (windows[0, 1:21] - windows[0, :20]).norm(dim=-1)
    assert raw.min() * 0.9 < step.min()
    assert step.max() < raw.max() * 1.1


def test_paces_differ_between_windows_and_stay_in_range() -> None:
    ramp = torch.arange(41.0)[None, :, None].expand(64, -1, 18).clone()
    out = Augment(speed=(0.5, 2.0)).apply(ramp[:, :39], 20, positions(), generator())
    pace = out[:, 1:, 0] - out[:, :-1, 0]
    assert torch.allclose(pace, pace[:, :1].expand_as(pace), atol=1e-4)  # a ramp stays a ramp
    assert pace.min() >= 0.5 - 1e-4
    assert pace.max() <= 2 + 1e-4
    assert pace[:, 0].std() > 0.2
    assert out.min() >= -1e-4
    assert out.max() <= 38 + 1e-4


def test_splines_keep_a_parabola_inside_and_the_knots_everywhere() -> None:
    time = torch.arange(9.0)
    parabola = (time**2)[None, :, None]
    at = torch.tensor([[1.25, 3.5, 6.75]])
    assert torch.allclose(resample_features(parabola, at)[0, :, 0], at[0] ** 2, atol=1e-4)
    assert torch.allclose(resample_features(parabola, time[None]), parabola)
    one = torch.full((1, 1, 3), 4.0)
    assert torch.equal(resample_features(one, torch.zeros(1, 2)), torch.full((1, 2, 3), 4.0))


def test_turning_and_scaling_keep_and_scale_lengths(windows: Tensor) -> None:
    def lengths(features: Tensor) -> Tensor:
        return features.unflatten(-1, (-1, 3)).norm(dim=-1)

    raw = windows[:, :20]
    turned = apply(Augment(tilt=0.3, yaw=math.pi), windows)
    assert torch.allclose(lengths(turned), lengths(raw), atol=1e-5)
    assert not torch.allclose(turned, raw, atol=0.05)
    yawed = apply(Augment(yaw=math.pi), windows)
    assert torch.allclose(yawed[..., 1::3], raw[..., 1::3], atol=1e-6)  # the height stays
    scaled = apply(Augment(scale=(0.8, 1.2)), windows)
    factor = (scaled / raw)[raw.abs() > 0.05]
    assert factor.min() >= 0.8 - 1e-4
    assert factor.max() <= 1.2 + 1e-4
    assert torch.allclose(scaled[:, 1:] / scaled[:, :1].norm(dim=-1, keepdim=True),
                          raw[:, 1:] / raw[:, :1].norm(dim=-1, keepdim=True), atol=1e-5)  # fmt: skip


def test_tilt_is_bounded() -> None:
    up = torch.tensor([0.0, 1, 0]).repeat(500, 1, 6)
    out = Augment(tilt=0.2).apply(up, 1, positions(), generator())
    lean = torch.arccos(out[:, 0, 1].clamp(-1, 1))
    assert lean.max() <= 0.2 * math.sqrt(2) + 1e-3
    assert lean.max() > 0.2


def test_noise_has_the_spread_that_was_asked_for(windows: Tensor) -> None:
    change = apply(Augment(noise=0.01), windows) - windows[:, :20]
    assert float(change.std()) == pytest.approx(0.01, rel=0.1)


def test_everything_comes_from_the_generator(windows: Tensor) -> None:
    augment = Augment(0.5, 0.5, (0.8, 1.2), (0.9, 1.1), 0.1, 1.0, 0.01)
    torch.manual_seed(1)
    one = apply(augment, windows, seed=3)
    torch.manual_seed(2)
    assert torch.equal(one, apply(augment, windows, seed=3))
    assert not torch.equal(one, apply(augment, windows, seed=4))


def test_a_share_of_the_batch_is_what_the_whole_batch_has(windows: Tensor) -> None:
    augment = Augment(0.5, 0.5, (0.8, 1.2), (0.9, 1.1), 0.1, 1.0, 0.01)
    raw = windows[:, : augment.reach(20)]
    drawn = augment.draw(6, 20, positions(), generator())
    whole = augment.enact(raw, 20, positions(), drawn)
    for rank in range(3):
        share = slice(rank, None, 3)
        assert torch.equal(augment.enact(raw[share], 20, positions(), drawn.rows(share)), whole[share])


def test_a_grafted_limb_is_wholly_another_windows_and_the_rest_stays() -> None:
    clips = [perform("wave", seconds=1.0, fps=30.0, seed=seed) for seed in range(5)]
    body = RootedRotationsConfig(30.0).build(clips[0].skeleton)
    raw = torch.stack([body.encode(clip) for clip in clips])[:, :20]
    made = Augment(graft=0.6).apply(raw, 20, body, generator())
    limbs = [list(limb) for limb in body.limbs]
    assert len(limbs) == 3
    assert len({feature for limb in limbs for feature in limb}) == sum(len(limb) for limb in limbs)
    owners = {body.joints[token] for limb in limbs for token in {body.token_of_feature[feature] for feature in limb}}
    assert {"l_shoulder", "r_elbow", "head"} <= owners
    assert not owners & {"pelvis", "l_hip", "r_knee", "chest"}
    rest = [feature for feature in range(body.width) if not any(feature in limb for limb in limbs)]
    assert torch.equal(made[..., rest], raw[..., rest])
    sources = [
        [[torch.equal(made[row][:, limb], raw[other][:, limb]) for other in range(5)].index(True) for limb in limbs]
        for row in range(5)
    ]
    assert any(source != row for row, own in enumerate(sources) for source in own)
    assert any(source == row for row, own in enumerate(sources) for source in own)


def test_limbs_are_grafted_in_rotations_only() -> None:
    with pytest.raises(UsageError, match="graft"):
        Augment(graft=0.5).apply(torch.zeros(2, 5, 18), 5, positions(), generator())


def test_turning_rotations_is_refused() -> None:
    for augment in (Augment(yaw=1.0), Augment(tilt=0.1), Augment(scale=(0.9, 1.1))):
        with pytest.raises(UsageError, match="joint positions"):
            augment.apply(torch.zeros(1, 5, 18), 5, rotations(), generator())


@pytest.mark.parametrize(
    "wrong",
    [
        {"reverse": 1.5},
        {"mirror": -0.1},
        {"speed": (0.0, 1.0)},
        {"scale": (1.2, 0.8)},
        {"tilt": -1.0},
        {"noise": math.nan},
        {"graft": 1.1},
    ],
    ids=str,
)
def test_values_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Augment(**wrong)  # pyright: ignore


def test_the_mirror_of_a_motion_is_the_motion_of_the_mirror() -> None:
    representation: RootPositions = positions()
    features = representation.encode(smooth_motion(5))
    swapped = features.unflatten(-1, (-1, 3))[:, [0, 3, 4, 1, 2, 5]] * torch.tensor([-1.0, 1, 1])
    assert torch.equal(representation.mirror(features), swapped.flatten(-2))
