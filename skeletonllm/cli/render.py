"""skeletonllm render: recordings to pictures."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from skeletonllm.rendering.renderer import Renderer
    from skeletonllm.skeleton.sequence import Clip, SkeletonSequence

SUFFIXES = (".gif", ".mp4", ".png")
SHEET_FRAMES = 12
MOVIE_FPS = 15.0
MOVIE_FRAMES = 200
# All frames are drawn in one call, because camera and modulator look at a clip as a whole. Twelve bytes each: 2 GB.
MOST_PIXELS = 160_000_000
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
        typer.Option(min=1, help=f"Frames to draw. Default: {SHEET_FRAMES} on a sheet, else {MOVIE_FPS:g} per second."),
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
    from skeletonllm.skeleton.formats import read_skeleton

    drawing = load_renderer(weights, backend, read_settings(renderer))
    sheets = []
    with Console(stderr=True).status("") as status:
        for path, target in zip(files, targets, strict=True):
            sequence = read_skeleton(path, format)
            kind = target.suffix.lower()
            clip = cut(sequence, choose_count(sequence, kind, frames, size), kind, drawing)
            status.update(f"{path.name}: drawing {clip.num_frames} of {sequence.num_frames} frames")
            pictures = draw(drawing, clip, size, backend)
            fps = clip.num_frames / sequence.duration
            if kind == ".gif":
                video.write_gif(target, pictures, fps)
            elif kind == ".mp4":
                video.write_mp4(target, pictures, fps)
            elif kind == ".png":
                title = f"{path.name}: {sequence.label}" if sequence.label else path.name
                columns = SHEET_FRAMES // 2 if len(files) == 1 else SHEET_FRAMES
                sheets.append(video.contact_sheet(pictures, clip.times.tolist(), title=title, columns=columns))
            else:
                video.write_png_folder(target, pictures)
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


def choose_count(sequence: "SkeletonSequence", kind: str, frames: int | None, size: int) -> int:
    """How many frames to draw. Raises ValueError if they would not fit in memory."""
    if frames is None:
        pace = SHEET_FRAMES if kind == ".png" else round(sequence.duration * MOVIE_FPS)
        frames = max(1, min(pace, sequence.num_frames, MOVIE_FRAMES, MOST_PIXELS // size**2))
    if frames * size**2 > MOST_PIXELS:
        raise ValueError(
            f"{frames} frames of {size} x {size} pixels are more than fit at once; "
            f"at this size at most {MOST_PIXELS // size**2} do"
        )
    return frames


def cut(sequence: "SkeletonSequence", count: int, kind: str, renderer: "Renderer") -> "Clip":
    """The frames to draw, with velocities in the unit that the renderer was trained with."""
    import numpy as np
    import torch

    from skeletonllm.skeleton.sequence import PUBLISHED_VELOCITY_FRAMES, frame_indices, sample_clip

    if not renderer.settings.get("published"):
        return sample_clip(sequence, count)
    if kind == ".png":
        return sample_clip(sequence, count, sampling="published")
    # A video steps evenly in time, which the published sampler does not.
    now = frame_indices(sequence.num_frames, count)
    later = np.minimum(now + PUBLISHED_VELOCITY_FRAMES, sequence.num_frames - 1)
    velocities = torch.from_numpy(sequence.joints[later] - sequence.joints[now])
    return replace(sample_clip(sequence, count), velocities=velocities)


def draw(renderer: "Renderer", clip: "Clip", size: int, backend: Backend) -> "torch.Tensor":
    """Frames (N, 3, H, W) in [0, 1]."""
    import torch

    with torch.no_grad():
        return renderer.render(clip, image_size=size, backend=backend.value)[0].cpu()
