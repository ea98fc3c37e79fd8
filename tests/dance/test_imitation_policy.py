"""What a policy sees and is paid, and that a judge with a policy is as repeatable as one without."""

import dataclasses
import json

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.imitation import judge, prepare, project
from skeletonllm.dance.imitation.artefacts import frozen
from skeletonllm.dance.imitation.policy import (
    ACTION_SIZE,
    OBSERVATION_SIZE,
    Followers,
    ImitationEnvironment,
    Library,
    Policy,
    observe,
)
from skeletonllm.dance.imitation.policy.environment import HELP_SCALE, HELP_UNIT, HELP_WEIGHT, MOST
from skeletonllm.dance.imitation.policy.observations import PARTS
from skeletonllm.dance.physics import BACKENDS, SUBSTEPS, Physics
from skeletonllm.dance.physics.backends import mujoco_rollouts
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.skeleton.kinematics import axis_rotation, matrix_to_quaternion, quaternion_multiply

pytest.importorskip("mujoco")
BODY, WORLD = default_body(), Physics()


@pytest.fixture(scope="module")
def dance():
    return make_dance(make_song(1, 1, 100, style="hip_hop"), 1)


@pytest.fixture(scope="module")
def reference(dance):
    return prepare(dance, BODY)


def random_policy(scale: float, seed: int = 0, physics: Physics = WORLD) -> Policy:
    rng = np.random.default_rng(seed)
    sizes = [OBSERVATION_SIZE, 32, ACTION_SIZE]
    weights = [
        rng.normal(size=(out, given)).astype(np.float32) / given**0.5
        for given, out in zip(sizes, sizes[1:], strict=False)
    ]
    weights[-1] *= scale
    biases = [np.zeros(len(weight), np.float32) for weight in weights]
    return Policy(weights, biases, np.zeros(OBSERVATION_SIZE), np.ones(OBSERVATION_SIZE), physics)


def test_a_body_that_turns_and_moves_with_its_reference_sees_the_same(dance):
    turn, shift = axis_rotation(2, np.array(2.0)), np.array([3.0, -5.0, 0.0])
    rotations = dance.rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    elsewhere = dance.replace(root=dance.root @ turn.T + shift, rotations=rotations)
    followers = Followers(Library([prepare(dance, BODY), prepare(elsewhere, BODY)], WORLD), 2)
    both = np.arange(2)
    followers.put(both, both, np.array([7, 7]))
    before = observe(followers)
    # Motions are float32, speeds are their differences times 30.
    np.testing.assert_allclose(*before, atol=1e-4)
    # Both leave the references alike: by a step, in a pose and with speeds of their own.
    state = followers.states[0] + np.random.default_rng(0).normal(size=151) * 0.1
    state[3:7] /= np.linalg.norm(state[3:7])
    turned = state.copy()
    turned[:3], turned[76:79] = turn @ state[:3] + shift, turn @ state[76:79]
    turned[3:7] = quaternion_multiply(matrix_to_quaternion(turn), state[3:7])
    followers.states[:] = state, turned
    followers.look(both)
    seen = observe(followers)
    np.testing.assert_allclose(*seen, atol=1e-4)
    assert (np.abs(seen - before).max(0) > 1e-3).mean() > 0.8


def test_one_who_is_exactly_where_the_next_frame_wants_him_has_nowhere_to_go(dance):
    followers = Followers(Library([prepare(frozen(dance, BODY), BODY)], WORLD), 1)
    ends = dict(zip(PARTS, np.cumsum(list(PARTS.values())), strict=True))
    seen = observe(followers)[0]
    for name in ("to_joints", "to_hinges"):
        assert np.abs(seen[ends[name] - PARTS[name] : ends[name]]).max() < 1e-6
    assert seen[-1] == 0 and seen[0] == pytest.approx(followers.states[0, 2])


def rollouts_to(states: np.ndarray, sensors: np.ndarray):
    """A simulator in which everyone arrives in given states (N, 151) whatever he does."""

    def roll(models, starts, controls, threads):
        return np.repeat(states[:, None], SUBSTEPS, 1), np.repeat(sensors[:, None], SUBSTEPS, 1)

    return roll


def outcome_of(reference, monkeypatch, change, frame: int = 4, wrench: float = 0.0):
    """The outcome of one body that arrives in the next frame as the reference has it, but for a change."""
    library = Library([reference], WORLD)
    states, sensors = library.states[[frame + 1]].copy(), np.zeros((1, 40))
    sensors[0, :6] = wrench * library.weights[0]
    change(states[0])
    monkeypatch.setitem(BACKENDS, "mujoco", rollouts_to(states, sensors))
    environment = ImitationEnvironment([reference], WORLD, 1)
    environment.followers.put(np.array([0]), np.array([0]), np.array([frame]))
    return environment.step(np.zeros((1, ACTION_SIZE)))


def test_perfect_tracking_without_help_is_paid_the_most(reference, monkeypatch):
    outcome = outcome_of(reference, monkeypatch, lambda state: None)
    # float32 rotations.
    assert outcome.rewards[0] == pytest.approx(MOST, abs=1e-4)
    assert not outcome.failed[0] and not outcome.finished[0]


def test_help_is_charged_for(reference, monkeypatch):
    share = 0.01
    outcome = outcome_of(reference, monkeypatch, lambda state: None, wrench=share)
    expected = 1 + HELP_WEIGHT * np.exp(-HELP_SCALE * (share / HELP_UNIT) ** 2)
    assert outcome.rewards[0] == pytest.approx(expected, abs=1e-4)


def lifted(state):
    state[2] += 0.45


def far(state):
    state[0] += 0.55


def lying(state):
    state[2] = 0.1


def nowhere(state):
    state[:] = np.nan


@pytest.mark.parametrize(("change", "fails"), [(lifted, False), (far, True), (lying, True), (nowhere, True)])
def test_a_way_ends_where_the_body_is_far_lies_or_is_nowhere(reference, monkeypatch, change, fails):
    outcome = outcome_of(reference, monkeypatch, change)
    assert outcome.failed[0] == fails and not outcome.finished[0]
    assert (outcome.rewards[0] == 0) == fails
    assert np.isfinite(outcome.observations).all() and np.isfinite(outcome.last_observations).all()


def test_the_last_frame_is_an_end_but_no_failure_and_the_next_way_begins_elsewhere(reference, monkeypatch):
    frames = reference.motion.num_frames
    outcome = outcome_of(reference, monkeypatch, lambda state: None, frame=frames - 2)
    assert outcome.finished[0] and not outcome.failed[0] and outcome.rewards[0] > 1
    assert outcome.last_observations[0, -1] == 1 > outcome.observations[0, -1]


def test_bodies_begin_in_every_frame_but_the_last_and_move_as_the_reference_does(reference, dance):
    short = prepare(dance.slice(0, 5), BODY)
    environment = ImitationEnvironment([reference, short], WORLD, 400, seed=3)
    environment.reset()
    followers = environment.followers
    for number, each in enumerate((reference, short)):
        begun = set(followers.frames[followers.which == number].tolist())
        assert begun == set(range(each.motion.num_frames - 1))
    first = (followers.which == 0) & (followers.frames == 0)
    np.testing.assert_allclose(followers.states[first][0], reference.start, atol=1e-9)


def test_answers_of_a_policy_do_not_depend_on_the_batch():
    policy = random_policy(1.0)
    seen = np.random.default_rng(1).normal(size=(65, OBSERVATION_SIZE)) * 3
    together = policy.act(seen)
    assert 0 < np.abs(together).mean() < 1
    for start, stop in ((0, 1), (3, 10), (64, 65)):
        np.testing.assert_array_equal(policy.act(seen[start:stop]), together[start:stop])
    exact = np.maximum(np.clip(seen, -10, 10) @ policy.weights[0].T.astype(float), 0) @ policy.weights[1].T.astype(
        float
    )
    # Rounding to 2^-16, over 650 inputs.
    np.testing.assert_allclose(together, np.clip(exact, -1, 1), atol=1e-3)


def test_judging_with_a_policy_is_the_same_for_any_threads_and_company(dance):
    policy = random_policy(0.5)
    clips = [dance, dance.slice(5, 20), frozen(dance, BODY)]
    one, two = (judge(clips, policy=policy, threads=threads) for threads in (1, 2))
    alone = judge([dance], policy=policy, threads=1)[0]
    for first, second in zip([*one, one[0]], [*two, alone], strict=True):
        for name in ("rewards", "force", "feet"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert [len(judgement.rewards) for judgement in one] == [29, 14, 29]


def test_a_policy_that_does_nothing_is_level_0(dance):
    still, level_0 = (judge([dance], policy=policy, threads=1)[0] for policy in (random_policy(0.0), None))
    # The simulator's solver begins anew every four steps instead of where it was.
    np.testing.assert_allclose(still.rewards, level_0.rewards, atol=5e-3)
    busy = judge([dance], policy=random_policy(1.0), threads=1)[0]
    assert busy.reward < level_0.reward - 0.02
    np.testing.assert_array_equal(
        project([dance], policy=random_policy(1.0), threads=1)[0].rotations, busy.simulated.rotations
    )


def test_a_lost_body_harms_nobody_else(dance, monkeypatch):
    calls = []

    def losing(models, starts, controls, threads):
        states, sensors = mujoco_rollouts(models, starts, controls, threads)
        calls.append(len(models))
        if len(calls) == 5 and len(models) == 2:
            states[1, 2:] = np.nan
        return states, sensors

    policy = random_policy(0.1)
    alone = judge([dance], policy=policy, threads=1)[0]
    monkeypatch.setitem(BACKENDS, "losing", losing)
    with pytest.warns(match="lost the body after 0.17 s"):
        fine, lost = judge([dance, dance], policy=policy, threads=1, backend="losing")
    np.testing.assert_array_equal(fine.rewards, alone.rewards)
    assert lost.fall == 5 and lost.rewards[3] > 0 and lost.rewards[4:].sum() == 0
    with pytest.raises(ValueError, match="unknown backend 'none'"):
        judge([dance], policy=policy, backend="none")


def test_a_policy_comes_back_from_its_folder_as_it_was(tmp_path):
    policy = random_policy(1.0, physics=Physics(True, 0.05, 0.025))
    policy.save(tmp_path / "run" / "model")
    assert {path.suffix for path in (tmp_path / "run" / "model").iterdir()} == {".json", ".safetensors"}
    loaded = Policy.load(tmp_path / "run")
    seen = np.random.default_rng(1).normal(size=(3, OBSERVATION_SIZE))
    np.testing.assert_array_equal(loaded.act(seen), policy.act(seen))
    assert loaded.physics == policy.physics


def test_what_is_no_policy_is_refused_with_its_place(tmp_path):
    with pytest.raises(FileNotFoundError, match="policy.json"):
        Policy.load(tmp_path)
    policy = random_policy(1.0)
    policy.save(tmp_path)
    settings = json.loads((tmp_path / "policy.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps(settings | {"kind": "dance generator"}))
    with pytest.raises(ValueError, match="policy.json: not a policy.*'dance generator'"):
        Policy.load(tmp_path)
    with pytest.raises(ValueError, match="add up to .* expected less than 2048"):
        dataclasses.replace(policy, weights=[policy.weights[0] * 1e4, policy.weights[1]])
    with pytest.raises(ValueError, match="last layer has 32 outputs, expected 75"):
        dataclasses.replace(policy, weights=policy.weights[:1], biases=policy.biases[:1])
