"""The discrete cosine transform against scipy's."""

import numpy as np
import pytest
import torch
from scipy.fft import dct as scipy_dct

from kinema.geometry.curves import dct, dct_matrix


@pytest.mark.parametrize("frames", [1, 2, 10, 35, 125])
def test_the_transform_is_scipys_and_orthonormal(frames):
    signal = np.random.default_rng(frames).standard_normal((3, frames, 4))
    expected = scipy_dct(signal, type=2, norm="ortho", axis=1)
    np.testing.assert_allclose(dct(torch.tensor(signal)).numpy(), expected, atol=1e-12)
    matrix = dct_matrix(frames, dtype=torch.float64)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(frames, dtype=torch.float64))


def test_few_coefficients_are_the_first_of_all():
    signal = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(dct(signal, 6), dct(signal)[:, :6])
