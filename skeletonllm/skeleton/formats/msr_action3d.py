"""MSR Action3D (Real3D): text with one joint ``x y z confidence`` per line, 20 lines per frame, in its own order.

The order was found from the geometry of the bodies, left and right from actions that are done with the right arm.
"""

import re
from pathlib import Path

from skeletonllm.skeleton.formats.common import Format, build_sequence
from skeletonllm.skeleton.formats.text_rows import looks_like_rows, read_rows, whole_frames
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1

LABELS = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x",
    "draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick",
    "jogging", "tennis swing", "tennis serve", "golf swing", "pick up and throw",
)  # fmt: skip
FILE_ORDER = (
    "left_shoulder", "right_shoulder", "chest", "spine", "left_hip", "right_hip", "pelvis", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_foot", "right_foot", "head",
)  # fmt: skip
_COLUMNS = 4


def read(path: Path) -> SkeletonSequence:
    """Read one clip and put its joints in the order of our ``kinect_v1``.

    The confidence is not handed on: it is zero for most joints of the trunk and the feet, which this sensor's model of
    the body infers from the others, and whoever draws by it would draw nobody.
    """
    rows, line_of_row = read_rows(path, _COLUMNS, "x y z confidence of one joint")
    frames = whole_frames(path, rows, line_of_row, len(FILE_ORDER))
    joints = frames[:, None, [FILE_ORDER.index(joint) for joint in KINECT_V1.joints], :3]
    inferred = int((frames[..., 3] == 0).sum())
    action = re.match(r"a(\d+)_s\d+_e\d+", path.name)
    number = int(action.group(1)) if action else 0
    return build_sequence(
        path,
        joints,
        15.0,
        KINECT_V1,
        zero_is_missing=True,
        label=LABELS[number - 1] if 1 <= number <= len(LABELS) else None,
        notes=(
            "15 frames per second assumed (nominal for the data set; the file does not say)",
            "metres in the camera frame, Y up, Z away from the camera; joints reordered from MSR Action3D's own order",
            f"confidence not kept: zero for {inferred} of {frames[..., 3].size} joints, which the sensor inferred",
        ),
    )


def sniff(head: bytes, path: Path) -> bool:
    lines = looks_like_rows(head, _COLUMNS)
    return bool(lines) and all(0 <= float(line[3]) <= 1 for line in lines)


FORMAT = Format(
    "msr_action3d",
    "MSR Action3D text, one joint 'x y z confidence' per line, 20 lines per frame, in metres",
    (".txt",),
    sniff,
    read,
)
