"""Joint rotations to positions and back, on one core: a live frame, a clip, and a batch as training has it.

`OMP_NUM_THREADS=1 python -m pytest benchmarks/bench_kinematics.py` (extra `bench`). The textbook's loop over the joints
stands beside `forward_kinematics` and `joint_positions` (which leaves out the turns), forwards and with gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from kinema.data.synthetic import perform
from kinema.geometry.kinematics import forward_kinematics, joint_positions
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.motion.skeletons import skeleton

torch.set_num_threads(1)
BODY = skeleton("h36m32")


def textbook(rotations: Tensor, root: Tensor, offsets: Tensor, parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Joint by joint, each cut out of the array."""
    positions, turned = [root], [rotations[..., 0, :, :]]
    for joint, parent in enumerate(parents[1:], start=1):
        positions.append(positions[parent] + (turned[parent] @ offsets[..., joint, :, None])[..., 0])
        turned.append(turned[parent] @ rotations[..., joint, :, :])
    return torch.stack(positions, -2), torch.stack(turned, -3)


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("shape", [(1,), (25,), (64, 50)])
@pytest.mark.parametrize("way", [textbook, forward_kinematics, joint_positions])
def test_forward(
    way: Callable[..., Tensor | tuple[Tensor, Tensor]],
    shape: tuple[int, ...],
    gradient: bool,
    benchmark: Callable[..., object],
) -> None:
    rotations = rotvec_to_rotmat(torch.randn(*shape, len(BODY), 3)).requires_grad_(gradient)

    def run() -> None:
        found = way(rotations, torch.zeros(*shape, 3), BODY.offsets, BODY.parents)
        if gradient:
            (found if isinstance(found, Tensor) else found[0]).square().sum().backward()

    benchmark(run)


@pytest.mark.parametrize("frames", [1, 25, 600])
def test_inverse(frames: int, benchmark: Callable[..., object]) -> None:
    points = perform("walk", seconds=25.0, fps=25, seed=3)[:frames].points()
    benchmark(lambda: fit_rotations(points, BODY))
