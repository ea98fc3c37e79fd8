"""The simulated world: what stands stands, help is bounded, and nothing depends on threads or company."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body, pose_to_qpos
from skeletonllm.dance.body.hinges import LIMB_ORDER
from skeletonllm.dance.imitation.artefacts import through_trunk
from skeletonllm.dance.motion import FPS, Motion
from skeletonllm.dance.physics import (
    FEET,
    GRAVITY,
    SUBSTEPS,
    WRENCH,
    Physics,
    build_model,
    demand,
    make_reference,
    rotation_vectors,
    simulate,
)
from skeletonllm.dance.physics.feedforward import holding_offsets
from skeletonllm.dance.physics.model import SERVOS
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, axis_rotation

mujoco = pytest.importorskip("mujoco")
BODY = default_body()


def standing(seconds, body=BODY, height=0.0, source="standing"):
    frames = round(seconds * FPS)
    root = np.tile([0.0, 0.0, body.standing_height + height], (frames, 1))
    return Motion(root, np.tile(np.eye(3), (frames, 24, 1, 1)), source=source)


def swaying(seconds, body=BODY, rate=2.0):
    motion = standing(seconds, body)
    angle = 0.5 * np.sin(rate * np.arange(motion.num_frames) / FPS)
    rotations = motion.rotations.copy()
    rotations[:, body.index("left_shoulder")] = axis_rotation(1, 0.8 + angle)
    rotations[:, body.index("spine")] = axis_rotation(0, 0.3 * angle)
    return motion.replace(rotations=rotations)


def test_a_body_that_stands_for_ten_seconds_stands_still_on_its_own_feet():
    trajectory = simulate([make_reference(standing(10), BODY)], Physics(), threads=1)[0]
    weight = BODY.mass * GRAVITY
    settled = slice(30, None)
    # Contacts give way by a millimetre, and the body needs a second to come to rest in them.
    assert trajectory.lost is None
    assert np.abs(trajectory.states[settled, :3] - [0, 0, BODY.standing_height]).max() < 2e-3
    assert trajectory.feet[settled].sum(1) == pytest.approx(weight, rel=0.02)
    # The ankles' boxes reach from heel to ball: both feet carry alike, by symmetry.
    left, right = trajectory.feet[settled, 0].mean(), trajectory.feet[settled, 1].mean()
    assert left == pytest.approx(right, rel=0.02)
    assert trajectory.touching.max() == 0
    model = build_model(BODY, Physics())
    data = mujoco.MjData(model)
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    data.qpos[:], data.qvel[:] = trajectory.states[-1, : model.nq], trajectory.states[-1, model.nq :]
    mujoco.mj_forward(model, data)
    # Of a body that would have 343 J per metre that it falls.
    assert data.energy[1] < 1e-3


def test_without_help_and_without_a_floor_below_a_body_falls_freely():
    trajectory = simulate([make_reference(standing(1, height=20.0), BODY)], Physics(force_share=0, torque_share=0))[0]
    times = np.arange(1, 30) / FPS
    fallen = BODY.standing_height + 20.0 - trajectory.states[:, 2]
    # The steps of the simulator, of 1/120 s, are ahead by half a step: g t dt / 2.
    assert fallen == pytest.approx(GRAVITY / 2 * times * (times + 1 / 120), abs=2e-3)
    assert trajectory.wrench.max() == 0 and trajectory.feet.max() == 0


def test_the_wrench_is_bounded_by_weight_and_by_what_the_reference_demands():
    physics = Physics(force_share=0.2, torque_share=0.1)
    model = build_model(BODY, physics, (1.5, 2.0))
    weight = BODY.mass * GRAVITY
    bounds = model.actuator_forcerange[-6:, 1]
    assert bounds == pytest.approx([0.3 * weight] * 3 + [0.2 * weight * BODY.standing_height] * 3)
    assert [model.actuator(number).name for number in range(69, 75)] == list(WRENCH)
    # Another motion's bounds are its own.
    assert build_model(BODY, physics).actuator_forcerange[-6, 1] == pytest.approx(0.2 * weight)
    floating = simulate([make_reference(standing(1, height=0.3), BODY)], physics, threads=1)[0]
    # Hanging 30 cm too low it is pulled up with all that is allowed.
    assert floating.wrench[-1, 2] == pytest.approx(0.2 * weight, rel=1e-6)
    assert floating.wrench[:, :3].max() <= 0.2 * weight * (1 + 1e-9)


def test_a_still_body_demands_nothing_more_and_a_turning_one_more_torque():
    turning = standing(5)
    angle = 4 * np.pi * np.arange(turning.num_frames) / turning.num_frames
    rotations = turning.rotations.copy()
    rotations[:, 0] = axis_rotation(2, angle)
    assert demand(standing(1)) == (1.0, 1.0)
    force, torque = demand(turning.replace(rotations=rotations))
    # Two turns in five seconds are 2.5 rad/s.
    assert force == 1.0 and torque == pytest.approx(1 + 2.513 / 2, abs=0.02)


def test_two_turns_on_the_spot_are_followed_without_a_jump():
    motion = standing(5)
    rotations = motion.rotations.copy()
    rotations[:, 0] = axis_rotation(2, 4 * np.pi * np.arange(150) / 150)
    # In the air, where no floor holds the feet: the servo goes on turning past half and whole turns.
    reference = make_reference(motion.replace(rotations=rotations, root=motion.root + [0, 0, 3.0]), BODY)
    model_physics = Physics(force_share=1.5)
    states = simulate([reference], model_physics, threads=1)[0].states
    turned = states[:, 3:7]
    wanted = reference.qpos[1:, 3:7]
    angle = 2 * np.arccos(np.clip(np.abs((turned * wanted).sum(-1)), 0, 1))
    assert angle.max() < 0.05


def test_results_are_the_same_to_the_bit_for_any_threads_and_any_company():
    small = default_body({"thigh": 0.9, "forearm": 1.1})
    references = [
        make_reference(swaying(1.0), BODY),
        make_reference(swaying(0.6, rate=5.0), BODY),
        make_reference(swaying(0.8, small), small),
    ]
    alone = [simulate([reference], Physics(), threads=1)[0] for reference in references]
    for threads, order in ((1, [0, 1, 2]), (2, [2, 1, 0]), (2, [1, 0])):
        together = simulate([references[number] for number in order], Physics(), threads=threads)
        for number, found in zip(order, together, strict=True):
            for series in ("states", "wrench", "feet", "touching"):
                np.testing.assert_array_equal(getattr(found, series), getattr(alone[number], series))


def test_references_pass_through_the_frames():
    reference = make_reference(swaying(1.0), BODY)
    last_of_frame = reference.control[SUBSTEPS - 1 :: SUBSTEPS]
    np.testing.assert_allclose(last_of_frame[:, 75:78], reference.qpos[1:, :3], atol=1e-9)
    np.testing.assert_allclose(np.abs((last_of_frame[:, 78:] * reference.qpos[1:, 3:7]).sum(-1)), 1.0, atol=1e-9)


def test_servos_are_told_the_weight_that_they_hold():
    rng = np.random.default_rng(0)
    rotations = axis_angle_to_matrix(0.3 * rng.normal(size=(24, 3)))
    frames = 5
    motion = Motion(np.tile([0.0, 0.0, 1.0], (frames, 1)), np.tile(rotations, (frames, 1, 1, 1)))
    qpos = pose_to_qpos(motion.root, motion.rotations)
    found = holding_offsets(motion, BODY, qpos[:, 7:])[2]
    model = build_model(BODY, Physics())
    data = mujoco.MjData(model)
    data.qpos[:] = qpos[2]
    mujoco.mj_forward(model, data)
    names = [BODY.names[joint] for joint in LIMB_ORDER[1:] for _ in range(3)]
    gains = np.array([SERVOS[name.removeprefix("left_").removeprefix("right_")] for name in names])
    # Nothing above the belly touches the floor: gravity alone, which MuJoCo knows as well.
    above = [("shoulder" in name or "elbow" in name or "head" in name or "chest" in name) for name in names]
    # Newton metres; float32 rotations of a motion are the difference.
    np.testing.assert_allclose((found * gains)[above], data.qfrc_bias[6:][above], atol=1e-2)


def test_limbs_pass_through_each_other_only_without_self_collision():
    motion = through_trunk(standing(2), BODY)
    reference = make_reference(motion, BODY)
    with_it, without = (simulate([reference], Physics(flag), threads=1)[0] for flag in (True, False))
    assert with_it.touching.max() > 0 and without.touching.max() == 0
    # Radians by which the arm is kept out, and without self-collision is not.
    off = [np.abs(each.states[-1, 7:76] - reference.qpos[-1, 7:]).max() for each in (with_it, without)]
    assert off[0] > 0.12 > 0.05 > off[1]
    # The floor holds in both.
    assert without.feet[-1].sum() == pytest.approx(BODY.mass * GRAVITY, rel=0.05)


def test_a_rotation_as_a_vector_is_its_axis_times_its_angle():
    vectors = np.array([[0.0, 0.0, 0.0], [1e-12, 0.0, 0.0], [0.3, -0.2, 0.1], [0.0, 3.1, 0.0]])
    # Near nothing the quaternion's first number has no digits left for the angle.
    np.testing.assert_allclose(rotation_vectors(axis_angle_to_matrix(vectors)), vectors, atol=1e-9)


def test_what_no_world_has_is_refused():
    with pytest.raises(ValueError, match="force_share is -1, expected zero or more"):
        Physics(force_share=-1)
    with pytest.raises(ValueError, match="unknown backend 'isaac', expected mujoco or warp"):
        simulate([], Physics(), backend="isaac")
    assert simulate([], Physics()) == []
    assert FEET == ("left_ankle", "right_ankle", "left_foot", "right_foot")
