"""One measurement in a process of its own, so that nothing measured before weighs on its time or its memory.

The reference keeps several pictures per Gaussian for its backward pass, gigabytes per frame. It therefore draws groups
of frames of at most 448 x 448 pixels in all.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from workloads import WORKLOADS, bodies

from skeleton_kernels import splat_bones

LEAVES = ("joints", "scales", "colors", "opacities")
PER_CLIP = ("skin_index", "skin_weight", "offsets", "scales")
PER_FRAME = ("joints", "colors", "opacities")
PIXELS = 448 * 448


def frame_groups(arguments: dict, frames: int) -> list[dict]:
    """The workload in calls of at most so many frames of one clip."""
    clips, length = arguments["joints"].shape[:2]
    groups = []
    for clip in range(clips):
        own = {name: arguments[name][clip : clip + 1] for name in PER_CLIP}
        for first in range(0, length, frames):
            moving = {name: arguments[name][clip : clip + 1, first : first + frames] for name in PER_FRAME}
            groups.append(arguments | own | moving)
    return groups


def draw(group: dict, backend: str, cotangent: Tensor | None = None) -> tuple[Tensor, ...]:
    """Pictures or, given their cotangent, its gradients to the leaves."""
    if cotangent is None:
        with torch.no_grad():
            return (splat_bones(**group, backend=backend),)
    leaves = [group[name].detach().requires_grad_() for name in LEAVES]
    images = splat_bones(**(group | dict(zip(LEAVES, leaves, strict=True))), backend=backend)
    return torch.autograd.grad(images, leaves, cotangent)


def random_cotangent(group: dict) -> Tensor:
    clips, frames = group["joints"].shape[:2]
    generator = torch.Generator().manual_seed(1)
    cotangent = torch.randn(clips, frames, 3, group["image_size"], group["image_size"], generator=generator)
    return cotangent.to(group["joints"].device)


def seconds(run: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(device: str) -> int:
    """Most memory held so far: resident set of the process, or allocations on the GPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(index: int, backend: str, backward: bool, repeats: int, device: str) -> dict[str, float]:
    """Median seconds per call of the workload, and bytes beyond its inputs at the worst moment."""
    workload = WORKLOADS[index]
    arguments = bodies(workload, device)
    frames = max(1, PIXELS // workload.size**2)
    groups = frame_groups(arguments, frames) if backend == "reference" else [arguments]

    cotangents = [random_cotangent(group) if backward else None for group in groups]

    def run() -> None:
        for group, cotangent in zip(groups, cotangents, strict=True):
            draw(group, backend, cotangent)

    # Libraries load and worker threads start on first use; that is not the workload's memory.
    small = bodies(replace(workload, clips=1, frames=1, size=8), device)
    draw(small, backend, random_cotangent(small))
    before = peak_bytes(device)
    times = [seconds(run, device)]
    extra = peak_bytes(device) - before
    times += [seconds(run, device) for _ in range(repeats)]
    return {"seconds": statistics.median(times[1:] or times), "extra_bytes": extra}


def compare(index: int, backend: str, device: str) -> dict[str, float]:
    """Largest difference in the pictures of the first clip; worst relative gradient error in its first frame."""
    workload = WORKLOADS[index]
    clip = frame_groups(bodies(workload, device), workload.frames)[0]
    image_error = (draw(clip, backend)[0] - draw(clip, "reference")[0]).abs().max().item()
    frame = frame_groups(clip, 1)[0]
    found, wanted = (draw(frame, path, random_cotangent(frame)) for path in (backend, "reference"))
    gradient_error = max(
        ((mine - exact).norm() / exact.norm()).item() for mine, exact in zip(found, wanted, strict=True)
    )
    return {"image_error": image_error, "gradient_error": gradient_error}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps({"measure": measure, "compare": compare}[task.pop("what")](**task)))
