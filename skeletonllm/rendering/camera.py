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
    joints: torch.Tensor, valid: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A still camera per clip that keeps every valid joint of every frame in view.

    Args:
        joints: (B, N, P, J, 3) metres.
        valid: (B, N, P, J) bool.
        height, width: pixels.

    Returns:
        shift: (B, 3), to be added to the joints to bring them into the camera's frame.
        intrinsics: (B, 3, 3).
        distance: (B,) metres from the camera to the middle of the clip.
    """
    flat, known = joints.flatten(1, 3), valid.flatten(1, 3)[..., None]
    nobody = ~known.any(1)
    low = flat.masked_fill(~known, math.inf).amin(1).masked_fill(nobody, 0.0)
    high = flat.masked_fill(~known, -math.inf).amax(1).masked_fill(nobody, 0.0)
    centre, half = (low + high) / 2, (high - low) / 2
    distance = (half * half.new_tensor(STEP_BACK)).amax(1).clamp(min=DISTANCE)
    shift = torch.stack([-centre[:, 0], -centre[:, 1], distance - centre[:, 2]], dim=-1)

    placed = flat + shift[:, None]
    # How far each joint reaches, measured on the plane through the centre.
    reach = (placed[..., :2].abs() + MARGIN) * (distance[:, None] / placed[..., 2].clamp(min=0.1))[..., None]
    reach = reach.masked_fill(~known, 0.0).amax(1)
    focal_x = (width / 2) * distance / reach[:, 0].clamp(min=HALF_EXTENT)
    focal_y = (height / 2) * distance / reach[:, 1].clamp(min=HALF_EXTENT)
    focal = torch.minimum(focal_x, focal_y)

    intrinsics = torch.zeros(len(joints), 3, 3, dtype=joints.dtype, device=joints.device)
    intrinsics[:, 0, 0], intrinsics[:, 1, 1], intrinsics[:, 2, 2] = -focal, focal, 1.0
    intrinsics[:, 0, 2], intrinsics[:, 1, 2] = (width - 1) / 2, (height - 1) / 2
    return shift, intrinsics, distance
