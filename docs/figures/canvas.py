"""What all figures are put together with: pictures side by side, words, arrows, and small files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from skeletonllm.rendering.video import replacing, to_bytes

GAP = 4
TITLE = 22  # pixels of the line of titles
BACKGROUND = (48, 48, 48)
INK = (235, 235, 235)
# Bodies are smooth shades of few hues: more colours make larger files, and no difference to the eye.
COLORS = 112
_FINE = 4  # lines are drawn this many times larger and then made smaller, which smooths them


def picture(frame: torch.Tensor) -> Image.Image:
    """A frame (3, H, W) in [0, 1]."""
    return Image.fromarray(to_bytes(frame[None])[0])


def pictures(frames: torch.Tensor) -> list[Image.Image]:
    """Frames (N, 3, H, W) in [0, 1]."""
    return [Image.fromarray(one) for one in to_bytes(frames)]


def font(size: int = 15) -> ImageFont.FreeTypeFont:
    """The one that comes with Pillow, so that no machine has another."""
    return ImageFont.load_default(size)


def grid(
    rows: Sequence[Sequence[Image.Image]], names: Sequence[str] = (), titles: Sequence[str] = (), margin: int = 0
) -> Image.Image:
    """Pictures of one size, row by row.

    Args:
        rows: of them.
        names: of the rows, written to their left into a ``margin`` of so many pixels.
        titles: of the columns, written above them.
        margin: pixels.
    """
    width, height = rows[0][0].size
    top = TITLE if titles else 0
    across, down = max(map(len, rows)), len(rows)
    size = (margin + across * (width + GAP) - GAP, top + down * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for row, line in enumerate(rows):
        for column, one in enumerate(line):
            sheet.paste(one, (margin + column * (width + GAP), top + row * (height + GAP)))
    for row, name in enumerate(names):
        draw.multiline_text((6, top + row * (height + GAP) + height / 2), name, INK, font(), anchor="lm")
    for column, title in enumerate(titles):
        draw.text((margin + column * (width + GAP) + width / 2, top / 2), title, INK, font(), anchor="mm")
    return sheet


class Lines:
    """Smooth lines over a picture, in its pixels, whose centres are at whole numbers as those of the renderer."""

    def __init__(self, below: Image.Image):
        self.below = below
        self.layer = Image.new("RGBA", (below.width * _FINE, below.height * _FINE))
        self.draw = ImageDraw.Draw(self.layer)

    def polyline(self, points: np.ndarray, color: tuple[int, ...], width: float = 1.0) -> None:
        """Points (N, 2)."""
        fine = [tuple(point) for point in ((points + 0.5) * _FINE).tolist()]
        self.draw.line(fine, fill=color, width=round(width * _FINE), joint="curve")

    def dot(self, point: np.ndarray, color: tuple[int, ...], radius: float) -> None:
        x, y = ((point + 0.5) * _FINE).tolist()
        self.draw.ellipse([x - radius * _FINE, y - radius * _FINE, x + radius * _FINE, y + radius * _FINE], fill=color)

    def arrow(self, start: np.ndarray, stop: np.ndarray, color: tuple[int, ...], width: float = 1.5) -> None:
        length = float(np.linalg.norm(stop - start))
        if length < 1.0:  # less than a pixel
            return
        along = (stop - start) / length
        head = min(4.0 * width, 0.6 * length)
        across = 0.5 * head * np.array([-along[1], along[0]])
        neck = stop - head * along
        self.polyline(np.stack([start, neck]), color, width)
        tip = ((np.stack([stop, neck + across, neck - across]) + 0.5) * _FINE).tolist()
        self.draw.polygon([tuple(point) for point in tip], fill=color)

    def image(self) -> Image.Image:
        small = self.layer.resize(self.below.size, Image.Resampling.BOX)
        return Image.alpha_composite(self.below.convert("RGBA"), small).convert("RGB")


def save(path: Path, image: Image.Image, colors: int = COLORS) -> None:
    """A PNG of so many colours."""
    few = image.quantize(colors, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    with replacing(path) as unfinished:
        few.save(unfinished, format="PNG", optimize=True)
