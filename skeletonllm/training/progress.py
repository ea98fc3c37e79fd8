"""What one sees of a run: a bar, log lines, TensorBoard, and pictures of what the renderer draws."""

import importlib.util
import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from skeletonllm.rendering import video
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.skeleton.sequence import Clip
from skeletonllm.training.distributed import Ranks

LOG_FILE = "log.jsonl"
LEDGER_FOLDER = "ledger"
PICTURE_SIZE, PICTURE_FRAMES = 224, 6
GIBIBYTE = 2**30


class Log:
    """``log.jsonl`` and ``tensorboard/`` in a run's folder, and one line on the screen for each of theirs.

    Args:
        folder: of the run.
        step: steps done already; lines of later ones are dropped.
    """

    def __init__(self, folder: Path, step: int):
        self.path = folder / LOG_FILE
        rewind(self.path, step)
        self.board = _tensorboard(folder / "tensorboard", step)

    def write(self, line: dict) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            for key, value in line.items():
                if isinstance(value, int | float) and key != "step":
                    self.board.add_scalar(key, value, line["step"])
        tqdm.write(describe(line))

    def picture(self, sheet: Image.Image, step: int) -> None:
        """What the renderer draws after a step, in ``pictures/``."""
        video.write_png(self.path.parent / "pictures" / f"step-{step:06d}.png", sheet)
        if self.board is not None:
            self.board.add_image("renderer", np.asarray(sheet), step, dataformats="HWC")

    def close(self) -> None:
        if self.board is not None:
            self.board.close()


def rewind(path: Path, step: int) -> None:
    """Drop the lines of a JSONL file that are of later steps, which are done again, and one that a crash cut off."""
    if path.exists():
        whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        draft = path.with_suffix(".tmp")  # renamed into place, so that a crash now does not lose the others
        draft.write_text("".join(line for line in whole if json.loads(line)["step"] <= step))
        os.replace(draft, path)


class Ledger:
    """Which samples this rank learns from: ``ledger/rank-N.jsonl``, a line per step with its microbatches' ids.

    A line is written before its step is done; where the run goes on from an earlier one, it is dropped.

    Args:
        folder: of the run.
        ranks: this process among the others.
        step: steps done already; the first rank drops the lines of later ones from everyone's ledgers.
    """

    def __init__(self, folder: Path, ranks: Ranks, step: int):
        self.path = folder / LEDGER_FOLDER / f"rank-{ranks.rank:05d}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if ranks.is_first:
            for path in self.path.parent.glob("rank-*.jsonl"):
                rewind(path, step)
        ranks.barrier()

    def write(self, step: int, ids: Sequence[Sequence[str]]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(dict(step=step, ids=ids)) + "\n")


def _tensorboard(folder: Path, step: int):
    if importlib.util.find_spec("tensorboard") is None:  # it comes with the extra `train`; log.jsonl has the same
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def describe(line: dict) -> str:
    """A log line for people."""
    losses = " ".join(f"{key.removeprefix('loss/')} {line[key]:.3f}" for key in line if key.startswith("loss/"))
    norms = " ".join(f"{key.split('/')[1]} {line[key]:.2g}" for key in line if key.startswith("gradient_norm/"))
    rates = " ".join(f"{key.split('/')[1]} {line[key]:.1e}" for key in line if key.startswith("learning_rate/"))
    eta = time.strftime("%H:%M:%S", time.gmtime(line["eta_seconds"] % 86400))
    days = f"{line['eta_seconds'] // 86400} d " if line["eta_seconds"] >= 86400 else ""
    tokens = [
        f"{line[key]:.0f} {key.removesuffix('_tokens_per_second')}"
        for key in line
        if key.endswith("_tokens_per_second")
    ]
    shares = ", ".join(
        f"{key.removesuffix('_share').replace('_', ' ')} {line[key]:.0%}" for key in line if key.endswith("_share")
    )
    speed = f"{line['samples_per_second']:.1f} samples/s" + (f", {' and '.join(tokens)} tokens/s" if tokens else "")
    return (
        f"{line['stage']} step {line['step']} | loss {losses} | gradient {norms} | rate {rates} | {speed} | "
        f"{line['memory_gib']:.1f} GiB | {shares} | ETA {days}{eta}"
    )


class Window:
    """Sums over the steps between two log lines."""

    def __init__(self):
        self.steps = 0
        self.totals: dict[str, float] = {}

    def add(self, facts: dict[str, float]) -> None:
        self.steps += 1
        for key, value in facts.items():
            self.totals[key] = self.totals.get(key, 0.0) + value

    def summary(self) -> dict[str, float]:
        """Means per step, sample or second of what a ``Loop`` counts.

        Of its measures, ``X_seconds`` become ``X_share`` of the time, ``X_tokens`` become ``X_tokens_per_second``, and
        ``X_sum`` become ``X`` per sample.
        """
        total, seconds = self.totals, self.totals["seconds"]
        terms = [key.removeprefix("samples/") for key in total if key.startswith("samples/")]
        samples = sum(total[f"samples/{term}"] for term in terms)
        losses = {f"loss/{term}": total[f"loss/{term}"] / total[f"samples/{term}"] for term in terms
                  if total[f"samples/{term}"]}  # fmt: skip
        counted = max(1, self.steps - total["skipped"])
        norms = {key: value / counted for key, value in total.items() if key.startswith("gradient_norm")}
        rates = {f"{key}_per_second": value / seconds for key, value in total.items() if key.endswith("_tokens")}
        shares = {
            f"{key.removesuffix('_seconds')}_share": value / seconds
            for key, value in total.items()
            if key.endswith("_seconds")
        }
        means = {
            key.removesuffix("_sum"): value / max(1, samples) for key, value in total.items() if key.endswith("_sum")
        }
        return dict(
            # None if every step was skipped.
            loss=sum(total[f"loss/{term}"] for term in terms) / samples if samples else None,
            **losses,
            **means,
            **norms,
            seconds_per_step=seconds / self.steps,
            samples_per_second=samples / seconds,
            **rates,
            **shares,
            skipped=int(total["skipped"]),
        )


def peak_memory(device: torch.device) -> float:
    """The most memory that this process ever held, GiB: of the GPU it computes on, else of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIBIBYTE


class RendererClock:
    """Seconds that a renderer takes in forward and backward passes.

    Its backward pass is the last of a step: it lasts from the gradient's arrival at the pictures to the end, under
    data parallelism with the wait for the other ranks.
    """

    def __init__(self, renderer: nn.Module, device: torch.device):
        self.cuda = device.type == "cuda"
        self.spans: list[tuple[Any, Any]] = []
        self.begun: Any = None
        renderer.register_forward_pre_hook(lambda *_: self._begin())
        renderer.register_forward_hook(self._drawn)

    def _now(self):
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _begin(self) -> None:
        self.begun = self._now()

    def _drawn(self, _module: nn.Module, _inputs: tuple, frames: torch.Tensor) -> None:
        self.end()
        if frames.requires_grad:
            frames.register_hook(lambda _: self._begin())

    def end(self) -> None:
        """Called when a backward pass is over; without one that reached the renderer it does nothing."""
        if self.begun is not None:
            self.spans.append((self.begun, self._now()))
            self.begun = None

    def seconds(self) -> float:
        """Since the last call. On a GPU this waits for it."""
        if self.cuda:
            torch.cuda.synchronize()
            total = sum(begin.elapsed_time(end) for begin, end in self.spans) / 1000
        else:
            total = sum(end - begin for begin, end in self.spans)
        self.spans.clear()
        return total


@torch.no_grad()
def sheet_of(renderer: Renderer, clips: Sequence[Clip], titles: Sequence[str]) -> Image.Image:
    """A contact sheet of clips, one row each."""
    rows = []
    for clip, title in zip(clips, titles, strict=True):
        frames = renderer.render(clip, image_size=PICTURE_SIZE)[0].cpu()
        shown = torch.linspace(0, len(frames) - 1, min(PICTURE_FRAMES, len(frames))).round().long()
        rows.append(video.contact_sheet(frames[shown], title=title, columns=PICTURE_FRAMES))
    return video.stack_sheets(rows)
