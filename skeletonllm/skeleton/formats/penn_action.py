"""Penn Action: MATLAB 5 files with 13 joints in pixels, ``x`` and ``y`` (T, 13), and their ``visibility``.

Data set: http://dreamdragon.github.io/PennAction. Its order of joints is said to have the left one of each pair first,
but in the clips that it marks as seen from the front the first one is to the left in the picture: it is the person's
right one.
"""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError
from skeletonllm.skeleton.formats.matlab import read_variables, variable_names
from skeletonllm.skeleton.formats.picture_points import MAX_POINTS, build_from_points
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import PENN_13

_PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
FILE_ORDER = ("head", *(f"{side}_{joint}" for joint in _PAIRS for side in ("right", "left")))
_COLUMNS = [FILE_ORDER.index(joint) for joint in PENN_13.joints]


def read(path: Path) -> SkeletonSequence:
    """Read one clip.

    Its length is that of ``x``: ``nframes`` is stored in a byte in many files, which clips of more frames overflow.
    """
    arrays, text = read_variables(path, ("x", "y", "visibility"), ("action",), limit=8 * MAX_POINTS)
    x = arrays["x"]
    for name, array in arrays.items():
        if array.shape != x.shape:
            raise SkeletonFormatError(path, name, f"shape {array.shape}", f"{x.shape}, as x has")
    if x.ndim != 2 or x.shape[1] != len(FILE_ORDER):
        raise SkeletonFormatError(path, "x", f"shape {x.shape}", f"(frames, {len(FILE_ORDER)})")
    visible = arrays["visibility"][:, _COLUMNS] > 0
    hidden = int((~visible).sum())
    return build_from_points(
        path,
        np.stack([x, arrays["y"]], -1)[:, _COLUMNS],
        PENN_13,
        place="x and y",
        valid=visible,
        label=text["action"].strip().replace("_", " ") or None,
        notes=(
            "pixels, x to the right, y down; what Penn Action's list of joints calls left is the person's right",
            *((f"{hidden} of {visible.size} joints masked: not visible by the file",) if hidden else ()),
        ),
    )


def sniff(head: bytes, path: Path) -> bool:
    return {"action", "x", "y"} <= set(variable_names(head, path))


FORMAT = Format("penn_action", "Penn Action MATLAB 5 file, x and y (T, 13) in pixels", (".mat",), sniff, read)
