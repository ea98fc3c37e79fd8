"""What of a frame is read with foreground patches."""

import canvas
import numpy as np
import torch
from PIL import Image
from scenes import action, moment, render, untrained

from skeletonllm.models.foreground import kept_cells

SIZE, PATCH, MERGE = 448, 14, 2  # pixels, pixels, patches along the side of a cell: those of InternVL3
SHOWN = 224  # pixels
DROPPED = np.array([28, 34, 66])  # the colour of what is not read
EDGE = 90  # the grey of the border around a patch or a cell


def _cut(picture: np.ndarray, kept: torch.Tensor) -> Image.Image:
    """A picture (H, W, 3) with a border around each square of a grid (R, C) that is kept, and without the others."""
    side = len(picture) // len(kept)
    mask = kept.numpy().repeat(side, 0).repeat(side, 1)[..., None]
    row, column = np.indices(picture.shape[:2]) % side
    border = ((row == 0) | (column == 0))[..., None]
    seen = np.where(border, np.maximum(picture, EDGE), picture)
    return Image.fromarray(np.where(mask, seen, DROPPED).astype(np.uint8)).resize((SHOWN, SHOWN), Image.Resampling.BOX)


def patches() -> Image.Image:
    """The patches that a body touches, and the cells that are kept without and with a margin."""
    clip, renderer = moment(action("kick", 9, yaw=-50), 4), untrained()
    picture = np.asarray(canvas.picture(render(renderer, clip, SIZE)[0]))
    with torch.no_grad():
        index = renderer.render_patches(clip, image_size=SIZE, patch_size=PATCH, backend="cpu")[1]
    touched = torch.zeros(SIZE // PATCH, SIZE // PATCH, dtype=torch.bool)
    touched[index[:, 2], index[:, 3]] = True
    cells = [kept_cells(touched[None], MERGE, margin)[0] for margin in (0, 1)]
    titles = [f"{touched.sum()} of {touched.numel()} patches touched"]
    titles += [f"{kept.sum()} of {kept.numel()} cells, margin {margin}" for margin, kept in enumerate(cells)]
    return canvas.grid([[_cut(picture, kept) for kept in (touched, *cells)]], titles=titles)


FIGURES = {"draw_patches": patches}
