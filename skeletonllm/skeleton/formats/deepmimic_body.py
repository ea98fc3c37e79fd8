"""The humanoid of DeepMimic: its joints, and its bones from the character file that comes with the motions."""

from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.json_text import load_json
from skeletonllm.skeleton.proportions import STATURE, rest_positions
from skeletonllm.skeleton.topologies import DEEPMIMIC_18
from skeletonllm.skeleton.topology import ROOT

CHARACTER_FILE = "humanoid3d.txt"

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
