"""Features of clips, and the metrics of sets that are made of them."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.metrics import FEATURES, Performance
from skeletonllm.dance.metrics.diversity import diversity
from skeletonllm.dance.metrics.fid import frechet_distance, frechet_inception_distance, standardize
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, axis_rotation
from skeletonllm.skeleton.topologies import SMPL_24

BODY = default_body()


def moving(seed=0, frames=60, fps=30.0, shift=(0.0, 0.0, 0.0)):
    """Joints that swing smoothly, each at its own pace."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames)[:, None, None] / fps
    angles = 0.9 * np.sin(times * rng.uniform(2, 9, (24, 3)) + rng.uniform(0, 6, (24, 3)))
    root = np.stack([0.4 * np.sin(2 * times[:, 0, 0]), 0.3 * np.cos(3 * times[:, 0, 0]), 1 + 0 * times[:, 0, 0]], -1)
    return Motion(root + shift, axis_angle_to_matrix(angles), fps=fps)


def extract(kind, motion, legacy=False):
    return FEATURES[kind](Performance(motion, BODY), legacy)


def mirrored(motion):
    flip = np.diag([-1.0, 1.0, 1.0])
    swap = [SMPL_24.index(_other(name)) for name in SMPL_24.joints]
    return motion.replace(root=motion.root @ flip, rotations=(flip @ motion.rotations @ flip)[:, swap])


def _other(name):
    side, _, rest = name.partition("_")
    return {"left": "right", "right": "left"}.get(side, side) + (f"_{rest}" if rest else "")


def kinetic_by_loops(places, step, legacy):
    """The definition, window by window."""
    count, found = len(places), []
    for joint in range(places.shape[1]):
        p, rows = places[:, joint], []
        for i in range(1, count):
            velocity, acceleration = [], []
            for j in range(i - 2, i + 3):
                if 1 <= j < count:
                    velocity.append((p[j] - p[j - 1]) / step)
                if 1 <= j < count - 1:
                    before = p[j] - p[j - 1] / step if legacy else (p[j] - p[j - 1]) / step
                    acceleration.append(((p[j + 1] - p[j]) / step - before) / step)
            mean = np.mean(velocity, 0)
            rows.append([mean[0] ** 2 + mean[1] ** 2, mean[2] ** 2, np.linalg.norm(np.mean(acceleration, 0))])
        found += np.mean(rows, 0).tolist()
    return np.array(found)


@pytest.mark.parametrize("legacy", [False, True], ids=["mended", "legacy"])
def test_kinetic_features_are_averages_over_windows(legacy):
    motion = moving(frames=20)
    wanted = kinetic_by_loops(motion.joints(BODY).astype(float), 1 / 60 if legacy else 1 / 30, legacy)
    np.testing.assert_allclose(extract("kinetic", motion, legacy), wanted, rtol=1e-6)


def test_translation_does_not_change_mended_kinetic_features_and_does_change_legacy_ones():
    here, there = moving(), moving(shift=(3.0, -2.0, 0.0))
    # float32 metres, differentiated twice at 30 per second: 1e-6 * 900.
    np.testing.assert_allclose(extract("kinetic", there), extract("kinetic", here), atol=5e-3)
    legacy = np.abs(extract("kinetic", there, True) - extract("kinetic", here, True))
    assert legacy.reshape(24, 3)[:, 2].min() > 10
    np.testing.assert_allclose(legacy.reshape(24, 3)[:, :2], 0, atol=5e-3)


@pytest.mark.parametrize("kind", ["geometric", "kinetic"])
def test_mended_features_hold_at_any_frame_rate(kind):
    slow, fast = (extract(kind, moving(frames=round(4 * fps), fps=fps)) for fps in (60.0, 120.0))
    # Five frames are half as long: of the fastest swings, less acceleration is averaged away.
    assert np.abs(slow - fast).mean() < 0.15 * np.abs(slow).mean()


def test_geometric_features_of_the_mirror_image_are_those_of_the_other_side():
    pairs = [(1, 2), (3, 4), (5, 6), (7, 8), (11, 12), (13, 14), (15, 16), (17, 18), (20, 21), (22, 23), (24, 25),
             (26, 27), (30, 31)]  # fmt: skip
    order = np.arange(32)
    for right, left in pairs:
        order[[right - 1, left - 1]] = left - 1, right - 1
    swaps = 0
    for seed in range(3):
        motion = moving(seed)
        features, image = extract("geometric", motion), extract("geometric", mirrored(motion))
        # A frame in sixty may be on a threshold, to rounding.
        np.testing.assert_allclose(image, features[order], atol=0.02)
        legacy, image = extract("geometric", motion, True), extract("geometric", mirrored(motion), True)
        swaps += (np.abs(image - legacy[order]) > 0.05).sum()
    assert swaps > 0


def posed(**angles):
    rotations = np.broadcast_to(np.eye(3), (60, 24, 3, 3)).copy()
    for joint, (axis, angle) in angles.items():
        rotations[:, BODY.index(joint)] = axis_rotation(axis, np.broadcast_to(np.asarray(angle, float), 60))
    root = np.zeros((60, 3)) + [0, 0, BODY.standing_height]
    return Motion(root, rotations)


def test_geometric_features_tell_poses():
    rest = extract("geometric", posed())
    assert rest[30 - 1] == rest[31 - 1] == rest[7 - 1] == rest[20 - 1] == 0
    up = extract("geometric", posed(left_shoulder=(1, -1.2)))  # the left arm towards the head
    assert up[4 - 1] == 1 and up[3 - 1] == 0
    bent = extract("geometric", posed(right_elbow=(2, 2.2)))
    assert bent[7 - 1] == 1 and bent[8 - 1] == 0
    kneeling = extract("geometric", posed(left_knee=(0, 1.8)))
    assert kneeling[21 - 1] == 1 and kneeling[20 - 1] == 0 and kneeling[18 - 1] == 1
    lying = extract("geometric", posed(pelvis=(0, np.pi / 2)))
    assert lying[29 - 1] == 1 and rest[29 - 1] == 0


def test_a_rising_hand_and_a_hand_that_goes_forward_are_seen_and_legacy_looks_at_the_chest():
    times = np.arange(60) / 30
    rising = posed(right_shoulder=(1, -1.2 + 1.5 * times))
    assert extract("geometric", rising)[5 - 1] > 0.3 and extract("geometric", rising)[6 - 1] == 0
    assert extract("geometric", rising, legacy=True)[5 - 1] == 0
    forwards = posed(right_shoulder=(2, 1.5 * times - 0.9), left_shoulder=(2, 0.9 - 1.5 * times))
    features, legacy = extract("geometric", forwards), extract("geometric", forwards, legacy=True)
    assert features[1 - 1] > 0.3 and features[2 - 1] > 0.3
    assert (legacy[1 - 1] > 0.3) != (legacy[2 - 1] > 0.3)


def test_fid_of_a_set_with_itself_is_zero_and_of_shifted_gaussians_what_it_must_be():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    assert frechet_inception_distance(real, real) == pytest.approx(0, abs=1e-6)
    # Scaled by the real deviation: a shift by two deviations in one feature is 4.
    shifted = real + 2 * real.std(0) * (np.arange(6) == 3)
    assert frechet_inception_distance(shifted, real) == pytest.approx(4, abs=1e-6)
    deviations, others = np.array([1.0, 2.0, 0.0]), np.array([3.0, 0.5, 1.0])
    distance = frechet_distance(np.zeros(3), np.diag(deviations**2), np.ones(3), np.diag(others**2))
    assert distance == pytest.approx(3 + ((deviations - others) ** 2).sum())


def test_frechet_distance_is_that_with_the_matrix_root_of_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    one, other = (np.cov(rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8)), rowvar=False) for _ in range(2))
    wanted = np.trace(one + other - 2 * linalg.sqrtm(one @ other).real)
    assert frechet_distance(np.zeros(8), one, np.zeros(8), other) == pytest.approx(wanted)


def test_what_does_not_vary_among_real_clips_is_left_out_and_by_legacy_takes_over():
    rng = np.random.default_rng(2)
    real = np.concatenate([rng.normal(size=(30, 3)), np.full((30, 1), 0.7)], 1)
    generated = real + [0, 0, 0, 1e-3]
    assert standardize(generated, real).shape == (30, 3)
    assert frechet_inception_distance(generated, real) == pytest.approx(0, abs=1e-6)
    assert frechet_inception_distance(generated, real, legacy=True) > 1e6


def test_diversity_is_the_mean_distance_between_clips():
    real = np.array([[0.0, 0.0], [2.0, 4.0]])  # deviations 1 and 2
    clips = np.array([[0.0, 0.0], [3.0, 8.0], [0.0, 0.0]])
    assert diversity(clips, real) == pytest.approx((5 + 5 + 0) / 3)


def test_too_few_clips_and_features_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="FID of 1 clips, expected at least 2"):
        frechet_inception_distance(np.zeros((1, 2)), np.eye(2))
    with pytest.raises(ValueError, match="diversity of 1 clips"):
        diversity(np.zeros((1, 2)), np.eye(2))
    with pytest.raises(ValueError, match=r"features have shape \(3, 4\), expected \(N, 2\)"):
        standardize(np.zeros((3, 4)), np.eye(2))
    with pytest.raises(ValueError, match="features of clip 1 are not finite"):
        standardize(np.array([[0, 0], [np.nan, 0]]), np.eye(2))
