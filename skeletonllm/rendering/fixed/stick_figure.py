"""The stick figure: lines whose colours tell depth and speed.

SkeletonLLM (arXiv 2603.18003) compares DrAction with a fixed renderer of "3D + velocity", of which it says no more.
This one shows the same two quantities: the hue is the depth (the paper's depth colours), and speed bleaches it.
"""

import torch

from skeletonllm.rendering.fixed.strokes import StrokeRenderer
from skeletonllm.rendering.scene import Scene

FASTEST = 2.0  # m/s; what moves faster is as white as it gets
MOST_WHITE = 0.85  # so that the depth of what moves fast can still be told


class StickFigure(StrokeRenderer):
    """Near lines are blue, those in the middle of the clip green, far ones red; the faster they move, the whiter.

    Args:
        follow: whether the camera moves along with the bodies, see ``frame_clips``.
    """

    def __init__(self, follow: bool = False):
        super().__init__("stick_figure", torch.ones(3), follow)

    def _colors(self, scene: Scene) -> torch.Tensor:
        speed = scene.motions.norm(dim=-1, keepdim=True)
        return torch.lerp(
            scene.depths, self.palette.expand_as(scene.depths), MOST_WHITE * (speed / FASTEST).clamp(max=1)
        )

    def _place(self, scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
        return scene.positions, scene.distance
