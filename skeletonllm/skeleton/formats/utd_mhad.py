"""UTD-MHAD: MATLAB 5 files with ``d_skel`` (20, 3, T) from Kinect v1, in an order of joints of its own."""

import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, build_sequence
from skeletonllm.skeleton.formats.matlab import read_variable, variable_names
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1

LABELS = (
    "right arm swipe to the left", "right arm swipe to the right", "right hand wave", "two hand front clap",
    "right arm throw", "cross arms in the chest", "basketball shooting", "draw x", "draw circle (clockwise)",
    "draw circle (counter clockwise)", "draw triangle", "bowling (right hand)", "front boxing",
    "baseball swing from right", "tennis forehand swing", "arm curl (two arms)", "tennis serve", "two hand push",
    "knock on door", "hand catch", "pick up and throw", "jogging", "walking", "sit to stand", "stand to sit",
    "forward lunge (left foot forward)", "squat",
)  # fmt: skip
_LIMBS = ("left_shoulder", "left_elbow", "left_wrist", "left_hand", "right_shoulder", "right_elbow", "right_wrist",
          "right_hand", "left_hip", "left_knee", "left_ankle", "left_foot", "right_hip", "right_knee", "right_ankle",
          "right_foot")  # fmt: skip
FILE_ORDER = ("head", "chest", "spine", "pelvis", *_LIMBS)


def read(path: Path) -> SkeletonSequence:
    """Read one clip and put its joints in the order of our ``kinect_v1``."""
    skeleton = read_variable(path, "d_skel")
    if skeleton.ndim == 2:  # MATLAB drops the last dimension of a clip of one frame
        skeleton = skeleton[..., None]
    if skeleton.shape[:2] != (len(FILE_ORDER), 3) or skeleton.ndim != 3 or skeleton.shape[2] == 0:
        raise SkeletonFormatError(path, "d_skel", f"shape {skeleton.shape}", f"({len(FILE_ORDER)}, 3, frames)")
    joints = np.moveaxis(skeleton, 2, 0)[:, [FILE_ORDER.index(joint) for joint in KINECT_V1.joints]]
    action = re.match(r"a(\d+)_s\d+_t\d+", path.name)
    number = int(action.group(1)) if action else 0
    return build_sequence(
        path,
        joints[:, None],
        30.0,
        KINECT_V1,
        zero_is_missing=True,
        label=LABELS[number - 1] if 1 <= number <= len(LABELS) else None,
        notes=(
            "30 frames per second assumed (nominal for Kinect v1; the file does not say)",
            "metres in the camera frame, Y up, Z away from the camera; joints reordered from UTD-MHAD's own order",
        ),
    )


def sniff(head: bytes, path: Path) -> bool:
    return "d_skel" in variable_names(head, path)


FORMAT = Format(
    "utd_mhad",
    "UTD-MHAD MATLAB 5 file, d_skel (20, 3, T) in metres",
    (".mat",),
    sniff,
    read,
    companions=("skeleton_joint_order*",),
)
