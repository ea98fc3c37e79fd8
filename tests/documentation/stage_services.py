"""What the commands of the documentation talk to: a multimodal model behind an endpoint, and our own server."""

import os
import stat
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from answers import answer
from fenced_blocks import ROOT
from running_server import serving
from teacher_server import TeacherServer

_PROGRAMS = {
    # The package need not be installed for its tests.
    "skeletonllm": f'exec {sys.executable} -P -c "from skeletonllm.cli import main; main()" "$@"',
    "python": f'exec {sys.executable} "$@"',
    "vllm": f'exec {sys.executable} {Path(__file__).with_name("stand_in_vllm.py")} "$@"',
    # SLURM of one node without GPUs, one process on it, and of an array the first task alone.
    "sbatch": """set -euo pipefail
while [[ $1 == --* ]]; do
    case $1 in
    --array=*) task=${1#*=} && export SLURM_ARRAY_TASK_ID=${task%%-*} ;;
    --nodes=* | --ntasks-per-node=* | --cpus-per-task=* | --gpus=* | --gpus-per-node=*) ;;
    --mem=* | --time=* | --exclusive) ;;
    *) echo "sbatch: $1 is not known here" >&2 && exit 2 ;;
    esac
    shift
done
export SLURM_JOB_ID=$$ SLURM_JOB_NODELIST=here SLURM_JOB_NUM_NODES=1 SLURM_CPUS_ON_NODE=1 SLURM_NTASKS=1
exec bash "$@"
""",
    "srun": """while [[ $1 == --* ]]; do shift; done
export SLURM_PROCID=0 SLURM_LOCALID=0
exec "$@"
""",
    "scontrol": "echo 127.0.0.1",
    "squeue": "echo N/A",
}


class Services:
    """What runs until ``close``; each begins when it is first asked for.

    Args:
        folder: for what they write.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    @cached_property
    def endpoint(self) -> str:
        """The address of a multimodal model, with its version."""
        return self._open.enter_context(TeacherServer(answer)).url

    def serve(self, generator: Path) -> str:
        """The address of the small model of the package, on a server with a generator of dances."""
        from skeletonllm.serving.engine import Engine

        engine = Engine(generator=generator)
        self._open.callback(engine.close)
        (self.folder / "visitors").mkdir()
        return self._open.enter_context(serving(engine, self.folder / "visitors")).url

    @cached_property
    def environment(self) -> dict[str, str]:
        """For processes: stand-ins first on the path, the checkout where Python looks."""
        programs = self.folder / "programs"
        programs.mkdir()
        for name, text in _PROGRAMS.items():
            (programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
            (programs / name).chmod(stat.S_IRWXU)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        without = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        return {
            **without,
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
            "GLOO_SOCKET_IFNAME": "lo",
            "OMP_NUM_THREADS": "1",
            "SLURM_TMPDIR": str(self.folder),
        }
