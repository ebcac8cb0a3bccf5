"""Laws of rotations, and agreement with scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from kinema.core.errors import UsageError
from kinema.geometry import rotations as rot

ROTVECS = arrays(np.float64, (5, 3), elements=st.floats(-3.0, 3.0))
ANGLES = arrays(np.float64, (4, 3), elements=st.floats(-3.1, 3.1))
VECTORS = arrays(np.float64, (6, 3), elements=st.floats(-2.0, 2.0))


def is_rotation(matrix: torch.Tensor, tolerance: float = 1e-5) -> bool:
    identity = torch.eye(3, dtype=matrix.dtype).expand_as(matrix)
    straight = torch.allclose(matrix @ matrix.transpose(-1, -2), identity, atol=tolerance)
    return straight and torch.allclose(torch.linalg.det(matrix), torch.ones(()).to(matrix), atol=tolerance)


@given(ROTVECS)
def test_exponential_map_agrees_with_scipy_and_is_a_rotation(rotvec):
    matrix = rot.rotvec_to_rotmat(torch.tensor(rotvec))
    assert is_rotation(matrix)
    np.testing.assert_allclose(matrix.numpy(), Rotation.from_rotvec(rotvec).as_matrix(), atol=1e-9)


@given(ROTVECS)
def test_logarithm_undoes_the_exponential_map(rotvec):
    matrix = rot.rotvec_to_rotmat(torch.tensor(rotvec))
    back = rot.rotmat_to_rotvec(matrix)
    assert (back.norm(dim=-1) <= np.pi + 1e-6).all()
    torch.testing.assert_close(rot.rotvec_to_rotmat(back), matrix, atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", rot.EULER_ORDERS)
@given(angles=ANGLES)
@settings(max_examples=20)
def test_euler_of_every_order_agrees_with_scipy(order, angles):
    matrix = rot.euler_to_rotmat(torch.tensor(angles), order)
    np.testing.assert_allclose(matrix.numpy(), Rotation.from_euler(order, angles).as_matrix(), atol=1e-6)
    back = rot.euler_to_rotmat(rot.rotmat_to_euler(matrix, order), order)
    torch.testing.assert_close(back, matrix, atol=1e-5, rtol=0)


@pytest.mark.parametrize("order", rot.EULER_ORDERS)
def test_euler_at_gimbal_lock_still_gives_the_rotation(order):
    middle = np.pi / 2 if len(set(order)) == 3 else 0.0
    angles = torch.tensor([[0.4, middle, -0.9], [0.4, middle + 1e-7, 0.2]], dtype=torch.float64)
    matrix = rot.euler_to_rotmat(angles, order)
    back = rot.rotmat_to_euler(matrix, order)
    assert torch.isfinite(back).all()
    torch.testing.assert_close(rot.euler_to_rotmat(back, order), matrix, atol=1e-5, rtol=0)


def test_an_order_that_does_not_exist_is_named():
    for function in (rot.euler_to_rotmat, rot.rotmat_to_euler):
        with pytest.raises(UsageError, match="'zxy'"):
            function(torch.zeros(3) if function is rot.euler_to_rotmat else torch.eye(3), "zxy")


def test_the_logarithm_in_single_precision():
    """With and without gradients, from no turn at all to half a turn."""
    axis = np.array([2.0, -1.0, 2.0]) / 3
    for angle, precise in (
        (0.0, 1e-7),
        (1e-6, 1e-7),
        (1e-3, 1e-7),
        (1.0, 1e-6),
        (2.79, 2e-6),
        (2.81, 2e-6),
        (3.14, 2e-3),
    ):
        matrix = torch.tensor(Rotation.from_rotvec(axis * angle).as_matrix(), dtype=torch.float32)
        for found in (rot.rotmat_to_rotvec(matrix), rot.rotmat_to_rotvec(matrix.clone().requires_grad_()).detach()):
            np.testing.assert_allclose(found.numpy(), axis * angle, atol=precise)
    assert not torch.isfinite(rot.rotmat_to_rotvec(torch.full((2, 3, 3), torch.nan))).any()


def test_a_logarithm_does_not_depend_on_its_neighbours():
    small, large = rot.rotvec_to_rotmat(torch.tensor([[0.3, -0.2, 0.1], [3.0, 0.1, 0.0]]))
    both = rot.rotmat_to_rotvec(torch.stack((small, large)))
    torch.testing.assert_close(both[0], rot.rotmat_to_rotvec(small), atol=1e-7, rtol=0)


@given(ROTVECS)
def test_quaternions_are_xyzw_and_agree_with_scipy(rotvec):
    quat = rot.rotvec_to_quat_xyzw(torch.tensor(rotvec))
    expected = Rotation.from_rotvec(rotvec).as_quat()  # xyzw
    assert np.abs(np.abs((quat.numpy() * expected).sum(-1)) - 1).max() < 1e-9  # the same but for the sign
    matrix = rot.quat_xyzw_to_rotmat(quat)
    torch.testing.assert_close(rot.quat_xyzw_to_rotmat(rot.rotmat_to_quat_xyzw(matrix)), matrix)
    torch.testing.assert_close(rot.rotvec_to_rotmat(rot.quat_xyzw_to_rotvec(quat)), matrix)


@given(ROTVECS)
def test_six_numbers_round_trip(rotvec):
    matrix = rot.rotvec_to_rotmat(torch.tensor(rotvec))
    sixd = rot.rotmat_to_sixd(matrix)
    torch.testing.assert_close(sixd[..., :3], matrix[..., 0])  # the first column stands first
    torch.testing.assert_close(rot.sixd_to_rotmat(sixd), matrix)


@given(arrays(np.float64, (6, 6), elements=st.floats(-2.0, 2.0)))
def test_any_six_numbers_in_two_directions_give_a_rotation(numbers):
    first, second = numbers[:, :3], numbers[:, 3:]
    apart = np.linalg.norm(np.cross(first, second), axis=-1)
    apart = apart / np.maximum(np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1), 1e-9)
    usable = torch.tensor(numbers[apart > 1e-2])
    assert is_rotation(rot.sixd_to_rotmat(usable))


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1e-4, np.pi - 1e-6, np.pi - 1e-9, np.pi])
def test_gradients_are_finite_at_zero_and_at_half_a_turn(angle):
    axis = torch.tensor([0.36, -0.48, 0.8], dtype=torch.float64)
    rotvec = (axis * angle).requires_grad_()
    rot.rotvec_to_rotmat(rotvec).sum().backward()
    assert torch.isfinite(rotvec.grad).all()
    matrix = torch.tensor(Rotation.from_rotvec((axis * angle).numpy()).as_matrix(), requires_grad=True)
    out = rot.rotmat_to_rotvec(matrix)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(matrix.grad).all()


@given(ROTVECS, ROTVECS, st.floats(0.0, 1.0))
def test_slerp_goes_the_shortest_way_at_even_speed(one, other, weight):
    start, end = rot.rotvec_to_rotmat(torch.tensor(one)), rot.rotvec_to_rotmat(torch.tensor(other))
    between = rot.slerp(start, end, torch.tensor(weight, dtype=torch.float64))
    whole = rot.angle_between(start, end)
    # Near half a turn there are two shortest ways and the angle is known less well.
    sure = whole < np.pi - 1e-3
    torch.testing.assert_close(rot.angle_between(start, between)[sure], (weight * whole)[sure], atol=1e-5, rtol=0)
    torch.testing.assert_close(rot.slerp(start, end, torch.ones((), dtype=torch.float64)), end, atol=1e-5, rtol=0)


def test_slerp_broadcasts():
    start = rot.rotvec_to_rotmat(torch.tensor([[0.1, 0.2, 0.3]]))
    end = rot.rotvec_to_rotmat(torch.tensor([[0.5, -0.2, 0.1], [0.0, 1.0, 0.0]]))[:, None]
    weight = torch.linspace(0, 1, 4)
    between = rot.slerp(start, end, weight)
    assert between.shape == (2, 4, 3, 3)
    for row in range(2):
        for column in range(4):
            torch.testing.assert_close(between[row, column], rot.slerp(start[0], end[row, 0], weight[column]))


@given(VECTORS, VECTORS)
def test_shortest_arc_turns_one_direction_to_the_other(one, other):
    start, end = torch.tensor(one), torch.tensor(other)
    turn = rot.shortest_arc(start, end)
    assert is_rotation(turn)
    usable = (start.norm(dim=-1) > 1e-3) & (end.norm(dim=-1) > 1e-3)
    a = torch.nn.functional.normalize(start[usable], dim=-1)
    b = torch.nn.functional.normalize(end[usable], dim=-1)
    torch.testing.assert_close((turn[usable] @ a[..., None])[..., 0], b, atol=2e-3, rtol=0)
    angle = torch.acos((a * b).sum(-1).clamp(-1, 1))
    identity = torch.eye(3, dtype=torch.float64).expand(len(a), 3, 3)
    torch.testing.assert_close(rot.angle_between(turn[usable], identity), angle, atol=2e-3, rtol=0)


def test_shortest_arc_of_a_direction_that_is_hardly_there():
    start, short = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([5e-13, 0.0, 0.0])
    turn = rot.shortest_arc(start, short)
    assert is_rotation(turn)
    torch.testing.assert_close(turn @ start, torch.tensor([3**0.5, 0.0, 0.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shortest_arc_of_opposite_directions_and_of_nothing(axis):
    start = torch.eye(3)[axis]
    turn = rot.shortest_arc(start, -start)
    assert is_rotation(turn)
    torch.testing.assert_close(turn @ start, -start)
    torch.testing.assert_close(rot.shortest_arc(torch.zeros(3), start), torch.eye(3))
    torch.testing.assert_close(rot.shortest_arc(start, torch.zeros(3)), torch.eye(3))


@given(VECTORS, VECTORS, VECTORS)
def test_an_arc_by_way_is_two_shortest_arcs(one, other, third):
    start, middle, end = (torch.nn.functional.normalize(torch.tensor(each), dim=-1) for each in (one, other, third))
    lengths = torch.stack([each.norm(dim=-1) for each in (start, middle, end, start + middle, middle + end)])
    usable = (lengths[:3] > 0.9).all(0) & (lengths[3:] > 1e-2).all(0)
    start, middle, end = start[usable], middle[usable], end[usable]
    turn = rot.arc_by_way(start, middle, end)
    assert is_rotation(turn)
    both = rot.shortest_arc(middle, end) @ rot.shortest_arc(start, middle)
    torch.testing.assert_close(turn, both, atol=1e-6, rtol=0)


def test_an_arc_by_way_of_the_opposite_and_of_nothing():
    x, y, _ = torch.eye(3)
    nothing = torch.zeros(3)
    for start, middle, end in ((x, -x, y), (x, y, -y), (x, -x, x)):
        turn = rot.arc_by_way(start, middle, end)
        assert is_rotation(turn)
        torch.testing.assert_close(turn @ start, end, atol=1e-6, rtol=0)
    torch.testing.assert_close(rot.arc_by_way(x, y, nothing), rot.shortest_arc(x, y))
    torch.testing.assert_close(rot.arc_by_way(nothing, x, y), rot.shortest_arc(x, y))


@pytest.mark.parametrize("count", [3, 200])
def test_the_nearest_rotation_agrees_with_scipy(count):
    """Few matrices go another way than many; a reflection is not an answer, and what is no number stays none."""
    matrix = torch.randn(count, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = rot.nearest_rotation(matrix)
    assert is_rotation(found)
    for each, one in zip(matrix, found, strict=True):
        expected, _ = Rotation.align_vectors(each.T.numpy(), np.eye(3))
        np.testing.assert_allclose(one.numpy(), expected.as_matrix(), atol=1e-9)
    matrix[1, 0, 0] = torch.nan
    broken = rot.nearest_rotation(matrix)
    assert broken[1].isnan().any()
    torch.testing.assert_close(broken[0], found[0])


def test_the_nearest_rotation_where_several_are_as_near():
    turned = rot.rotvec_to_rotmat(torch.tensor([0.3, -1.0, 0.4], dtype=torch.float64))
    flat = turned @ torch.diag(torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
    many = torch.stack([torch.zeros(3, 3).double(), -torch.eye(3).double(), -turned, flat, turned]).repeat(40, 1, 1)
    found = rot.nearest_rotation(many)
    assert is_rotation(found)
    score = (found * many).sum((-1, -2))[:5]  # of all rotations the greatest: s1 + s2 + det s3
    torch.testing.assert_close(score, torch.tensor([0.0, 1.0, 1.0, 2.0, 3.0]).double(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 1.0, 3.1])
def test_gradients_are_those_of_small_differences(angle):
    vector = (torch.tensor([[0.36, -0.48, 0.8]], dtype=torch.float64) * angle).requires_grad_()
    matrix = rot.rotvec_to_rotmat(vector).detach().requires_grad_()
    quat = rot.rotvec_to_quat_xyzw(vector).detach().requires_grad_()
    assert torch.autograd.gradcheck(rot.rotvec_to_rotmat, vector)
    assert torch.autograd.gradcheck(rot.rotvec_to_quat_xyzw, vector)
    assert torch.autograd.gradcheck(rot.quat_xyzw_to_rotvec, quat)
    assert torch.autograd.gradcheck(rot.quat_xyzw_to_rotmat, quat)
    assert torch.autograd.gradcheck(rot.rotmat_to_rotvec, matrix)
    assert torch.autograd.gradcheck(rot.rotmat_to_quat_xyzw, matrix)
    assert torch.autograd.gradcheck(rot.nearest_rotation, matrix)
    assert torch.autograd.gradcheck(rot.nearest_rotation, (matrix + 0.1 * torch.ones(3, 3)).detach().requires_grad_())
    assert torch.autograd.gradcheck(rot.sixd_to_rotmat, rot.rotmat_to_sixd(matrix).detach().requires_grad_())
    # At 0 the second derivative is finite, too: losses on speeds take it.
    assert torch.autograd.gradgradcheck(rot.rotvec_to_rotmat, vector)


@given(ROTVECS)
@settings(max_examples=30)
def test_single_precision_is_as_good_as_its_digits(rotvec):
    """Against scipy in double precision: float32 has 6e-8, of angles up to 3 and sums of a few products."""
    exact = Rotation.from_rotvec(rotvec)
    single = torch.tensor(rotvec, dtype=torch.float32)
    np.testing.assert_allclose(rot.rotvec_to_rotmat(single).numpy(), exact.as_matrix(), atol=2e-6)
    quat = rot.rotvec_to_quat_xyzw(single)
    assert np.abs(np.abs((quat.numpy() * exact.as_quat()).sum(-1)) - 1).max() < 1e-6
    np.testing.assert_allclose(rot.quat_xyzw_to_rotmat(quat).numpy(), exact.as_matrix(), atol=2e-6)
    matrix = torch.tensor(exact.as_matrix(), dtype=torch.float32)
    assert np.abs(np.abs((rot.rotmat_to_quat_xyzw(matrix).numpy() * exact.as_quat()).sum(-1)) - 1).max() < 1e-6


@pytest.mark.parametrize("axis", "XYZ")
def test_axis_angle_agrees_with_euler(axis):
    angle = torch.linspace(-3, 3, 7)
    expected = Rotation.from_rotvec(angle.numpy()[:, None] * np.eye(3)["XYZ".index(axis)]).as_matrix()
    np.testing.assert_allclose(rot.axis_angle_to_rotmat(axis, angle).numpy(), expected, atol=1e-6)
