"""Against the cheapest way to be plausible: not to move."""

import torch
from torch import Tensor

from skeletonllm.dance.motion import ROTATIONS
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward
from skeletonllm.skeleton.kinematics import rotation_6d_to_matrix

# Seconds: of the Gaussian under which movements are measured. It leaves the embedded dances 86 % of their speed, and of
# what trembles from frame to frame a tenth.
_SMOOTHING = 2 / 30
# Metres per second. Music to which nobody moved asks for nothing.
SMALLEST = 1e-6
# Frames to either side over which the published form averages.
_WINDOW = 2


def energy(dances: Dances) -> Tensor:
    """(B,) metres per second: how fast the tips of rods a metre long move that stand on each joint along its three
    axes, seen from its parent; the mean over joints, axes and time, of the smoothed movement.

    Why not the joints' own speed: it counts what the trunk does many times and what hands and head do not at all. Of
    dances to one song whose joints move more or less, each by chance, this is correlated with motion magnitude by
    0.99, the joints' speed relative to the pelvis by 0.65. Unlike motion magnitude it takes little notice of trembling.
    """
    return movement(dances, _SMOOTHING)


def movement(dances: Dances, smoothing: float = 0.0) -> Tensor:
    """(B,) metres per second: ``energy`` under a Gaussian of so many seconds, or of the movement as it is."""
    axes = rotation_6d_to_matrix(dances.vectors[..., ROTATIONS].unflatten(-1, (-1, 6)))
    if smoothing:
        frames = torch.arange(dances.frames, dtype=axes.dtype, device=axes.device)
        apart = (frames[:, None] - frames) / (dances.fps * smoothing)
        axes = _averaged(axes, torch.exp(-apart.square() / 2))
    # Columns of a matrix are the axes.
    return torch.linalg.vector_norm(axes.diff(dim=1), dim=-2).mean((1, 2, 3)) * dances.fps


@reward(differentiable=True)
def anti_freezing(dances: Dances) -> Tensor:
    """(B,) from -1, a body that is still, to 0: minus the square of the share of ``dances.energy`` that is lacking.

    More energy than that earns nothing more, so nothing is won by exaggeration.

    Raises:
        ValueError: nobody knows the energy that is to be kept.
    """
    if dances.energy is None:
        raise ValueError("anti_freezing: expected the energy that dances should keep (Dances.energy), found none")
    wanted = dances.energy.to(dances.vectors)
    lacking = (wanted - energy(dances)).relu() / wanted.clamp_min(SMALLEST)
    return -lacking.square()


@reward(differentiable=True)
def anti_freezing_paper(dances: Dances) -> Tensor:
    """(B,) of Skeleton2Stage's code: half the mean over joints of the mean size of acceleration, m/s^2, and the mean
    square of velocity, m^2/s^2, both averaged over five frames; the height of the pelvis does not count.

    It has no upper bound, so that trembling pays, and adds what has no common unit.
    """
    flat = dances.root * dances.root.new_tensor([1.0, 1.0, 0.0])
    joints = dances.joints + (flat - dances.root)[:, :, None]
    velocity = joints.diff(dim=1) * dances.fps
    change = velocity.diff(dim=1) * dances.fps
    count = velocity.shape[1]
    means = []
    for values in (velocity, change):
        at, of = torch.arange(count, device=flat.device), torch.arange(values.shape[1], device=flat.device)
        means.append(_averaged(values, ((at[:, None] - of).abs() <= _WINDOW).to(flat)))
    squares = means[0].square().sum(-1)
    return (squares + torch.linalg.vector_norm(means[1], dim=-1)).mean((1, 2)) / 2


def _averaged(values: Tensor, weights: Tensor) -> Tensor:
    """(B, S, ...) means of values (B, T, ...) over time with weights (S, T)."""
    return torch.einsum("st,bt...->bs...", weights / weights.sum(1, keepdim=True), values)
