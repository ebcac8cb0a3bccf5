"""Noise by row: what may change it, and what may not."""

import torch

from kinema.nn.noise import row_noise


def draw(seed: int, samples: int, batch: int, frames: int, dim: int) -> torch.Tensor:
    return row_noise(torch.Generator().manual_seed(seed), samples, batch, frames, dim)


def test_more_rows_samples_or_frames_leave_the_first_as_they_were() -> None:
    small, large = draw(3, 1, 2, 5, 12), draw(3, 4, 6, 23, 12)
    assert torch.equal(large[:1, :2, :5], small)


def test_rows_samples_and_seeds_differ_and_the_numbers_are_normal() -> None:
    noise = draw(0, 2, 3, 400, 20)
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02
    assert not torch.equal(noise[0, 0], noise[0, 1])
    assert not torch.equal(noise[0, 0], noise[1, 0])
    assert not torch.equal(noise, draw(1, 2, 3, 400, 20))
