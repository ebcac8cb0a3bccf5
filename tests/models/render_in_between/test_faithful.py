"""What the released code of Render-In-Between does, computed by hand on small cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinema.core.query import Batch
from kinema.data.keyframe_task import ReleasedKeys
from kinema.data.loader import Loader
from kinema.data.synthetic import Synthetic
from kinema.data.windows import ClipEntry, WindowSet
from kinema.models.base import FeatureShape
from kinema.models.render_in_between.released import RenderInBetweenCriticised, RenderInBetweenReleased
from kinema.recipes import Optim, Phase, recipe
from kinema.representations.base import Representation
from kinema.representations.picture import PictureKeypointsConfig

SHAPE = FeatureShape(38, 19)
FRAMES = 33


def picture() -> Representation:
    return PictureKeypointsConfig(fps=60.0, own_scale=False).build(Synthetic().skeleton)


def batch(length: int, frames: int = FRAMES) -> Batch:
    """One window of so many frames, padded to `frames`, every eighth a key."""
    window = torch.randn(1, frames, 38, generator=torch.Generator().manual_seed(1)).cumsum(1) * 0.05
    return ReleasedKeys(frames_in_window=frames).draw(window, picture(), torch.tensor([3]), torch.tensor([length]))


def test_positions_are_shares_of_the_padded_length() -> None:
    """sin and cos of 2 pi t / (L - 1), L the window with its padding: the first pair of channels, whose rate is 1."""
    model = RenderInBetweenReleased.Config().tiny().build(SHAPE)
    phase = 2 * torch.pi * torch.arange(FRAMES) / (FRAMES - 1)
    for length in (FRAMES, 17):
        waves = model._waves(batch(length).query, padded=True)[0]  # pyright: ignore[reportPrivateUsage]
        torch.testing.assert_close(waves[:, 0], phase.sin(), atol=1e-5, rtol=0)
        torch.testing.assert_close(waves[:, 1], phase.cos(), atol=1e-5, rtol=0)


def test_attention_starts_without_biases() -> None:
    model = RenderInBetweenReleased.Config(layers=1).build(SHAPE)
    biases = [value for name, value in model.named_parameters() if name.endswith(("enter.bias", "leave.bias"))]
    inside = [value for name, value in model.named_parameters() if "layers" in name and value in set(biases)]
    assert len(inside) == 6  # three attentions, two maps each
    assert not any(value.any() for value in inside)


def test_a_short_clip_is_padded_behind_its_last_key() -> None:
    """30 frames of 33: floor(29 / 8) 8 + 1 = 25 are there, four keys of them."""
    one = batch(30)
    assert one.query.valid[0].tolist() == [True] * 25 + [False] * 8
    assert one.query.observed_frames()[0].nonzero()[:, 0].tolist() == [0, 8, 16, 24]
    assert not one.target[0, 25:].any()
    assert not one.query.observed[0, 25:].any()


def test_short_clips_are_drawn_as_often_as_long_ones() -> None:
    representation, generator = picture(), np.random.default_rng(0)
    features = generator.standard_normal((100, 38)).astype(np.float32)
    clips = [ClipEntry(0, 80, "a", None), ClipEntry(80, 90, "b", None), ClipEntry(90, 100, "c", None)]
    windows = WindowSet(features, clips, (), 60.0)
    task = ReleasedKeys(frames_in_window=FRAMES)
    loader = Loader(windows, representation, task, batch_size=300, seed=0, balance="clips")
    assert loader.skipped == ()
    valid = loader.batch(0).query.valid.sum(1)
    assert set(valid.tolist()) == {9, FRAMES}  # floor(9 / 8) 8 + 1 of ten frames
    assert float((valid == 9).float().mean()) == pytest.approx(2 / 3, abs=0.1)  # three deviations of 300 draws: 0.08
    last = loader.batch(0).target[valid == 9]
    rows = torch.from_numpy(features)
    assert all(any(torch.equal(one[:9], rows[start : start + 9]) for start in (80, 90)) for one in last)
    skipping = Loader(windows, representation, replace(task, shortest=0), batch_size=2, seed=0)
    assert [clip.identity for clip in skipping.skipped] == ["b", "c"]


def test_the_deviation_is_the_mean_of_the_clips_own() -> None:
    """Clips of 1 -1 and of 3 3 3 5: their deviations are 1 and sqrt(3) / 2; that of all six frames is another."""
    rows = np.array([[1.0], [-1.0], [3.0], [3.0], [3.0], [5.0]], dtype=np.float32)
    windows = WindowSet(rows, [ClipEntry(0, 2, "a", None), ClipEntry(2, 6, "b", None)], (), 60.0)
    found = windows.statistics("clips")
    assert float(found.mean) == pytest.approx(14 / 6)
    assert float(found.std) == pytest.approx((1 + 3**0.5 / 2) / 2)
    assert float(windows.statistics().std) == pytest.approx(float(np.std(rows, ddof=1)))
    assert recipe("render-in-between-faithful").deviation == "clips"


def test_the_critic_has_one_smoothed_label_for_all_patches() -> None:
    """With weights of 0 every score is 0: the loss is (high^2 + low^2) / 2 of two numbers, not a mean over many."""
    model = RenderInBetweenReleased.Config(critic=True).tiny().build(SHAPE)
    assert isinstance(model, RenderInBetweenCriticised)
    for weight in model.critic.parameters():
        torch.nn.init.zeros_(weight)
    one = batch(FRAMES)
    for seed in range(3):
        torch.manual_seed(seed)
        loss = float(model.eval().loss(one, "critic")["loss"].detach())
        torch.manual_seed(seed)
        high, low = 0.9 + 0.1 * float(torch.rand(())), 0.1 * float(torch.rand(()))
        assert loss == pytest.approx((high**2 + low**2) / 2)


def test_the_critic_descends_by_sgd_at_four_times_the_rate() -> None:
    """v <- 0.9 v + (g + 1e-4 w), w <- w - 4e-4 v, twice by hand."""
    critic, model = recipe("render-in-between-faithful-gan").stages[0].optim  # pyright: ignore
    assert isinstance(critic, Phase)
    assert isinstance(model, Phase)
    assert critic.optim.rate(0, 10) == pytest.approx(4e-4) == pytest.approx(4 * model.optim.rate(0, 10))
    assert critic.optim.rate(10_000, 100_000) == pytest.approx(2e-4)
    assert model.optim == recipe("render-in-between-faithful").stages[0].optim
    weight, by_hand, velocity = torch.nn.Parameter(torch.tensor([2.0])), 2.0, 0.0
    optimizer = critic.optim.build([weight])
    for gradient in (0.5, -0.25):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        velocity = 0.9 * velocity + gradient + 1e-4 * by_hand
        by_hand -= 4e-4 * velocity
    assert float(weight.detach()) == pytest.approx(by_hand, rel=1e-6)


def test_momentum_is_sgds_alone() -> None:
    with pytest.raises(Exception, match="momentum"):
        Optim(kind="adam", momentum=0.9)
