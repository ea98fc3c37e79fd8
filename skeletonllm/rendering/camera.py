"""Cameras: the published one, fixed at the sensor, and ours, which frames every person of a clip.

A camera maps (X, Y, Z) to u = fx X / Z + cx, v = -fy Y / Z + cy, with pixel centres at whole numbers. In the world
frame (Y up, Z away, right-handed) +X points to the left of a true photograph, so our camera has fx < 0; the published
one has fx > 0 and draws mirror images.
"""

import math

import torch

PUBLISHED_FIELD_OF_VIEW = math.radians(60)

# Our camera looks at the middle of the clip's bodies from here: far enough that a reaching hand does not balloon,
# near enough that depth still shows.
DISTANCE = 4.0
# For wide and deep scenes the camera steps back to so many times half their extent in x, y and z: bodies at the edge
# would be stretched by the perspective, and near ones grow out of scale.
STEP_BACK = (1.5, 1.5, 2.5)
# Half the side of the square it sees at that distance, metres. A standing person with raised arms just fits; a clip
# that needs less keeps this scale, so that a body has the same size in every picture.
HALF_EXTENT = 1.05
# Added around the outermost joints: the flesh of a head or a hand.
MARGIN = 0.12


def published_intrinsics(height: int, width: int) -> torch.Tensor:
    """(3, 3) camera matrix of the published renderer: 60 degrees both ways, principal point at (W/2, H/2)."""
    half = 2 * math.tan(PUBLISHED_FIELD_OF_VIEW / 2)
    return torch.tensor([[width / half, 0.0, width / 2], [0.0, height / half, height / 2], [0.0, 0.0, 1.0]])


@torch.no_grad()
def frame_clips(
    joints: torch.Tensor, valid: torch.Tensor, height: int, width: int, follow: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A camera per clip that keeps every valid joint of every frame in view.

    Args:
        joints: (B, N, P, J, 3) metres.
        valid: (B, N, P, J) bool.
        height, width: pixels.
        follow: whether the camera moves along with the bodies over the floor, so that somebody who crosses a room
            stays large; a still camera shows where they go.

    Returns:
        shift: (B, N, 3), to be added to the joints to bring them into the camera's frame; the same in all frames of
            a clip if the camera stands still.
        intrinsics: (B, 3, 3), the same in all frames.
        distance: (B,) metres from the camera to the middle of the clip.
    """
    shape = joints.shape[:2]
    joints, known = joints.flatten(2, 3), valid.flatten(2, 3)[..., None]
    path = _path(joints, known) if follow else joints.new_zeros(*shape, 1, 3)
    joints = joints - path
    flat, known = joints.flatten(1, 2), known.flatten(1, 2)
    nobody = ~known.any(1)
    low = flat.masked_fill(~known, math.inf).amin(1).masked_fill(nobody, 0.0)
    high = flat.masked_fill(~known, -math.inf).amax(1).masked_fill(nobody, 0.0)
    centre, half = (low + high) / 2, (high - low) / 2
    distance = (half * half.new_tensor(STEP_BACK)).amax(1).clamp(min=DISTANCE)
    forward = torch.stack([torch.zeros_like(distance), torch.zeros_like(distance), distance], dim=-1)

    placed = flat + (forward - centre)[:, None]
    # How far each joint reaches, measured on the plane through the centre.
    reach = (placed[..., :2].abs() + MARGIN) * (distance[:, None] / placed[..., 2].clamp(min=0.1))[..., None]
    reach = reach.masked_fill(~known, 0.0).amax(1)
    focal_x = (width / 2) * distance / reach[:, 0].clamp(min=HALF_EXTENT)
    focal_y = (height / 2) * distance / reach[:, 1].clamp(min=HALF_EXTENT)
    focal = torch.minimum(focal_x, focal_y)

    intrinsics = flat.new_zeros(len(flat), 3, 3)
    intrinsics[:, 0, 0], intrinsics[:, 1, 1], intrinsics[:, 2, 2] = -focal, focal, 1.0
    intrinsics[:, 0, 2], intrinsics[:, 1, 2] = (width - 1) / 2, (height - 1) / 2
    shift = (forward - centre)[:, None]
    return shift - path[:, :, 0], intrinsics, distance


def _path(joints: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Where the bodies are over the floor: (B, N, 1, 3), the mean of the known joints with height zero.

    A frame with nobody takes the mean of the clip.
    """
    over_floor = joints * joints.new_tensor([1.0, 0.0, 1.0]) * known
    total, count = over_floor.sum(2, keepdim=True), known.sum(2, keepdim=True)
    overall = total.sum(1, keepdim=True) / count.sum(1, keepdim=True).clamp(min=1)
    return torch.where(count > 0, total / count.clamp(min=1), overall)
