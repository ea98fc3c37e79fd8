"""A recording to pictures: which frames are drawn, and how they become a sheet, a film or single pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from skeletonllm.rendering import video
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.skeleton.sequence import (
    PUBLISHED_VELOCITY_FRAMES,
    Clip,
    SkeletonSequence,
    frame_indices,
    sample_clip,
)

SHEET_FRAMES = 12
MOVIE_FPS = 15.0
MOVIE_FRAMES = 200
# All frames are drawn in one call, because camera and modulator look at a clip as a whole. Twelve bytes each: 2 GB.
MOST_PIXELS = 160_000_000


def choose_count(sequence: SkeletonSequence, kind: str, frames: int | None, size: int) -> int:
    """How many frames to draw for a file of a kind (``.png`` is a sheet). Raises ValueError if they would not fit in
    memory."""
    if frames is None:
        pace = SHEET_FRAMES if kind == ".png" else round(sequence.duration * MOVIE_FPS)
        frames = max(1, min(pace, sequence.num_frames, MOVIE_FRAMES, MOST_PIXELS // size**2))
    if frames * size**2 > MOST_PIXELS:
        raise ValueError(
            f"{frames} frames of {size} x {size} pixels are more than fit at once; "
            f"at this size at most {MOST_PIXELS // size**2} do"
        )
    return frames


def cut(sequence: SkeletonSequence, count: int, kind: str, renderer: Renderer) -> Clip:
    """The frames to draw, with velocities in the unit that the renderer was trained with."""
    if not renderer.settings.get("published"):
        return sample_clip(sequence, count)
    if kind == ".png":
        return sample_clip(sequence, count, sampling="published")
    # A video steps evenly in time, which the published sampler does not.
    now = frame_indices(sequence.num_frames, count)
    later = np.minimum(now + PUBLISHED_VELOCITY_FRAMES, sequence.num_frames - 1)
    velocities = torch.from_numpy(sequence.joints[later] - sequence.joints[now])
    return replace(sample_clip(sequence, count), velocities=velocities)


def draw(renderer: Renderer, clip: Clip, size: int, backend: str = "auto") -> torch.Tensor:
    """Frames (N, 3, H, W) in [0, 1]."""
    with torch.no_grad():
        return renderer.render(clip, image_size=size, backend=backend)[0].cpu()


def sheet(frames: torch.Tensor, clip: Clip, name: str, columns: int = SHEET_FRAMES // 2) -> Image.Image:
    """All frames (N, 3, H, W) as one picture, under the recording's name and label."""
    title = f"{name}: {clip.label}" if clip.label else name
    return video.contact_sheet(frames, clip.times.tolist(), title=title, columns=columns)


def write_frames(target: Path, frames: torch.Tensor, sequence: SkeletonSequence) -> None:
    """Frames (N, 3, H, W) as a film as long as the recording (``.gif``, ``.mp4``), or else as a folder of pictures.

    Raises:
        ValueError, OSError, RuntimeError: see ``write_gif`` and ``write_mp4``.
    """
    fps = len(frames) / sequence.duration
    kind = target.suffix.lower()
    if kind == ".gif":
        video.write_gif(target, frames, fps)
    elif kind == ".mp4":
        video.write_mp4(target, frames, fps)
    else:
        video.write_png_folder(target, frames)
