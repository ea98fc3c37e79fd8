"""Operations of several outputs: each path timed forward and with its backward pass, next to the reference in one run.

For `skin.py` and `penetration.py`, which say what is measured. On a GPU the floor is half the time of copying the
outputs on the device, which is writing them once; there the reference is measured too, and must agree first.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import gpu  # noqa: E402
from run import machine  # noqa: E402

# Rounding differs by a ten-millionth. But limbs that just touch, and depths where the colours end, may fall to one side
# in one path and to the other in the other: each is a whole gradient, of some ten thousand.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Case:
    """What is measured.

    Args:
        name: of the workload.
        call: backend and leaves to the operation's outputs.
        leaves: inputs that get gradients.
    """

    name: str
    call: Callable[..., tuple[Tensor, ...]]
    leaves: Sequence[Tensor]


def forward(case: Case, backend: str) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return tuple(case.call(backend, *case.leaves))


def both(case: Case, backend: str, cotangents: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of the leaves, for cotangents of the outputs."""
    leaves = [leaf.detach().requires_grad_() for leaf in case.leaves]
    return torch.autograd.grad(tuple(case.call(backend, *leaves)), leaves, cotangents)


def time_on_cpu(run: Callable[[], object], repeats: int) -> gpu.Times:
    run()
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    p20, _, _, p80 = statistics.quantiles(taken, n=5, method="inclusive")
    return gpu.Times(p20, statistics.median(taken), p80)


def largest_error(found: Iterable[Tensor], wanted: Iterable[Tensor]) -> float:
    """Worst relative difference of the tensors, each by its norm; infinite where one is not finite."""
    errors = [(mine - true).norm() / true.norm() for mine, true in zip(found, wanted, strict=True)]
    return float(torch.stack(errors).nan_to_num(torch.inf).max())


def check(case: Case, cotangents: Sequence[Tensor]) -> float:
    """Error of the fast path, forward and backward. Ends the program where it is too large."""
    error = max(
        largest_error(forward(case, "auto"), forward(case, "reference")),
        largest_error(both(case, "auto", cotangents), both(case, "reference", cotangents)),
    )
    if error > TOLERANCE:
        sys.exit(f"{case.name}: wrong by {error:.1e}, so its speed means nothing")
    return error


def measure(case: Case, device: str, repeats: int) -> Iterator[dict]:
    """Rows of a case: of the reference, and on a GPU of the fast path beside it."""
    outputs = forward(case, "reference")
    cotangents = [torch.randn_like(output) for output in outputs]
    error = check(case, cotangents) if device == "cuda" else None
    size = sum(output.numel() for output in outputs)
    for backend in ("reference", "auto") if device == "cuda" else ("reference",):
        for name, run in (
            ("forward", partial(forward, case, backend)),
            ("both", partial(both, case, backend, cotangents)),
        ):
            times = gpu.time_calls(run, repeats) if device == "cuda" else time_on_cpu(run, repeats)
            row = {"workload": case.name, "path": backend, "pass": name, **vars(times), "output_bytes": 4 * size}
            if device == "cuda":
                floor = gpu.floor_seconds((size,), torch.float32, repeats)
                row |= {"floor": floor, "peak_bytes": gpu.peak_bytes(run), "error": error}
            yield row


def main(description: str, cases: Callable[[str], Iterable[Case]]) -> None:
    """The command line of a benchmark: cases by device."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--repeats", type=int, default=20, help="timed calls, of which the median counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args()
    report = {"machine": machine(options.device), "rows": []}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(f"{'workload':42}{'path':12}{'pass':10}{'p20':>13}{'p50':>13}{'p80':>13}{'floor':>13}{'at most held':>15}")
    for case in cases(options.device):
        for row in measure(case, options.device, options.repeats):
            figures = "".join(f"{row[key] * 1e3:>10.3f} ms" for key in ("p20", "p50", "p80", "floor") if key in row)
            held = f"{row['peak_bytes'] / 2**20:>11.1f} MiB" if "peak_bytes" in row else ""
            print(f"{row['workload']:42}{row['path']:12}{row['pass']:10}{figures}{held}", flush=True)
            report["rows"].append(row)
            if options.json:
                options.json.write_text(json.dumps(report, indent=2) + "\n")
