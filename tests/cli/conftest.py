"""Recordings for commands, and a way to run commands without a process of their own."""

from pathlib import Path

import numpy as np
import pytest

from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1


@pytest.fixture
def recording(tmp_path):
    """Writes a recording of somebody who moves sideways: name, frames and frames per second are free."""

    def write(name: str = "walk.npz", frames: int = 20, fps: float = 20.0, label: str | None = "walk") -> Path:
        height = np.linspace(-0.9, 0.8, KINECT_V1.num_joints)
        joints = np.stack([0.3 * np.sin(5 * height), height, np.full_like(height, 3.0)], -1)
        joints = np.repeat(joints[None, None], frames, 0)
        joints[..., 0] += np.linspace(0, 1, frames)[:, None, None]
        joints[0, 0, 3] = np.nan
        path = tmp_path / name
        write_npz(SkeletonSequence(joints, fps, KINECT_V1, label=label), path)
        return path

    return write


@pytest.fixture
def run(capfd, monkeypatch):
    """Runs a command: (exit code, what it printed, what it said on stderr)."""
    from skeletonllm.cli import main

    monkeypatch.setenv("COLUMNS", "1000")  # no table is wrapped, however long a path

    def run(*arguments) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run
