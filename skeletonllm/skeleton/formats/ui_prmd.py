"""UI-PRMD rehabilitation exercises (Kinect): two comma-separated files per clip, 22 joints x 3 numbers per frame.

``..._positions.txt`` holds each joint's place in the frame of its parent, in centimetres, and ``..._angles.txt`` the
rotation of each joint's frame in that of its parent, in degrees about x, y and z. A rotation turns about y first, then
x, then z: of all orders this alone keeps the feet of those who stand or squat where they are (to 8 mm; any other lets
them wander by 5 cm or more).
"""

import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, build_sequence
from skeletonllm.skeleton.formats.text_rows import looks_like_rows, read_rows
from skeletonllm.skeleton.kinematics import axis_rotation, forward_kinematics
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import SMPL_22
from skeletonllm.skeleton.topology import ROOT

LABELS = (
    "deep squat", "hurdle step", "inline lunge", "side lunge", "sit to stand", "standing active straight leg raise",
    "standing shoulder abduction", "standing shoulder extension", "standing shoulder internal-external rotation",
    "standing shoulder scaption",
)  # fmt: skip
# Joints of the file by the names of our topologies. Its neck lies 7 mm above its chest, where arms and head begin, its
# head 6 cm above that, where ours has the neck, and the tip of its head where a Kinect has the head.
_BASE_OF_NECK = "base of the neck"
_TREE = [("pelvis", None), ("spine", "pelvis"), ("chest", "spine"), (_BASE_OF_NECK, "chest"), ("neck", _BASE_OF_NECK),
         ("head", "neck")]  # fmt: skip
_ARM = [("collar", "chest"), ("shoulder", "collar"), ("elbow", "shoulder"), ("wrist", "elbow")]
_LEG = [("hip", "pelvis"), ("knee", "hip"), ("ankle", "knee"), ("foot", "ankle")]
for _limb in (_ARM, _LEG):
    for _side in ("left", "right"):
        _TREE += [
            (f"{_side}_{joint}", parent if parent in ("chest", "pelvis") else f"{_side}_{parent}")
            for joint, parent in _limb
        ]
FILE_ORDER = tuple(joint for joint, _ in _TREE)
PARENTS = tuple(ROOT if parent is None else FILE_ORDER.index(parent) for _, parent in _TREE)
# What our topology has between spine and chest, and the file has not.
_BETWEEN = "spine_upper"

_COLUMNS = 3 * len(FILE_ORDER)
# Five minutes and more; a clip has two such tables.
_MAX_BYTES = 6 * 2**20
_POSITIONS, _ANGLES = "positions", "angles"


def read(path: Path) -> SkeletonSequence:
    """Read one clip from its positions file and the angles beside it, or in the folder ``Angles`` next to its own."""
    if _POSITIONS not in path.name:
        expected = f"{path.name.replace(_ANGLES, _POSITIONS)}, which belongs to it"
        found = "angles" if _ANGLES in path.name else "a name that names no angles file"
        raise SkeletonFormatError(path, "name", found, expected if found == "angles" else "..._positions.txt")
    offsets = _table(path)
    angles_path = _angles_of(path)
    angles = _table(angles_path)
    if len(angles) != len(offsets):
        raise SkeletonFormatError(angles_path, "file", f"{len(angles)} frames", f"{len(offsets)}, as in {path.name}")
    # Numbers without sense give joints without sense, which are masked.
    with np.errstate(all="ignore"):
        x, y, z = (axis_rotation(axis, np.radians(angles[..., axis])) for axis in range(3))
        places, _ = forward_kinematics(z @ x @ y, 0.01 * offsets, PARENTS)
        by_name = {joint: places[:, index] for index, joint in enumerate(FILE_ORDER)}
        by_name[_BETWEEN] = (by_name["spine"] + by_name["chest"]) / 2
        # The file's z points at the camera. Half a turn about the vertical keeps the handedness.
        joints = np.stack([by_name[joint] for joint in SMPL_22.joints], 1)[:, None] * [-1.0, 1.0, -1.0]
    exercise = re.match(r"m(\d+)_s\d+_e\d+", path.name)
    number = int(exercise.group(1)) if exercise else 0
    return build_sequence(
        path,
        joints,
        30.0,
        SMPL_22,
        label=LABELS[number - 1] if 1 <= number <= len(LABELS) else None,
        notes=(
            "30 frames per second assumed (nominal for Kinect v2; the file does not say)",
            f"centimetres relative to parents, turned by the angles of {angles_path.name} (about y, then x, then z)",
            "camera frame, Y up; turned by half a turn about the vertical, so that Z points away from the camera",
            f"joints named as in SMPL; the {_BASE_OF_NECK}, 7 mm above the chest, left out; {_BETWEEN} put halfway "
            "between spine and chest",
        ),
    )


def _table(path: Path) -> np.ndarray:
    """(T, 22, 3)"""
    rows, _ = read_rows(path, _COLUMNS, f"{_COLUMNS} numbers between commas, 3 per joint", ",", _MAX_BYTES)
    return rows.reshape(-1, len(FILE_ORDER), 3)


def _angles_of(path: Path) -> Path:
    name = path.name.replace(_POSITIONS, _ANGLES)
    # As published: folders Positions and Angles; copies of a few clips have both in one.
    for candidate in (path.with_name(name), path.parent.parent / "Angles" / name):
        if candidate.is_file():
            return candidate
    raise SkeletonFormatError(path, "angles", f"no file {name} beside it", "one, as positions alone give no posture")


def sniff(head: bytes, path: Path) -> bool:
    # Other tables have as many columns; these two go by their names, because one is found from the other's.
    return (_POSITIONS in path.name or _ANGLES in path.name) and bool(looks_like_rows(head, _COLUMNS, b","))


FORMAT = Format(
    "ui_prmd",
    "UI-PRMD positions (and angles beside them), 66 comma-separated numbers per frame",
    (".txt",),
    sniff,
    read,
    companions=("m[0-9][0-9]_s[0-9][0-9]_e[0-9][0-9]*_angles.txt",),
)
