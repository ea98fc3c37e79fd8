"""How long a newcomer waits: from a clean clone to an answer about a file of their own, in three commands.

    python benchmarks/newcomer.py walk.skeleton

The three commands of docs/quick_start.md, run in a clone of what is committed here, as a user without anything runs
them. Most of the time goes to the downloads of the package registry that pip is set to, or to its cache.
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "python3 -m venv .venv",
    ".venv/bin/pip install --quiet --constraint constraints.txt .",
    '.venv/bin/skeletonllm ask {file} "What is this person doing?"',
)


def run(command: str, folder: Path) -> tuple[float, str]:
    """Seconds by the clock, and what the command printed. A command that fails ends all of it."""
    begin = time.monotonic()
    # A virtual environment or a checkout around this script is no newcomer's.
    bare = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(shlex.split(command), cwd=folder, env=bare, stdout=subprocess.PIPE, text=True, check=True)
    return time.monotonic() - begin, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a recording of any format")
    file = parser.parse_args().file.resolve(strict=True)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "skeletonllm"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=clone, capture_output=True, text=True)
        print("| command | s |\n|---|---|")
        seconds = []
        for command in COMMANDS:
            took, printed = run(command.format(file=shlex.quote(str(file))), clone)
            seconds.append(took)
            print(f"| `{command.format(file=file.name)}` | {took:.1f} |", flush=True)
        print(f"| all three | {sum(seconds):.1f} |")
    print(printed.rstrip(), file=sys.stderr)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"commit {commit.stdout.strip()}, Python {platform.python_version()}, {cores} cores, load {load:.1f}")


if __name__ == "__main__":
    main()
