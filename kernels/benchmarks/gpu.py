"""The fused GPU path of splatting: workloads as data, and what each is measured next to.

Used by `run.py --device cuda`. Times are of CUDA events, after warm-up, with the second-level cache overwritten between
calls. The floor is half the time that copying the pictures on the device takes: a copy reads and writes every byte, and
a forward pass has to write the pictures, a backward pass to read their gradient.
"""

import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import torch
from measure import LEAVES
from torch import Tensor
from workloads import Workload, bodies

from skeleton_kernels import splat_bones
from skeleton_kernels.splat import reference
from skeleton_kernels.splat.bones import hang

FRAMES = 12
CLIPS, PERSONS, SIZES = (1, 16, 64), (1, 2), (224, 448)
DTYPES = (torch.float32, torch.bfloat16)
CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Times:
    """Seconds per call."""

    p20: float
    p50: float
    p80: float


def time_calls(run: Callable[[], object], repeats: int) -> Times:
    run(), run()
    cache = torch.empty(CACHE_BYTES, dtype=torch.int8, device="cuda")
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for start, end in events:
        cache.zero_()
        start.record()
        run()
        end.record()
    torch.cuda.synchronize()
    taken = sorted(start.elapsed_time(end) / 1e3 for start, end in events)
    p20, _, _, p80 = statistics.quantiles(taken, n=5, method="inclusive")
    return Times(p20, statistics.median(taken), p80)


def peak_bytes(run: Callable[[], object]) -> int:
    """Bytes at the worst moment beyond what is held before the call."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def per_gaussian_loop(means, scales, colors, opacities, intrinsics, height: int, width: int) -> Tensor:
    """Frame by frame and Gaussian by Gaussian over whole pictures, as the published renderer composites."""
    pictures = []
    rows = torch.arange(height, device=means.device)[:, None]
    columns = torch.arange(width, device=means.device)
    for center, size, color, opacity, camera in zip(means, scales, colors, opacities, intrinsics, strict=True):
        projected = reference.project(center, size, camera)
        picture = means.new_zeros(3, height, width)
        transmittance = means.new_ones(height, width)
        for k in center[:, 2].argsort().tolist():
            x, y = columns - projected.centers[k, 0], rows - projected.centers[k, 1]
            xx, xy, yy = projected.precisions[k]
            alpha = 1 - torch.exp(-opacity[k] * torch.exp(-0.5 * (xx * x * x + 2 * xy * x * y + yy * y * y)))
            picture = picture + transmittance * alpha * color[k, :, None, None]
            transmittance = transmittance * (1 - alpha)
        pictures.append(picture)
    return torch.stack(pictures)


def gsplat_frames(means, scales, colors, opacities, intrinsics, height: int, width: int) -> Tensor:
    """The same Gaussians by gsplat, frame by frame. Its opacity law differs, so that only speed is compared."""
    from gsplat import rasterization

    upright = means.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(means.shape[1], 4)
    flip = torch.diag(means.new_tensor([1.0, -1.0, 1.0, 1.0]))[None]
    return torch.cat(
        [
            rasterization(m, upright, s[:, None].expand(-1, 3), o.clamp(max=0.99), c, flip, k[None], width, height)[0]
            for m, s, c, o, k in zip(means, scales, colors, opacities, intrinsics, strict=True)
        ]
    )


def competitors() -> Iterator[tuple[str, Callable[..., Tensor]]]:
    """Yields (name, function of the arguments of `reference.splat` up to the height, which is the width too)."""
    yield "per-Gaussian loop", lambda *gaussians, size: per_gaussian_loop(*gaussians, size, size)
    if find_spec("gsplat"):
        yield "gsplat", lambda *gaussians, size: gsplat_frames(*gaussians, size, size)
    yield "dense reference", lambda *gaussians, size: reference.splat(*gaussians, size, size, 0.0)
    # Last: a loop over hundreds of Gaussians takes minutes to compile.
    dense = torch.compile(reference.splat)
    yield "dense reference, compiled", lambda *gaussians, size: dense(*gaussians, size, size, 0.0)


def passes(draw: Callable[..., Tensor], leaves: list[Tensor]) -> dict[str, Callable[[], object]]:
    """The three passes of a function of the leaves, each a call without arguments."""
    leaves = [leaf.detach().requires_grad_() for leaf in leaves]
    images = draw(*leaves)
    cotangent = torch.randn_like(images)
    # The backward pass of a kept graph recomputes what it needs, so that it can be run again and again.
    return {
        "forward": torch.no_grad()(lambda: draw(*leaves)),
        "backward": lambda: torch.autograd.grad(images, leaves, cotangent, retain_graph=True),
        "both": lambda: torch.autograd.grad(draw(*leaves), leaves, cotangent),
    }


def floor_seconds(shape: tuple[int, ...], dtype: torch.dtype, repeats: int) -> float:
    source, target = torch.empty(shape, dtype=dtype, device="cuda"), torch.empty(shape, dtype=dtype, device="cuda")
    return time_calls(lambda: target.copy_(source), repeats).p50 / 2


def row(workload: Workload, path: str, dtype: torch.dtype, name: str, times: Times, **more) -> dict:
    kind = str(dtype).removeprefix("torch.")
    return {"workload": workload.name, "path": path, "dtype": kind, "pass": name, **vars(times), **more}


def fused_rows(workload: Workload, repeats: int) -> Iterator[dict]:
    arguments = bodies(workload, "cuda")
    leaves = [arguments[name] for name in LEAVES]
    for dtype in DTYPES:

        def draw(*values: Tensor, dtype=dtype) -> Tensor:
            given = arguments | dict(zip(LEAVES, values, strict=True))
            return splat_bones(**given, backend="triton", dtype=dtype)

        shape = (workload.clips, FRAMES, 3, workload.size, workload.size)
        floor = floor_seconds(shape, dtype, repeats)
        output = torch.Size(shape).numel() * dtype.itemsize
        for name, run in passes(draw, leaves).items():
            times = time_calls(run, repeats)
            # What comes out is not extra: the pictures, which "both" makes on the way to their gradients.
            extra = peak_bytes(run) - (0 if name == "backward" else output)
            bytes_ = {"output_bytes": output, "extra_bytes": extra, "floor": floor * (2 if name == "both" else 1)}
            yield row(workload, "triton", dtype, name, times, **bytes_)


def other_rows(workload: Workload, path: str, draw: Callable[..., Tensor], repeats: int) -> Iterator[dict]:
    """What a competitor takes for the same Gaussians, a frame at a time since the whole clip would not fit."""
    arguments = bodies(workload, "cuda")
    size = arguments.pop("image_size")
    intrinsics = arguments["intrinsics"].expand(workload.clips, FRAMES, 3, 3)
    gaussians = [value.flatten(0, 1).contiguous() for value in hang(**(arguments | {"intrinsics": intrinsics}))]

    def clip(backward: bool) -> None:
        for frame in range(FRAMES):
            one = [value[frame : frame + 1].detach().requires_grad_(backward) for value in gaussians]
            images = draw(*one, size=size)
            if backward:
                torch.autograd.grad(images.sum(), one[:4])

    for name, run in (("forward", partial(clip, False)), ("both", partial(clip, True))):
        yield row(workload, path, torch.float32, name, time_calls(run, min(repeats, 3)))


def measure_all(repeats: int) -> Iterator[dict]:
    """Yields rows as they are measured, after `run.py` has compared pictures and gradients with the reference.

    All of ours come before any competitor, so that a run that ends early has what it is for.
    """
    workloads = [
        Workload(f"{clips} clips of {FRAMES} frames, {persons} persons, {size} x {size}", clips, FRAMES, size, persons)
        for clips, persons, size in itertools.product(CLIPS, PERSONS, SIZES)
    ]
    for workload in workloads:
        yield from fused_rows(workload, repeats)
        torch.cuda.empty_cache()
    for path, draw in competitors():
        for workload in workloads:
            if workload.clips == 1:
                yield from other_rows(workload, path, draw, repeats)
                torch.cuda.empty_cache()
