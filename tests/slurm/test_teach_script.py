"""What teach.sbatch does around server and client; these, and SLURM, are stand-ins that end as they are told."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "teach.sbatch"
SERVER = """
import http.server
print("arguments", *sys.argv[1:], flush=True)
if os.environ.get("BROKEN"):
    sys.exit("no GPU was found")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
CLIENT = """
def stop(number, _):
    print("stopped by", signal.Signals(number).name, flush=True)
    sys.exit(75)
signal.signal(signal.SIGUSR1, stop)
signal.signal(signal.SIGTERM, stop)
print("client", *sys.argv[1:], "key" if "OPENAI_API_KEY" in os.environ else "no key", flush=True)
time.sleep(float(os.environ.get("SECONDS_TO_ASK", "0")))
sys.exit(int(os.environ.get("CODE", "0")))
"""


@pytest.fixture
def job(tmp_path, program):
    """Starts the script with stand-ins; further variables are the job's."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    from cluster import free_ports

    program("vllm", SERVER)
    program("skeletonllm", CLIENT)
    program("scontrol", "print('scontrol', *sys.argv[1:], flush=True)\nos.kill(os.getppid(), signal.SIGKILL)")
    started = []

    def start(**variables: str) -> subprocess.Popen:
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "n0",
            "SLURM_GPUS_ON_NODE": "2",
            "TEACHER": "large/model",
            "TEACHER_PORT": str(free_ports(1)[0]),
            "OPENAI_API_KEY": "sk-of-somebody",
            **variables,
        }
        process = subprocess.Popen(
            ["bash", str(SCRIPT), "--output", "taught", "--limit", "5"],
            cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what a script that was killed has left
        except ProcessLookupError:
            pass
        process.stdout.close()
        process.wait()


def test_the_client_asks_the_server_of_its_own_job_and_both_end(job, tmp_path):
    process = job()
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    port = next(line for line in printed.splitlines() if line.startswith("client")).partition("127.0.0.1:")[2][:5]
    told = f"client teach --endpoint http://127.0.0.1:{port}/v1 --model large/model --concurrency 32 --output taught"
    assert f"{told} --limit 5 no key" in printed
    served = (tmp_path / "skeletonllm-teach-7-server.log").read_text()
    assert "serve large/model" in served and "--tensor-parallel-size 2" in served and '{"image": 12}' in served
    with pytest.raises(ProcessLookupError):  # nobody of the session is left
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


def test_the_clients_code_is_that_of_the_job(job):
    process = job(CODE="2")
    assert process.communicate(timeout=60) and process.returncode == 2


def test_a_server_that_does_not_start_ends_the_job_with_its_last_words(job):
    process = job(BROKEN="1")
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "no GPU was found" in printed and "client" not in printed


def test_a_job_without_a_teacher_says_so(job):
    process = job(TEACHER="")
    assert "set TEACHER" in process.communicate(timeout=60)[0] and process.returncode != 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM], ids=["warned", "cancelled"])
def test_a_warned_job_queues_itself_again_and_a_cancelled_one_does_not(job, tmp_path, number):
    process = job(SECONDS_TO_ASK="600")
    assert any(line.startswith("client") for line in process.stdout)
    process.send_signal(number)
    rest = process.stdout.read() if number == signal.SIGTERM else process.stdout.readline() + process.stdout.readline()
    assert f"stopped by {number.name}" in rest
    if number == signal.SIGTERM:
        assert process.wait(60) == 75 and "scontrol" not in rest
    else:
        assert "queued again (restart 1 of at most 20)" in rest and "scontrol requeue 7" in process.stdout.readline()


def test_restarts_have_an_end(job):
    process = job(CODE="75", SLURM_RESTART_COUNT="20")
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 75 and "MAX_RESTARTS is reached" in printed and "scontrol" not in printed
