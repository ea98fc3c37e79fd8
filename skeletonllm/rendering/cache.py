"""FrameCache: the frames of a renderer that no longer learns, drawn once and kept on disk."""

import hashlib
import json
import logging
import os
import socket
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from skeletonllm import __version__
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip

logger = logging.getLogger(__name__)

BITS = (128, 64, 32, 16, 8, 4, 2, 1)


class FrameCache:
    """Frames by what they were drawn from: a renderer's weights and settings, a clip, a size.

    A file holds one clip's frames exactly: which pixels are not black, a bit each, and their float32 colours. Other
    weights make other files, so a folder never goes stale, and several processes may share it. It is never emptied.

    Args:
        folder: made when the first frames are kept.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    @torch.no_grad()
    def render(self, renderer: Renderer, clips: Sequence[Clip] | ClipBatch, image_size: int) -> torch.Tensor:
        """The frames of B clips, from disk where they are known: (B, N, 3, S, S) float32 in [0, 1].

        They are on the renderer's device and carry no gradients. Each clip is drawn by itself: in a batch, products
        of other shapes round differently, and what is kept would depend on who else happened to be there.

        Args:
            image_size: S, pixels.

        Raises:
            ValueError: no clips or different frame counts; a renderer whose weights are not in this process.
        """
        batch = clips if isinstance(clips, ClipBatch) else ClipBatch.from_clips(clips)
        device = renderer.device
        shape = (batch.joints.shape[1], 3, image_size, image_size)
        drawn_with = _digest_of_renderer(renderer)
        frames = torch.empty(len(batch), *shape, device=device)
        for index, clip in enumerate(_one_by_one(batch)):
            key = _digest(
                [__version__, drawn_with, image_size, asdict(clip.topologies[0])],
                [clip.joints, clip.velocities, clip.valid, *([] if clip.confidence is None else [clip.confidence])],
            )
            path = self.folder / key[:2] / f"{key}.safetensors"
            known = _read(path, shape, device)
            if known is None:
                known = renderer.render(clip, image_size=image_size)[0]
                _write(path, known)
            frames[index] = known
        return frames


def _one_by_one(batch: ClipBatch) -> Iterator[ClipBatch]:
    """Each clip without the padding of its batch, with zeros where nothing is known, and without idle confidence."""
    for index, topology in enumerate(batch.topologies):
        joints = batch.joints[index, :, :, : topology.num_joints]
        velocities = batch.velocities[index, :, :, : topology.num_joints]
        valid = batch.valid[index, :, :, : topology.num_joints]
        seen = valid.any(2).any(0).nonzero()
        persons = int(seen[-1]) + 1 if len(seen) else 1
        joints, velocities, valid = (tensor[None, :, :persons] for tensor in (joints, velocities, valid))
        known = valid[..., None]
        confidence = batch.confidence
        if confidence is not None:
            confidence = confidence[index, None, :, :persons, : topology.num_joints].where(valid, 1.0)
            confidence = None if (confidence == 1).all() else confidence
        yield ClipBatch(joints.where(known, 0.0), velocities.where(known, 0.0), valid, (topology,), confidence)


def _digest_of_renderer(renderer: Renderer) -> str:
    state = renderer.state_dict()
    for name, tensor in state.items():
        if not tensor.numel():
            raise ValueError(f"the renderer's {name} is empty: weights that are spread over processes must be gathered")
    return _digest([renderer.settings, list(state)], state.values())


def _digest(description: list, tensors: Iterable[torch.Tensor]) -> str:
    """sha256 of something JSON-able and of tensors with their shapes and types."""
    tensors = [tensor.detach().cpu().contiguous() for tensor in tensors]
    shapes = [[str(tensor.dtype), *tensor.shape] for tensor in tensors]
    digest = hashlib.sha256(json.dumps([description, shapes], sort_keys=True).encode())
    for tensor in tensors:
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _write(path: Path, frames: torch.Tensor) -> None:
    """Keep frames (N, 3, S, S); the file appears whole or not at all."""
    # By their bits, so that a negative zero comes back as one.
    lit = (frames.view(torch.int32) != 0).any(1)
    flat = torch.nn.functional.pad(lit.flatten(), (0, -lit.numel() % len(BITS))).view(-1, len(BITS))
    mask = (flat * torch.tensor(BITS, device=frames.device)).sum(1).to(torch.uint8).cpu()
    colors = frames.movedim(1, -1)[lit].cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{socket.gethostname()}.{os.getpid()}")
    try:
        save_file({"mask": mask, "colors": colors, "checksum": _checksum(mask, colors)}, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(path: Path, shape: tuple[int, int, int, int], device: torch.device) -> torch.Tensor | None:
    """Frames (N, 3, S, S), or None if there are none or the file is damaged."""
    if not path.exists():
        return None
    try:
        tensors = load(path.read_bytes())
        mask, colors = tensors.get("mask"), tensors.get("colors")
        if tensors.keys() != {"mask", "colors", "checksum"} or tensors["checksum"] != _checksum(mask, colors):
            raise ValueError("not what was written")
    except (SafetensorError, ValueError) as error:
        logger.warning("frames of %s are damaged (%s) and drawn again", path, error)
        return None
    count, _, height, width = shape
    bits = mask.to(device)[:, None] & torch.tensor(BITS, device=device, dtype=torch.uint8)
    lit = bits.bool().flatten()[: count * height * width].view(count, height, width)
    frames = torch.zeros(count, height, width, 3, device=device)
    frames[lit] = colors.to(device)
    return frames.movedim(-1, 1)


def _checksum(mask: torch.Tensor, colors: torch.Tensor) -> torch.Tensor:
    return torch.tensor(zlib.crc32(_bytes(colors), zlib.crc32(_bytes(mask))))
