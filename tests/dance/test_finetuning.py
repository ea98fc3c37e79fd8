"""Fine-tuning runs: they raise what is wished, stop, go on to the same end, and are the same for any processes."""

import json
from dataclasses import replace

import pytest
import torch
from finetuning_runs import small_changes, small_generator

from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.finetuning.recipe import load_finetune_recipe, shipped_finetune_recipes
from skeletonllm.dance.finetuning.run import finetune
from skeletonllm.dance.finetuning.trainer import FinetuneTrainer
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.rewards import REWARDS, reward
from skeletonllm.training.checkpoint import load_newest_checkpoint

ONLY_HEIGHT = "rewards.weights={imitation: 0, ground: 0, penetration: 0, anti_freezing: 0, beat: 0, pelvis_height: 1}"


@pytest.fixture(scope="module", autouse=True)
def pelvis_height():
    """A reward of the tests' own: the pelvis half a metre above where it usually is."""

    @reward("pelvis_height", differentiable=True)
    def measure(dances):
        return -(dances.root[..., 2] - 1.3).square()

    yield
    del REWARDS["pelvis_height"]


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return small_generator(tmp_path_factory.mktemp("generator") / "run")


def recipe(generator, *changes):
    return load_finetune_recipe("tiny", small_changes(generator, *changes))


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def weights_of(folder):
    return Generator.load(folder).denoiser.state_dict()


def same(first, second, **tolerance):
    for name, value in weights_of(first).items():
        other = weights_of(second)[name]
        if tolerance:
            torch.testing.assert_close(value, other, **tolerance)
        else:
            assert torch.equal(value, other), name


def test_every_shipped_recipe_is_read():
    assert set(shipped_finetune_recipes()) >= {"tiny", "paper"}
    for name in shipped_finetune_recipes():
        load_finetune_recipe(name, ["generator=x", "data.source=folder", "data.root=y"] if name == "paper" else [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective.method=sarsa", "method is 'sarsa', expected reinforce or ppo"),
        ("objective.updates=2", "use updates=1 or method=ppo"),
        ("rewards.preset=nice", "preset is 'nice', expected plausible, gradients, paper"),
        ("objective.last_steps=9", "last_steps is 9, sampling has 4 steps"),
        ("music=1", "music is 1 clips, fewer than the 2 of an iteration"),
        ("optimization.samples=0", "samples is 0, expected more than 0"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        recipe("x", change)
    with pytest.raises(ValueError, match="samples is 1, expected 2 or more"):
        recipe("x", "objective.baseline=group", "optimization.samples=1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["rewards.weights={luck: 1}"], "unknown reward 'luck', expected one of .*penetration"),
        (["objective.direct=[beat]"], "reward beat is not differentiable"),
        (["objective.direct=[skating]"], "'skating' has no weight"),
        (["rewards.code=[nowhere.py]"], "nowhere.py: no such file, expected Python that registers rewards"),
        (["music=100", "optimization.conditions=50"], "6 clips of music are fewer than the 50 conditions"),
    ],
)
def test_what_cannot_be_learnt_is_refused_before_anything_is_written(generator, tmp_path, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        finetune(recipe(generator, *changes), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_recipe_without_a_generator_is_refused(tmp_path):
    with pytest.raises(ValueError, match="names no generator"):
        finetune(recipe("''"), tmp_path)


BY_CHANCE = ["optimization.steps=8", "optimization.samples=8", "optimization.micro_batch_size=16",
             "optimization.learning_rate=3.0e-3"]  # fmt: skip


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(
            ["objective.direct=[all]", "optimization.steps=8", "optimization.learning_rate=3.0e-3"], id="direct"
        ),
        pytest.param(["objective.baseline=group", *BY_CHANCE], id="group"),
        pytest.param(BY_CHANCE, id="running"),
    ],
)
def test_what_is_wished_is_learnt(generator, tmp_path, way):
    finetune(recipe(generator, ONLY_HEIGHT, *way), tmp_path)
    heights = [line["reward/pelvis_height"] for line in log_of(tmp_path)]
    assert heights[-1] > heights[0] / 2  # the cost is halved at least


def test_the_generator_that_is_left_dances_with_the_mean_weights(generator, tmp_path):
    finetune(recipe(generator, ONLY_HEIGHT, "objective.direct=[all]", "optimization.ema=0.5"), tmp_path)
    checkpoint = load_newest_checkpoint(tmp_path / "checkpoints")
    mean, learnt = checkpoint.tensors["ema"], checkpoint.tensors["model"]
    for name, value in weights_of(tmp_path).items():
        assert torch.equal(value, mean[f"module.{name}"])
    assert any(not torch.equal(value, learnt[f"denoiser.{name}"]) for name, value in weights_of(tmp_path).items())
    for name in ("motion", "music"):
        assert (tmp_path / "model" / name / "normalizer.safetensors").read_bytes() == (
            generator / name / "normalizer.safetensors"
        ).read_bytes()


class Stop(Exception):
    pass


def killed_and_resumed(asked, folder, monkeypatch, at):
    whole = FinetuneTrainer._one_step

    def dying(self, *arguments):
        if self.step == at:
            raise Stop
        return whole(self, *arguments)

    monkeypatch.setattr(FinetuneTrainer, "_one_step", dying)
    with pytest.raises(Stop):
        finetune(asked, folder)
    monkeypatch.undo()
    finetune(asked, folder, resume=True)


def test_a_generator_of_other_vectors_is_refused(generator, tmp_path):
    replace(Generator.load(generator), vectors="edge").save(tmp_path / "edge")
    with pytest.raises(ValueError, match="edge: makes vectors of EDGE"):
        finetune(recipe(tmp_path / "edge"), tmp_path / "run")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(["objective.method=ppo", "objective.updates=2", "objective.clip=0.01"], id="between_two_updates"),
        pytest.param(["objective.kl=0.1", "objective.share_of_steps=0.5"], id="between_two_iterations"),
    ],
)
def test_a_run_that_was_killed_goes_on_to_the_same_bits(generator, tmp_path, monkeypatch, way):
    asked = recipe(generator, ONLY_HEIGHT, "save_every=1", *way)
    finetune(asked, tmp_path / "whole")
    killed_and_resumed(asked, tmp_path / "killed", monkeypatch, at=3)
    same(tmp_path / "whole", tmp_path / "killed")
    told = [[line[key] for key in ("loss", "reward/pelvis_height", "divergence", "drift")]
            for folder in ("whole", "killed") for line in log_of(tmp_path / folder)]  # fmt: skip
    assert told[:4] == told[4:]
    with pytest.raises(ValueError, match="begun with another recipe"):
        finetune(recipe(generator, ONLY_HEIGHT), tmp_path / "killed", resume=True)
    finetune(asked, tmp_path / "killed", resume=True)  # nothing left to do


def test_the_second_update_from_the_same_dances_is_off_policy(generator, tmp_path):
    finetune(recipe(generator, ONLY_HEIGHT, "objective.method=ppo", "objective.updates=2"), tmp_path)
    drift = [line["drift"] for line in log_of(tmp_path)]
    assert max(drift[0::2]) < 1e-5 < min(drift[1::2])
    heights = [line["reward/pelvis_height"] for line in log_of(tmp_path)]
    assert heights[0] == heights[1] and heights[2] == heights[3] != heights[0]


def test_the_divergence_from_the_generator_as_it_was_begins_at_nothing_and_grows(generator, tmp_path):
    finetune(recipe(generator, ONLY_HEIGHT, "objective.kl=0.1"), tmp_path)
    divergence = [line["divergence"] for line in log_of(tmp_path)]
    assert divergence[0] == 0 and divergence[-1] > divergence[1] > 0


def test_adapters_learn_in_place_of_the_weights_and_are_merged_in_the_end(generator, tmp_path):
    pytest.importorskip("peft")
    finetune(recipe(generator, ONLY_HEIGHT, "lora={rank: 4, alpha: 8, dropout: 0.0}"), tmp_path)
    learnt = load_newest_checkpoint(tmp_path / "checkpoints").tensors["model"]
    assert learnt and all(".lora_" in name for name in learnt)
    before, after = weights_of(generator), weights_of(tmp_path)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("layers." in name and name.endswith("weight") for name in changed)


def test_steps_may_be_learnt_from_a_few_at_a_time(generator, tmp_path):
    for name, change in (("all", "0"), ("each", "1")):
        finetune(recipe(generator, ONLY_HEIGHT, f"optimization.steps_at_once={change}"), tmp_path / name)
    # Gradients are added up in another order.
    same(tmp_path / "all", tmp_path / "each", atol=1e-4, rtol=1e-3)


def test_a_dance_that_is_not_finite_changes_no_weight(generator, tmp_path, monkeypatch):
    whole = Diffusion.ddim_sample

    def broken(self, model, music, *, return_trajectory=False, **settings):
        found = whole(self, model, music, return_trajectory=return_trajectory, **settings)
        if return_trajectory:
            found.states[-1, 0, 3] = float("nan")
            found.states[2, 0, 3] = float("nan")
        return found

    monkeypatch.setattr(Diffusion, "ddim_sample", broken)
    with pytest.raises(FloatingPointError, match="the third step in a row that is not finite"):
        finetune(recipe(generator, ONLY_HEIGHT), tmp_path)
    assert (tmp_path / "skipped.jsonl").read_text().count("dance 0") == 6
