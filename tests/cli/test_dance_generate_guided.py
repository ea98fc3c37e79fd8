"""skeletonllm dance generate: guidance and projection as asked for, and what is asked for in vain."""

import numpy as np
import pytest
from untaught_generator import write_generator

from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.rewards import REWARDS
from skeletonllm.dance.synthesis import make_song, write_wav

STEPS = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_generator(tmp_path_factory.mktemp("model"))


@pytest.fixture
def generate(run, model, tmp_path, monkeypatch):
    """Runs the command: code, what it printed, what it said on stderr; the dance is in ``tmp_path / "dance.npz"``."""
    monkeypatch.setenv("SKELETONLLM_CACHE", str(tmp_path / "cache"))

    def generate(*arguments):
        pytest.importorskip("librosa")
        made = make_song(7, 2, 120)
        write_wav(tmp_path / "song.wav", made.samples, made.rate)
        given = ("--music", tmp_path / "song.wav", "--model", model, "--steps", STEPS, "--raw")
        return run("dance", "generate", *given, "-o", tmp_path / "dance.npz", *arguments)

    return generate


def dance(folder):
    return read_motion(folder / "dance.npz")


def test_guided_dances_differ_as_the_reward_says(generate, tmp_path):
    found = {}
    for name, arguments in {
        "plain": (),
        "ground": ("--guide", "ground"),
        "longer": ("--guide", "ground=2", "--guide", "penetration=0.5", "--guide-steps", 2),
        "paper": ("--guide-form", "paper"),
    }.items():
        code, _, error = generate(*arguments)
        assert code == 0, error
        found[name] = dance(tmp_path)
    off = {name: abs(motion.lowest(default_body())).mean() for name, motion in found.items()}
    assert off["ground"] < 0.7 * off["plain"]
    # The published form changes nothing but heights.
    assert np.array_equal(found["paper"].root[:, :2], found["plain"].root[:, :2])
    assert np.array_equal(found["paper"].rotations, found["plain"].rotations)
    assert not np.array_equal(found["paper"].root, found["plain"].root)
    assert not np.array_equal(found["longer"].rotations, found["ground"].rotations)


def test_what_projection_did_is_told(generate, tmp_path):
    pytest.importorskip("mujoco")
    code, printed, error = generate("--project", 2, "--count", 2)
    assert code == 0, error
    assert "a simulated body got through " in printed and " of 2 dances, 4 simulations of " in printed


def test_rewards_of_ones_own_guide(generate, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from skeletonllm.dance.rewards import reward\n"
        "@reward(differentiable=True)\n"
        "def to_the_left(dances):\n"
        "    return dances.root[..., 0]\n"
    )
    code, _, error = generate()
    assert code == 0, error
    before = dance(tmp_path).root[:, 0].mean()
    try:
        code, _, error = generate("--guide", "to_the_left", "--rewards", file)
    finally:
        REWARDS.pop("to_the_left", None)
    assert code == 0, error
    assert dance(tmp_path).root[:, 0].mean() > before + 0.01


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--guide", "grace"], "unknown reward 'grace', expected one of"),
        (["--guide", "beat"], "reward 'beat' is not differentiable"),
        (["--guide", "ground=much"], "--guide ground=much: the weight is 'much', expected a number"),
        (["--guide", "ground=0"], "reward 'ground' has weight 0.0, expected a positive number"),
        (["--guide", "ground", "--guide", "ground=2"], "--guide ground=2: ground is named twice"),
        (["--guide", "ground", "--guide-steps", STEPS + 1], f"--guide-steps 4: there are {STEPS} steps (--steps)"),
        (["--project", STEPS + 1], f"--project 4: there are {STEPS} steps (--steps)"),
        (["--guide-steps", 2], "--guide-steps says nothing without --guide"),
        (["--rewards", "mine.py"], "--rewards says nothing without --guide"),
        (["--guide", "ground", "--rewards", "none.py"], "none.py: no such file"),
        (["--guide-form", "poem"], "--guide-form poem: expected rewards or paper"),
        (["--guide-form", "paper", "--guide", "penetration"], "expected no other reward than ground"),
        (["--guide-form", "paper", "--guide-steps", 2], "no --guide-steps"),
    ],
    ids=lambda value: "-".join(map(str, value)).replace("--", "") if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_told_before_anything_is_made(run, tmp_path, arguments, said):
    # Neither the music nor the model is there, which would be said, were they looked at.
    given = ("--music", "none.wav", "--steps", STEPS, "-o", tmp_path / "dance.bvh")
    code, _, error = run("dance", "generate", *given, *arguments)
    assert code == 2 and said in error and error.count("\n") == 1
