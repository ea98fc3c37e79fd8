"""Dances of any length from windows that overlap by half, as in EDGE (Tseng et al. 2023, section 4)."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from skeletonllm.dance.motion import Motion, slerp
from skeletonllm.skeleton.kinematics import matrix_to_quaternion, quaternion_to_matrix


def cut_windows(values: Tensor, length: int) -> Tensor:
    """(N, length, C) windows of (F, C) values, each beginning half a window after the one before.

    The last frame is repeated where the last window reaches beyond the end.

    Raises:
        ValueError: an odd length, or no values.
    """
    if length < 2 or length % 2:
        raise ValueError(f"windows of {length} frames, expected an even number")
    if values.ndim != 2 or not len(values):
        raise ValueError(f"values have shape {tuple(values.shape)}, expected (F, C) with F > 0")
    half = length // 2
    count = max(1, -(-len(values) // half) - 1)
    missing = max(0, (count + 1) * half - len(values))
    padded = np.minimum(np.arange(len(values) + missing), len(values) - 1).tolist()
    return values[padded].unfold(0, length, half).transpose(1, 2)


def share_halves(windows: Tensor) -> Tensor:
    """Windows (N, T, C) of which each begins with the second half of the one before."""
    half = windows.shape[1] // 2
    shared = windows.clone()
    shared[1:, :half] = windows[:-1, half:]
    return shared


def agree_on_halves(changes: Tensor) -> Tensor:
    """Changes (N, T, C) to windows of one dance, the mean of both where two windows overlap: what agreed before agrees
    after them."""
    half = changes.shape[1] // 2
    agreed = changes.clone()
    agreed[:-1, half:] = agreed[1:, :half] = (changes[:-1, half:] + changes[1:, :half]) / 2
    return agreed


def rising_guidance(guidance: float, steps: int) -> tuple[float, ...]:
    """From 0 up to ``guidance`` over the first half of the steps: windows agree before music tells them apart."""
    return tuple(np.minimum(np.linspace(0, 2 * guidance, steps), guidance).tolist()) if steps > 1 else (guidance,)


def stitch(windows: Sequence[Motion]) -> Motion:
    """One dance of windows that overlap by half: over each overlap it goes from the one to the other, the pelvis and
    the contacts along straight lines, rotations along great arcs.

    Args:
        windows: N motions of T frames each, T even.

    Returns:
        (N + 1) * T / 2 frames.

    Raises:
        ValueError: no windows, of different lengths or frame rates, or of an odd number of frames.
    """
    if not windows:
        raise ValueError("no windows to stitch")
    lengths = sorted({window.num_frames for window in windows})
    rates = sorted({window.fps for window in windows})
    if len(lengths) > 1 or lengths[0] % 2 or len(rates) > 1:
        found = f"{lengths} frames at {rates} frames per second"
        raise ValueError(f"windows of {found}, expected the same even number and the same rate")
    half = lengths[0] // 2
    share = np.linspace(0, 1, half)[:, None]
    pieces = [windows[0].slice(0, half)]
    for left, right in zip(windows[:-1], windows[1:], strict=True):
        left, right = left.slice(half, 2 * half), right.slice(0, half)
        first, second = (matrix_to_quaternion(part.rotations.astype(np.float64)) for part in (left, right))
        pieces.append(
            left.replace(
                root=(1 - share) * left.root + share * right.root,
                rotations=quaternion_to_matrix(slerp(first, second, share[..., None])),
                contacts=np.clip((1 - share) * left.contacts + share * right.contacts, 0.0, 1.0),
            )
        )
    pieces.append(windows[-1].slice(half, 2 * half))
    together = {
        name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("root", "rotations", "contacts")
    }
    return windows[0].replace(**together)
