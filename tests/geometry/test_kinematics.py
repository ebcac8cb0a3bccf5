"""Laws of forward kinematics."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from kinema.geometry.kinematics import forward_kinematics, global_to_local, joint_positions
from kinema.geometry.rotations import rotvec_to_rotmat

PARENTS = (-1, 0, 1, 2, 1, 0, 5)


def body(seed: int, frames: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    turns = rotvec_to_rotmat(torch.randn(frames, len(PARENTS), 3, generator=generator, dtype=torch.float64))
    root = torch.randn(frames, 3, generator=generator, dtype=torch.float64)
    return turns, root, torch.randn(len(PARENTS), 3, generator=generator, dtype=torch.float64)


def test_a_chain_worked_by_hand():
    quarter = torch.tensor([0.0, 0.0, np.pi / 2])
    turns = rotvec_to_rotmat(torch.stack((quarter, quarter, torch.zeros(3))))
    offsets = torch.tensor([[9.0, 9.0, 9.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    positions, turned = forward_kinematics(turns, torch.tensor([5.0, 0.0, 0.0]), offsets, (-1, 0, 1))
    torch.testing.assert_close(positions, torch.tensor([[5.0, 0.0, 0.0], [5.0, 1.0, 0.0], [4.0, 1.0, 0.0]]))
    torch.testing.assert_close(turned[2], turns[0] @ turns[0])


@given(st.integers(0, 99))
def test_positions_alone_are_the_same(seed):
    turns, root, offsets = body(seed)
    positions, _ = forward_kinematics(turns, root, offsets, PARENTS)
    torch.testing.assert_close(joint_positions(turns, root, offsets, PARENTS), positions, atol=0, rtol=0)
    assert torch.equal(joint_positions(turns[:, :1], root, offsets[:1], (-1,)), root[:, None])


@given(st.integers(0, 99), st.floats(0.1, 10.0))
def test_a_scaled_skeleton_is_scaled(seed, scale):
    turns, root, offsets = body(seed)
    positions, _ = forward_kinematics(turns, root, offsets, PARENTS)
    scaled, _ = forward_kinematics(turns, root * scale, offsets * scale, PARENTS)
    torch.testing.assert_close(scaled, positions * scale)


@given(st.integers(0, 99))
def test_bones_keep_their_length_and_the_root_its_place(seed):
    turns, root, offsets = body(seed)
    positions, _ = forward_kinematics(turns, root, offsets, PARENTS)
    bones = positions[:, 1:] - positions[:, list(PARENTS[1:])]
    torch.testing.assert_close(bones.norm(dim=-1), offsets[1:].norm(dim=-1).expand(4, -1))
    torch.testing.assert_close(positions[:, 0], root)


@given(st.integers(0, 99))
def test_local_and_global_rotations_are_inverse_to_each_other(seed):
    turns, root, offsets = body(seed)
    _, turned = forward_kinematics(turns, root, offsets, PARENTS)
    torch.testing.assert_close(global_to_local(turned, PARENTS), turns)


def test_batches_and_moving_offsets():
    turns, root, offsets = body(0)
    alone, _ = forward_kinematics(turns, root, offsets, PARENTS)
    batched, _ = forward_kinematics(turns.expand(2, 3, -1, -1, -1, -1), root.expand(2, 3, -1, -1), offsets, PARENTS)
    assert batched.shape == (2, 3, 4, 7, 3)
    torch.testing.assert_close(batched[1, 2], alone)
    moving = offsets.expand(4, -1, -1).clone()
    moving[2] *= 2
    there, _ = forward_kinematics(turns, root, moving, PARENTS)
    torch.testing.assert_close(there[:2], alone[:2])
    assert not torch.allclose(there[2], alone[2])


@given(st.integers(0, 99), st.sampled_from([(1100,), (2, 130), (2500,)]), st.sampled_from(["still", "moving", "one"]))
def test_many_frames_go_another_way_to_the_same_places(seed: int, batch: tuple[int, ...], kind: str) -> None:
    turns, root, offsets = body(seed, frames=int(np.prod(batch)))
    turns, root = turns.reshape(*batch, *turns.shape[1:]), root.reshape(*batch, 3)
    shape = {"still": (), "one": (1,) * len(batch), "moving": batch}[kind]
    bones = offsets * torch.rand(*shape, 1, 1, dtype=torch.float64) if shape else offsets
    positions, _ = forward_kinematics(turns, root, bones, PARENTS)
    # The same products and sums in float64, in another order.
    torch.testing.assert_close(joint_positions(turns, root, bones, PARENTS), positions, atol=1e-12, rtol=0)
    single = joint_positions(turns.float(), root.float(), bones.float(), PARENTS)
    torch.testing.assert_close(single.double(), positions, atol=1e-5, rtol=0)
    watched = root.clone().requires_grad_()
    joint_positions(turns, watched, bones, PARENTS).sum().backward()
    torch.testing.assert_close(watched.grad, torch.full_like(root, len(PARENTS)))
