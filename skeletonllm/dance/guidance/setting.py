"""What is known, while dances come out of the noise, of who dances, and how to read what the model predicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.edge import from_edge, own_vectors, to_edge
from skeletonllm.dance.ddim import Step
from skeletonllm.dance.long_form import agree_on_halves, cut_windows, stitch
from skeletonllm.dance.motion import FPS, ROOT, VECTOR_SIZE, Motion
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.postprocess import align_floor
from skeletonllm.dance.rewards import Dances


@dataclass(frozen=True, eq=False)
class Setting:
    """How (B, T, 151) normalised numbers are dances.

    Args:
        body: who dances.
        normalizer: of the model.
        alpha_bars: of the diffusion, see ``ddim.cosine_alpha_bars``.
        fps: frames per second.
        long: whether the B clips are windows of one dance that overlap by half, and not B dances.
        edge: whether the numbers are those of EDGE's body (``codecs.edge``), whose floor is where its feet stand.
        beats: (N,) seconds from the start of the dance, of its music; only of one long dance. None: nobody knows.
    """

    body: Body
    normalizer: Normalizer
    alpha_bars: np.ndarray
    fps: float = FPS
    long: bool = False
    edge: bool = False
    beats: np.ndarray | None = None

    def floor(self, clean: Tensor) -> Tensor:
        """(B,) metres: how high the floor is under dances: at z = 0, but for EDGE's."""
        if not self.edge:
            return clean.new_zeros(len(clean))
        found = [each.root[0, 2] - align_floor(each, self.body).root[0, 2] for each in self.motions(clean)]
        return torch.tensor(found).to(clean).expand(len(clean))

    def dances(self, clean: Tensor, *, floor: Tensor | None = None, energy: Tensor | None = None) -> Dances:
        """The B clips in metres over their floor, differentiable.

        Args:
            clean: (B, T, 151).
            floor: as ``floor`` finds it, of these clips or others that are compared with them. Default: of these.
            energy: see ``Dances``.
        """
        vectors = self.normalizer.denormalize(clean)
        vectors = own_vectors(vectors) if self.edge else vectors
        floor = self.floor(clean) if floor is None else floor
        height = torch.nn.functional.one_hot(torch.tensor(ROOT.stop - 1), VECTOR_SIZE).to(vectors)
        vectors = vectors - floor[:, None, None] * height
        return Dances(vectors, self.body, self.fps, self._beats(*clean.shape[:2]), energy)

    def motions(self, clean: Tensor) -> list[Motion]:
        """Each dance as a motion: B of them, or one of all windows."""
        vectors = self.normalizer.denormalize(clean.detach().float().cpu().numpy())
        motions = [from_edge(vector) if self.edge else Motion.from_vector(vector, self.fps) for vector in vectors]
        return [stitch(motions)] if self.long else motions

    def normalized(self, motions: Sequence[Motion], like: Tensor) -> Tensor:
        """What ``motions`` reads, (B, T, 151) as of ``like``; clipped to the range of the model."""
        vectors = np.stack([to_edge(motion) if self.edge else motion.to_vector() for motion in motions])
        found = torch.from_numpy(self.normalizer.normalize(vectors)).to(like)
        return cut_windows(found[0], like.shape[1]) if self.long else found

    def agree(self, changes: Tensor) -> Tensor:
        """Changes (B, T, 151) so that windows that overlap stay as one."""
        return agree_on_halves(changes) if self.long else changes

    def _beats(self, clips: int, frames: int) -> list[np.ndarray] | None:
        if self.beats is None:
            return None
        starts = np.arange(clips) * (frames // 2 / self.fps)
        within = [(self.beats >= start) & (self.beats < start + frames / self.fps) for start in starts]
        return [self.beats[mine] - start for mine, start in zip(within, starts, strict=True)]


class Correction(Protocol):
    """What changes dances at the last ``steps`` steps of sampling, on their way out of the noise."""

    @property
    def steps(self) -> int: ...

    def __call__(self, clean: Tensor, step: Step, left: int, setting: Setting) -> Tensor:
        """(B, T, 151) normalised, from the dances that the model predicts at a step, with so many ``left``."""


def correct_by(corrections: Sequence[Correction], setting: Setting) -> Callable[[Tensor, Step, int], Tensor] | None:
    """All corrections, one after the other, as ``diffusion.Correct``; None without any."""

    def correct(clean: Tensor, step: Step, left: int) -> Tensor:
        for correction in corrections:
            if left <= correction.steps:
                clean = correction(clean, step, left, setting)
        return clean

    return correct if corrections else None
