"""What launchers make of faults: real ones, with everything imported anew."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from launches import ROOT, differences, free_port, launch

LIMIT = 240  # torchrun gives a process that hangs 30 seconds to end
PROGRAM = Path(__file__).with_name("faulty_train.py")


def torchrun(fault: str, rank: int, *arguments: str) -> subprocess.CompletedProcess:
    """``torchrun --nproc_per_node 2 train.py``, with a fault in one rank."""
    environment = dict(
        os.environ, FAULT=fault, FAULTY_RANK=str(rank), GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1",
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
    )  # fmt: skip
    command = [str(Path(sys.executable).with_name("torchrun")), "--nproc_per_node", "2"]
    command += ["--master_port", str(free_port()), str(PROGRAM), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)


def mentioning(folder: Path) -> list[psutil.Process]:
    """Processes whose command line has a folder in it."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill backward 3", "freeze backward 3"])
def test_torchrun_ends_a_job_of_which_one_rank_died_or_hangs_and_leaves_nothing_behind(
    write_recipe, whole, tmp_path, fault
):
    folder, recipe = tmp_path / "run", write_recipe(patience_minutes=0.3)
    ended = torchrun(fault, 1, "--recipe", str(recipe), "-o", str(folder))
    left = mentioning(folder)
    for process in left:
        os.kill(process.pid, signal.SIGKILL)
    assert ended.returncode != 0 and not left, ended.stderr[-3000:]
    assert fault.startswith("kill") or "stacks in" in ended.stderr
    again = launch(folder, recipe, resume=True)
    assert again.codes == [0, 0], again.tail()
    assert not differences(folder, whole)
