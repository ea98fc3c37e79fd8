"""DrAction: skeleton clips of any topology to pictures, differentiably (SkeletonLLM, section 3)."""

from pathlib import Path

import torch
from torch import nn

from skeletonllm.rendering.gaussians import REGIONS
from skeletonllm.rendering.modulator import MODULATORS, Modulator
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.rendering.scene import set_scene

KNOTS = 3  # features at the proximal end, the middle and the distal end of a region; linear between
# The peak optical depth of a Gaussian is at most this; alpha = 1 - exp(-depth).
PEAK_DEPTH = 2.0

# Where training starts: the two sides of the body differ in hue, arms and legs in shade, so that an untrained
# renderer already shows left from right. Half of the colour tells depth.
_START_COLORS = {
    "torso": {"centre": (0.85, 0.85, 0.85), "left": (0.55, 0.70, 0.90), "right": (0.90, 0.65, 0.60)},
    "head": {"centre": (0.95, 0.90, 0.45)},
    "arm": {"left": (0.20, 0.45, 0.95), "right": (0.95, 0.25, 0.20)},
    "leg": {"left": (0.10, 0.80, 0.75), "right": (0.95, 0.55, 0.10)},
}
_LIMB = {"upper_arm": "arm", "forearm": "arm", "hand": "arm", "thigh": "leg", "shin": "leg", "foot": "leg"}
_START_OPACITY = 0.88


class DrAction(Renderer):
    """Draws clips with Gaussians whose look is learnt per body region, modulated by motion.

    One set of parameters serves every topology: features belong to body regions and to positions along them, never
    to joint indices. ``from_published`` gives the released renderer instead.

    Args:
        modulator: ``gru`` (a GRU per Gaussian over time, then an MLP), ``mlp``, or ``none``.
        samples_per_bone: Gaussians along each bone.
        feature_dim: length of a region's feature.
        follow: whether the camera moves along with the bodies, see ``frame_clips``.
    """

    def __init__(self, modulator: str = "gru", samples_per_bone: int = 10, feature_dim: int = 8, follow: bool = False):
        super().__init__()
        if modulator not in MODULATORS:
            raise ValueError(f"unknown modulator {modulator!r}, expected one of {', '.join(MODULATORS)}")
        self.settings = dict(
            modulator=modulator, samples_per_bone=samples_per_bone, feature_dim=feature_dim, follow=follow
        )
        self.features = nn.Parameter(torch.empty(len(REGIONS), KNOTS, feature_dim))
        self.palette = nn.Parameter(torch.empty(len(REGIONS), 4))
        self.appearance_head = nn.Sequential(nn.Linear(feature_dim, 64), nn.ReLU(), nn.Linear(64, 4))
        self.modulator = None if modulator == "none" else Modulator(recurrent=modulator == "gru")
        self.depth_mix_logit = nn.Parameter(torch.empty(1))  # DeepSpeed cannot share out what has no dimension
        self.reset_parameters()

    @classmethod
    def from_published(cls, path: str | Path, check: bool = True) -> "DrAction":
        """The released renderer with released weights (``skeletonllm-draction-v1`` safetensors).

        Raises:
            ValueError: the file is not of that format, or (with ``check``) holds values that no training leaves.
        """
        from skeletonllm.rendering.published import PublishedDrAction

        return PublishedDrAction.load(path, check=check)

    @classmethod
    def from_settings(cls, settings: dict) -> "DrAction":
        """An untrained renderer like the one whose ``settings`` these are, published or not."""
        if not settings.get("published"):
            return cls(**settings)
        from skeletonllm.rendering.published import PublishedDrAction

        return PublishedDrAction(**{key: value for key, value in settings.items() if key != "published"})

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start values. Called again by whoever finds these parameters missing in a checkpoint."""
        nn.init.normal_(self.features, std=0.1)
        for layer in (self.appearance_head[0], self.appearance_head[2]):
            layer.reset_parameters()
        nn.init.normal_(self.appearance_head[2].weight, std=0.01)
        nn.init.zeros_(self.appearance_head[2].bias)
        for row, (part, side) in enumerate(REGIONS):
            color = _START_COLORS[_LIMB.get(part, part)][side]
            self.palette[row] = torch.logit(torch.tensor([*color, _START_OPACITY]))
        nn.init.zeros_(self.depth_mix_logit)
        if self.modulator is not None:
            self.modulator.reset_parameters()

    def region_logits(self, region: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        """Raw (red, green, blue, opacity) of Gaussians: (B, K) region and position along it to (B, K, 4)."""
        knot = along * (KNOTS - 1)
        lower = knot.floor().clamp(max=KNOTS - 2).long()
        fraction = (knot - lower)[..., None]
        features = torch.lerp(self.features[region, lower], self.features[region, lower + 1], fraction)
        return self.palette[region] + self.appearance_head(features)

    def _cloud(self, joints, velocities, valid, confidence, topologies, height, width, backend):
        scene = set_scene(
            joints, velocities, valid, confidence, topologies, height, width, backend,
            self.settings["samples_per_bone"], self.settings["follow"],
        )  # fmt: skip
        middle = scene.distance[:, None, None, None, None] * joints.new_tensor([0.0, 0.0, 1.0])
        colors, opacities = self._appearance(
            scene.positions - middle, scene.motions, scene.depths, scene.drawn, scene.table
        )
        if scene.confidence is not None:
            opacities = opacities * scene.confidence
        scales = scene.table.scales.repeat(1, joints.shape[2])
        intrinsics = scene.intrinsics[:, None]
        return scene.positions.flatten(2, 3), scales, colors.flatten(2, 3), opacities.flatten(2), intrinsics

    def _appearance(self, positions, motions, depths, drawn, table) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (B, N, P, K, 3) and peak optical depths (B, N, P, K) of Gaussians about the middle of the clip."""
        logits = self.region_logits(table.region, table.along)[:, None, None].expand(*drawn.shape, 4)
        changes = logits.new_zeros(*drawn.shape, 5)
        if self.modulator is not None:
            changes = self._modulate(torch.cat([positions, motions, logits], dim=-1), drawn)
        rgb = torch.sigmoid(logits[..., :3] + changes[..., :3])
        colors = torch.lerp(rgb, depths, torch.sigmoid(self.depth_mix_logit))
        opacities = PEAK_DEPTH * torch.sigmoid(logits[..., 3] + changes[..., 3]) * torch.sigmoid(changes[..., 4])
        return colors, opacities * drawn

    def _modulate(self, inputs: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """(B, N, P, K, 10) to (B, N, P, K, 5); padded persons, who may be half of a batch, are passed over."""
        clip, person = drawn.any(dim=3).any(dim=1).nonzero(as_tuple=True)
        count, frames, gaussians, width = len(clip), inputs.shape[1], *inputs.shape[3:]
        sequences = inputs[clip, :, person].transpose(1, 2).reshape(count * gaussians, frames, width)
        changes = self.modulator(sequences).reshape(count, gaussians, frames, 5).transpose(1, 2)
        result = changes.new_zeros(*drawn.shape, 5).transpose(1, 2)
        return result.index_put((clip, person), changes).transpose(1, 2)
