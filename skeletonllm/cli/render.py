"""skeletonllm render: recordings to pictures."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skeletonllm.rendering.renderer import Renderer

SUFFIXES = (".gif", ".mp4", ".png")
SEED = 0  # of the untrained renderer: one recording always gives one picture


class Backend(StrEnum):
    auto = "auto"
    reference = "reference"
    cpu = "cpu"
    triton = "triton"


def render(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Skeleton recordings.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="out.gif, out.mp4, out.png (contact sheet) or a folder (PNG frames).")
    ],
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames to draw. Default: 12 on a sheet, else 15 per second."),
    ] = None,
    size: Annotated[int, typer.Option(min=8, max=4096, help="Side of the picture in pixels.")] = 448,
    weights: Annotated[
        Path | None, typer.Option(help="A renderer's file, published or exported, or the folder of a trained model.")
    ] = None,
    renderer: Annotated[
        str | None,
        typer.Option(
            help="Without weights: stick_figure, projection or trajectory_map instead of an untrained draction, or "
            "settings such as '{kind: stick_figure, follow: true}'."
        ),
    ] = None,
    format: Annotated[str | None, typer.Option(help="Read as this format instead of looking at the bytes.")] = None,
    backend: Annotated[Backend, typer.Option(help="Which path renders.")] = Backend.auto,
) -> None:
    """Draw recordings: a GIF, a video, a contact sheet (several files: one below the other), or PNG frames."""
    targets = plan_outputs(files, output)

    from rich.console import Console

    from skeletonllm.rendering import video
    from skeletonllm.rendering.recording import SHEET_FRAMES, choose_count, cut, draw, sheet, write_frames
    from skeletonllm.skeleton.formats import read_skeleton

    drawing = load_renderer(weights, backend, read_settings(renderer))
    sheets = []
    with Console(stderr=True).status("") as status:
        for path, target in zip(files, targets, strict=True):
            sequence = read_skeleton(path, format)
            kind = target.suffix.lower()
            clip = cut(sequence, choose_count(sequence, kind, frames, size), kind, drawing)
            status.update(f"{path.name}: drawing {clip.num_frames} of {sequence.num_frames} frames")
            pictures = draw(drawing, clip, size, backend.value)
            if kind == ".png":
                sheets.append(sheet(pictures, clip, path.name, SHEET_FRAMES // 2 if len(files) == 1 else SHEET_FRAMES))
            else:
                write_frames(target, pictures, sequence)
    if sheets:
        video.write_png(targets[0], video.stack_sheets(sheets))
    for target in dict.fromkeys(targets):
        print(target)


def plan_outputs(files: list[Path], output: str) -> list[Path]:
    """Where the pictures of each file go; folders have no suffix. Raises ValueError where the wish cannot be met."""
    target = Path(output)
    if target.suffix.lower() in SUFFIXES and not target.is_dir():
        if any(target.resolve() == path.resolve() for path in files):
            raise ValueError(f"{output}: is the recording itself; choose another output")
        if len(files) > 1 and target.suffix.lower() != ".png":
            raise ValueError(f"{output}: holds one recording; give a folder or .png for {len(files)} files")
        return [target] * len(files)
    if target.suffix and not target.is_dir() and not output.endswith("/"):
        raise ValueError(f"{output}: cannot write {target.suffix}; use {', '.join(SUFFIXES)} or a folder (with /)")
    if len(files) == 1:
        return [target]
    names = [path.name.replace(".", "_") for path in files]
    if len(set(names)) < len(names):
        raise ValueError(f"{output}: two of the files have the same name and would share a folder")
    return [target / name for name in names]


def read_settings(written: str | None) -> dict:
    """A renderer's settings as the command line gives them: its kind alone, or YAML. Raises ValueError for others."""
    import yaml

    try:
        settings = yaml.safe_load(written or "{}")
    except yaml.YAMLError as error:
        raise ValueError(f"--renderer {written}: not YAML: {error}") from error
    if isinstance(settings, str):
        return {"kind": settings}
    if not isinstance(settings, dict):
        raise ValueError(f"--renderer {written}: found a {type(settings).__name__}, expected a kind or settings")
    return settings


def load_renderer(weights: Path | None, backend: Backend, settings: dict | None = None) -> "Renderer":
    """A published or exported renderer, that of a trained model, or without weights an untrained one, always the same.

    Args:
        weights: a renderer's file, or the folder of a trained model.
        backend: which path renders.
        settings: of the renderer without weights, see ``skeletonllm.rendering.registry.build_renderer``.

    Raises:
        ValueError: weights and settings, the weights are no such file, there is no such renderer, or the backend does
            not run on this machine.
    """
    import torch

    from skeleton_kernels.splat import choose_backend
    from skeletonllm.rendering.registry import build_renderer, read_renderer
    from skeletonllm.rendering.weights import RENDERER_FILE

    if weights is not None and settings:
        raise ValueError(f"{weights} says which renderer it is; choose one or the other")
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            renderer = build_renderer(settings or {})
    elif (weights / RENDERER_FILE).is_file():  # an export of a renderer, or of adapters with it
        renderer = read_renderer(weights / RENDERER_FILE)
    elif weights.is_dir():
        from skeletonllm.models import SkeletonLLMForConditionalGeneration

        renderer = SkeletonLLMForConditionalGeneration.from_pretrained(weights).renderer
    else:
        renderer = read_renderer(weights)
    device = torch.device("cuda" if torch.cuda.is_available() and backend != Backend.cpu else "cpu")
    try:
        choose_backend(backend.value, device, torch.float32)
    except RuntimeError as error:  # a wish that this machine cannot meet
        raise ValueError(error) from error
    return renderer.to(device).eval()
