"""The 2-D projection: the skeleton as pose estimators draw it, without depth and without motion."""

import torch

from skeletonllm.rendering.fixed.strokes import StrokeRenderer, flatten, hue
from skeletonllm.rendering.gaussians import REGIONS
from skeletonllm.rendering.scene import Scene

# Hues in degrees around the circle in the order in which OpenPose goes through the limbs.
_HUES = {
    ("torso", "centre"): 0, ("torso", "right"): 10, ("torso", "left"): 70,
    ("upper_arm", "right"): 25, ("forearm", "right"): 42, ("hand", "right"): 55,
    ("upper_arm", "left"): 80, ("forearm", "left"): 98, ("hand", "left"): 112,
    ("thigh", "right"): 135, ("shin", "right"): 155, ("foot", "right"): 172,
    ("thigh", "left"): 192, ("shin", "left"): 212, ("foot", "left"): 232,
    ("head", "centre"): 300,
}  # fmt: skip
_SIDES = {"centre": (1.0, 1.0, 1.0), "left": (0.25, 0.5, 1.0), "right": (1.0, 0.3, 0.2)}


def _palettes() -> dict[str, torch.Tensor]:
    return {
        "parts": hue(torch.tensor([_HUES[region] / 360 for region in REGIONS])),
        "sides": torch.tensor([_SIDES[side] for _, side in REGIONS]),
        "white": torch.ones(len(REGIONS), 3),
    }


class Projection(StrokeRenderer):
    """Lines of one width on a plane, coloured by which part of the body they are.

    Args:
        colors: ``parts``, a hue for each part of the body as OpenPose has it; ``sides``, blue on the left, red on the
            right and white between; or ``white``.
        follow: whether the camera moves along with the bodies, see ``frame_clips``.
    """

    def __init__(self, colors: str = "parts", follow: bool = False):
        palettes = _palettes()
        if colors not in palettes:
            raise ValueError(f"unknown colors {colors!r}, expected one of {', '.join(palettes)}")
        super().__init__("projection", palettes[colors], follow, colors=colors)

    def _colors(self, scene: Scene) -> torch.Tensor:
        return self.palette[scene.table.region][:, None, None]

    def _place(self, scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
        return flatten(scene.positions)
