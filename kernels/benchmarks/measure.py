"""One measurement in a process of its own, so that nothing measured before weighs on its time or its memory.

The reference keeps several pictures per Gaussian for its backward pass, gigabytes per frame. It therefore draws groups
of frames of at most 448 x 448 pixels in all, which also is the size at which it is fastest.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from workloads import WORKLOADS, bodies

from skeleton_kernels import splat_bones

LEAVES = ("joints", "scales", "colors", "opacities")
PIXELS = 448 * 448


def frame_groups(arguments: dict, frames: int, backend: str) -> list[dict]:
    """The workload as one call, or for the reference as several."""
    clips, length = arguments["joints"].shape[:2]
    if backend != "reference" or clips * length <= frames:
        return [arguments]
    moving = ("joints", "colors", "opacities")
    return [
        {
            name: value[clip : clip + 1, first : first + frames]
            if name in moving
            else value[clip : clip + 1]
            if isinstance(value, Tensor) and name != "intrinsics"
            else value
            for name, value in arguments.items()
        }
        for clip in range(clips)
        for first in range(0, length, frames)
    ]


def draw(group: dict, backend: str, backward: bool) -> tuple[Tensor, list[Tensor]]:
    """Pictures and, if asked for, the gradients of their sum of squares."""
    if not backward:
        with torch.no_grad():
            return splat_bones(**group, backend=backend), []
    leaves = [group[name].detach().requires_grad_() for name in LEAVES]
    images = splat_bones(**(group | dict(zip(LEAVES, leaves, strict=True))), backend=backend)
    return images, list(torch.autograd.grad(images.square().sum(), leaves))


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
    groups = frame_groups(arguments, max(1, PIXELS // workload.size**2), backend)

    def run() -> None:
        for group in groups:
            draw(group, backend, backward)

    # Libraries load and worker threads start on first use; that is not the workload's memory.
    tiny = {name: value[:1, :1] if value.ndim > 3 else value[:1] for name, value in arguments.items() if name in LEAVES}
    others = {name: value[:1] for name, value in arguments.items() if name in ("skin_index", "skin_weight", "offsets")}
    draw(tiny | others | {"intrinsics": arguments["intrinsics"], "image_size": 8}, backend, backward)
    before = peak_bytes(device)
    times = [seconds(run, device)]
    extra = peak_bytes(device) - before
    times += [seconds(run, device) for _ in range(repeats)]
    return {"seconds": statistics.median(times[1:] or times), "extra_bytes": extra}


def compare(index: int, backend: str, device: str) -> dict[str, float]:
    """Largest difference in the pictures of the first clip; worst relative gradient error in its first frame."""
    workload = WORKLOADS[index]
    clip = frame_groups(bodies(workload, device), workload.frames, "reference")[0]
    image_error = (draw(clip, backend, False)[0] - draw(clip, "reference", False)[0]).abs().max().item()
    frame = frame_groups(clip, 1, "reference")[0]
    found, wanted = draw(frame, backend, True)[1], draw(frame, "reference", True)[1]
    gradient_error = max(
        ((mine - exact).norm() / exact.norm()).item() for mine, exact in zip(found, wanted, strict=True)
    )
    return {"image_error": image_error, "gradient_error": gradient_error}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps({"measure": measure, "compare": compare}[task.pop("what")](**task)))
