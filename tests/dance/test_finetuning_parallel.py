"""Two processes, by plain torch and under ZeRO, fine-tune as one does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from finetuning_runs import small_changes, small_generator

from skeletonllm.dance.finetuning.recipe import load_finetune_recipe
from skeletonllm.dance.finetuning.run import finetune
from skeletonllm.dance.generator import Generator

ROOT = Path(__file__).resolve().parents[2]
# Rewards that nothing chaotic is in: a simulation would answer to the rounding of sums in another order.
CHANGES = ["rewards.weights={imitation: 0, beat: 0}", "objective.direct=[ground]", "objective.kl=0.1",
           "objective.baseline=group"]  # fmt: skip
# What float32 leaves of sums in another order, after four steps of a thousandth.
DRIFT = 1e-5


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return small_generator(tmp_path_factory.mktemp("generator") / "run")


@pytest.fixture(scope="module")
def alone(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    finetune(load_finetune_recipe("tiny", small_changes(generator, *CHANGES)), folder)
    return folder


def launch(engine, generator, folder):
    """``skeletonllm dance finetune`` as two processes on CPUs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    _, *changes = small_changes(generator, *CHANGES)
    given = ["skeletonllm", "dance", "finetune", str(generator), *changes, "-o", str(folder)]
    if engine == "plain":
        command = [
            "torchrun",
            "--nproc_per_node",
            "2",
            "--master_addr",
            "127.0.0.1",
            "--master_port",
            port,
            "-m",
            *given,
        ]
    else:
        command = [
            "deepspeed",
            "--num_gpus",
            "2",
            "--master_addr",
            "127.0.0.1",
            "--master_port",
            port,
            "--module",
            *given,
        ]
        command += ["--deepspeed", str(ROOT / "ds_configs" / f"{engine}.json")]
    mine = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    beside = Path(sys.executable).parent
    environment = {
        **mine,
        "PATH": os.pathsep.join([str(beside), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
        "CUDA_VISIBLE_DEVICES": "",
        "DS_ACCELERATOR": "cpu",
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    command[0] = str(beside / command[0])
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.mark.parametrize("engine", ["plain", "zero2"])
def test_two_processes_fine_tune_as_one_does(generator, alone, tmp_path, engine):
    if engine != "plain":
        pytest.importorskip("deepspeed")
    launch(engine, generator, tmp_path)
    told, wanted = (
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (tmp_path, alone)
    )
    for line, other in zip(told, wanted, strict=True):
        for key in other:
            if key.startswith(("reward/", "energy", "divergence", "gradient_norm")) or key == "loss":
                assert line[key] == pytest.approx(other[key], rel=1e-3, abs=1e-6), (line["step"], key)
    found, expected = (Generator.load(folder).denoiser.state_dict() for folder in (tmp_path, alone))
    for name, value in expected.items():
        assert (found[name] - value).abs().mean() < DRIFT, name
