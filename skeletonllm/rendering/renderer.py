"""What every renderer shares: how clips go in, how pictures come out, and how it is kept in a file."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from skeleton_kernels import splat, splat_patches
from skeleton_kernels.constants import DEFAULT_CUTOFF
from skeletonllm.rendering.weights import save_renderer_tensors
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip
from skeletonllm.skeleton.topologies import get_topology, topology_with_joints
from skeletonllm.skeleton.topology import Topology


class Renderer(nn.Module):
    """Draws clips as pictures. Kinds differ in ``_cloud``, which says where Gaussians are and how they look.

    ``settings`` are JSON-able and, given to ``skeletonllm.rendering.registry.build_renderer``, make another one.
    ``learns`` says whether there are parameters.
    """

    settings: dict
    learns: bool = True

    @property
    def device(self) -> torch.device:
        return next(chain(self.parameters(), self.buffers())).device

    @classmethod
    def from_file(cls, path: str | Path) -> "Renderer":
        """A renderer from a file of ``save``, or from one of released weights, whichever it is.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is of neither format, what it holds does not fit its settings, or it holds a renderer
                of another kind than this class.
        """
        from skeletonllm.rendering.registry import kind_of, read_renderer

        renderer = read_renderer(path)
        if not isinstance(renderer, cls):
            raise ValueError(f"{path}: holds a renderer of kind {kind_of(renderer.settings)}, expected {cls.__name__}")
        return renderer

    def save(self, path: str | Path, **facts) -> None:
        """Write a safetensors file for ``from_file``, and its settings with further ``facts`` as JSON beside it."""
        save_renderer_tensors(Path(path), self.state_dict(), self.settings, **facts)

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
        """All Gaussians of each frame, G of them.

        Returns:
            Positions (B, N, G, 3), scales (B, G), colours (B, N, G, 3), peak optical depths (B, N, G) and intrinsics
            (B, 1, 3, 3).
        """
        raise NotImplementedError

    def render(self, clips: Clip | ClipBatch | Sequence[Clip], *, image_size=448, backend="auto") -> torch.Tensor:
        """Draw clips of any topologies: (B, N, 3, H, W), as ``forward``."""
        clips = _as_batch(clips).to(self.device)
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
        clips = _as_batch(clips).to(self.device)
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
