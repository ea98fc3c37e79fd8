"""Runs one command line: our own commands in this process, as a process of theirs takes seconds to begin."""

import re
import shlex
import signal
import subprocess
import urllib.request
from pathlib import Path

from stage import Stage
from stage_names import outputs_in

from skeletonllm.cli import main

# What a shell does and ``main`` does not.
_SHELL = re.compile(r"[$|>;&`*]|^[A-Z_]+=")
LIMIT = 600
# What is to be written is but named.
ONLY_TELLS = "--list|--dry-run"


def is_ours_alone(line: str) -> bool:
    """Whether it needs no shell and no process; one that serves never ends by itself."""
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", line)
    return line.startswith("skeletonllm ") and not line.startswith("skeletonllm serve") and not _SHELL.search(unquoted)


def run_line(line: str, folder: Path, stage: Stage) -> None:
    """Run it in a folder, which is the working folder already.

    Raises:
        AssertionError: it did not end with 0, or did not write what it is told to write.
    """
    code = 0
    if is_ours_alone(line):
        try:
            main(shlex.split(line)[1:])
        except SystemExit as end:
            code = end.code or 0
    elif "skeletonllm serve" in line:
        code = _serve(line, folder, stage)
    else:
        command = ["bash", "-euo", "pipefail", "-c", line]
        code = subprocess.run(command, cwd=folder, env=stage.services.environment, timeout=LIMIT).returncode
    assert code == 0, f"ended with {code}: {line}"
    if not re.search(ONLY_TELLS, line):
        for output in map(Path, outputs_in(line.replace("%a", "0"))):
            # Of several files each has a number behind the name, and where no MP4 can be written it is a GIF.
            assert list((folder / output.parent).glob(f"{output.stem}*")), f"did not write {output}: {line}"


def _serve(line: str, folder: Path, stage: Stage) -> int:
    """Starts a server, asks whether it is well, and tells it to stop."""
    # The server in the place of the shell, which would keep the signal for itself.
    command = ["bash", "-c", line.replace("skeletonllm serve", "exec skeletonllm serve")]
    with subprocess.Popen(
        command, cwd=folder, env=stage.services.environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            said = server.stdout.readline()
            address = re.search(r"http://\S+:(\d+)", said)
            assert address, f"said {said!r}, expected the address: {line}"
            with urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/health", timeout=60) as response:
                assert response.status == 200
            server.send_signal(signal.SIGINT)
            return server.wait(60)
        finally:
            server.kill()
