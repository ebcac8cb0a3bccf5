"""siMLPe: the published sizes, the published formula, and what the mended network adds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.core.query import Batch, Query, even_time
from kinema.geometry.curves import dct_matrix
from kinema.models.base import FeatureShape
from kinema.models.simlpe.model import LinearMixing, SiMLPe, joint_distance
from kinema.recipes import recipe
from kinema.training.stage import Optim


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def query(observed: int, frames: int, width: int, batch: int = 3) -> Query:
    generator = torch.Generator().manual_seed(0)
    known = (torch.arange(frames) < observed)[None, :, None]
    return Query(
        observed=torch.randn(batch, frames, width, generator=generator) * known,
        confidence=known.expand(batch, frames, width // 3).float(),
        time=even_time(frames, 25.0, batch),
        valid=torch.ones(batch, frames, dtype=torch.bool),
        action=torch.zeros(batch, 0),
    )


@pytest.mark.parametrize(("width", "count"), [(66, 137_580), (75, 141_000), (54, 133_524)])
def test_the_published_sizes(width: int, count: int) -> None:
    assert parameters(SiMLPe.Config().build(FeatureShape(width, width // 3))) == count


def test_the_faithful_recipe_has_the_published_settings() -> None:
    stage = recipe("simlpe-faithful").stages[0]
    assert stage.model == SiMLPe.Config(observed=50, predicted=10, layers=48, mixing="linear")
    assert parameters(stage.build(FeatureShape(75, 25), {})) == 141_000
    assert (stage.batch_size, stage.steps, stage.augment.reverse) == (256, 40_000, 0.5)


def test_the_rate_has_no_odd_first_step() -> None:
    """The released code runs step 0 at 1e-5; ours follows the schedule: 3e-4, and 1e-5 from step 30,000 on."""
    optim = recipe("simlpe-faithful").stages[0].optim
    assert isinstance(optim, Optim)
    rates = [optim.rate(step, 40_000) for step in (0, 1, 29_999, 30_000, 39_999)]
    assert rates == pytest.approx([3e-4, 3e-4, 3e-4, 1e-5, 1e-5])


def test_the_linear_network_is_the_formula() -> None:
    """Written out block by block, batch x frame x feature, with torch's own layer norm."""
    torch.manual_seed(0)
    model = SiMLPe.Config(observed=12, predicted=4, layers=3).build(FeatureShape(9, 3))
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    past = torch.randn(5, 12, 9)
    basis = dct_matrix(12)
    x = model.enter(basis @ past)
    for block in model.blocks:
        assert isinstance(block, LinearMixing)
        over_time = (block.mix.weight @ x) + block.mix.bias[:, None]
        x = x + nn.functional.layer_norm(over_time, (9,), block.norm.weight, block.norm.bias)
    expected = (basis.T @ model.leave(x))[:, :4] + past[:, -1:]
    assert torch.allclose(model(past), expected, atol=1e-4)


def test_it_starts_as_zero_velocity() -> None:
    asked = query(50, 75, 66)
    model = SiMLPe.Config().build(FeatureShape(66, 22)).eval()
    answer = model.predict(asked, 1, torch.Generator())[0]
    assert torch.allclose(answer[:, 50:], asked.observed[:, 49:50].expand(-1, 25, -1), atol=1e-3)


def test_longer_futures_are_fed_back() -> None:
    """Ten frames a pass, twenty-five asked for: three passes on the last fifty frames, its own answers included."""
    torch.manual_seed(0)
    model = SiMLPe.Config(layers=2).build(FeatureShape(9, 3)).eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.2)
    asked = query(50, 75, 9)
    with torch.inference_mode():
        known = asked.observed[:, :50]
        for _ in range(3):
            known = torch.cat((known, model(known[:, -50:])), 1)
        assert torch.allclose(model.predict(asked, 1, torch.Generator())[0], known[:, :75], atol=1e-5)


def test_the_loss_is_distance_plus_distance_of_steps() -> None:
    model = SiMLPe.Config(observed=4, predicted=2, layers=1).build(FeatureShape(3, 1))
    nn.init.zeros_(model.leave.weight)  # predicts the last frame
    truth = torch.zeros(1, 6, 3)
    truth[0, 4, 0], truth[0, 5, 0] = 3.0, 3.0
    truth[0, 5, 1] = 4.0
    known = (torch.arange(6) < 4).float()[None, :, None]
    asked = Query(truth * known, known, even_time(6, 25.0, 1), torch.ones(1, 6, dtype=torch.bool), torch.zeros(1, 0))
    losses = model.loss(Batch(asked, truth), "model")
    assert float(losses["position"]) == pytest.approx((3 + 5) / 2, abs=1e-5)
    assert float(losses["velocity"]) == pytest.approx(4, abs=1e-5)
    assert float(losses["loss"].detach()) == pytest.approx(8, abs=1e-5)


def test_joint_weights_count_joints() -> None:
    a, b = torch.zeros(1, 6), torch.tensor([[3.0, 4, 0, 0, 0, 1]])
    assert float(joint_distance(a, b, torch.tensor([1.0]))) == pytest.approx(3, abs=1e-5)
    assert float(joint_distance(a, b, torch.tensor([0.5, 1.5]))) == pytest.approx(2, abs=1e-5)


def test_the_shipped_recipe_weighs_joints_as_the_metric_counts_them() -> None:
    config = recipe("simlpe-cmu").stages[0].model
    assert isinstance(config, SiMLPe.Config)
    # Of 38 joints six never move and seven coincide with one of the 25 that are predicted.
    assert sorted(config.weights) == [1.0] * 22 + [3.0, 3.0, 4.0]
    assert sum(config.weights) == 38 - 6
    assert parameters(config.build(FeatureShape(75, 25))) == 181_891
