"""Training on two nodes of a real SLURM: warned before its limit, bereft of a node, and given a wrong recipe."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from cluster import Cluster, wait_until
from conftest import ROOT
from safetensors.torch import load_file

TRAIN = ROOT / "slurm" / "train.sbatch"
# Fifty thousand parameters, twelve recordings: three steps per epoch, so that there is a middle to be cut.
RECIPE = dict(
    data=dict(
        options=dict(
            labels=["raise both arms", "squat", "walk"], performers=4, test_performers=2, topologies=["coco_17"]
        )
    ),
    model=dict(
        num_frames=3,
        renderer=dict(samples_per_bone=2),
        tiny=dict(
            image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2
        ),
        lora=dict(rank=4, alpha=8, dropout=0.1),
    ),
    augmentation=dict(trim=0.2, yaw=20.0, noise=0.01),
    optimization=dict(batch_size=4, threads=1),
    stages=dict(
        scratch=dict(train=["renderer", "projector", "vision", "language"], epochs=18, learning_rate=5e-3),
        refine=dict(epochs=2, learning_rate=1e-3),
    ),
    log_every=2,
    save_every=4,
    pictures_every=0,
)  # fmt: skip
LAST_STEP = 60
MIDDLE = 10


class Training:
    """A job on both nodes that trains by the recipe, in a folder of its own."""

    def __init__(self, cluster: Cluster, folder: Path, **changes):
        self.cluster, self.output, self.log = cluster, folder / "run", folder / "log"
        recipe = folder / "minute.yaml"
        recipe.write_text(yaml.safe_dump({**RECIPE, **changes}))
        self.number = cluster.submit(
            "--nodes=2", "--time=30", TRAIN, "--recipe", recipe, "--output", self.output,
            "--deepspeed", "ds_configs/zero2.json",
            folder=ROOT, log=self.log,
        )  # fmt: skip

    def wait_for_step(self, step: int) -> None:
        def reached():
            assert self.cluster.job(self.number)["JobState"] in ("PENDING", "RUNNING"), self.said()
            return any(line["step"] >= step for line in self.lines())

        wait_until(reached, 120, f"step {step}")

    def lines(self) -> list[dict]:
        """Of the run's log; the last one may be half written."""
        file = self.output / "log.jsonl"
        return [json.loads(line) for line in file.read_text().split("\n")[:-1]] if file.exists() else []

    def said(self) -> str:
        """The job's log; what the ranks write at the same time may cut a character of a progress bar in two."""
        return self.log.read_text(errors="replace")

    def finish(self) -> dict[str, str]:
        job = self.cluster.ended(self.number, 180)
        assert job["ExitCode"] == "0:0", self.said()
        return job

    def parameters(self) -> dict[str, torch.Tensor]:
        (file,) = (self.output / "model").glob("*.safetensors")
        return load_file(file)


@pytest.fixture(scope="session")
def uninterrupted(cluster, tmp_path_factory) -> dict[str, torch.Tensor]:
    """The parameters that a job without any incident ends with."""
    training = Training(cluster, tmp_path_factory.mktemp("uninterrupted"))
    assert training.finish()["Restarts"] == "0"
    assert [line["step"] for line in training.lines()] == list(range(2, LAST_STEP + 1, 2))
    assert "rank 1" not in training.said()
    return training.parameters()


def assert_same(parameters: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """To the bit: at the same number of processes nothing may depend on where a run was cut."""
    assert parameters.keys() == expected.keys()
    for name, value in parameters.items():
        assert torch.equal(value, expected[name]), name


def test_a_job_warned_before_its_limit_saves_comes_back_and_ends_as_if_nothing_had_been(
    cluster, uninterrupted, tmp_path
):
    training = Training(cluster, tmp_path)
    training.wait_for_step(MIDDLE)

    # What --signal=B:USR1@120 makes SLURM do two minutes before the limit.
    cluster.run("scancel", "--batch", "--signal=USR1", str(training.number))

    assert training.finish()["Restarts"] == "1"
    log = training.said()
    assert "exit code 75" in log
    resumed = int(log.partition("resumed at step ")[2].split()[0])
    assert resumed >= MIDDLE
    assert f"stopped after step {resumed}" in log, "it went on from an earlier step than the one at which it stopped"
    assert_same(training.parameters(), uninterrupted)


def test_a_job_that_loses_a_node_comes_back_and_ends_as_if_nothing_had_been(cluster, uninterrupted, tmp_path):
    training = Training(cluster, tmp_path)
    training.wait_for_step(MIDDLE)

    cluster.run("scontrol", "update", "NodeName=n1", "State=DOWN", "Reason=lost")

    # The daemon of the node is alive, so the controller takes the node back by itself.
    assert training.finish()["Restarts"] == "1"
    assert "resumed at step" in training.said()
    assert_same(training.parameters(), uninterrupted)


def test_a_job_with_a_wrong_recipe_fails_at_once_and_for_good(cluster, tmp_path):
    training = Training(cluster, tmp_path, optimisation=dict(batch_size=4))

    job = cluster.ended(training.number, 90)

    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "2:0", "0")
    assert "unknown key optimisation" in training.said()
