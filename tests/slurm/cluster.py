"""A SLURM controller and two node daemons on loopback, started and ended by a test."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "setpriv")
NODES = ("n0", "n1")
CONFIGURATION = """\
ClusterName=loop
# Ports of jobs come from their numbers, which are to differ from those of another cluster on this machine.
FirstJobId={ports[0]}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
# A job that is queued again waits until its credential has expired, otherwise two minutes.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
JobRequeue=1
KillWait=3
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
# The nodes have as many cores as is said here, whatever the machine has.
SlurmdParameters=config_overrides
TreeWidth=65533
GresTypes=gpu
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=n0,n1 Default=YES MaxTime=01:00:00 State=UP
"""
# Files that everybody may open stand for the devices of GPUs, which SLURM only counts.
GPUS = """\
NodeName=n0,n1 Name=gpu File=/dev/null
NodeName=n0,n1 Name=gpu File=/dev/zero
"""


def what_is_lacking() -> str | None:
    """Why no cluster can be started here, or None."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        return f"{', '.join(missing)} not installed (Debian: slurmctld slurmd slurm-client munge util-linux)"
    if os.geteuid() != 0:
        return "SLURM's daemons are started as root only"
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = "nothing"
    if not address.startswith("127."):
        return f"the name of this machine, {socket.gethostname()}, leads to {address} and not to loopback"
    return None


class Cluster:
    """Two nodes, n0 and n1, of two cores each, on this machine.

    Args:
        folder: an empty one for configuration, keys, logs and state.
        environment: variables that every command and every job gets.
    """

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_", "SRUN_"))},
            **environment,
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        self.environment["PATH"] += ":/usr/sbin:/sbin"
        self.daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        folder = self.folder
        folder.chmod(0o755)
        (folder / "state").mkdir()
        for node in NODES:
            (folder / f"spool-{node}").mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, host=host, ports=free_ports(3)))
        (folder / "gres.conf").write_text(GPUS)
        files = dict(key="key-file", socket="socket", pid="pid-file", log="log-file", seed="seed-file")
        munge = [f"--{option}={folder}/munge.{suffix}" for suffix, option in files.items()]
        try:
            self._start("munged", "--foreground", "--force", *munge)
            wait_until(lambda: (folder / "munge.socket").exists(), 20, "munged to listen")
            self._start("slurmctld", "-D")
            for node in NODES:
                self._start("slurmd", "-D", "-N", node)
            wait_until(lambda: self.states() == ["idle", "idle"], 60, "both nodes to be idle")
        except BaseException:
            self._end_daemons()
            raise
        return self

    def __exit__(self, *_) -> None:
        try:
            self.cancel_all()
        finally:
            self._end_daemons()

    def run(self, *command: str, check: bool = True) -> str:
        """What a command of SLURM answers."""
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        if check and answer.returncode:
            raise RuntimeError(f"{' '.join(command)}: {answer.stderr}")
        return answer.stdout.strip()

    def states(self) -> list[str]:
        """Of the nodes, in their order."""
        return self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()

    def submit(self, *arguments: str | Path, folder: Path, log: Path, **variables: str) -> int:
        """The number of the new job, which starts in a folder and gets these environment variables too."""
        command = ["sbatch", "--parsable", f"--chdir={folder}", f"--output={log}", *map(str, arguments)]
        environment = {**self.environment, **variables}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if answer.returncode:
            raise RuntimeError(answer.stderr)
        return int(answer.stdout)

    def job(self, number: int) -> dict[str, str]:
        """What SLURM knows of a job: JobState, ExitCode, Restarts and more."""
        fields = self.run("scontrol", "show", "job", str(number), "--oneliner").split()
        return dict(field.split("=", 1) for field in fields if "=" in field)

    def ended(self, number: int, seconds: float) -> dict[str, str]:
        """The job when it has ended and will not come back."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        wait_until(lambda: self.job(number)["JobState"] in over, seconds, f"job {number} to end")
        return self.job(number)

    def cancel_all(self) -> None:
        """End all jobs and wait until their processes are gone."""
        self.run("scancel", "--user=root", check=False)
        wait_until(lambda: not self.run("squeue", "--noheader", check=False), 60, "all jobs to be gone")

    def _start(self, *command: str) -> None:
        # Should the test itself be killed, the kernel ends its daemons.
        with (self.folder / f"{command[0]}.out").open("a") as output:
            daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.daemons.append(daemon)

    def _end_daemons(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()
        # What a job that could not be cancelled has left.
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"SLURM_CONF={self.folder}/slurm.conf".encode() in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended, or is someone else's
                continue


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask again and again. Raises TimeoutError when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.2)


def free_ports(number: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    probes = [socket.socket() for _ in range(number)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
