"""Northwestern-UCLA Multiview 3D as JSON, one file per clip: ``skeletons`` (T, 20, 3), ``label`` 1 to 10."""

import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import BYTE_ORDER_MARK, Format, SkeletonFormatError, build_sequence, short
from skeletonllm.skeleton.formats.json_text import load_json
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1

LABELS = (
    "pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down", "stand up",
    "donning", "doffing", "throw", "carry",
)  # fmt: skip
_KEY = re.compile(rb'"skeletons"\s*:')
_EXPECTED = "a JSON object with the key 'skeletons': frames x 20 joints x 3 numbers"


def read(path: Path) -> SkeletonSequence:
    """Read one clip. Joints come in the order of the Kinect SDK, which is that of our ``kinect_v1``."""
    content = load_json(path, _EXPECTED)
    if not isinstance(content, dict) or not isinstance(content.get("skeletons"), list):
        found = (
            f"the keys {short(sorted(content))}" if isinstance(content, dict) else f"a JSON {type(content).__name__}"
        )
        raise SkeletonFormatError(path, "top level", found, _EXPECTED)
    notes = (
        "30 frames per second assumed (nominal for Kinect v1; the file does not say)",
        "metres in the camera frame, Y up, Z away from the camera; joints in the order of the Kinect SDK",
    )
    joints = _joints(path, content["skeletons"])
    label = content.get("label")
    label = LABELS[label - 1] if type(label) is int and 1 <= label <= len(LABELS) else None
    return build_sequence(path, joints[:, None], 30.0, KINECT_V1, zero_is_missing=True, label=label, notes=notes)


def _joints(path: Path, frames: list) -> np.ndarray:
    """(T, 20, 3) float64; null becomes NaN, which is masked later."""
    if not frames:
        raise SkeletonFormatError(path, "key 'skeletons'", "no frames", "at least one")
    for index, frame in enumerate(frames):
        place = f"key 'skeletons', frame {index}"
        if not isinstance(frame, list) or len(frame) != KINECT_V1.num_joints:
            found = f"{len(frame)} joints" if isinstance(frame, list) else short(frame)
            raise SkeletonFormatError(path, place, found, f"{KINECT_V1.num_joints} joints")
        for joint, position in enumerate(frame):
            if (
                not isinstance(position, list)
                or [type(value) in (int, float, type(None)) for value in position] != [True] * 3
            ):
                raise SkeletonFormatError(path, f"{place}, joint {joint}", short(position), "three numbers")
    try:
        return np.array(frames, dtype=np.float64)
    except OverflowError as error:
        raise SkeletonFormatError(path, "key 'skeletons'", short(str(error)), "numbers in metres") from error


def sniff(head: bytes, path: Path) -> bool:
    return head.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{" and _KEY.search(head) is not None


FORMAT = Format("nw_ucla", "Northwestern-UCLA JSON, 'skeletons' (T, 20, 3) in metres", (".json",), sniff, read)
