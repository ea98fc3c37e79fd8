"""Benchmark of a training step with the renderer in the loop, next to the same step with a loop over Gaussians.

    python benchmarks/train_step.py [--size 8b|tiny] [--device cuda|cpu] [--batch-sizes 1 2 4] [--output markdown|json]

The model is built from its shape with random weights; nothing is downloaded. Rows appear as they are measured, as
Markdown for docs/performance.md, which says how each figure is made, or as one JSON object per line.
"""

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks"), str(ROOT / "benchmarks")]

from run import git, machine  # noqa: E402
from step_flops import StepOperations, peak_operations  # noqa: E402
from step_model import SIZES, Batch, build, embedded_batch  # noqa: E402
from step_renderers import per_gaussian_compositing  # noqa: E402
from step_timing import Timing, Training  # noqa: E402

COLUMNS = (
    "batch", "compositing", "attention", "s/step", "samples/s", "visual tokens/s", "text tokens/s",
    "TFLOP/sample", "MFU", "HFU", "peak memory", "renderer forward", "renderer backward", "renderer's share", "remark",
)  # fmt: skip


def provenance(device: str) -> dict[str, str | int]:
    """The machine and the versions that a figure has to be read with."""
    found = machine(device)
    for name in ("transformers", "peft"):
        found[name] = next((each.version for each in distributions(name=name)), "not installed")
    if device == "cuda":
        found["cuda"], found["driver"] = torch.version.cuda, "unknown"
        if shutil.which("nvidia-smi"):
            query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            found["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    if git("status", "--porcelain", "--", str(ROOT)):
        found["commit"] = found["commit"].removesuffix("+changes") + "+changes"
    return found


def row(
    batch: Batch, samples: int, compositing: str, attention: str, timing: Timing, count: StepOperations, peak
) -> dict:
    """A measurement as plain values, without those that were not measured; ``count`` is of one sample."""
    figures = dict(batch=samples, compositing=compositing, attention=attention, **dataclasses.asdict(timing))
    figures |= dict(model_flop_per_sample=count.model, hardware_flop_per_sample=count.hardware)
    if not timing.steps:
        return figures
    rate = 1 / timing.step
    figures |= dict(
        samples_per_second=samples * rate,
        visual_tokens_per_second=batch.visual_tokens * rate,
        text_tokens_per_second=batch.text_tokens * rate,
        renderer_share=timing.renderer_share,
        model_utilization=count.model * samples * rate / peak if peak else None,
        hardware_utilization=count.hardware * samples * rate / peak if peak else None,
    )
    return figures


def markdown(figures: dict) -> str:
    """One line of the table."""

    def shown(name: str, form: str, factor: float = 1.0) -> str:
        value = figures.get(name)
        return "" if value is None or not figures["steps"] else form.format(value * factor)

    cells = [
        str(figures["batch"]), figures["compositing"], figures["attention"],
        shown("step", "{:.3g}"), shown("samples_per_second", "{:.3g}"),
        shown("visual_tokens_per_second", "{:,.0f}"), shown("text_tokens_per_second", "{:,.0f}"),
        f"{figures['model_flop_per_sample'] / 1e12:.3g}",
        shown("model_utilization", "{:.1f} %", 100), shown("hardware_utilization", "{:.1f} %", 100),
        shown("peak_bytes", "{:.1f} GiB", 2**-30),
        shown("render", "{:.2f} ms", 1e3), shown("render_backward", "{:.2f} ms", 1e3),
        shown("renderer_share", "{:.2f} %", 100), figures["note"],
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def measure_all(options: argparse.Namespace, training: Training, make_batch: Callable[[int], Batch]) -> Iterator[dict]:
    """Yields rows as they are measured: ours with every attention there is, and the loop with the first of them."""
    peak = peak_operations(torch.cuda.get_device_name()) if options.device == "cuda" else None
    remark = "" if find_spec("peft") else "without LoRA: PEFT is not installed"
    attentions = ["sdpa"]
    if options.device == "cuda" and find_spec("flash_attn"):
        attentions.append("flash_attention_2")
    rows = [(size, "kernels", attention) for size in options.batch_sizes for attention in attentions]
    # Last, and smallest first: these may run out of memory or time.
    rows += [(size, "per-Gaussian loop", "sdpa") for size in sorted(options.batch_sizes)]
    # All samples are of one length, so that the operations of a batch are those of one sample times its size.
    count = training.count(make_batch(1))
    for samples, compositing, attention in rows:
        batch = make_batch(samples)
        training.model.backbone.set_attn_implementation(attention)
        with per_gaussian_compositing() if compositing != "kernels" else nullcontext():
            timing = training.measure(batch, options.steps, options.limit)
        timing = dataclasses.replace(timing, note="; ".join(filter(None, (timing.note, remark))))
        yield row(batch, samples, compositing, attention, timing, count, peak)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="8b")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--image-size", type=int, help="pixels; default: 448, or 64 for the tiny model")
    parser.add_argument("--steps", type=int, default=10, help="timed steps, of which the median counts")
    parser.add_argument("--limit", type=float, default=30, help="seconds after which a row ends with the steps it has")
    parser.add_argument("--output", choices=["markdown", "json"], default="markdown")
    options = parser.parse_args(arguments)

    model, processor = build(options.size, options.frames, options.image_size, options.device)
    image_token = model.config.backbone_config.image_token_id

    def make_batch(samples: int) -> Batch:
        return embedded_batch(processor, image_token, samples, options.device)

    sample = make_batch(1)
    setting = dict(
        size=options.size, frames=options.frames, image_size=model.config.image_size,
        visual_tokens=sample.visual_tokens, text_tokens=sample.text_tokens,
        parameters=sum(each.numel() for each in model.parameters()),
        trainable=sum(each.numel() for each in model.parameters() if each.requires_grad),
    )  # fmt: skip
    head = provenance(options.device) | setting
    if options.output == "json":
        print(json.dumps(head), flush=True)
    else:
        print(", ".join(f"{name} {value}" for name, value in head.items()), end="\n\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for figures in measure_all(options, Training(model, options.device), make_batch):
        print(json.dumps(figures) if options.output == "json" else markdown(figures), flush=True)


if __name__ == "__main__":
    main()
