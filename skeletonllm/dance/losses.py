"""What the denoiser learns from: numbers, their changes, where the joints are, and feet that stand still."""

from typing import NamedTuple

import torch
from torch import Tensor

from skeletonllm.dance.body import Body, forward_kinematics
from skeletonllm.dance.contacts import CONTACT_JOINTS
from skeletonllm.dance.motion import CONTACTS, NUM_CONTACTS, ROOT, ROTATIONS
from skeletonllm.dance.normalizer import Normalizer

# Of EDGE's released training code.
SIMPLE, VELOCITY, JOINTS, FEET = 0.636, 2.964, 0.646, 10.942
STANDS = 0.95
"""From this contact on, a foot is said to stand."""


class Losses(NamedTuple):
    """Four terms, each times its weight, and their ``total``; scalars."""

    total: Tensor
    simple: Tensor
    velocity: Tensor
    joints: Tensor
    feet: Tensor


def motion_losses(
    predicted: Tensor, target: Tensor, body: Body, normalizer: Normalizer, *, legacy: bool = False
) -> Losses:
    """The loss of EDGE (Tseng et al. 2023, equations 2 to 5): mean squares of

    - the difference of all channels (weight 0.636),
    - the difference of changes from frame to frame, contacts left out (2.964),
    - the distance of joints, metres, by forward kinematics (0.646),
    - the way of feet that stand, by the prediction's own contacts, metres a frame (10.942); feet that move count as
      zeros, and so does the last frame.

    Args:
        predicted, target: (B, T, 151) normalised.
        body: whose joints.
        normalizer: that normalised them.
        legacy: as in the released code, where the line that undoes normalisation is left out: forward kinematics of
            normalised numbers, which are neither metres nor rotations, and contacts above 0.95 in [-1, 1], which is
            0.975 in [0, 1].
    """
    simple = _mean_square(predicted - target)
    moving = slice(NUM_CONTACTS, None)
    velocity = _mean_square(predicted[..., moving].diff(dim=1) - target[..., moving].diff(dim=1))
    if not legacy:
        predicted, target = normalizer.denormalize(predicted), normalizer.denormalize(target)
    joints, wanted = _joints(predicted, body), _joints(target, body)
    way = joints[:, :, list(CONTACT_JOINTS)].diff(dim=1)
    stands = (predicted[:, :-1, CONTACTS] > STANDS)[..., None]
    last = torch.zeros_like(joints[:, :1, list(CONTACT_JOINTS)])
    feet = _mean_square(torch.cat([torch.where(stands, way, 0.0), last], 1))
    terms = (SIMPLE * simple, VELOCITY * velocity, JOINTS * _mean_square(joints - wanted), FEET * feet)
    return Losses(sum(terms), *terms)


def _joints(vectors: Tensor, body: Body) -> Tensor:
    """(B, T, 24, 3)."""
    return forward_kinematics(body, vectors[..., ROOT], vectors[..., ROTATIONS].unflatten(-1, (-1, 6)))[0]


def _mean_square(values: Tensor) -> Tensor:
    return values.square().mean()
