"""HumanML3D: joints (T, 22, 3) or the 263 features per frame, as ``.npy``."""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, as_doubles, build_sequence
from skeletonllm.skeleton.formats.npy import header_shape, read_array
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import SMPL_22

FPS = 20.0
NUM_JOINTS = 22
NUM_FEATURES = 263
DISTANCE = 3.0
# An hour; work on many more takes seconds and gigabytes.
MAX_FRAMES = 72_000
# A person who walks towards the camera must not pass it: the nearest joint stays this far away.
NEAREST = 1.0
# Raw features give constant bones (generated motions vary by some per cent). Features that were normalised by mean and
# standard deviation give bones whose lengths vary by about as much as they measure.
MAX_BONE_VARIATION = 0.3


def recover_joints(features: np.ndarray) -> np.ndarray:
    """Joint positions from HumanML3D features.

    Guo et al. 2022, "Generating Diverse and Natural 3D Human Motions from Text", section 3: per frame the root's
    angular velocity about Y, its velocity in X and Z seen from the root, its height, and the other joints' positions
    seen from the root. The published features store half the turning angle.

    Args:
        features: (T, 263), not normalised.

    Returns:
        (T, 22, 3) metres, Y up, facing +Z in the first frame, left at +x.
    """
    num_frames = len(features)
    turned = np.zeros(num_frames)
    turned[1:] = 2.0 * np.cumsum(features[:-1, 0])
    cosine, sine = np.cos(turned), np.sin(turned)

    def to_world(x: np.ndarray, z: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return cosine * x - sine * z, sine * x + cosine * z

    root = np.zeros((num_frames, 3))
    step_x, step_z = to_world(features[:-1, 1], features[:-1, 2], cosine[1:], sine[1:])
    root[1:, 0], root[1:, 2] = np.cumsum(step_x), np.cumsum(step_z)
    root[:, 1] = features[:, 3]
    joints = np.empty((num_frames, NUM_JOINTS, 3))
    joints[:, 0] = root
    local = features[:, 4 : 4 + 3 * (NUM_JOINTS - 1)].reshape(num_frames, NUM_JOINTS - 1, 3)
    x, z = to_world(local[..., 0], local[..., 2], cosine[:, None], sine[:, None])
    joints[:, 1:, 0], joints[:, 1:, 2] = x + root[:, None, 0], z + root[:, None, 2]
    joints[:, 1:, 1] = local[..., 1]
    return joints


def read(path: Path) -> SkeletonSequence:
    """Read HumanML3D joints or features and turn the person towards the camera."""
    with path.open("rb") as file:
        array = read_array(file, path.stat().st_size, path, "array", "f")
    expected = f"(frames, {NUM_JOINTS}, 3) joints or (frames, {NUM_FEATURES}) features"
    if not is_shape(array.shape) or not 1 <= len(array) <= MAX_FRAMES:
        expected = f"{expected}, 1 to {MAX_FRAMES:,} frames"
        raise SkeletonFormatError(path, "header", f"shape {array.shape}", expected)
    notes = (
        f"{FPS:g} frames per second and metres assumed (HumanML3D; the file does not say)",
        "joints in SMPL order, Y up, floor at y = 0",
    )
    joints = as_doubles(array)
    with np.errstate(invalid="ignore", over="ignore"):  # unusable values are masked and noted by build_sequence
        if array.ndim == 2:
            joints = recover_joints(joints)
            notes += ("joint positions recovered from the 263 features",)
            _check_bones(path, joints)
        # HumanML3D faces away from a camera at its origin: half a turn about Y makes it face the camera.
        joints = joints * np.array([-1.0, 1.0, -1.0])
    valid = np.isfinite(joints).all(-1)
    seen = joints[valid]
    if len(seen):
        pelvis = joints[valid[:, 0], 0]
        start = pelvis[0] if len(pelvis) else seen.mean(0)
        reach = max(DISTANCE, NEAREST + start[2] - float(seen[:, 2].min()))
        # Not moved by more than a room: absurd coordinates are left for build_sequence to mask.
        reach = reach if reach < 10 * DISTANCE else DISTANCE
        joints = joints + np.array([-start[0], 0.0, reach - start[2]])
        notes += (f"turned by 180 degrees about Y to face the camera, and placed {reach:.1f} m in front of it",)
    return build_sequence(path, joints[:, None], FPS, SMPL_22, valid=valid[:, None], notes=notes)


def _check_bones(path: Path, joints: np.ndarray) -> None:
    child, parent = np.array([(c, p) for c, p in enumerate(SMPL_22.parents) if p >= 0]).T
    lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
    lengths = lengths[np.isfinite(lengths).all(-1)]
    if len(lengths) < 2:
        return
    variation = float(np.median(lengths.std(0) / np.maximum(lengths.mean(0), 1e-9)))
    if variation > MAX_BONE_VARIATION:
        expected = "raw features, which give constant bones (normalised ones need Std and Mean first)"
        raise SkeletonFormatError(path, "features 4 to 66", f"bone lengths that vary by {variation:.0%}", expected)


def is_shape(shape: tuple[int, ...]) -> bool:
    """Whether arrays of this shape are taken for HumanML3D's."""
    return shape[1:] in ((NUM_JOINTS, 3), (NUM_FEATURES,))


def sniff(head: bytes, path: Path) -> bool:
    shape = header_shape(head)
    return shape is not None and is_shape(shape)


FORMAT = Format(
    "humanml3d",
    "HumanML3D .npy, (T, 22, 3) joints or (T, 263) features",
    (".npy",),
    sniff,
    read,
    companions=("mean.npy", "std.npy", "texts/*.txt"),
)
