"""skeletonllm doctor: what is installed, what it runs on, and which path renders."""

import json
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

PACKAGES = (
    "torch", "triton", "numpy", "transformers", "tokenizers", "safetensors", "peft", "accelerate",
    "deepspeed", "datasets",
)  # fmt: skip


def examine() -> dict:
    """The facts, JSON-able."""
    import torch

    from skeletonllm import __version__

    devices = [{"name": platform.processor() or platform.machine(), "type": "cpu", "threads": torch.get_num_threads()}]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = round(properties.total_memory / 2**30, 1)
        devices.append({"name": properties.name, "type": "cuda", "memory_gib": memory})
    return {
        "skeletonllm": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": devices,
        "render": _time_render("cuda" if torch.cuda.is_available() else "cpu"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _time_render(device: str) -> dict:
    """The path that draws on this machine, and the seconds it takes for one clip."""
    import torch

    from skeleton_kernels.splat import choose_backend
    from skeletonllm.rendering.draction import DrAction
    from skeletonllm.skeleton.topologies import KINECT_V2

    frames, size = 12, 224
    height = torch.linspace(-0.9, 0.9, KINECT_V2.num_joints, device=device)
    joints = torch.stack([0.3 * torch.sin(9 * height), height, torch.full_like(height, 3.0)], -1)
    joints = joints.expand(1, frames, 1, -1, 3)
    valid = torch.ones(joints.shape[:-1], dtype=torch.bool, device=device)
    renderer = DrAction().to(device)
    with torch.no_grad():
        for _ in range(2):  # the first one loads, and on a GPU compiles
            start = time.perf_counter()
            brightest = float(renderer(joints, torch.zeros_like(joints), valid, image_size=size).max())
            seconds = time.perf_counter() - start
    return {
        "device": device,
        "path": choose_backend("auto", torch.device(device), torch.float32),
        "clip": f"{frames} frames of {size} x {size}",
        "seconds": round(seconds, 4),
        "works": brightest > 0,
    }


def _warm_up() -> dict:
    """Compiles the GPU kernels for the device at hand; where they are kept, and the seconds that it took."""
    import torch

    if not torch.cuda.is_available():
        typer.echo("--warmup compiles kernels for a CUDA device, and there is none here", err=True)
        raise typer.Exit(2)
    import triton

    from skeleton_kernels.warmup import warm_up

    start = time.perf_counter()
    warm_up("cuda")
    torch.cuda.synchronize()
    return {"cache": triton.knobs.cache.dir, "seconds": round(time.perf_counter() - start, 1)}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    warmup: Annotated[
        bool, typer.Option("--warmup", help="Compile the GPU kernels now; TRITON_CACHE_DIR says where to keep them.")
    ] = False,
) -> None:
    """Show versions and devices, and render a small clip."""
    compiled = {"kernels": _warm_up()} if warmup else {}
    found = examine() | compiled
    if as_json:
        print(json.dumps(found, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    for name in ("skeletonllm", "python", "system"):
        table.add_row(name, found[name])
    for name, installed in found["packages"].items():
        table.add_row(name, installed or "not installed")
    for device in found["devices"]:
        detail = f"{device['threads']} threads" if device["type"] == "cpu" else f"{device['memory_gib']} GiB"
        table.add_row(device["type"], f"{device['name']}, {detail}")
    render = found["render"]
    outcome = f"{render['clip']} in {render['seconds']:.3f} s" if render["works"] else "drew nothing"
    table.add_row("renders with", f"{render['path']} path on {render['device']}: {outcome}")
    if warmup:
        table.add_row("kernels", f"compiled in {found['kernels']['seconds']} s, kept in {found['kernels']['cache']}")
    Console().print(table)
