"""skeletonllm serve: what it refuses, and that it leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from skeletonllm.dance.shipped import ABOUT

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "needs --token"),
        (["--host", "0.0.0.0", "--token", "short"], "at least 16"),
        (["--token", "sixteen signs and spaces"], "without spaces"),
        (["nowhere", "--api-only", "--port", "0"], "nowhere"),
        (["--dance", "nowhere", "--api-only", "--port", "0"], "nowhere"),
        (["--host", "203.0.113.1", "--token", "x" * 16, "--api-only"], "cannot listen at 203.0.113.1"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(run, monkeypatch, arguments, message):
    monkeypatch.delenv("SKELETONLLM_TOKEN", raising=False)
    code, printed, said = run("serve", *arguments)
    assert code == 2 and not printed and message in said.splitlines()[-1]


def test_a_port_that_is_taken_is_named(run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, said = run("serve", "--api-only", "--port", port)
    assert code == 2 and f"cannot listen at 127.0.0.1, port {port}: somebody else listens there" in said


def test_without_its_packages_it_says_what_to_install(run, monkeypatch):
    from skeletonllm.cli import serve

    monkeypatch.setitem(serve._PACKAGES, "no_such_module", "no-such-package")
    code, _, said = run("serve")
    assert code == 2 and "not installed: no-such-package; pip install 'skeletonllm[serve]'" in said


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_leaves_nothing_behind(tmp_path, ending):
    environment = os.environ | {
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
    }
    command = [sys.executable, "-m", "skeletonllm", "serve", "--port", "0", "--api-only"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            address = server.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{address}/health", timeout=60) as response:
                assert response.read() == b'{"status":"ok"}'
            # pymp is where Python's processes meet: those that read files.
            assert (
                "skeletonllm" in {path.name.partition("-")[0] for path in tmp_path.iterdir()} <= {"skeletonllm", "pymp"}
            )
            server.send_signal(ending)
            _, said = server.communicate(timeout=60)
        finally:
            server.kill()
    assert "Do not trust it" in said and "Traceback" not in said
    assert ABOUT in said or "No dances" in said
    assert server.returncode == 0 and not list(tmp_path.iterdir())
