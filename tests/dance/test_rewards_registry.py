"""The registry of rewards: one's own is one decorated function, and mistakes in it are named."""

import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.rewards import REWARDS, Dances, find_rewards, read_rewards, reward

HANDS_UP = """
from skeletonllm.dance.rewards import Dances, reward

@reward(differentiable=True)
def hands_up(dances: Dances):
    names = dances.body.names
    heights = dances.joints[..., 2]
    return heights[..., names.index("left_wrist")] - heights[..., names.index("head")]
"""


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Rewards that a test registers are forgotten after it."""
    before = dict(REWARDS)
    yield
    REWARDS.clear()
    REWARDS.update(before)


def at_rest(count=2, frames=10):
    vectors = torch.zeros(count, frames, 151)
    vectors[..., 7:] = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(24)
    return Dances(vectors, default_body())


def test_a_file_with_one_function_is_a_reward_with_gradients(tmp_path):
    (tmp_path / "mine.py").write_text(HANDS_UP)
    read_rewards(tmp_path / "mine.py")
    mine = find_rewards(["hands_up"])["hands_up"]
    dances = at_rest()
    dances.vectors.requires_grad_()
    found = mine(dances)
    assert mine.differentiable and found.shape == (2, 10)
    # In a T-pose the wrists are below the head.
    assert (found < 0).all()
    found.sum().backward()
    assert dances.vectors.grad.any()


def test_a_file_may_be_read_again_but_not_take_the_name_of_another_reward(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(HANDS_UP)
    read_rewards(path)
    read_rewards(path)
    path.write_text(HANDS_UP.replace("hands_up", "ground"))
    with pytest.raises(ValueError, match="a reward ground already, in skeletonllm.dance.rewards.ground"):
        read_rewards(path)
    assert REWARDS["ground"].measure.__module__ == "skeletonllm.dance.rewards.ground"


def test_files_without_a_reward_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.py"):
        read_rewards(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="empty.py: no reward in it"):
        read_rewards(tmp_path / "empty.py")


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match="unknown reward 'grond', expected one of .*ground.*penetration"):
        find_rewards(["ground", "grond"])


def test_another_shape_or_a_number_that_is_not_finite_is_named():
    @reward("wide")
    def wide(dances):
        return torch.zeros(len(dances), dances.frames, 3)

    @reward("half")
    def half(dances):
        return torch.tensor([1.0, torch.inf])

    with pytest.raises(ValueError, match=r"reward wide: shape \(2, 10, 3\), expected \(2,\) or \(2, 10\)"):
        REWARDS["wide"](at_rest())
    with pytest.raises(ValueError, match="reward half: not finite for dance 1"):
        REWARDS["half"](at_rest())


def test_dances_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected \(B, T, 151\)"):
        Dances(torch.zeros(2, 10, 150), default_body())
    with pytest.raises(ValueError, match="energy of 3 dances, expected 2"):
        Dances(torch.zeros(2, 10, 151), default_body(), energy=torch.ones(3))
