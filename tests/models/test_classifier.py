"""Recognisers: the faithful size, determinism, and that they learn."""

from __future__ import annotations

import pytest
import torch

from kinema.models.base import FeatureShape
from kinema.models.classifier import Classifier


def test_the_faithful_size() -> None:
    model = Classifier.Config(body="posegpt", width=256).build(FeatureShape(168, 55, 60))
    assert sum(weight.numel() for weight in model.parameters()) == 3_546_428


@pytest.mark.parametrize("body", ["gru", "posegpt"])
def test_a_clip_has_the_same_features_every_time_and_in_every_company(body: str) -> None:
    torch.manual_seed(0)
    config = Classifier.Config(body=body).tiny()  # pyright: ignore[reportArgumentType]
    model = config.build(FeatureShape(6, 2, 3)).eval()
    clips = torch.randn(5, 20, 6)
    assert torch.allclose(model.features(clips)[2:3], model.features(clips[2:3]), atol=1e-6)
    assert torch.equal(model.features(clips), model.features(clips))
    assert model.head(model.features(clips)).allclose(model(clips))


@pytest.mark.parametrize("body", ["gru", "posegpt"])
def test_it_learns_which_way_a_clip_goes(body: str) -> None:
    torch.manual_seed(0)
    way = torch.randint(2, (64,))
    clips = torch.randn(64, 1, 6) + (2.0 * way[:, None, None] - 1) * torch.linspace(0, 1, 16)[:, None]
    labels = torch.nn.functional.one_hot(way, 2).float()
    config = Classifier.Config(body=body).tiny()  # pyright: ignore[reportArgumentType]
    model = config.build(FeatureShape(6, 2, 2))
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        model.cross_entropy(clips, labels).backward()
        optimiser.step()
    assert (model.eval()(clips).argmax(1) == way).float().mean() > 0.95
