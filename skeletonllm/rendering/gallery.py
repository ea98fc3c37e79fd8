"""Many recordings at a glance: each as a small animated picture, or as a strip on a contact sheet."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import torch
from PIL import Image, ImageDraw, ImageFont

from skeletonllm.rendering.renderer import Renderer
from skeletonllm.rendering.video import to_bytes
from skeletonllm.skeleton.sequence import Clip

Key = TypeVar("Key")

# Clips drawn in one call. More are no faster on a processor, and fill a graphics card well enough.
BATCH = 16
# A picture runs at the speed of the recording, but a long one is shortened and a short one slowed to these seconds.
SHORTEST, LONGEST = 1.0, 4.0
# At this quality, of 100, limbs keep their edges; a lossless picture is eight times as large.
QUALITY, EFFORT = 70, 2

PAPER, INK, FAINT = (48, 48, 48), (235, 235, 235), (170, 170, 170)
GAP = 6


def draw_all(
    clips: Iterable[tuple[Key, Clip]], renderer: Renderer, size: int, backend: str = "auto"
) -> Iterator[tuple[Key, torch.Tensor]]:
    """Draw clips of one frame count, several at a time: (key, frames (N, 3, size, size) in [0, 1]) in their order."""
    clips = iter(clips)
    while batch := list(islice(clips, BATCH)):
        with torch.no_grad():
            drawn = renderer.render([clip for _, clip in batch], image_size=size, backend=backend).cpu()
        yield from zip((key for key, _ in batch), drawn, strict=True)


def animate(frames: torch.Tensor, seconds: float) -> bytes:
    """An endless animated WebP of frames (N, 3, H, W) that are spread over so many seconds of a recording."""
    pictures = [Image.fromarray(picture) for picture in to_bytes(frames)]
    shown = min(max(seconds, SHORTEST), LONGEST)
    file = io.BytesIO()
    pictures[0].save(
        file, "WEBP", save_all=True, append_images=pictures[1:], loop=0,
        duration=max(1, round(1000 * shown / len(pictures))), quality=QUALITY, method=EFFORT,
    )  # fmt: skip
    return file.getvalue()


def strip(frames: torch.Tensor, lines: Sequence[str]) -> Image.Image:
    """Frames (N, 3, H, W) side by side with lines of text below, the first in a bright ink; each is cut to fit."""
    pictures = to_bytes(frames)
    _, height, width, _ = pictures.shape
    text = max(11, height // 11)
    font = ImageFont.load_default(text)
    image = Image.new("RGB", (len(pictures) * width, height + len(lines) * (text + 4)), PAPER)
    for index, picture in enumerate(pictures):
        image.paste(Image.fromarray(picture), (index * width, 0))
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        # Labels may have line breaks, and names of files need not be UTF-8.
        line = " ".join(line.encode("utf-8", "replace").decode().split())
        # Names of files end in what tells them apart, so the beginning goes.
        while line and draw.textlength(line, font) > image.width:
            line = "…" + line.removeprefix("…")[1:] if len(line) > 1 else ""
        draw.text((0, height + row * (text + 4)), line, font=font, fill=FAINT if row else INK)
    return image


def sheet(strips: Sequence[Image.Image], title: str, columns: int) -> Image.Image:
    """Strips of one size on one picture, row by row, below a title. Raises ValueError if there is none."""
    if not strips:
        raise ValueError(f"{title}: no strip to show")
    columns = min(columns, len(strips))
    rows = -(-len(strips) // columns)
    width, height = strips[0].width + GAP, strips[0].height + GAP
    head = 24 + GAP
    image = Image.new("RGB", (columns * width + GAP, head + rows * height + GAP), PAPER)
    ImageDraw.Draw(image).text((GAP, GAP), title, font=ImageFont.load_default(18), fill=INK)
    for index, one in enumerate(strips):
        image.paste(one, (GAP + index % columns * width, head + GAP + index // columns * height))
    return image
