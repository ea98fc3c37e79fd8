"""Benchmark of the splatting operation against its dense reference, in one run on one machine.

    python kernels/benchmarks/run.py [--device cpu|cuda] [--repeats 5] [--json FILE]

On the CPU every figure comes from a fresh process; on a GPU all come from this one (see `gpu.py`). Before any ratio is
printed, pictures and gradients are compared with the reference; where they differ by more than allowed, the run stops.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from workloads import WORKLOADS  # noqa: E402

IMAGE_TOLERANCE = 1 / 255  # one grey level
GRADIENT_TOLERANCE = 0.02  # what the default cut-off leaves out of the gradient to the sizes, the worst of the inputs
MEBIBYTE = 2**20


def git(*arguments: str) -> str:
    """What git says of this checkout; nothing where there is no git, or only a copy of the files."""
    if shutil.which("git") is None:
        return ""
    return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True).stdout.strip()


def machine(device: str) -> dict[str, str | int]:
    """What a figure has to be read with."""
    with open("/proc/cpuinfo") as lines:
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    changed = git("status", "--porcelain", "--", "..")
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else processor,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector_unit": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": next((each.version for each in distributions(name="triton")), "not installed"),
        "commit": (git("rev-parse", "--short", "HEAD") or "unknown") + ("+changes" if changed else ""),
    }


def in_fresh_process(**task) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    command = [sys.executable, str(HERE / "measure.py"), json.dumps(task)]
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(answer.stdout)


def check(index: int, device: str) -> dict[str, float]:
    """Differences to the reference. Ends the program where they are too large."""
    errors = in_fresh_process(what="compare", index=index, backend="auto", device=device)
    if not (errors["image_error"] <= IMAGE_TOLERANCE and errors["gradient_error"] <= GRADIENT_TOLERANCE):
        sys.exit(f"{WORKLOADS[index].name}: wrong, so its speed means nothing: {errors}")
    return errors


def cpu_rows(repeats: int) -> Iterator[dict]:
    """Measures, prints and yields the rows of the CPU path next to the reference."""
    print(f"{'workload':26}{'pass':20}{'reference':>12}{'fast path':>12}{'ratio':>8}{'extra memory':>16}{'error':>12}")
    for index, workload in enumerate(WORKLOADS):
        errors = check(index, "cpu")
        for backward in (False, True):
            task = {"what": "measure", "index": index, "backward": backward, "device": "cpu"}
            # Once is enough for what takes seconds to minutes; it too is warmed up first.
            slow = in_fresh_process(**task, backend="reference", repeats=1)
            fast = in_fresh_process(**task, backend="auto", repeats=repeats)
            row = {
                "workload": workload.name,
                "pass": "forward + backward" if backward else "forward",
                "reference_seconds": slow["seconds"],
                "seconds": fast["seconds"],
                "ratio": slow["seconds"] / fast["seconds"],
                "reference_extra_bytes": slow["extra_bytes"],
                "extra_bytes": fast["extra_bytes"],
                **errors,
            }
            print(
                f"{row['workload']:26}{row['pass']:20}{slow['seconds']:>10.2f} s{fast['seconds'] * 1e3:>9.1f} ms"
                f"{row['ratio']:>7.0f}x{fast['extra_bytes'] / MEBIBYTE:>12.0f} MiB"
                f"{errors['gradient_error' if backward else 'image_error']:>12.1e}",
                flush=True,
            )
            yield row


def gpu_rows(repeats: int) -> Iterator[dict]:
    """Measures, prints and yields the rows of the fused path next to others and to the floor."""
    from gpu import measure_all

    for index in range(len(WORKLOADS)):
        check(index, "cuda")
    columns = f"{'p20':>10}{'p50':>10}{'p80':>10}  {'floor':>10}{'ratio':>7}  extra memory"
    print(f"{'workload':46}{'path':28}{'dtype':10}{'pass':10}{columns}")
    for row in measure_all(repeats):
        times = "".join(f"{row[name] * 1e3:>7.3f} ms" for name in ("p20", "p50", "p80"))
        line = f"{row['workload']:46}{row['path']:28}{row['dtype']:10}{row['pass']:10}{times}"
        if "floor" in row:
            line += f"  {row['floor'] * 1e3:>7.3f} ms{row['p50'] / row['floor']:>6.1f}x"
            line += f"  {100 * row['extra_bytes'] / row['output_bytes']:.1f} % of the pictures"
        print(line, flush=True)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--repeats", type=int, default=5, help="timed calls, of which the median counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args()

    report = {"machine": machine(options.device), "rows": []}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    write_rows = gpu_rows if options.device == "cuda" else cpu_rows
    for row in write_rows(options.repeats):
        report["rows"].append(row)
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
