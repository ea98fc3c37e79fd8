"""DrAction: skeleton clips of any topology to pictures, differentiably (SkeletonLLM, section 3)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from skeleton_kernels import skin, splat, splat_patches
from skeleton_kernels.constants import DEFAULT_CUTOFF
from skeletonllm.rendering.camera import frame_clips
from skeletonllm.rendering.completion import Means, complete, of_joints
from skeletonllm.rendering.gaussians import REGIONS, GaussianTable, gaussian_table, stack_tables
from skeletonllm.rendering.modulator import MODULATORS, Modulator
from skeletonllm.rendering.weights import PUBLISHED_FORMAT, RENDERER_FORMAT, load_tensors, save_renderer_tensors
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip
from skeletonllm.skeleton.topologies import get_topology, topology_with_joints
from skeletonllm.skeleton.topology import Topology

KNOTS = 3  # features at the proximal end, the middle and the distal end of a region; linear between
# The peak optical depth of a Gaussian is at most this; alpha = 1 - exp(-depth).
PEAK_DEPTH = 2.0
# Metres before and behind the middle of the clip over which the depth colours run from blue to red.
DEPTH_SPAN = 0.8

# Where training starts: the two sides of the body differ in hue, arms and legs in shade, so that an untrained
# renderer already shows left from right.
_START_COLORS = {
    "torso": {"centre": (0.85, 0.85, 0.85), "left": (0.55, 0.70, 0.90), "right": (0.90, 0.65, 0.60)},
    "head": {"centre": (0.95, 0.90, 0.45)},
    "arm": {"left": (0.20, 0.45, 0.95), "right": (0.95, 0.25, 0.20)},
    "leg": {"left": (0.10, 0.80, 0.75), "right": (0.95, 0.55, 0.10)},
}
_LIMB = {"upper_arm": "arm", "forearm": "arm", "hand": "arm", "thigh": "leg", "shin": "leg", "foot": "leg"}
_START_OPACITY = 0.88


class DrAction(nn.Module):
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
    def from_file(cls, path: str | Path) -> "DrAction":
        """A renderer from a file of ``save``, or from one of released weights, whichever it is.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is of neither format, or what it holds does not fit its settings.
        """
        metadata, tensors = load_tensors(path, (RENDERER_FORMAT, PUBLISHED_FORMAT))
        if metadata["format"] == PUBLISHED_FORMAT:
            return cls.from_published(path)
        try:
            renderer = cls.from_settings(json.loads(metadata["settings"]))
            renderer.load_state_dict(tensors)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ValueError(f"{path}: damaged renderer: {error}") from error
        return renderer

    def save(self, path: str | Path, **facts) -> None:
        """Write a safetensors file for ``from_file``, and its settings with further ``facts`` as JSON beside it."""
        save_renderer_tensors(Path(path), self.state_dict(), self.settings, **facts)

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
        nn.init.constant_(self.depth_mix_logit, -1.5)
        if self.modulator is not None:
            self.modulator.reset_parameters()

    def region_logits(self, region: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        """Raw (red, green, blue, opacity) of Gaussians: (B, K) region and position along it to (B, K, 4)."""
        knot = along * (KNOTS - 1)
        lower = knot.floor().clamp(max=KNOTS - 2).long()
        fraction = (knot - lower)[..., None]
        features = torch.lerp(self.features[region, lower], self.features[region, lower + 1], fraction)
        return self.palette[region] + self.appearance_head(features)

    def forward(
        self,
        joints: torch.Tensor,
        velocities: torch.Tensor,
        valid: torch.Tensor,
        confidence: torch.Tensor | None = None,
        *,
        image_size: int | tuple[int, int] = 448,
        backend: str = "auto",
        topology: str | Topology | Sequence[str | Topology] | None = None,
    ) -> torch.Tensor:
        """Draw a batch of clips.

        Args:
            joints: (B, N, P, J, 3) metres, Y up, Z away from the camera.
            velocities: (B, N, P, J, 3) m/s; from ``from_published``: metres per four source frames.
            valid: (B, N, P, J) bool; what is not valid, or not finite, is not drawn.
            confidence: (B, N, P, J) in [0, 1]: the peak optical depth of a Gaussian is multiplied by that of the
                joints it follows. NaN is zero, None is like ones. Renderers from ``from_published`` ignore it.
            image_size: pixels, one side of a square or (height, width).
            backend: ``auto``, ``reference``, ``cpu`` or ``triton``.
            topology: of all clips or of each; default: the registered topology with J joints.

        Returns:
            (B, N, 3, H, W) float32 in [0, 1], black where nobody is.

        Raises:
            ValueError: shapes that do not fit each other or the topology.
        """
        topologies = _check(joints, velocities, valid, confidence, topology)
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if not valid.numel():
            return joints.new_zeros(*joints.shape[:2], 3, height, width, dtype=torch.float32)
        scene = _usable(joints, velocities, valid, confidence)
        # An autocast region around us would round positions to eight bits of mantissa: limbs would jump by pixels.
        with torch.autocast(joints.device.type, enabled=False):
            images = self._draw(*scene, topologies, height, width, backend)
        return images.clamp(0, 1)

    def _draw(self, joints, velocities, valid, confidence, topologies, height, width, backend) -> torch.Tensor:
        positions, scales, colors, opacities, intrinsics = self._cloud(
            joints, velocities, valid, confidence, topologies, height, width, backend
        )
        scales = scales[:, None].expand_as(opacities)
        # All persons of a frame are composited together.
        return splat(positions, scales, colors, opacities, intrinsics, (height, width), backend=backend)

    def _bodies(self, *scene) -> tuple[torch.Tensor, ...]:
        """What ``_draw`` takes, to what ``splat_patches`` takes: each Gaussian hangs on a joint of its own.

        The centres are then those of ``_draw`` to the last bit.
        """
        positions, scales, colors, opacities, intrinsics = self._cloud(*scene)
        own = torch.arange(scales.shape[1], device=scales.device)[:, None].expand(*scales.shape, 2)
        whole = scales.new_tensor([1.0, 0.0]).expand(*scales.shape, 2)
        offsets = scales.new_zeros(*scales.shape, 3)
        return (
            positions[:, :, None], own, whole, offsets, scales, colors[:, :, None], opacities[:, :, None], intrinsics,
        )  # fmt: skip

    def _cloud(self, joints, velocities, valid, confidence, topologies, height, width, backend):
        """All Gaussians of each frame, G = P * K.

        Returns:
            Positions (B, N, G, 3), scales (B, G), colours (B, N, G, 3), peak optical depths (B, N, G) and intrinsics
            (B, 1, 3, 3).
        """
        samples = self.settings["samples_per_bone"]
        completions = [complete(t) for t in topologies]
        table, present = stack_tables([gaussian_table(c.topology, samples) for c in completions], joints.device)
        ends = Means.of([c.ends for c in completions], joints.device)
        in_view = (valid, joints) if ends is None else ends.append(valid, joints)
        shift, intrinsics, distance = frame_clips(*reversed(in_view), height, width, self.settings["follow"])
        joints = joints + shift[:, :, None, None]
        inferred = Means.of([c.inferred for c in completions], joints.device)
        if inferred is not None:
            # What a topology has itself ends where the padding begins; what was inferred comes behind that.
            own = joints.new_tensor([t.num_joints for t in topologies], dtype=torch.long)[:, None, None]
            index = torch.where(table.skin_index < own, table.skin_index, table.skin_index + joints.shape[3] - own)
            table = replace(table, skin_index=index)
            valid, joints, velocities, confidence = inferred.append(valid, joints, velocities, confidence)
        drawn = of_joints(valid, table.skin_index).all(-1) & present[:, None, None]
        positions, motions, depths = skin(
            joints, velocities, table.skin_index, table.skin_weight, distance, DEPTH_SPAN, backend=backend
        )
        centred = positions - distance[:, None, None, None, None] * positions.new_tensor([0.0, 0.0, 1.0])
        colors, opacities = self._appearance(centred, motions, depths, drawn, table)
        if confidence is not None:
            opacities = opacities * skinned_confidence(confidence, table)
        scales = table.scales.repeat(1, joints.shape[2])
        return positions.flatten(2, 3), scales, colors.flatten(2, 3), opacities.flatten(2), intrinsics[:, None]

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

    def render(self, clips: Clip | ClipBatch | Sequence[Clip], *, image_size=448, backend="auto") -> torch.Tensor:
        """Draw clips of any topologies: (B, N, 3, H, W), as ``forward``."""
        clips = _as_batch(clips).to(self.depth_mix_logit.device)
        return self(
            clips.joints, clips.velocities, clips.valid, clips.confidence,
            image_size=image_size, backend=backend, topology=clips.topologies,
        )  # fmt: skip

    def render_patches(
        self,
        clips: Clip | ClipBatch | Sequence[Clip],
        *,
        image_size: int = 448,
        patch_size: int = 14,
        cutoff: float = DEFAULT_CUTOFF,
        backend: str = "auto",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw only the patches that bodies touch. On a GPU no whole picture is ever written.

        At the default cut-off a patch has the pixels that ``render`` gives it, and all others are black but for what
        the cut-off leaves out there.

        Args:
            image_size: pixels, the side of the picture, a multiple of ``patch_size``.
            patch_size: pixels.
            cutoff: optical depth at which a Gaussian ends. Where it is higher, fewer patches are
                touched, and what lies beyond is not drawn.
            backend: as ``forward``.

        Returns:
            patches: (M, 3, patch_size, patch_size) float32 in [0, 1], differentiable.
            index: (M, 4) int64, ascending: clip, frame, row and column of each patch.

        Raises:
            ValueError: the patches do not fill the picture; what ``forward`` raises.
        """
        clips = _as_batch(clips).to(self.depth_mix_logit.device)
        joints, velocities, valid, confidence = clips.joints, clips.velocities, clips.valid, clips.confidence
        topologies = _check(joints, velocities, valid, confidence, clips.topologies)
        if not valid.numel():
            return joints.new_zeros(0, 3, patch_size, patch_size), valid.new_zeros(0, 4, dtype=torch.long)
        scene = _usable(joints, velocities, valid, confidence)
        with torch.autocast(joints.device.type, enabled=False):
            bodies = self._bodies(*scene, topologies, image_size, image_size, backend)
            patches, index = splat_patches(*bodies, image_size, patch_size, backend=backend, cutoff=cutoff)
        return patches.clamp(0, 1), index


def _as_batch(clips: Clip | ClipBatch | Sequence[Clip]) -> ClipBatch:
    if isinstance(clips, ClipBatch):
        return clips
    return ClipBatch.from_clips([clips] if isinstance(clips, Clip) else clips)


def _usable(joints, velocities, valid, confidence) -> tuple[torch.Tensor | None, ...]:
    """Float32 joints, velocities, valid and confidence, without what is not finite."""
    joints, velocities = joints.float(), velocities.float()
    valid = valid & joints.isfinite().all(-1) & velocities.isfinite().all(-1)
    joints = joints.masked_fill(~valid[..., None], 0.0)
    velocities = velocities.masked_fill(~valid[..., None], 0.0)
    if confidence is not None:
        confidence = confidence.float().nan_to_num(nan=0.0).clamp(0, 1)
    return joints, velocities, valid, confidence


def skinned_confidence(confidence: torch.Tensor, table: GaussianTable) -> torch.Tensor:
    """(B, N, P, J) of joints to (B, N, P, K) of Gaussians."""
    first, second = of_joints(confidence, table.skin_index).unbind(-1)
    # A sum of two weighted ones need not be one.
    return torch.lerp(first, second, table.skin_weight[:, None, None, :, 1])


def _check(joints, velocities, valid, confidence, topology) -> tuple[Topology, ...]:
    """The topology of each clip. Raises ValueError where shapes do not fit."""
    if joints.ndim != 5 or joints.shape[-1] != 3:
        raise ValueError(f"joints have shape {tuple(joints.shape)}, expected (B, N, P, J, 3)")
    if velocities.shape != joints.shape:
        raise ValueError(
            f"velocities have shape {tuple(velocities.shape)}, expected {tuple(joints.shape)} as the joints"
        )
    if valid.shape != joints.shape[:-1] or valid.dtype != torch.bool:
        wanted = f"{tuple(joints.shape[:-1])} bool"
        raise ValueError(f"valid has shape {tuple(valid.shape)} {valid.dtype}, expected {wanted}")
    if confidence is not None and confidence.shape != valid.shape:
        raise ValueError(f"confidence has shape {tuple(confidence.shape)}, expected {tuple(valid.shape)} as valid")
    batch, count = joints.shape[0], joints.shape[3]
    if topology is None:
        topology = topology_with_joints(count)
    if isinstance(topology, str | Topology):
        topology = [topology] * batch
    topologies = tuple(get_topology(t) for t in topology)
    if len(topologies) != batch:
        raise ValueError(f"{len(topologies)} topologies for {batch} clips")
    for each in topologies:
        if each.num_joints > count:
            raise ValueError(f"{each.name} has {each.num_joints} joints, the clips have {count}")
    return topologies
