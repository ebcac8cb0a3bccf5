"""Position errors by hand."""

from __future__ import annotations

import pytest
import torch

from kinema.metrics.joint_errors import joint_distances, mpjpe


def test_distances_and_their_mean_by_hand() -> None:
    truth = torch.zeros(1, 2, 3, 3)
    predicted = truth.clone()
    predicted[0, 0, 1] = torch.tensor([3.0, 4, 0])
    predicted[0, 1, 2] = torch.tensor([0.0, 0, 1.5])
    assert joint_distances(predicted, truth)[0].tolist() == [[0, 5, 0], [0, 0, 1.5]]
    assert mpjpe(predicted, truth)[0].tolist() == pytest.approx([5 / 3, 0.5])
    assert mpjpe(predicted, truth, [0, 1])[0].tolist() == pytest.approx([2.5, 0])


def test_samples_share_one_truth_and_precision_is_double() -> None:
    truth = torch.randn(1, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    error = mpjpe(truth.expand(7, 4, 5, 3) + torch.tensor([0.1, 0, 0]), truth)
    assert error.shape == (7, 4)
    assert error.dtype == torch.float64
    assert torch.allclose(error, torch.full_like(error, 0.1), atol=1e-6)
