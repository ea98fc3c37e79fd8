"""Training a policy: it learns, it can be stopped, and what it leaves behind is what the judge reads."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from skeletonllm.cli import main
from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import bvh
from skeletonllm.dance.imitation import judge, prepare
from skeletonllm.dance.imitation.policy import ImitationEnvironment, Policy, run, training
from skeletonllm.dance.imitation.policy.recipe import (
    ImitationData,
    ImitationOptimization,
    ImitationRecipe,
    load_imitation_recipe,
)
from skeletonllm.dance.physics import Physics
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.training.checkpoint import load_newest_checkpoint

pytest.importorskip("mujoco")
pytest.importorskip("stable_baselines3")

SMALL = ImitationRecipe(
    data=ImitationData(songs=1, seconds=1.0),
    optimization=ImitationOptimization(steps=4, bodies=4, horizon=8, batch_size=16, epochs=2, hidden=[8]),
    log_every=1,
    save_every=2,
    keep_last=2,
)


def nothing(name):
    raise AssertionError(f"{name} was read")


def mean_reward(policy: Policy, reference) -> float:
    """Of 24 bodies that begin anywhere, over 20 frames."""
    environment = ImitationEnvironment([reference], policy.physics, 24, seed=5)
    seen, rewards = environment.reset(), []
    for _ in range(20):
        outcome = environment.step(policy.act(seen))
        seen = outcome.observations
        rewards.append(outcome.rewards.mean())
    return float(np.mean(rewards))


def test_ppo_learns_to_make_up_for_servos_that_are_set_wrongly():
    reference = prepare(make_dance(make_song(1, 1, 100, style="hip_hop"), 1), default_body())
    control = reference.control.copy()
    control[:, :69] += 0.1  # radians, of every hinge: half of what a policy may correct
    wrong = dataclasses.replace(reference, control=control)
    settings = ImitationOptimization(
        bodies=32, horizon=16, batch_size=256, epochs=6, learning_rate=2e-3, discount=0.3, deviation=0.4, hidden=[16]
    )
    learner = training.Learner(ImitationRecipe(optimization=settings), [wrong])
    before = mean_reward(learner.policy(), wrong)
    for _ in range(25):
        told = learner.learn()
    # Measured: from 0.63 to 0.70 of 1.1; steps at random would go nowhere, or down.
    assert mean_reward(learner.policy(), wrong) > before + 0.03
    assert told["frames_between_failures"] > 100 and 0.3 < told["deviation"] < 0.5


def tensors_of(folder):
    found = load_newest_checkpoint(folder / "checkpoints")
    return {f"{stem}/{name}": value for stem, part in found.tensors.items() for name, value in part.items()}


def test_a_run_that_was_stopped_goes_on_as_if_it_never_was(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    model = run.train(SMALL, whole, nothing)
    lines = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4] and all(0 < line["reward"] < 1.1 for line in lines)
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints" / "step-000004")
    shutil.rmtree(stopped / "model")
    with pytest.raises(FileExistsError, match="resume"):
        run.train(SMALL, stopped, nothing)
    run.train(SMALL, stopped, nothing, resume=True, threads=2)
    first, second = tensors_of(whole), tensors_of(stopped)
    assert first.keys() == second.keys() and len(first) > 20
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    kinds = {path.suffix for path in stopped.rglob("*") if path.is_file() and "tensorboard" not in path.parts}
    assert kinds <= {".json", ".jsonl", ".safetensors"}
    one, two = Policy.load(model), Policy.load(stopped)
    np.testing.assert_array_equal(one.weights[0], two.weights[0])
    other = dataclasses.replace(SMALL, optimization=dataclasses.replace(SMALL.optimization, seed=1))
    with pytest.raises(ValueError, match="another recipe"):
        run.train(other, stopped, nothing, resume=True)


def test_the_policy_does_what_the_network_that_learnt_does():
    learner = training.Learner(SMALL, run.load_references(SMALL.data, SMALL.physics, nothing))
    learner.learn()
    seen = learner.environment.reset()
    wanted, _ = learner.ppo.predict(learner.normalized.normalize_obs(seen).astype(np.float32), deterministic=True)
    # float32, and rounding to 2^-16.
    np.testing.assert_allclose(learner.policy().act(seen), wanted, atol=1e-3)


def test_the_commands_train_a_policy_and_judge_with_it(tmp_path, capsys):
    settings = [f"optimization.{key}" for key in ("steps=1", "bodies=2", "horizon=4", "batch_size=8", "hidden=[4]")]
    arguments = ["embedded", *settings, "data.songs=1", "data.seconds=1.0", "-o", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main(["dance", "imitate", *arguments, "--threads", "1"])
    assert not ended.value.code and "trained policy" in capsys.readouterr().out
    dance = make_dance(make_song(1, 1, 100, style="hip_hop"), 1)
    bvh.write(dance, default_body(), tmp_path / "dance.bvh")
    for extra, share in (([], 0.0), (["--force", "0.2"], 0.2)):
        with pytest.raises(SystemExit) as ended:
            main(["dance", "judge", str(tmp_path / "dance.bvh"), "--policy", str(tmp_path / "run"), "--threads", "1",
                  "-o", str(tmp_path / "judged.json"), *extra])  # fmt: skip
        assert not ended.value.code
        told = json.loads((tmp_path / "judged.json").read_text())
        assert told["physics"]["force_share"] == share and told["physics"]["policy"] == str(tmp_path / "run")
    policy = Policy.load(tmp_path / "run")
    assert policy.physics == Physics(True, 0.0, 0.0)
    assert judge([dance], policy=policy, physics=policy.physics, threads=1)[0].wrench_used == 0


def test_recipes_say_what_is_wrong_with_them():
    assert load_imitation_recipe("full", ["a", "b"]).data.inputs == ["a", "b"]
    with pytest.raises(ValueError, match="small.yaml: optimization: hidden is .*expected the neurons"):
        load_imitation_recipe("small", [], ["optimization.hidden=[0]"])
    with pytest.raises(ValueError, match="unknown key nonsense"):
        load_imitation_recipe("small", [], ["optimization.nonsense=1"])
    with pytest.raises(ValueError, match="no recipe 'none'; shipped: full, small"):
        load_imitation_recipe("none")
    with pytest.raises(ValueError, match="missing: no motion that can be followed"):
        run.load_references(ImitationData(inputs=["missing"]), Physics(), lambda name: [])
