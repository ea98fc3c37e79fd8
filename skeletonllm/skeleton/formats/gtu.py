"""GTU 3D Actions: text with one joint ``x y z`` per line, 25 lines per frame (Kinect v2).

No label: only the folder names the class, and "right handed" and "left handed" there are not the hands that move.
"""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import (
    Format,
    SkeletonFormatError,
    build_sequence,
    first_lines,
    is_number,
    is_text,
    read_lines,
    short,
)
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V2

_EXPECTED = "x y z of one joint"


def read(path: Path) -> SkeletonSequence:
    """Read one clip."""
    values, line_of_row = [], []
    for number, line in enumerate(read_lines(path, _EXPECTED), start=1):
        words = line.split()
        if not words:
            continue
        try:
            x, y, z = map(float, words)
        except ValueError as error:
            raise SkeletonFormatError(path, f"line {number}", short(line.strip()), _EXPECTED) from error
        values.append((x, y, z))
        line_of_row.append(number)
    num_joints = KINECT_V2.num_joints
    if len(values) % num_joints:
        found = (
            f"the end of the file after {len(values) % num_joints} of the joints of frame {len(values) // num_joints}"
        )
        expected = f"{num_joints} lines per frame"
        raise SkeletonFormatError(path, f"line {line_of_row[-1]}", found, expected)
    joints = np.array(values).reshape(-1, 1, num_joints, 3)
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
    lines = first_lines(head)[:2]
    return is_text(head) and all(len(line) == 3 and all(map(is_number, line)) for line in lines)


FORMAT = Format("gtu", "text with one joint 'x y z' per line, 25 lines per frame, in metres", (".txt",), sniff, read)
