"""Rewards: what is plausible earns more, and the cheap ways to earn earn nothing."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.imitation import JudgeWarning, judge
from skeletonllm.dance.imitation.artefacts import floating, frozen, through_trunk
from skeletonllm.dance.metrics import METRICS, Performance
from skeletonllm.dance.metrics.penetration import overlaps
from skeletonllm.dance.motion import CONTACTS, ROOT, ROTATIONS, Motion, resample
from skeletonllm.dance.rewards import PRESETS, REWARDS, Dances
from skeletonllm.dance.rewards.anti_freezing import energy
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.skeleton.kinematics import axis_rotation

BODY = default_body()
GRAVITY = 9.81
SONG = make_song(1, 3, 100, style="hip_hop")
DANCE = make_dance(SONG, 1)
BEATS = np.arange(0.3, 3.0, 0.6)
SIMULATED = ("imitation", "imitation_paper")
OTHERS = (
    "anti_freezing",
    "anti_freezing_paper",
    "beat",
    "exaggeration",
    "foot_contact",
    "ground",
    "ground_paper",
    "likeness",
    "penetration",
    "skating",
    "smoothness",
)


def on_stage(*motions, beats=BEATS, **facts):
    """Motions as dances in float64, which are to keep the energy of the first, and to be like it."""
    vectors = torch.from_numpy(np.stack([motion.to_vector() for motion in motions])).double()
    facts.setdefault("energy", energy(Dances(vectors[:1], BODY)).expand(len(vectors)))
    facts.setdefault("before", vectors[:1].expand(vectors.shape).clone())
    return Dances(vectors, BODY, beats=[beats] * len(vectors), **facts)


def earns(name, *motions, **facts):
    return REWARDS[name](on_stage(*motions, **facts))


def standing(frames=60, heights=0.0, contacts=1.0):
    root = np.zeros((frames, 3))
    root[:, 2] = BODY.standing_height + heights
    return Motion(root, np.broadcast_to(np.eye(3), (frames, 24, 3, 3)), np.full((frames, 4), contacts))


def jump(frames=60, speed=2.5, said=0.0):
    """A body that falls freely from frame 20 until it is back on the floor, and what contacts say meanwhile."""
    time = (np.arange(frames) - 20) / 30
    heights = np.maximum(speed * time - GRAVITY / 2 * time**2, 0)
    motion = standing(frames, heights)
    return motion.replace(contacts=np.where(heights[:, None] > 0, said, motion.contacts))


def trembling(like, times):
    """The first frame all the time, under noise whose motion magnitude is so many times that of a dance."""
    still = np.repeat(like.to_vector()[:1], like.num_frames, axis=0)
    noise = np.random.default_rng(0).normal(size=still[:, ROTATIONS].shape)
    wanted = times * magnitude(like)
    size = 1e-3
    for _ in range(20):
        vector = still.copy()
        vector[:, ROTATIONS] += size * noise
        motion = Motion.from_vector(vector)
        size *= wanted / magnitude(motion)
    return motion


def magnitude(motion):
    return METRICS["motion_magnitude"].measure(Performance(motion, BODY), False)


def test_a_still_body_earns_most_for_imitation_and_least_against_freezing():
    pytest.importorskip("mujoco")
    dance, still = earns("imitation", DANCE, frozen(DANCE, BODY)).mean(1)
    # Measured: 0.984 and 0.993.
    assert 0.95 < dance < still
    dance, still = earns("anti_freezing", DANCE, frozen(DANCE, BODY))
    assert dance == 0 and still == pytest.approx(-1)


def test_trembling_earns_little_and_in_the_published_form_more_than_the_dance_that_it_is_like():
    as_lively, twice = trembling(DANCE, 1.0), trembling(DANCE, 2.0)
    assert magnitude(as_lively) == pytest.approx(magnitude(DANCE), rel=0.01)
    # Measured: 10 % of the energy, and 20 %.
    _, as_lively, twice_so = earns("anti_freezing", DANCE, as_lively, twice)
    assert as_lively < -0.75 and twice_so < -0.6
    dance, twice_so = earns("anti_freezing_paper", DANCE, twice)
    assert twice_so > 1.5 * dance


def test_more_energy_than_wished_earns_nothing_more_and_less_costs_its_square():
    half, double = ({"energy": factor * energy(on_stage(DANCE))} for factor in (0.5, 2.0))
    assert earns("anti_freezing", DANCE, **half) == 0
    assert earns("anti_freezing", DANCE, **double).item() == pytest.approx(-0.25)
    assert earns("anti_freezing", standing(), energy=torch.zeros(1)) == 0


def test_energy_of_one_turning_joint_is_that_of_two_of_its_three_axes():
    motion, rate = standing(300), 2.0
    rotations = motion.rotations.copy()
    rotations[:, BODY.index("neck")] = axis_rotation(2, rate * np.arange(300) / 30)
    found = energy(on_stage(motion.replace(rotations=rotations), energy=None)).item()
    # Smoothing takes 1 - exp(-(2 rad/s / 15 Hz)^2 / 2) = 0.9 %, and at both ends together 3.2 of 299 steps, 1.1 %.
    assert found == pytest.approx(rate * 2 / (24 * 3) * 0.98, rel=0.005)


def test_sinking_and_floating_cost_what_they_are_off_and_all_the_time_too():
    frames = standing(), standing(heights=-0.05), standing(heights=0.1), standing(heights=0.1, contacts=0.0)
    found = earns("ground", *frames)
    # Float32 metres in tenths of a metre.
    torch.testing.assert_close(
        found, torch.tensor([0.0, -0.5, -1, -1]).double()[:, None].expand(-1, 60), atol=1e-5, rtol=0
    )
    # The published floor is wherever the dance is.
    torch.testing.assert_close(earns("ground_paper", *frames), torch.ones(4, 60).double())


def test_a_jump_is_free_but_not_in_the_published_form_nor_where_a_foot_is_said_to_stand():
    free, said = earns("ground", jump(), jump(said=1.0))
    assert free.min() > -1e-4
    # 2.5 m/s reach 32 cm.
    assert said.min() == pytest.approx(-3.2, abs=0.05) and said[:20].min() > -1e-4
    assert earns("ground_paper", jump()).min() < 0.01
    hovering = standing(heights=0.3 * (np.arange(60) > 20), contacts=0.0)
    assert earns("ground", hovering)[0, 21:].max() < -2.9


def test_ground_is_the_metric_where_contacts_say_nothing():
    rng = np.random.default_rng(3)
    # Flights of every length, some of them at the ends.
    dances = [standing(60, rng.normal(0, 0.05, 60).cumsum() * 0.3, 0.0) for _ in range(6)]
    dances += [floating(DANCE, BODY), jump(), jump().slice(22, 60), jump().slice(0, 25)]
    for motion in dances:
        motion = motion.replace(contacts=np.zeros_like(motion.contacts))
        millimetres = METRICS["foot_ground_distance"].measure(Performance(motion, BODY), False)
        # The metric's pose is in float32.
        assert earns("ground", motion).mean().item() * -100 == pytest.approx(millimetres, abs=1e-2)


def test_forearms_in_the_belly_cost_penetration_and_imitation():
    pytest.importorskip("mujoco")
    clips = DANCE, through_trunk(DANCE, BODY, ("left", "right"))
    clean, stuck = earns("penetration", *clips)
    assert clean.max() == clean.min() == 0
    depths = overlaps(Performance(clips[1], BODY))
    # The metric's pose is in float32.
    np.testing.assert_allclose(stuck, -depths.sum(1) / 0.05, atol=1e-4)
    assert stuck.mean() < -0.5
    for name in SIMULATED:
        clean, stuck = earns(name, *clips).reshape(2, -1).mean(1)
        assert clean - stuck > 0.02


def test_imitation_is_zero_after_a_fall_and_help_costs():
    pytest.importorskip("mujoco")
    rotations, root = DANCE.rotations.copy(), DANCE.root.copy()
    rotations[:, 0] = axis_rotation(0, np.linspace(0, np.pi / 2, 90))
    root[:, 2] = np.linspace(root[0, 2], 0.15, 90)
    falls = DANCE.replace(root=root, rotations=rotations)
    fall = judge([falls], BODY)[0].fall
    found, dance = earns("imitation", falls, DANCE)
    assert 1 < fall < 89 and not found[fall:].any() and found[:fall].mean() > 0.1
    assert found[0] == found[1]
    # One number for each, of the same terms without the share of the help.
    paper = earns("imitation_paper", DANCE).item()
    assert 0.0 < paper - dance[1:].mean() < 0.05


def test_feet_that_slide_pay_whatever_contacts_say():
    glide = np.arange(60) * 0.6 / 30
    motions = [standing(contacts=share) for share in (1.0, 0.0, 1.0)]
    motions[:2] = [motion.replace(root=motion.root + glide[:, None] * [1.0, 0, 0]) for motion in motions[:2]]
    said, unsaid, still = earns("skating", *motions)
    # Two feet at 0.6 m/s; of which 0.3 m/s is nobody's mistake where no foot is said to stand.
    torch.testing.assert_close(said, torch.full_like(said, -1.2), atol=1e-4, rtol=0)
    torch.testing.assert_close(unsaid, torch.full_like(said, -0.6), atol=1e-4, rtol=0)
    assert not still.any()


def test_foot_contact_is_the_metric_and_nothing_for_a_still_body():
    root = DANCE.root.copy()
    root[:, :2] += 0.2 * np.sin(np.arange(90) / 4)[:, None]
    sliding = DANCE.replace(root=root)
    found = earns("foot_contact", sliding, standing(90))
    wanted = METRICS["physical_foot_contact"].measure(Performance(sliding, BODY), False)
    # The metric's pose is in float32, and differs twice.
    assert wanted > 0.01 and -found[0, 1:-1].mean().item() == pytest.approx(wanted, rel=1e-3)
    assert found[0, 0] == found[0, 1] and not found[1].any()


def test_slowest_on_the_beats_earns_more_than_between_them_and_without_music_nothing():
    swing = np.cos(2 * np.pi * np.arange(150) / 30)  # at rest every half second
    motion = standing(150)
    rotations = motion.rotations.copy()
    for joint in ("left_shoulder", "right_shoulder"):
        rotations[:, BODY.index(joint)] = axis_rotation(1, swing)
    motion = motion.replace(rotations=rotations)
    beats = np.arange(0, 5, 0.5)
    dances = on_stage(motion, motion, motion, standing(150))
    dances = Dances(dances.vectors, BODY, beats=[beats, beats + 0.25, None, beats])
    on, between, silent, still = REWARDS["beat"](dances)
    assert on > 0.95 and between < 0.05 and silent == 0 and still == 0


def test_where_in_the_room_a_dance_is_earns_nothing():
    moved = DANCE.replace(root=DANCE.root + np.array([1.0, 0, 0], np.float32))
    for name in OTHERS:
        here, there = earns(name, DANCE, moved)
        # The root of the moved one is rounded to float32 again, and foot_contact differs it twice at 30 per second.
        torch.testing.assert_close(here, there, atol=1e-4, rtol=0, msg=name)


def test_where_in_the_room_a_dance_is_changes_little_for_the_simulated_body():
    pytest.importorskip("mujoco")
    moved = DANCE.replace(root=DANCE.root + np.array([1.0, 0, 0], np.float32))
    here, there = earns("imitation_paper", DANCE, moved)
    # Contacts amplify rounding.
    assert abs(here - there) < 0.005


def test_a_dance_that_is_not_finite_earns_nothing_for_imitation_and_is_named_elsewhere():
    broken = on_stage(DANCE, DANCE)
    broken.vectors[1, 40, ROTATIONS] = torch.nan
    for name in OTHERS:
        with pytest.raises(ValueError, match="dance 1"):
            REWARDS[name](broken)
    pytest.importorskip("mujoco")
    for name in SIMULATED:
        with pytest.warns(JudgeWarning, match="1 of 2 dances .* motion 1: "):
            good, bad = REWARDS[name](broken).reshape(2, -1)
        assert good.min() > 0.5 and not bad.any()


def test_dances_that_cannot_be_simulated_are_told_of_once():
    pytest.importorskip("mujoco")
    dances = on_stage(*[DANCE.slice(0, 5)] * 3)
    dances.vectors[:, 3, ROOT] = 1e4
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert not REWARDS["imitation"](dances).any()
    assert [warning.category for warning in said] == [JudgeWarning]


def test_more_energy_than_there_was_is_exaggerated_and_as_much_is_not():
    faster = resample(DANCE, DANCE.fps / 2).replace(fps=DANCE.fps)
    found = earns("exaggeration", DANCE.slice(0, faster.num_frames), faster)
    assert found[0] == 0 and found[1] < -0.1
    assert earns("exaggeration", DANCE, frozen(DANCE, BODY))[1] == 0


def test_trembling_is_not_smooth_and_what_holds_still_is():
    rng = np.random.default_rng(0)
    turned = np.stack([axis_rotation(0, angles) for angles in rng.normal(0, 0.05, (24, DANCE.num_frames))], 1)
    trembling = DANCE.replace(rotations=DANCE.rotations @ turned)
    dance, bad, still = earns("smoothness", DANCE, trembling, frozen(DANCE, BODY))
    assert bad < 3 * dance < 0 and still == pytest.approx(0, abs=1e-6)


def test_a_dance_is_like_itself_wherever_it_is_and_another_is_not():
    moved = DANCE.replace(root=DANCE.root + np.array([3.0, -1.0, 0.5]))
    same, elsewhere, mended, other = earns(
        "likeness", DANCE, moved, through_trunk(DANCE, BODY), frozen(DANCE, BODY)
    ).mean(1)
    assert same == 0 and elsewhere == pytest.approx(0, abs=1e-5)  # motions are float32
    assert other < mended < -0.1


def test_what_a_reward_needs_to_know_is_asked_for():
    dances = on_stage(DANCE)
    for name, what in (("anti_freezing", "energy"), ("exaggeration", "energy"), ("likeness", "as it was")):
        with pytest.raises(ValueError, match=what):
            REWARDS[name](Dances(dances.vectors, BODY))
    with pytest.raises(ValueError, match="beats"):
        REWARDS["beat"](Dances(dances.vectors, BODY))
    with pytest.raises(ValueError, match="60 frames per second, expected 30"):
        REWARDS["imitation"](Dances(dances.vectors, BODY, fps=60.0))


def test_presets_name_rewards_that_there_are_and_paper_has_the_released_weights():
    assert {name for weights in PRESETS.values() for name in weights} <= set(REWARDS)
    assert sorted(PRESETS["paper"].values()) == [0.01, 0.49, 0.51]


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "beat"])
def test_gradients_are_those_of_finite_differences(name):
    generator = torch.Generator().manual_seed(7)
    # Arms in the trunk, feet that slide, flights and contacts that are neither 0 nor 1: every branch is met.
    dances = on_stage(
        through_trunk(DANCE, BODY).slice(20, 50),
        floating(DANCE, BODY).slice(20, 50),
        # Less than some have and more than others, so that both sides of it are met.
        energy=torch.tensor([1.0, 0.05]),
    )
    vectors = dances.vectors + 0.02 * torch.randn(dances.vectors.shape, generator=generator).double()
    vectors[..., CONTACTS] = torch.rand(vectors[..., CONTACTS].shape, generator=generator)

    def total(vectors):
        return REWARDS[name](replace(dances, vectors=vectors)).sum()

    variable = vectors.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(total(variable), variable)
    assert torch.isfinite(gradient).all() and gradient.any()
    step = 1e-6
    for _ in range(3):
        direction = torch.randn(vectors.shape, generator=generator).double()
        with torch.no_grad():
            difference = (total(vectors + step * direction) - total(vectors - step * direction)) / (2 * step)
        # Errors of the difference: its third derivative times the square of the step, and rounding over the step.
        assert (gradient * direction).sum().item() == pytest.approx(difference.item(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "beat"])
def test_a_still_body_has_a_finite_gradient(name):
    dances = on_stage(standing(20), energy=torch.ones(1))
    dances.vectors.requires_grad_()
    REWARDS[name](dances).sum().backward()
    assert torch.isfinite(dances.vectors.grad).all()
