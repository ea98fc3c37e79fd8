"""Rotations and kinematics against hand-computed cases, SciPy, and autograd."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from skeletonllm.skeleton import kinematics as k

# Double precision; a handful of products each.
EXACT = 1e-12


@pytest.fixture
def rotations() -> Rotation:
    return Rotation.random(64, random_state=3)


def wxyz(rotation: Rotation) -> np.ndarray:
    return rotation.as_quat()[:, [3, 0, 1, 2]]


def test_axis_rotation_turns_right_handed():
    quarter = np.array(np.pi / 2)
    for axis in range(3):
        after, last = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        np.testing.assert_allclose(k.axis_rotation(axis, quarter) @ after, last, atol=EXACT)


def test_axis_angle_agrees_with_scipy_and_is_smooth_at_zero(rotations):
    vectors = rotations.as_rotvec()
    np.testing.assert_allclose(k.axis_angle_to_matrix(vectors), rotations.as_matrix(), atol=EXACT)
    zero = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    matrix = k.axis_angle_to_matrix(zero)
    assert torch.equal(matrix, torch.eye(3, dtype=torch.float64))
    matrix[2, 1].backward()
    # The derivative of the rotation about x at zero is 1 in row z, column y.
    assert zero.grad.tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_quaternion_product_composes_rotations(rotations):
    first, second = wxyz(rotations), wxyz(rotations)[::-1]
    product = k.quaternion_to_matrix(k.quaternion_multiply(first, second))
    separate = k.quaternion_to_matrix(first) @ k.quaternion_to_matrix(second)
    np.testing.assert_allclose(product, separate, atol=EXACT)
    np.testing.assert_allclose(k.quaternion_to_matrix(first), rotations.as_matrix(), atol=EXACT)


def test_matrix_to_quaternion_is_the_inverse_even_for_half_turns(rotations):
    half_turns = Rotation.from_rotvec(np.pi * np.eye(3))
    for rotation in (rotations, half_turns):
        matrix = rotation.as_matrix()
        quaternion = k.matrix_to_quaternion(matrix)
        assert (quaternion[:, 0] >= 0).all()
        np.testing.assert_allclose(k.quaternion_to_matrix(quaternion), matrix, atol=EXACT)
        np.testing.assert_array_equal(k.matrix_to_quaternion(torch.from_numpy(matrix)).numpy(), quaternion)


def test_rotation_6d_makes_any_six_numbers_a_rotation():
    matrix = k.rotation_6d_to_matrix(np.random.default_rng(0).normal(size=(100, 6)))
    # Gram-Schmidt of unlucky draws loses a few digits.
    np.testing.assert_allclose(matrix @ matrix.swapaxes(-1, -2), np.tile(np.eye(3), (100, 1, 1)), atol=1e-10)
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0, atol=1e-10)


def test_rotation_6d_holds_the_first_two_columns(rotations):
    matrix = rotations.as_matrix()
    six = k.matrix_to_rotation_6d(matrix)
    np.testing.assert_array_equal(six, np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], -1))
    np.testing.assert_allclose(k.rotation_6d_to_matrix(six), matrix, atol=EXACT)
    np.testing.assert_allclose(k.rotation_6d_to_matrix(torch.from_numpy(3 * six)).numpy(), matrix, atol=EXACT)


# A chain 2 <- 0 <- 1 whose indices do not follow its order.
PARENTS = (2, 0, -1)
OFFSETS = np.array([[0.0, 1.0, 0.0], [0.0, 0.5, 0.0], [0.3, 0.0, 0.0]])


def test_unrotated_chain_is_the_sum_of_its_offsets():
    positions, _ = k.forward_kinematics(np.tile(np.eye(3), (3, 1, 1)), OFFSETS, PARENTS)
    np.testing.assert_array_equal(positions, [[0.3, 1.0, 0.0], [0.3, 1.5, 0.0], [0.3, 0.0, 0.0]])


def test_a_joint_turns_what_hangs_on_it_and_nothing_else():
    rotations = np.tile(np.eye(3), (5, 3, 1, 1))
    rotations[:, 0] = k.axis_rotation(2, np.full(5, np.pi / 2))
    root = np.arange(15.0).reshape(5, 3)
    positions, globals_ = k.forward_kinematics(rotations, OFFSETS, PARENTS, root)
    expected = np.array([[0.3, 1.0, 0.0], [-0.2, 1.0, 0.0], [0.3, 0.0, 0.0]])
    np.testing.assert_allclose(positions, expected + root[:, None], atol=EXACT)
    np.testing.assert_allclose(globals_[:, 1], rotations[:, 0], atol=EXACT)


def test_forward_kinematics_has_exact_gradients():
    six = torch.randn(2, 3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    offsets = torch.from_numpy(OFFSETS).requires_grad_()

    def positions(six, offsets):
        return k.forward_kinematics(k.rotation_6d_to_matrix(six), offsets, PARENTS)[0]

    assert torch.autograd.gradcheck(positions, (six, offsets))


def test_wrong_shapes_and_cyclic_parents_are_refused():
    with pytest.raises(ValueError, match="rotations has shape"):
        k.forward_kinematics(np.eye(3), OFFSETS, PARENTS)
    with pytest.raises(ValueError, match="not a tree"):
        k.forward_kinematics(np.tile(np.eye(3), (3, 1, 1)), OFFSETS, (1, 0, -1))
    with pytest.raises(ValueError, match="expected"):
        k.rotation_6d_to_matrix(np.zeros((4, 5)))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_two_bones_keep_their_lengths_and_reach_what_they_can(library):
    rng = np.random.default_rng(1)
    root, target, pole = rng.normal(size=(3, 200, 3))
    upper, lower = np.full(200, 0.9), np.full(200, 0.7)
    arrays = [root, target, pole, upper, lower]
    if library == "torch":
        arrays = [torch.from_numpy(array) for array in arrays]
    middle, end = (np.asarray(joint) for joint in k.two_bone_reach(*arrays))
    # The gradient floor under the height costs up to 1e-12 / length; two lengths are compared.
    np.testing.assert_allclose(np.linalg.norm(middle - root, axis=-1), upper, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1), lower, atol=1e-6)
    distance = np.linalg.norm(target - root, axis=-1)
    reachable = (distance < 1.6) & (distance > 0.2)
    assert 20 < reachable.sum() < 180
    np.testing.assert_allclose(end[reachable], target[reachable], atol=EXACT)
    far = distance > 1.6
    np.testing.assert_allclose(np.linalg.norm(end - root, axis=-1)[far], 1.6, atol=EXACT)


def test_the_middle_joint_bends_towards_the_pole():
    origin, target = np.zeros(3), np.array([0.0, -1.0, 0.0])
    middle, _ = k.two_bone_reach(origin, target, np.array([0.0, 0.0, 1.0]), np.array(0.6), np.array(0.6))
    np.testing.assert_allclose(middle, [0.0, -0.5, np.sqrt(0.6**2 - 0.5**2)], atol=1e-9)
