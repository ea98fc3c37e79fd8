"""The humanoid of DeepMimic: its joints, and its bones from the character file that comes with the motions."""

from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.json_text import load_json
from skeletonllm.skeleton.proportions import STATURE, rest_positions
from skeletonllm.skeleton.topologies import register_topology
from skeletonllm.skeleton.topology import ROOT, build_topology

CHARACTER_FILE = "humanoid3d.txt"

# The 15 joints of the character in its order, and the ends of what turns with its neck and ankles: the head's centre
# and the tips of the feet. Its "chest" is the joint at which the trunk bends, at half its height.
DEEPMIMIC_18 = register_topology(
    build_topology(
        "deepmimic_18",
        [
            ("pelvis", None, "torso"), ("spine_upper", "pelvis", "torso"), ("neck", "spine_upper", "torso"),
            ("right_hip", "pelvis", "torso"), ("right_knee", "right_hip", "thigh"),
            ("right_ankle", "right_knee", "shin"), ("right_shoulder", "spine_upper", "torso"),
            ("right_elbow", "right_shoulder", "upper_arm"), ("right_wrist", "right_elbow", "forearm"),
            ("left_hip", "pelvis", "torso"), ("left_knee", "left_hip", "thigh"),
            ("left_ankle", "left_knee", "shin"), ("left_shoulder", "spine_upper", "torso"),
            ("left_elbow", "left_shoulder", "upper_arm"), ("left_wrist", "left_elbow", "forearm"),
            ("head", "neck", "head"), ("right_foot", "right_ankle", "foot"), ("left_foot", "left_ankle", "foot"),
        ],
        # The tree, but for the shoulders, which are drawn from the neck at their height.
        [
            (0, 1), (1, 2), (0, 3), (3, 4), (4, 5), (2, 6), (6, 7), (7, 8), (0, 9), (9, 10), (10, 11), (2, 12),
            (12, 13), (13, 14), (2, 15), (5, 16), (11, 17),
        ],
    )
)  # fmt: skip
NUM_OWN = 15
_THEIR_NAMES = {"pelvis": "root", "spine_upper": "chest"}
_HANGING = ("elbow", "wrist")
_MAX_BONE = 2.0  # metres
_EXPECTED = "the DeepMimic character of 15 joints, with the keys Skeleton and BodyDefs"


def find_character(path: Path) -> Path | None:
    """The character file beside a motion, in a folder ``characters`` beside it, or in one beside its folder."""
    folder = path.parent
    places = (folder, folder / "characters", folder.parent / "characters")
    return next((place / CHARACTER_FILE for place in places if (place / CHARACTER_FILE).is_file()), None)


def average_offsets() -> np.ndarray:
    """Bones of our own average body: (18, 3) metres, each joint from its parent at rest, in the axes of DeepMimic."""
    # Ours are +x to the left and +z forwards.
    known = {name: np.array([z, y, -x]) for name, (x, y, z) in rest_positions(STATURE).items()}
    offsets = np.zeros((DEEPMIMIC_18.num_joints, 3))
    for joint, (name, parent) in enumerate(zip(DEEPMIMIC_18.joints, DEEPMIMIC_18.parents, strict=True)):
        if parent != ROOT:
            offsets[joint] = known[name] - known[DEEPMIMIC_18.joints[parent]]
        if name.endswith(_HANGING):
            offsets[joint] = [0.0, -np.linalg.norm(offsets[joint]), 0.0]
    return offsets


def read_offsets(path: Path) -> np.ndarray:
    """Bones of a character file: (18, 3) metres, each joint from its parent at rest.

    Raises:
        SkeletonFormatError: another character, or one that is damaged.
    """
    content = load_json(path, _EXPECTED)
    skeleton = content.get("Skeleton") if isinstance(content, dict) else None
    joints = _rows(path, "key 'Skeleton'", skeleton.get("Joints") if isinstance(skeleton, dict) else None)
    bodies = _rows(path, "key 'BodyDefs'", content.get("BodyDefs"))
    offsets = np.zeros((DEEPMIMIC_18.num_joints, 3))
    for joint, (name, parent) in enumerate(zip(DEEPMIMIC_18.joints, DEEPMIMIC_18.parents, strict=True)):
        if joint < NUM_OWN:
            row, place = joints[joint], f"key 'Skeleton', joint {joint}"
            wanted = (_THEIR_NAMES.get(name, name), parent)
            found = (row.get("Name"), row.get("Parent"))
            turned = [row.get(f"AttachTheta{axis}", 0) != 0 for axis in "XYZ"]
            if found != wanted or any(turned):
                found = f"{short(found)}{', turned at rest' if any(turned) else ''}"
                raise SkeletonFormatError(path, place, found, f"{wanted}, not turned at rest")
            offsets[joint] = _numbers(path, place, row, ("AttachX", "AttachY", "AttachZ"))
            continue
        row, place = bodies[parent], f"key 'BodyDefs', part {parent}"
        offsets[joint] = _numbers(path, place, row, ("AttachX", "AttachY", "AttachZ"))
        if name.endswith("foot"):  # a box around its middle
            offsets[joint, 0] += _numbers(path, place, row, ("Param0",))[0] / 2
    return offsets


def _rows(path: Path, place: str, rows: Any) -> list[dict]:
    if not isinstance(rows, list) or len(rows) != NUM_OWN or not all(isinstance(row, dict) for row in rows):
        found = f"{len(rows)} rows" if isinstance(rows, list) else short(rows)
        raise SkeletonFormatError(path, place, found, _EXPECTED)
    return rows


def _numbers(path: Path, place: str, row: dict, keys: tuple[str, ...]) -> list[float]:
    values = [row.get(key) for key in keys]
    if not all(type(value) in (int, float) and abs(value) <= _MAX_BONE for value in values):
        raise SkeletonFormatError(path, place, short(values), f"{', '.join(keys)} within {_MAX_BONE:g} m")
    return values
