"""Launches as a user makes them, ``deepspeed train.py ...`` and ``torchrun train.py ...``, of two processes on CPUs."""

import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "train.py"
DISTURBED = Path(__file__).with_name("disturbed.py")
CONFIGS = ROOT / "ds_configs"
SHOWN = 4000


@dataclass(frozen=True)
class Launch:
    """How a launch ended: the launcher's exit code and everything that was printed."""

    code: int
    output: str


def deepspeed_launch(config: str, *arguments: str, disturbance: str = "", expected: int | None = 0) -> Launch:
    """``deepspeed --num_gpus 2 train.py ARGUMENTS --deepspeed ds_configs/CONFIG.json``.

    Args:
        config: stem of a file in ds_configs.
        arguments: of train.py.
        disturbance: what happens to which rank and when, see ``disturbed.py``.
        expected: the launcher's exit code; None: any but 0.
    """
    pytest.importorskip("deepspeed")
    launcher = [_beside_python("deepspeed"), "--num_gpus", "2", "--master_addr", "127.0.0.1"]
    launcher += ["--master_port", free_port()]
    return _launch(launcher, [*arguments, "--deepspeed", str(CONFIGS / f"{config}.json")], disturbance, expected)


def torchrun_launch(*arguments: str, disturbance: str = "", expected: int | None = 0) -> Launch:
    """``torchrun --nproc_per_node 2 train.py ARGUMENTS``: plain torch. Arguments as of ``deepspeed_launch``."""
    launcher = [_beside_python("torchrun"), "--nproc_per_node", "2", "--master_addr", "127.0.0.1"]
    launcher += ["--master_port", free_port()]
    return _launch(launcher, list(arguments), disturbance, expected)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _beside_python(name: str) -> str:
    """A program of the environment that the tests run in."""
    return str(Path(sys.executable).with_name(name))


def _launch(launcher: list[str], arguments: list[str], disturbance: str, expected: int | None) -> Launch:
    script = str(DISTURBED if disturbance else TRAIN)
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as any process that was left behind
        process = subprocess.Popen(
            [*launcher, script, *arguments],
            cwd=ROOT,
            env=_environment(disturbance),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        code = _wait(process, seconds=240)
        output.seek(0)
        printed = output.read()
    what = f"{' '.join(process.args)}\n...{printed[-SHOWN:]}"
    assert code is not None, f"still running after 240 seconds: {what}"
    assert code == expected if expected is not None else code != 0, f"exit code {code}: {what}"
    return Launch(code, printed)


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    """The exit code, or None after ending the launcher and all that it started."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        started = psutil.Process(process.pid).children(recursive=True)
        for each in [psutil.Process(process.pid), *started]:
            each.kill()
        process.wait()
        return None


def _environment(disturbance: str) -> dict[str, str]:
    """Two processes on CPUs, one thread each, whatever the machine has."""
    mine = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    return {
        **mine,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
        "CUDA_VISIBLE_DEVICES": "",
        "DS_ACCELERATOR": "cpu",
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        "DISTURBANCE": disturbance,
    }
