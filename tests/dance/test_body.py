"""The dancer's body: symmetric, of true weight, and the same in our kinematics and in MuJoCo."""

import numpy as np
import pytest
import torch

from skeleton_kernels import penetration
from skeletonllm.dance.body import (
    GAINS,
    build_mjcf,
    capsule_ends,
    collision_pairs,
    default_body,
    excluded_pairs,
    forward_kinematics,
    lowest_points,
    matrix_to_rotation_6d,
    pose_to_qpos,
    qpos_to_pose,
    unwrap_qpos,
)
from skeletonllm.dance.body.hinges import LIMB_ORDER, hinge_axes, hinge_ranges
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, axis_rotation
from skeletonllm.skeleton.topologies import SMPL_24

SHAPES = [{}, {"thigh": 1.1, "forearm": 0.9, "thorax": 1.2}, {"foot": 0.8, "pelvis": 1.15, "hand": 1.3, "neck": 0.7}]
T_POSE = np.broadcast_to(np.eye(3), (24, 3, 3))
FLIP = np.array([-1.0, 1.0, 1.0])


def random_pose(seed, count=()):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*count, 3)), axis_angle_to_matrix(rng.normal(size=(*count, 24, 3)))


def simulator(body):
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string(build_mjcf(body))
    return mujoco, model, mujoco.MjData(model)


@pytest.mark.parametrize("scales", SHAPES, ids=["average", "long_legs", "small_feet"])
def test_the_body_is_its_own_mirror_image(scales):
    body = default_body(scales)
    partner = list(SMPL_24.mirror)
    np.testing.assert_allclose(body.offsets[partner] * FLIP, body.offsets, atol=1e-15)
    np.testing.assert_array_equal(body.masses[partner], body.masses)
    np.testing.assert_array_equal(body.capsules.radii[partner], body.capsules.radii)
    ends = np.sort(np.stack([body.capsules.starts, body.capsules.ends], 1), 1)
    np.testing.assert_allclose(np.sort(ends[partner] * FLIP, 1), ends, atol=1e-15)


def test_an_average_body_weighs_70_kg_and_stands_as_tall_as_the_tables_say():
    body = default_body()
    assert body.mass == pytest.approx(70.0)
    # Drillis and Contini: the hips at 0.530 of stature; Winter: a thigh has a tenth of the mass.
    hip = body.standing_height + body.offsets[body.index("left_hip"), 2]
    assert hip == pytest.approx(0.530 * 1.70, abs=1e-9)
    assert body.masses[body.index("left_hip")] == pytest.approx(7.0)
    joints, frames = forward_kinematics(body, np.array([0.0, 0.0, body.standing_height]), T_POSE)
    assert lowest_points(body, joints, frames) == pytest.approx(0.0, abs=1e-12)
    assert 1.6 < joints[body.index("head"), 2] + body.capsules.radii[body.index("head")] < 1.75


def test_a_scale_lengthens_and_thickens_its_segment_alone():
    body, other = default_body(), default_body({"thigh": 1.2})
    knees = [body.index("left_knee"), body.index("right_knee")]
    changed = np.any(other.offsets != body.offsets, -1)
    assert set(np.flatnonzero(changed)) == set(knees)
    np.testing.assert_allclose(other.offsets[knees], 1.2 * body.offsets[knees])
    assert other.mass - body.mass == pytest.approx(14.0 * (1.2**3 - 1))
    assert other.standing_height - body.standing_height == pytest.approx(0.2 * np.linalg.norm(body.offsets[4]))


@pytest.mark.parametrize(
    ("scales", "told"), [({"wing": 1.1}, "unknown segment 'wing'"), ({"thigh": 5.0}, "'thigh' is 5.0")]
)
def test_a_body_that_no_person_has_is_refused(scales, told):
    with pytest.raises(ValueError, match=told):
        default_body(scales)


@pytest.mark.parametrize("scales", SHAPES, ids=["average", "long_legs", "small_feet"])
def test_joints_and_capsules_are_where_mujoco_puts_them(scales):
    body = default_body(scales)
    mujoco, model, data = simulator(body)
    for seed in range(10):
        root, rotations = random_pose(seed)
        data.qpos[:] = pose_to_qpos(root, rotations)
        mujoco.mj_kinematics(model, data)
        joints, frames = forward_kinematics(body, root, rotations)
        # Both compute in float64; 1e-5 m is what issue and physics need.
        np.testing.assert_allclose(joints, [data.body(name).xpos for name in body.names], atol=1e-5)
        np.testing.assert_allclose(frames.reshape(24, 9), [data.body(name).xmat for name in body.names], atol=1e-5)
        middles = capsule_ends(body, frames, joints).mean(-2)
        np.testing.assert_allclose(middles, [data.geom(name).xpos for name in body.names], atol=1e-5)


def test_mujoco_knows_the_masses_and_the_order_of_the_servos():
    body = default_body({"shin": 1.1})
    _, model, _ = simulator(body)
    assert model.nq == 76 and model.nv == 75 and model.nu == 69
    np.testing.assert_allclose([model.body(name).mass[0] for name in body.names], body.masses, rtol=1e-12)
    wanted = [f"{body.names[joint]}_{axis}" for joint in LIMB_ORDER[1:] for axis in hinge_axes(body.names[joint])]
    assert [model.actuator(index).name for index in range(model.nu)] == wanted
    assert [model.joint(index + 1).name for index in range(model.nu)] == wanted
    for name in wanted:
        joint, _, axis = name.rpartition("_")
        hinge = hinge_axes(joint).index(axis)
        np.testing.assert_allclose(model.joint(name).range, hinge_ranges(joint)[hinge], atol=1e-12)


def test_servos_hold_the_body_upright_for_a_second():
    body = default_body()
    mujoco, model, data = simulator(body)
    data.qpos[:] = pose_to_qpos(np.array([0.0, 0.0, body.standing_height]), T_POSE)
    target = data.qpos[7:].copy()
    for _ in range(120):
        data.ctrl[:] = target
        mujoco.mj_step(model, data)
    # It sinks into floor and joints by millimetres, and has no time to fall over.
    assert data.body("head").xpos[2] > 0.97 * (body.standing_height + 0.63)
    assert np.isfinite(data.qpos).all() and np.abs(data.qpos[7:] - target).max() < 0.1


def test_a_missing_gain_is_named():
    with pytest.raises(ValueError, match="no gains for knee"):
        build_mjcf(default_body(), {kind: gain for kind, gain in GAINS.items() if kind != "knee"})


def test_in_the_t_pose_nothing_collides_and_only_neighbours_never_do():
    body = default_body()
    names = body.names
    excluded = {frozenset((names[i], names[j])) for i, j in excluded_pairs(body)}
    for joint, parent in enumerate(body.parents[1:], 1):
        assert frozenset((names[joint], names[parent])) in excluded
    for apart in (("left_hip", "right_hip"), ("left_knee", "right_knee"), ("left_elbow", "spine_upper")):
        assert frozenset(apart) not in excluded
    assert len(collision_pairs(body)) == 24 * 23 // 2 - len(excluded)
    assert capsule_depths(body, T_POSE).max() == 0
    mujoco, model, data = simulator(body)
    data.qpos[:] = pose_to_qpos(np.array([0.0, 0.0, body.standing_height + 0.1]), T_POSE)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_a_forearm_in_the_belly_collides_here_and_in_mujoco():
    body = default_body()
    rotations = T_POSE.copy()
    # The upper arm hangs outwards, and the forearm points inwards where the abdomen is.
    rotations[body.index("left_shoulder")] = axis_rotation(1, np.array(0.9))
    rotations[body.index("left_elbow")] = axis_rotation(1, np.array(2.5))
    depths = capsule_depths(body, rotations)
    pairs = collision_pairs(body)
    worst = {body.names[joint] for joint in pairs[int(depths.argmax())].tolist()}
    assert depths.max() > 0.03 and worst & {"left_elbow", "left_wrist", "left_hand"}
    mujoco, model, data = simulator(body)
    data.qpos[:] = pose_to_qpos(np.array([0.0, 0.0, 2.0]), rotations)
    mujoco.mj_forward(model, data)
    contacts = {
        (model.geom(contact.geom1).name, model.geom(contact.geom2).name): contact.dist for contact in data.contact
    }
    found = min(contacts, key=contacts.get)
    assert set(found) == worst
    assert -contacts[found] == pytest.approx(float(depths.max()), abs=1e-5)


def capsule_depths(body, rotations):
    joints, frames = forward_kinematics(body, np.zeros(3), rotations)
    points = torch.from_numpy(capsule_ends(body, frames, joints)).reshape(-1, 3)
    axes = torch.arange(48).reshape(24, 2)
    return penetration(points, axes, torch.as_tensor(np.array(body.capsules.radii)), collision_pairs(body)).depths


def test_six_numbers_or_matrices_numpy_or_torch_give_the_same_joints():
    body = default_body()
    root, rotations = random_pose(3, (2, 5))
    joints, frames = forward_kinematics(body, root, rotations)
    assert joints.shape == (2, 5, 24, 3) and frames.shape == (2, 5, 24, 3, 3)
    six = torch.from_numpy(matrix_to_rotation_6d(rotations))
    same, turned = forward_kinematics(body, torch.from_numpy(root), six)
    np.testing.assert_allclose(same.numpy(), joints, atol=1e-9)
    np.testing.assert_allclose(
        lowest_points(body, same, turned).numpy(), lowest_points(body, joints, frames), atol=1e-9
    )
    with pytest.raises(ValueError, match=r"rotations have shape \(2, 23, 6\)"):
        forward_kinematics(body, torch.zeros(2, 3), torch.zeros(2, 23, 6))


def test_joints_have_the_gradients_of_finite_differences():
    body = default_body()
    root, rotations = random_pose(4)
    six = torch.from_numpy(matrix_to_rotation_6d(rotations)).requires_grad_()
    place = torch.from_numpy(root).requires_grad_()
    ahead = torch.linspace(-1, 1, 72, dtype=torch.float64).reshape(24, 3)

    def weighed(root, rotations):
        return (forward_kinematics(body, root, rotations)[0] * ahead).sum()

    assert torch.autograd.gradcheck(weighed, (place, six))


def test_hinges_say_the_pose_also_where_two_of_them_are_in_line():
    root, rotations = random_pose(5, (20,))
    for frame, joint in enumerate(range(1, 21)):
        axes = hinge_axes(SMPL_24.joints[joint])
        angles = (0.4, np.pi / 2 * (-1) ** frame, 0.7)
        turns = [axis_rotation("xyz".index(axis), np.array(angle)) for axis, angle in zip(axes, angles, strict=True)]
        rotations[frame, joint] = turns[0] @ turns[1] @ turns[2]
    back, again = qpos_to_pose(pose_to_qpos(root, rotations))
    np.testing.assert_array_equal(back, root)
    # Near a right angle the arc sine has the square root of the rounding error.
    np.testing.assert_allclose(again, rotations, atol=1e-7)


def test_a_motion_of_hinges_goes_on_without_jumps_and_is_the_same_motion():
    # An arm swung right round, through both poses in which two of its hinges are in line.
    frames = 120
    turn = np.linspace(0, 4 * np.pi, frames)
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    rotations[:, 16] = axis_rotation(0, turn) @ axis_rotation(2, np.array(0.4))
    rotations[:, 0] = axis_rotation(2, turn)
    alone = pose_to_qpos(np.zeros((frames, 3)), rotations)
    smooth = unwrap_qpos(alone)
    step = 4 * np.pi / (frames - 1)
    assert np.abs(np.diff(alone[:, 7:], axis=0)).max() > np.pi
    assert np.abs(np.diff(smooth, axis=0)).max() < 3 * step
    np.testing.assert_allclose(qpos_to_pose(smooth)[1], rotations, atol=1e-9)


def test_hinges_of_a_motion_stay_within_their_ranges_where_another_writing_does():
    # A leg that swings, written half a turn off in two hinges and a whole turn off in one.
    frames = 60
    angles = np.stack([np.linspace(-1.4, 0.3, frames), np.linspace(-0.3, 0.2, frames), np.zeros(frames)], -1)
    turns = [axis_rotation("xyz".index(axis), angles[:, i]) for i, axis in enumerate(hinge_axes("left_hip"))]
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    rotations[:, 1] = turns[0] @ turns[1] @ turns[2]
    written = pose_to_qpos(np.zeros((frames, 3)), rotations)
    place = 7 + 3 * (LIMB_ORDER.index(1) - 1)
    other = written.copy()
    other[:, place : place + 3] = angles * [1, -1, 1] + np.pi * np.array([1, 1, -1]) + [2 * np.pi, 0, 0]
    np.testing.assert_allclose(qpos_to_pose(other)[1], rotations, atol=1e-9)
    smooth = unwrap_qpos(other)
    np.testing.assert_allclose(smooth[:, place : place + 3], angles, atol=1e-9)
    np.testing.assert_allclose(qpos_to_pose(smooth)[1], rotations, atol=1e-9)


def test_the_right_side_turns_as_far_as_the_left_mirrored():
    for joint in SMPL_24.joints:
        if joint.startswith("left_"):
            left, right = hinge_ranges(joint), hinge_ranges(joint.replace("left_", "right_"))
            for hinge, axis in enumerate(hinge_axes(joint)):
                np.testing.assert_array_equal(right[hinge], left[hinge] if axis == "x" else -left[hinge][::-1])
