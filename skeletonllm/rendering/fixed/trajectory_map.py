"""The joint trajectory map: the paths of all joints from the beginning of the clip to now.

After Wang, Li, Hou and Li, "Action recognition based on joint trajectory maps using convolutional neural networks" (ACM
Multimedia 2016, arXiv 1611.02447): the hue of a path is the time, one way around for the left and the other way for the
right side of the body, grey between; saturation and brightness are the speed. Published are three maps of a whole clip,
in three planes; here the front one grows from frame to frame, and the last frame is the published kind.
"""

import torch

from skeleton_kernels import splat
from skeletonllm.rendering.fixed.strokes import DEPTH, JOINT_SIZE, deviation, flatten, hue, samples
from skeletonllm.rendering.gaussians import REGIONS
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.rendering.scene import Scene, set_scene
from skeletonllm.skeleton.topology import SIDES

FIRST_HUE = 2 / 3  # blue, as the published colours begin; they end with red
LIGHT, DARK = 1.0, 0.55  # greys of the first and of the last frame
# Saturation and brightness of what rests, where the fastest of the clip has 1.
SLOW = 0.5
# Clips in which nothing is faster are measured by this, m/s: noise is no motion.
SLOWEST_SCALE = 0.5


class TrajectoryMap(Renderer):
    """What is newer lies over what is older; a dot is where a joint is now.

    Args:
        follow: whether the camera moves along with the bodies, see ``frame_clips``; paths are then seen from there, as
            if everybody stayed where they are.
    """

    learns = False

    def __init__(self, follow: bool = False):
        super().__init__()
        self.settings = dict(kind="trajectory_map", follow=follow)
        side = torch.tensor([SIDES.index(side) for _, side in REGIONS])
        self.register_buffer("side", side, persistent=False)

    def _draw(self, joints, velocities, valid, confidence, topologies, height, width, backend) -> torch.Tensor:
        scene = set_scene(
            joints, velocities, valid, confidence, topologies, height, width, backend, 0, self.settings["follow"]
        )
        positions, distance = flatten(scene.positions)
        opacities = DEPTH * scene.drawn if scene.confidence is None else DEPTH * scene.drawn * scene.confidence
        colors, count = self._colors(scene), samples(height, width)
        # The dots first: of what is equally far away, the first is in front.
        means = torch.cat([positions[:, :, None], _between(positions, count)], dim=2)
        colors = torch.cat([colors[:, :, None], _between(colors, count)], dim=2)
        known = torch.cat([opacities[:, :, None], _where_both(opacities, count)], dim=2)
        pixel = distance / scene.intrinsics[:, 1, 1] * deviation(height, width)
        sizes = pixel.new_tensor([JOINT_SIZE] + [1.0] * count)
        scales = (pixel[:, None] * sizes)[:, None, :, None, None].expand_as(known)

        def draw(values: torch.Tensor) -> torch.Tensor:
            return splat(
                means.flatten(2, 4), scales.flatten(2), values.flatten(2, 4), known.flatten(2),
                scene.intrinsics[:, None], (height, width), backend=backend,
            )  # fmt: skip

        return _one_over_another(draw(colors), draw(torch.ones_like(colors)))

    def _colors(self, scene: Scene) -> torch.Tensor:
        """(B, N, P, K, 3) of joints."""
        time = torch.linspace(0, 1, scene.drawn.shape[1], device=scene.drawn.device)[:, None, None]
        side = self.side[scene.table.region][:, None, None]
        turn = FIRST_HUE * torch.where(side == SIDES.index("left"), 1 - time, time)
        speed = scene.motions.norm(dim=-1)
        fastest = (speed * scene.drawn).amax((1, 2, 3), keepdim=True).clamp(min=SLOWEST_SCALE)
        strength = torch.lerp(speed.new_tensor(SLOW), speed.new_tensor(1.0), (speed / fastest).clamp(max=1))[..., None]
        colorful = strength * (1 - strength * (1 - hue(turn)))
        grey = strength * torch.lerp(time.new_tensor(LIGHT), time.new_tensor(DARK), time)[..., None]
        return torch.where((side == SIDES.index("centre"))[..., None], grey, colorful)

    def render_patches(self, clips, **drawing):
        """Refused: nearly every patch that anybody ever touches is lit in the end, and a path is none of a frame."""
        raise ValueError("a trajectory_map is drawn in whole pictures only; leave model.foreground out")


def _before(values: torch.Tensor) -> torch.Tensor:
    """Of (B, N, ...) that of the frame before; the first frame has none and takes its own."""
    return torch.cat([values[:, :1], values[:, :-1]], dim=1)


def _between(values: torch.Tensor, count: int) -> torch.Tensor:
    """(B, N, ...) to (B, N, S, ...): evenly spaced between each frame and the one before, newest first."""
    back = torch.arange(1, count + 1, device=values.device) / count
    back = back.view(-1, *[1] * (values.ndim - 2))
    return torch.lerp(values[:, :, None], _before(values)[:, :, None], back)


def _where_both(opacities: torch.Tensor, count: int) -> torch.Tensor:
    """(B, N, P, K) to (B, N, S, P, K): a path leads from one known place to another. None leads to the first frame."""
    both = torch.minimum(opacities, _before(opacities))
    both = torch.cat([torch.zeros_like(both[:, :1]), both[:, 1:]], dim=1)
    return both[:, :, None].expand(-1, -1, count, -1, -1)


def _one_over_another(drawn: torch.Tensor, cover: torch.Tensor) -> torch.Tensor:
    """What each frame adds (B, N, 3, H, W), and how much it hides of what was there, to pictures of all until then."""
    pictures = [drawn[:, 0]]
    for frame in range(1, drawn.shape[1]):
        pictures.append(drawn[:, frame] + (1 - cover[:, frame]) * pictures[-1])
    return torch.stack(pictures, dim=1)
