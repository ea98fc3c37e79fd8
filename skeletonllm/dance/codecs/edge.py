"""The vectors of EDGE (Tseng et al. 2023) and of those who build on it, which have other axes than ours.

Their 151 numbers stand in the same order, at 30 frames per second with Z up. But their body at rest has Y up, so its
pelvis carries a quarter turn; and the six numbers of a rotation are the first two rows of the matrix, ours the columns.
"""

import numpy as np
import torch
from torch import Tensor

from skeletonllm.dance.codecs.axes import FILE_TO_DANCE
from skeletonllm.dance.motion import CONTACTS, FPS, ROOT, ROTATIONS, VECTOR_SIZE, Motion
from skeletonllm.skeleton.kinematics import matrix_to_rotation_6d, rotation_6d_to_matrix


def from_edge(vector: np.ndarray, source: str = "") -> Motion:
    """The motion of (T, 151) numbers that are not normalised. Raises ValueError for another shape."""
    if vector.ndim != 2 or vector.shape[1] != VECTOR_SIZE:
        raise ValueError(f"{source or 'motion'}: vector has shape {vector.shape}, expected (T, {VECTOR_SIZE})")
    # Gram-Schmidt of rows is that of columns, transposed.
    theirs = np.swapaxes(rotation_6d_to_matrix(vector[:, ROTATIONS].reshape(len(vector), -1, 6)), -1, -2)
    ours = FILE_TO_DANCE @ theirs @ FILE_TO_DANCE.T
    ours[:, 0] = theirs[:, 0] @ FILE_TO_DANCE.T
    return Motion(vector[:, ROOT], ours, np.clip(vector[:, CONTACTS], 0.0, 1.0), FPS, source)


def own_vectors(vectors: Tensor) -> Tensor:
    """(..., 151) numbers as they stand in our vectors of the same motions; differentiable."""
    theirs = rotation_6d_to_matrix(vectors[..., ROTATIONS].unflatten(-1, (-1, 6))).transpose(-1, -2)
    axes = torch.as_tensor(FILE_TO_DANCE).to(vectors)
    pelvis = theirs[..., :1, :, :] @ axes.T
    ours = torch.cat([pelvis, axes @ theirs[..., 1:, :, :] @ axes.T], -3)
    return torch.cat([vectors[..., : ROTATIONS.start], matrix_to_rotation_6d(ours).flatten(-2)], -1)


def to_edge(motion: Motion) -> np.ndarray:
    """(T, 151) float32 numbers of a motion at 30 frames per second. Raises ValueError at another rate."""
    if motion.fps != FPS:
        raise ValueError(f"{motion.source or 'motion'}: {motion.fps:g} frames per second, expected {FPS:g}")
    theirs = FILE_TO_DANCE.T @ motion.rotations @ FILE_TO_DANCE
    theirs[:, 0] = motion.rotations[:, 0] @ FILE_TO_DANCE
    rows = theirs[..., :2, :].reshape(motion.num_frames, -1)
    return np.concatenate([motion.contacts, motion.root, rows], -1).astype(np.float32)
