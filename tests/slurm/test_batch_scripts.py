"""What the batch scripts do around the programs that they start; these are stand-ins that end as they are told."""

import json
import os

import pytest
from cluster import wait_until
from conftest import ROOT

TRAIN = ROOT / "slurm" / "train.sbatch"
EVALUATE = ROOT / "slurm" / "evaluate.sbatch"
FIRST_START = "os.environ.get('SLURM_RESTART_COUNT', '0') == '0'"
NOBODY = 65534
TELL = """
import json
names = (
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "SLURMD_NODENAME", "SLURM_JOB_END_TIME", "TRITON_CACHE_DIR", "CUDA_VISIBLE_DEVICES",
)
facts = {name: os.environ.get(name) for name in names}
with open(f"told-{os.environ['SLURM_JOB_ID']}-{os.environ['SLURM_PROCID']}.json", "w") as file:
    file.write(json.dumps({**facts, "arguments": sys.argv[1:], "began": time.time()}))
"""


@pytest.fixture
def submit(cluster, tmp_path):
    """Submits in the test's folder with two nodes; the log is log-JOB."""

    def submit(*arguments, **variables):
        return cluster.submit("--nodes=2", *arguments, folder=tmp_path, log=tmp_path / "log-%j", **variables)

    return submit


def told(folder, job):
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"told-{job}-*.json"))]


def test_processes_are_numbered_over_the_nodes_and_meet_at_the_first_one(cluster, submit, program, tmp_path):
    program("train.py", TELL)

    job = submit("--ntasks-per-node=2", TRAIN, "--output", "two words", MASTER_ADDR="")

    assert cluster.ended(job, 30)["ExitCode"] == "0:0"
    ranks = told(tmp_path, job)
    assert [rank["RANK"] for rank in ranks] == ["0", "1", "2", "3"]
    assert [rank["LOCAL_RANK"] for rank in ranks] == ["0", "1", "0", "1"]
    assert [rank["SLURMD_NODENAME"] for rank in ranks] == ["n0", "n0", "n1", "n1"]
    assert {rank["WORLD_SIZE"] for rank in ranks} == {"4"}
    assert {(rank["MASTER_ADDR"], rank["MASTER_PORT"]) for rank in ranks} == {("n0", str(20000 + job % 10000))}
    assert all(rank["arguments"] == ["--output", "two words", "--resume"] for rank in ranks)


@pytest.mark.parametrize("counted_by", ["slurm", "nvidia-smi"])
def test_one_process_per_gpu_starts_when_the_kernels_are_compiled_on_each_node(
    cluster, submit, program, tmp_path, counted_by
):
    options, visible = ["--exclusive"], "0,1"
    if counted_by == "nvidia-smi":
        program("nvidia-smi", "print('GPU 0: a\\n  MIG 1g.10gb Device 0: x\\nGPU 1: a')")
        options, visible = [], None
    warm = tmp_path / "warm"
    warm.mkdir()
    # Slow on one node: that no rank begins before it is done must not be luck.
    program("skeletonllm", f"""
assert sys.argv[1:] == ["doctor", "--warmup"]
time.sleep(1.0 if os.environ["SLURMD_NODENAME"] == "n1" else 0.0)
with open("{warm}/" + os.environ["SLURMD_NODENAME"], "a") as file:
    print(os.environ["TRITON_CACHE_DIR"], time.time(), file=file)
""")  # fmt: skip
    program("train.py", TELL)

    job = submit(*options, TRAIN, PATH=f"{tmp_path}:{cluster.environment['PATH']}")

    assert cluster.ended(job, 30)["ExitCode"] == "0:0"
    ranks = told(tmp_path, job)
    assert [(rank["SLURMD_NODENAME"], rank["LOCAL_RANK"]) for rank in ranks] == [
        ("n0", "0"), ("n0", "1"), ("n1", "0"), ("n1", "1"),
    ]  # fmt: skip
    assert {rank["CUDA_VISIBLE_DEVICES"] for rank in ranks} == {visible}
    for node in ("n0", "n1"):
        ((cache, done),) = [line.split() for line in (warm / node).read_text().splitlines()]
        assert {rank["TRITON_CACHE_DIR"] for rank in ranks} == {cache}
        assert all(rank["began"] > float(done) for rank in ranks)
    assert cache.startswith(cluster.environment["SLURM_TMPDIR"])


def test_a_run_knows_when_its_time_is_over(cluster, submit, program, tmp_path):
    program("train.py", TELL)

    job = submit("--time=5", TRAIN)

    assert cluster.ended(job, 30)["ExitCode"] == "0:0"
    for rank in told(tmp_path, job):
        # The job is some seconds old when its ranks begin; SLURM itself counts in minutes.
        assert 200 < float(rank["SLURM_JOB_END_TIME"]) - rank["began"] <= 300


@pytest.mark.parametrize("code", [1, 2, 65, 137])
def test_what_would_fail_again_is_not_queued_again(cluster, submit, program, code):
    # One rank finds the fault, the other would wait for it for ever.
    program("train.py", f"sys.exit({code}) if os.environ['RANK'] == '1' else time.sleep(120)")

    job = cluster.ended(submit(TRAIN), 30)

    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", f"{code}:0", "0")


def test_a_hung_job_is_queued_again_though_its_other_processes_had_to_be_killed(cluster, submit, program):
    program("train.py", f"""
if {FIRST_START}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(76) if os.environ["RANK"] == "1" else time.sleep(120)
""")  # fmt: skip

    job = cluster.ended(submit(TRAIN), 90)

    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("COMPLETED", "0:0", "1")


def test_restarts_are_bounded(cluster, submit, program, tmp_path):
    program("train.py", "sys.exit(75)")

    number = submit(TRAIN, MAX_RESTARTS="1")

    job = cluster.ended(number, 60)
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "75:0", "1")
    log = (tmp_path / f"log-{number}").read_text()
    assert "MAX_RESTARTS" in log
    assert "restart 0:" in log and "restart 1:" in log, "a restart must not erase the log of what was before"


def test_a_cancelled_job_stays_cancelled_though_its_processes_ask_to_be_queued_again(
    cluster, submit, program, tmp_path
):
    program("train.py", """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print("begun", flush=True)
time.sleep(120)
""")  # fmt: skip
    number = submit(TRAIN)
    log = tmp_path / f"log-{number}"
    wait_until(lambda: log.exists() and log.read_text().count("begun") == 2, 30, "both ranks to begin")

    cluster.run("scancel", str(number))

    wait_until(lambda: cluster.job(number)["JobState"] == "CANCELLED", 30, "the job to end")
    assert log.read_text().count("of 2 on n0: exit code 75") == log.read_text().count("of 2 on n1: exit code 75") == 1
    assert cluster.job(number)["Restarts"] == "0"
    assert "queued again" not in log.read_text()


def test_a_warning_that_comes_before_a_run_can_save_queues_it_again(cluster, submit, program, tmp_path):
    program("train.py", f"""
if {FIRST_START}:
    print("begun", flush=True)
    time.sleep(120)
""")  # fmt: skip
    number = submit(TRAIN)
    log = tmp_path / f"log-{number}"
    wait_until(lambda: log.exists() and log.read_text().count("begun") == 2, 30, "both ranks to begin")

    cluster.run("scancel", "--batch", "--signal=USR1", str(number))

    job = cluster.ended(number, 60)
    assert (job["ExitCode"], job["Restarts"]) == ("0:0", "1")


@pytest.mark.slow
def test_slurm_itself_warns_the_ranks_before_the_limit(cluster, submit, program, tmp_path):
    program("train.py", f"""
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
if {FIRST_START}:
    time.sleep(120)
""")  # fmt: skip

    # A minute is the shortest limit there is.
    number = submit("--time=1", "--signal=B:USR1@40", TRAIN)

    job = cluster.ended(number, 120)
    assert (job["ExitCode"], job["Restarts"]) == ("0:0", "1")
    assert (tmp_path / f"log-{number}").read_text().count("of 2 on n1: exit code 75") == 1


def test_a_cache_that_belongs_to_someone_else_is_not_used(cluster, submit, program, tmp_path):
    program("train.py", TELL)
    foreign = tmp_path / "local" / "skeletonllm-0"
    foreign.mkdir(parents=True)
    foreign.chmod(0o777)
    os.chown(foreign, NOBODY, NOBODY)

    number = submit(TRAIN, SLURM_TMPDIR=str(foreign.parent))

    assert cluster.ended(number, 30)["ExitCode"] == "1:0"
    assert not told(tmp_path, number)


def test_an_evaluation_is_shared_out_over_the_nodes_and_goes_on_without_those_that_fail(
    cluster, submit, program, tmp_path
):
    program("skeletonllm", TELL + "sys.exit(int(os.environ['RANK'] == '1'))")
    path = f"{tmp_path}:{cluster.environment['PATH']}"

    job = submit("--ntasks-per-node=2", EVALUATE, "runs/all", "--output", "two words", PATH=path)

    assert cluster.ended(job, 30)["ExitCode"] == "1:0"
    found = told(tmp_path, job)
    assert [facts["RANK"] for facts in found] == ["0", "1", "2", "3"]
    assert {facts["WORLD_SIZE"] for facts in found} == {"4"}
    assert {facts["LOCAL_RANK"] for facts in found} == {"0", "1"}
    assert {tuple(facts["arguments"]) for facts in found} == {("evaluate", "runs/all", "--output", "two words")}


def test_each_task_of_an_array_has_its_arguments_and_its_log(cluster, program, tmp_path):
    program("skeletonllm", "print('called with', *sys.argv[1:])")

    cluster.submit(
        "--array=1-2", EVALUATE, "runs/all", "--where", "view=%a",
        folder=tmp_path, log=tmp_path / "log-%j", PATH=f"{tmp_path}:{cluster.environment['PATH']}",
    )  # fmt: skip

    def answers():
        lines = [line for path in tmp_path.glob("log-*") for line in path.read_text().splitlines()]
        return sorted(line for line in lines if line.startswith("called"))

    wait_until(lambda: len(answers()) == 2, 30, "both tasks to end")
    assert answers() == [f"called with evaluate runs/all --where view={task}" for task in (1, 2)]
    assert len(list(tmp_path.glob("log-*"))) == 2
