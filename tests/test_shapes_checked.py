from __future__ import annotations

import jaxtyping
import pytest
import torch

from kinema.core.query import even_time
from kinema.geometry.rotations import rotvec_to_rotmat


def test_shapes_and_types_are_checked_at_run_time() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="rotvec"):
        rotvec_to_rotmat(torch.zeros(5, 4))
    with pytest.raises(jaxtyping.TypeCheckError, match="frames"):
        even_time(2.5, 30, 1)  # pyright: ignore[reportArgumentType]
    assert even_time(2, 30, 1).shape == (1, 2)  # an int is a float


@pytest.mark.usefixtures("unchecked")
def test_the_check_can_be_put_aside() -> None:
    with pytest.raises(ValueError, match="values to unpack"):  # of the code underneath
        rotvec_to_rotmat(torch.zeros(5, 4))


def test_the_check_comes_back() -> None:
    test_shapes_and_types_are_checked_at_run_time()
