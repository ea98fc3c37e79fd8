"""From joints to pixels: the Gaussians of a body, and how they are blended along one line of sight."""

import canvas
import numpy as np
import torch
from colors import ALL, mixed
from PIL import Image, ImageDraw
from scenes import Seen, action, bones_of, moment, render, untrained

from skeletonllm.rendering.draction import PEAK_DEPTH, DrAction
from skeletonllm.rendering.gaussians import REGIONS
from skeletonllm.skeleton.sequence import Clip

SIZE = 256
BONE, JOINT = (150, 150, 150, 255), (255, 255, 255, 255)


def own_colors(renderer: DrAction) -> np.ndarray:
    """(R, 3) 0 to 255: the colour of each region, without depth and motion."""
    return (torch.sigmoid(renderer.palette[:, :3]).detach().numpy() * 255).round().astype(int)


def skeleton(seen: Seen, bones: list[tuple[int, int]], joints: int, size: int) -> Image.Image:
    """Lines and dots on black."""
    lines = canvas.Lines(Image.new("RGB", (size, size)))
    for a, b in bones:
        lines.polyline(seen.centers[[a, b]], BONE, 1.5)
    for point in seen.centers[:joints]:
        lines.dot(point, JOINT, 2.5)
    return lines.image()


def own_bones(clip: Clip, size: int) -> Image.Image:
    """The joints and bones of the topology itself."""
    return skeleton(Seen.of(clip, size), list(clip.topology.bones), clip.topology.num_joints, size)


def outline(center: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """(N, 2): the ellipse at one standard deviation."""
    angles = np.linspace(0, 2 * np.pi, 25)
    values, vectors = np.linalg.eigh(precision)
    return center + (np.stack([np.cos(angles), np.sin(angles)], -1) / np.sqrt(values)) @ vectors.T


def gaussians() -> Image.Image:
    """Joints and bones, the ellipses of the Gaussians on them, and the picture."""
    clip = moment(action("kick", 5, yaw=-50), 2)
    renderer = untrained()
    seen, bones = Seen.of(clip, SIZE), bones_of(clip)
    lines = canvas.Lines(Image.new("RGB", (SIZE, SIZE)))
    colors = own_colors(renderer)
    for index in np.argsort(-seen.depths):  # the farthest first
        color = (*colors[seen.regions[index]].tolist(), 255)
        lines.polyline(outline(seen.centers[index], seen.precisions[index]), color, 0.6)
    drawn = canvas.picture(render(renderer, clip, SIZE)[0])
    titles = ["joints and bones", "Gaussians, to one deviation", "the picture"]
    return canvas.grid([[skeleton(seen, bones, clip.topology.num_joints, SIZE), lines.image(), drawn]], titles=titles)


def line_of_sight() -> Image.Image:
    """One pixel: what lies behind it, how much of each Gaussian it shows, and how much light is left."""
    clip = moment(action("clap", 9, yaw=50), 5)
    renderer = mixed(-ALL)
    seen = Seen.of(clip, SIZE)
    with torch.no_grad():
        peaks = PEAK_DEPTH * torch.sigmoid(renderer.palette[:, 3]) / 2  # without a modulator the gate is one half
    pixel = _half_covered(seen, peaks.numpy())
    (tau,) = _optical_depths(seen, peaks.numpy(), pixel[None])
    order = np.argsort(seen.depths)
    tau, depths, regions = tau[order], seen.depths[order], seen.regions[order]
    left = np.exp(-np.concatenate([[0.0], np.cumsum(tau)[:-1]]))
    weights = left * -np.expm1(-tau)
    marked = canvas.Lines(canvas.picture(render(renderer, clip, SIZE)[0]))
    x, y = pixel
    for start, stop in (((x - 12, y), (x - 4, y)), ((x + 4, y), (x + 12, y)), ((x, y - 12), (x, y - 4)),
                        ((x, y + 4), (x, y + 12))):  # fmt: skip
        marked.polyline(np.array([start, stop]), (255, 255, 255, 255), 1.0)
    plot = _plot(depths, weights, left, own_colors(renderer)[regions])
    sheet = Image.new("RGB", (SIZE + canvas.GAP + plot.width, SIZE), canvas.BACKGROUND)
    sheet.paste(marked.image(), (0, 0))
    sheet.paste(plot, (SIZE + canvas.GAP, 0))
    return sheet


def _optical_depths(seen: Seen, peaks: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N, K) of the Gaussians at pixels (N, 2)."""
    offset = pixels[:, None] - seen.centers
    return peaks[seen.regions] * np.exp(-0.5 * np.einsum("nki,kij,nkj->nk", offset, seen.precisions, offset))


def _half_covered(seen: Seen, peaks: np.ndarray) -> np.ndarray:
    """The pixel at the edge of the right forearm through which half of the light of the trunk behind it comes."""
    side = np.arange(SIZE // 4, 3 * SIZE // 4)
    pixels = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    tau = _optical_depths(seen, peaks, pixels)
    arm, trunk = (tau[:, seen.regions == REGIONS.index(region)].sum(-1)
                  for region in (("forearm", "right"), ("torso", "centre")))  # fmt: skip
    return pixels[np.argmin(abs(np.exp(-arm) - 0.5) + np.exp(-trunk))]


def _plot(depths: np.ndarray, weights: np.ndarray, left: np.ndarray, colors: np.ndarray) -> Image.Image:
    """Sticks of the weights over the depth, and the transmittance as a line."""
    width, margin, base, top = 2 * SIZE, 36, SIZE - 34, 24
    near, far = depths[weights > 1e-3].min() - 0.05, depths[weights > 1e-3].max() + 0.05

    def place(depth: float, value: float) -> np.ndarray:
        return np.array([margin + (width - 2 * margin) * (depth - near) / (far - near), base - (base - top) * value])

    lines = canvas.Lines(Image.new("RGB", (width, SIZE)))
    lines.polyline(np.stack([place(near, 0), place(far, 0)]), (120, 120, 120, 255), 1.0)
    inside = (depths > near) & (depths < far)
    steps = [place(near, 1.0)]
    for depth, value, light, color in zip(depths[inside], weights[inside], left[inside], colors[inside], strict=True):
        steps += [place(depth, light), place(depth, light - value)]
        if value > 1e-3:
            lines.polyline(np.stack([place(depth, 0), place(depth, value)]), (*color.tolist(), 255), 3.0)
    lines.polyline(np.stack([*steps, place(far, (left - weights)[inside][-1])]), (255, 255, 255, 255), 1.0)
    plot = lines.image()
    draw, small = ImageDraw.Draw(plot), canvas.font(12)
    for value in (0, 0.5, 1):
        draw.text((margin - 6, place(near, value)[1]), f"{value:g}", canvas.INK, small, anchor="rm")
    for depth in np.arange(np.ceil(near * 10) / 10, far, 0.1):
        draw.text((place(depth, 0)[0], base + 10), f"{depth:.1f}", canvas.INK, small, anchor="mm")
    draw.text((width / 2, SIZE - 8), "metres from the camera", canvas.INK, small, anchor="mm")
    draw.text((width - margin, 10), "light left (line), weight of each Gaussian (bars)", canvas.INK, small, anchor="rm")
    return plot


FIGURES = {"draw_gaussians": gaussians, "draw_line_of_sight": line_of_sight}
