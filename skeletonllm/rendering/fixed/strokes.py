"""Lines of a fixed width in pixels, as rows of small Gaussians that are opaque inside and smooth at the edge."""

import math

import torch

from skeletonllm.rendering.camera import HALF_EXTENT
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.rendering.scene import Scene, set_scene

# Metres of a long bone, or of a fast hand's way between two of twelve frames.
LENGTH = 0.5
# Standard deviations from one Gaussian to the next: a tenth of the width is lost between them, and no gap is seen.
SPACING = 3.0
# Peak optical depth. A Gaussian of eight is opaque to two standard deviations from its middle.
DEPTH = 8.0
# Standard deviation of a stroke as a part of the picture's side: lines 4.5 times as wide, about 11 of 448 pixels.
STROKE = 1 / 180
# And at least so many pixels, or lines would be dotted in small pictures.
THINNEST = 0.5
JOINT_SIZE = 1.5  # a joint's dot, in widths of a line


def deviation(height: int, width: int) -> float:
    """The standard deviation of a stroke in pixels."""
    return max(min(height, width) * STROKE, THINNEST)


def samples(height: int, width: int) -> int:
    """How many Gaussians make a line of ``LENGTH`` in a clip that the camera does not step back for."""
    pixels = LENGTH * min(height, width) / (2 * HALF_EXTENT)
    return math.ceil(pixels / (SPACING * deviation(height, width)))


class StrokeRenderer(Renderer):
    """Bones as lines and joints as dots. Kinds differ in ``_colors`` and in ``_place``.

    Args:
        kind: in the registry.
        palette: (..., 3) colours that it draws with.
        follow: whether the camera moves along with the bodies, see ``frame_clips``.
        settings: further ones that a recipe may give.
    """

    learns = False

    def __init__(self, kind: str, palette: torch.Tensor, follow: bool, **settings):
        super().__init__()
        self.settings = dict(kind=kind, follow=follow, **settings)
        # No part of the weights: the settings say all there is.
        self.register_buffer("palette", palette, persistent=False)

    def _colors(self, scene: Scene) -> torch.Tensor:
        """(B, N, P, K, 3), or broadcastable to it."""
        raise NotImplementedError

    def _place(self, scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions (B, N, P, K, 3), and at which distance (B,) from the camera a line has the width of a stroke."""
        raise NotImplementedError

    def _cloud(self, joints, velocities, valid, confidence, topologies, height, width, backend):
        scene = set_scene(
            joints, velocities, valid, confidence, topologies, height, width, backend,
            samples(height, width), self.settings["follow"],
        )  # fmt: skip
        positions, distance = self._place(scene)
        pixel = distance / scene.intrinsics[:, 1, 1]
        is_joint = scene.table.skin_index[..., 0] == scene.table.skin_index[..., 1]
        scales = (pixel * deviation(height, width))[:, None] * torch.where(is_joint, JOINT_SIZE, 1.0)
        opacities = DEPTH * scene.drawn
        if scene.confidence is not None:
            opacities = opacities * scene.confidence
        colors = self._colors(scene).expand_as(positions)
        return (
            positions.flatten(2, 3), scales.repeat(1, joints.shape[2]), colors.flatten(2, 3), opacities.flatten(2),
            scene.intrinsics[:, None],
        )  # fmt: skip


def flatten(positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (B, ..., 3) as a camera sees them, on a plane one metre away; and that distance, (B,)."""
    # What is nearer than any body to our camera would leave the picture anyway.
    plane = positions / positions[..., 2:].clamp(min=0.1)
    return torch.cat([plane[..., :2], torch.ones_like(plane[..., 2:])], dim=-1), positions.new_ones(len(positions))


def hue(values: torch.Tensor) -> torch.Tensor:
    """Pure colours (..., 3) of hues in turns: 0 is red, a third green, two thirds blue."""
    offsets = values.new_tensor([0.0, 4.0, 2.0])
    return (((values[..., None] * 6 + offsets) % 6 - 3).abs() - 1).clamp(0, 1)
