"""GTU 3D Actions: text with one joint ``x y z`` per line, 25 lines per frame (Kinect v2).

No label: only the folder names the class, and "right handed" and "left handed" there are not the hands that move.
"""

from pathlib import Path

from skeletonllm.skeleton.formats.common import Format, build_sequence
from skeletonllm.skeleton.formats.text_rows import looks_like_rows, read_rows, whole_frames
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V2


def read(path: Path) -> SkeletonSequence:
    """Read one clip."""
    rows, line_of_row = read_rows(path, 3, "x y z of one joint")
    joints = whole_frames(path, rows, line_of_row, KINECT_V2.num_joints)[:, None]
    return build_sequence(
        path,
        joints,
        30.0,
        KINECT_V2,
        zero_is_missing=True,
        notes=(
            "30 frames per second assumed (nominal for Kinect v2; the file does not say)",
            "metres in the camera frame, Y up, Z away from the camera; joints in the order of Kinect v2",
        ),
    )


def sniff(head: bytes, path: Path) -> bool:
    return bool(looks_like_rows(head, 3))


FORMAT = Format("gtu", "text with one joint 'x y z' per line, 25 lines per frame, in metres", (".txt",), sniff, read)
