"""How fast dances are made: clips of five seconds per second, beside the way of the released code of EDGE.

    python benchmarks/dance_generation.py [--device cpu|cuda] [--presets tiny edge] [--batch-sizes 1 8] [-o FOLDER]

Ours hears the music once, and with guidance asks the denoiser once a step, with and without music in one batch. The
baseline, "heard at every step", runs the music through its layers at each step, and with guidance asks the denoiser
twice, as EDGE's ``guided_forward`` does; everything else is ours. Both make the same dances, which is checked first.

Weights are random: they do not change the time. On a CPU, seconds are those that the process computed, so that others
on the machine do not count; on a GPU those of the clock. A median of ``--repeats`` runs counts. Writes
``dance_generation.json`` and ``dance_generation.md``; rows are printed as they are measured.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from run import machine  # noqa: E402
from torch import Tensor  # noqa: E402

from skeletonllm.dance.ddim import gaussian, plan_steps, step_mean  # noqa: E402
from skeletonllm.dance.denoiser import PRESETS, Denoiser  # noqa: E402
from skeletonllm.dance.diffusion import GUIDANCE, Diffusion  # noqa: E402
from skeletonllm.dance.motion import FPS, FRAMES, VECTOR_SIZE  # noqa: E402
from skeletonllm.rendering.video import replacing  # noqa: E402

NAME = "dance_generation"
# Rounding of float32, which each of the steps carries on.
TOLERANCE = 1e-3
_HEAD = (
    "preset", "batch", "guidance", "s per batch", "clips/s", "heard at every step, clips/s", "ratio", "times real time"
)  # fmt: skip


@torch.no_grad()
def heard_at_every_step(denoiser: Denoiser, music: Tensor, noise: torch.Generator, steps: int, guidance: float):
    """The baseline: (B, T, 151) dances."""
    keep = torch.ones(len(music), dtype=torch.bool, device=music.device)
    state = gaussian((*music.shape[:2], VECTOR_SIZE), noise, music)
    for step in plan_steps(Diffusion().alpha_bars, steps, 1.0):
        times = torch.full((len(state),), step.time, device=state.device)
        clean = denoiser(state, times, denoiser.listen(music, keep))
        if guidance != 1:
            unheard = denoiser(state, times, denoiser.listen(music, ~keep))
            clean = unheard + guidance * (clean - unheard)
        state = step_mean(state, clean.clamp(-1, 1), step)
        if step.deviation > 0:
            state = state + step.deviation * gaussian(state.shape, noise, state)
    return state


def seconds(call: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of a call, which has been made once before."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    found = []
    for _ in range(repeats):
        start = clock()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(clock() - start)
    return median(found)


def measure(preset: str, batch: int, guidance: float, options: argparse.Namespace) -> dict:
    """One row. Ends the program where the two ways do not make the same dances."""
    torch.manual_seed(0)
    denoiser = Denoiser.from_preset(preset).to(options.device).eval()
    music = torch.rand(batch, FRAMES, denoiser.config.music_features, device=options.device)
    diffusion = Diffusion()

    def ours(steps: int) -> Tensor:
        noise = torch.Generator().manual_seed(0)
        return diffusion.ddim_sample(denoiser, music, generator=noise, steps=steps, guidance=guidance)

    def baseline(steps: int) -> Tensor:
        return heard_at_every_step(denoiser, music, torch.Generator().manual_seed(0), steps, guidance)

    # Few steps: enough to see a mistake, and to warm up.
    off = float((ours(3) - baseline(3)).abs().max())
    if not off <= TOLERANCE:
        sys.exit(
            f"{preset}, batch {batch}, guidance {guidance}: the dances differ by {off}, so their speed says nothing"
        )
    took, theirs = (
        seconds(lambda make=make: make(options.steps), options.device, options.repeats) for make in (ours, baseline)
    )
    return {
        "preset": preset, "batch": batch, "guidance": guidance, "seconds_per_batch": took,
        "clips_per_second": batch / took, "baseline_clips_per_second": batch / theirs, "ratio": theirs / took,
        "times_real_time": batch * FRAMES / FPS / took, "largest_difference": off,
    }  # fmt: skip


def title(found: dict) -> str:
    """What the figures have to be read with, and the head of their table, as Markdown."""
    head = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    setting = f"{found['steps']} steps, median of {found['repeats']}"
    return f"{head}, {setting}\n\n| {' | '.join(_HEAD)} |\n|{'---|' * len(_HEAD)}"


def line(row: dict) -> str:
    """One row, as Markdown."""
    cells = [
        row["preset"], str(row["batch"]), f"{row['guidance']:g}" if row["guidance"] != 1 else "off",
        f"{row['seconds_per_batch']:.3g}", f"{row['clips_per_second']:.3g}",
        f"{row['baseline_clips_per_second']:.3g}", f"{row['ratio']:.2f}", f"{row['times_real_time']:.3g}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, help="folder for the two files; default: they are not written")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(1)
    found = {"machine": machine(options.device), "steps": options.steps, "repeats": options.repeats, "rows": []}
    print(title(found), flush=True)
    for preset in options.presets:
        for batch in options.batch_sizes:
            for guidance in (GUIDANCE, 1.0):
                found["rows"].append(measure(preset, batch, guidance, options))
                print(line(found["rows"][-1]), flush=True)
    if options.output:
        table = "\n".join([title(found), *map(line, found["rows"])])
        for suffix, text in ((".json", json.dumps(found, indent=1)), (".md", table)):
            with replacing(options.output / f"{NAME}{suffix}") as unfinished:
                unfinished.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
