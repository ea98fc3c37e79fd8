"""What the endpoint bears: requests per second and how long they take, with so many clients waiting at once.

    python benchmarks/serving.py                            # 50 clients, 4 requests each
    python benchmarks/serving.py --clients 1 10 50 --requests 200

A server of its own runs in another process, with the small model of the package; OpenAI's asynchronous client asks it
on the loopback, in turn about a recording of each embedded action. A request that is refused or fails is lost; none may
be. What the server computes for a request is told beside it, as that is the same on a machine that is busy.
"""

import argparse
import asyncio
import base64
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]

import numpy as np  # noqa: E402
from run import git  # noqa: E402

from skeletonllm.skeleton.formats import write_npz  # noqa: E402
from skeletonllm.skeleton.synthesis import ACTIONS, synthesize  # noqa: E402


@dataclass(frozen=True)
class Load:
    """What came of it.

    Args:
        seconds: of each request that was answered.
        lost: how many were not.
        whole: seconds from the first request to the last answer.
        computed: seconds that the server computed in the meantime, on all cores together.
    """

    seconds: list[float]
    lost: int
    whole: float
    computed: float

    def row(self, kind: str, clients: int) -> str:
        middle, late = np.percentile(self.seconds, [50, 95]) if self.seconds else (np.nan, np.nan)
        rate = len(self.seconds) / self.whole
        each = 1000 * self.computed / max(1, len(self.seconds))
        numbers = f"{len(self.seconds)} | {self.lost} | {rate:.1f} | {middle:.2f} | {late:.2f} | {each:.0f}"
        return f"| {kind} | {clients} | {numbers} |"


def computed_by(process: int) -> float:
    """Seconds that a process has computed, from the fields 14 and 15 of its ``stat`` (see proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(ask: Callable[[], Awaitable[None]], clients: int, requests: int, server: int) -> Load:
    """``requests`` of them by ``clients`` at once, each of whom asks again when answered, to the process ``server``."""
    seconds: list[float] = []
    lost, left = 0, requests

    async def client() -> None:
        nonlocal lost, left
        while left > 0:
            left -= 1
            begin = time.monotonic()
            try:
                await ask()
            except Exception as error:
                lost += 1
                print(f"lost: {error}", file=sys.stderr)
            else:
                seconds.append(time.monotonic() - begin)

    begin, computed = time.monotonic(), computed_by(server)
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(seconds, lost, time.monotonic() - begin, computed_by(server) - computed)


async def measure(address: str, server: int, options: argparse.Namespace) -> None:
    from openai import AsyncOpenAI

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "motion.npz"
        files = []
        for number, action in enumerate(ACTIONS):
            write_npz(synthesize(action, topology="coco_17", performer=50 + number), path)
            files.append(base64.b64encode(path.read_bytes()).decode())
    turns = itertools.cycle(files)
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=600.0) as client:

        def about(question: str) -> dict:
            file = {"type": "file", "file": {"filename": "motion.npz", "file_data": next(turns)}}
            content = [{"type": "text", "text": question}, file]
            return {"model": "skeletonllm-tiny", "messages": [{"role": "user", "content": content}]}

        async def rank() -> None:
            answer = await client.chat.completions.create(**about("What is this person doing?"))
            assert answer.choices[0].message.content

        async def describe() -> None:
            stream = await client.chat.completions.create(**about("Describe the motion."), stream=True)
            pieces = [piece async for piece in stream]
            assert pieces[-1].choices[0].finish_reason == "stop"

        await rank(), await describe()  # what is done once
        print("| question | clients | answered | lost | requests/s | p50, s | p95, s | computed, ms |")
        print("|---|---|---|---|---|---|---|---|")
        for kind, ask in (("which of 16 actions", rank), ("described, streamed", describe)):
            for clients in options.clients:
                print((await load(ask, clients, options.requests, server)).row(kind, clients), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[50])
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:2])}
    command = [sys.executable, "-m", "skeletonllm", "serve", "--port", "0", "--api-only"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            address = server.stdout.readline().split()[-1]
            asyncio.run(measure(address, server.pid, options))
            memory = Path(f"/proc/{server.pid}/status").read_text()
            print(next(line for line in memory.splitlines() if line.startswith("VmHWM")), file=sys.stderr)
        finally:
            server.terminate()
    print(f"commit {git('rev-parse', '--short', 'HEAD')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
