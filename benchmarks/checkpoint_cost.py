"""Cost of safety: saving, verifying and restoring checkpoints of real size, next to a training step.

    python benchmarks/checkpoint_cost.py [--backbones InternVL3-1B-hf InternVL3-8B-hf] [--folder FOLDER] [--repeats 3]

What is written are tensors of the shapes that the distill stage trains (renderer, projector, adapters of rank 32) with
both of Adam's moments, through the functions that a run calls. The step of a model that does not run here is the
planner's estimate for one H200; that of the tiny model is measured. Prints the rows of docs/faults.md.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]

from run import machine  # noqa: E402

from skeletonllm.training import run as training  # noqa: E402
from skeletonllm.training.arguments import recipe_from_dict  # noqa: E402
from skeletonllm.training.checkpoint import find_damage, load_newest_checkpoint, save_checkpoint  # noqa: E402
from skeletonllm.training.engine import MOMENTS  # noqa: E402
from skeletonllm.training.lora import LoraArguments, attach_lora  # noqa: E402
from skeletonllm.training.parts import learning_parameters, set_trainable  # noqa: E402
from skeletonllm.training.plan import Setting, make_plan, stage_sample  # noqa: E402
from skeletonllm.training.planning.shape import build_without_weights, load_backbone_config, shape_of  # noqa: E402
from skeletonllm.training.stages import STAGES  # noqa: E402

STAGE, RANK, SAVE_EVERY = "distill", 32, 500
COLUMNS = (
    "what is saved", "parameters", "MB", "save s", "verification s", "restore s", "step s", "share of the time",
    "step beside a verification",
)  # fmt: skip
TINY = dict(
    data=dict(options=dict(performers=4, test_performers=1, labels=["squat", "walk"])),
    optimization=dict(batch_size=8, threads=1),
    stages=dict(distill=dict(epochs=8)),
    log_every=6,
    save_every=1000,
    pictures_every=0,
)


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def checkpoint_of(parameters: dict[str, torch.Size]) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors as a run saves them in the midst of a stage."""
    moments = {f"{name}/{key}": torch.rand(shape) for name, shape in parameters.items() for key in MOMENTS}
    return dict(
        model={name: torch.rand(shape) for name, shape in parameters.items()},
        optimizer={**moments, "step": torch.tensor(1)},
    )


def backbone_case(name: str) -> tuple[dict[str, torch.Size], float]:
    """What is learnt of a backbone, and the seconds of a step on one H200 by the plan."""
    model = build_without_weights(load_backbone_config(name))
    plan = make_plan(shape_of(model, RANK), Setting(tuple(STAGES[STAGE].train), stage_sample(STAGE)))
    with torch.device("meta"):
        attach_lora(model, LoraArguments(rank=RANK), seed=0)
    set_trainable(model, STAGES[STAGE].train)
    return {key: p.shape for key, p in learning_parameters(model).items()}, sum(plan.seconds.values())


def tiny_case(folder: Path) -> tuple[dict[str, torch.Size], float]:
    """What is learnt of the tiny model, and the seconds of a step of it, measured."""
    recipe = recipe_from_dict(TINY)
    training.train(recipe, folder)
    learnt = load_newest_checkpoint(folder / "checkpoints").tensors["model"]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {name: value.shape for name, value in learnt.items()}, lines[-1]["seconds_per_step"]


def beside(path: Path) -> float:
    """How much longer products on one thread take while a checkpoint is verified in another."""
    torch.set_num_threads(1)
    matrix = torch.rand(512, 512)
    alone = median_seconds(lambda: matrix @ matrix, 200)
    done = threading.Event()

    def verify():
        while not done.is_set():
            find_damage(path)

    thread = threading.Thread(target=verify)
    thread.start()
    together = median_seconds(lambda: matrix @ matrix, 200)
    done.set()
    thread.join()
    return together / alone


def measure(what: str, parameters: dict[str, torch.Size], step: float, folder: Path, repeats: int) -> str:
    """A row."""
    tensors = checkpoint_of(parameters)
    state = dict(stage=STAGE, world_size=1, recipe={}, labels=[])
    path = save_checkpoint(folder, 1, tensors, state)
    save = median_seconds(lambda: save_checkpoint(folder, 1, tensors, state), repeats)
    verify = median_seconds(lambda: find_damage(path), repeats)
    restore = median_seconds(lambda: load_newest_checkpoint(folder), repeats)
    size = sum(file.stat().st_size for file in path.iterdir())
    count = sum(shape.numel() for shape in parameters.values())
    share = save / (save + SAVE_EVERY * step)
    cells = [what, f"{count:,}", f"{size / 1e6:,.1f}", f"{save:.3f}", f"{verify:.3f}", f"{restore:.3f}"]
    cells += [f"{step:.3f}", f"{share:.2%}", f"x {beside(path):.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="*", default=["InternVL3-1B-hf", "InternVL3-8B-hf"])
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the one for temporary files")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        parameters, step = tiny_case(Path(folder) / "tiny")
        print(", ".join(f"{key} {value}" for key, value in machine("cpu").items()))
        print(f"share of the time: of a run that saves every {SAVE_EVERY} steps\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'--|' * len(COLUMNS)}", flush=True)
        print(measure("tiny", parameters, step, Path(folder) / "tiny-saved", options.repeats), flush=True)
        for name in options.backbones:
            parameters, step = backbone_case(name)
            print(measure(name, parameters, step, Path(folder) / name, options.repeats), flush=True)


if __name__ == "__main__":
    main()
