"""DeepMimic motions of a humanoid as JSON: rotations of its joints per frame (Peng et al. 2018).

A row has 44 numbers: seconds until the next row; the root's place in metres and its quaternion wxyz; then, joint by
joint, a quaternion wxyz or the angle in radians of a hinge about z. The body at rest stands with its arms down and
faces +x, left at -z, Y up.
"""

import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import (
    BYTE_ORDER_MARK,
    MAX_METRES,
    Format,
    SkeletonFormatError,
    build_sequence,
    short,
)
from skeletonllm.skeleton.formats.deepmimic_body import (
    CHARACTER_FILE,
    DEEPMIMIC_18,
    average_offsets,
    find_character,
    read_offsets,
)
from skeletonllm.skeleton.formats.json_text import load_json
from skeletonllm.skeleton.kinematics import axis_rotation, forward_kinematics, normalize, quaternion_to_matrix
from skeletonllm.skeleton.placement import drop_to_floor, place_motion
from skeletonllm.skeleton.proportions import STATURE
from skeletonllm.skeleton.sequence import SkeletonSequence

ROW = 44
PLACE = slice(1, 4)
# Where the quaternion of each joint begins in a row, and where the angle of each hinge is.
QUATERNIONS = {
    "pelvis": 4, "spine_upper": 8, "neck": 12, "right_hip": 16, "right_ankle": 21, "right_shoulder": 25,
    "left_hip": 30, "left_ankle": 35, "left_shoulder": 39,
}  # fmt: skip
HINGES = {"right_knee": 20, "right_elbow": 29, "left_knee": 34, "left_elbow": 43}
# Shorter quaternions say nothing; those of real files are 0.58 and longer.
MIN_QUATERNION = 0.1
MIN_SECONDS, MAX_SECONDS = 0.001, 10.0
# Steps that are written with six decimals differ by less than this part, and give a whole number of frames per second.
STEP_TOLERANCE = 1e-4
FPS_OF_ONE_FRAME = 30.0
# Twenty minutes at 30 frames per second; clips take seconds.
MAX_FRAMES = 36_000

_EXPECTED = f"a JSON object with the key 'Frames': rows of {ROW} numbers"
_FIRST_ROW = re.compile(rb'"Frames"\s*:\s*\[\s*\[([-+.,\deE\s]*)\]')
_NAME = re.compile(r"humanoid3d_(\w+)")


def read(path: Path) -> SkeletonSequence:
    """Read one motion as ``deepmimic_18``, on the bones of the character file if that is near."""
    rows, fps, notes = _evenly(path, _rows(path))
    character = find_character(path)
    offsets = average_offsets() if character is None else read_offsets(character)
    whose = f"an average body of {STATURE:.2f} m (no {CHARACTER_FILE} is near)" if character is None else character.name
    notes += (f"bones of {whose}", "metres, Y up; head and tips of the feet turn with neck and ankles")
    with np.errstate(invalid="ignore", over="ignore"):
        joints = pose(rows, offsets)[:, None]
        valid = (np.abs(joints) <= MAX_METRES).all(-1)
    placed = place_motion(joints, valid, DEEPMIMIC_18, fps, up="y", unit=1.0)
    moved, notes = placed.joints, notes + placed.notes
    if character is None:
        moved, note = drop_to_floor(moved, valid)
        notes += (note,)
    name = _NAME.fullmatch(path.stem)
    return build_sequence(
        path,
        np.where(valid[..., None], moved, joints),  # those that are not valid are counted by build_sequence
        fps,
        DEEPMIMIC_18,
        label=name.group(1).replace("_", " ") if name else None,
        notes=notes,
    )


def pose(rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Joints (T, 18, 3) in metres of rows (T, 44) on bones (18, 3), in the axes of the file; NaN where unknown."""
    local = np.broadcast_to(np.eye(3), (len(rows), DEEPMIMIC_18.num_joints, 3, 3)).copy()
    for name, column in QUATERNIONS.items():
        quaternion = rows[:, column : column + 4]
        local[:, DEEPMIMIC_18.index(name)] = quaternion_to_matrix(quaternion)
        local[np.linalg.norm(quaternion, axis=-1) < MIN_QUATERNION, DEEPMIMIC_18.index(name)] = np.nan
    for name, column in HINGES.items():
        local[:, DEEPMIMIC_18.index(name)] = axis_rotation(2, rows[:, column])
    return forward_kinematics(local, offsets, DEEPMIMIC_18.parents, rows[:, PLACE])[0]


def _rows(path: Path) -> np.ndarray:
    """(T, 44) float64."""
    content = load_json(path, _EXPECTED)
    frames = content.get("Frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not 1 <= len(frames) <= MAX_FRAMES:
        found = f"{len(frames):,} frames" if isinstance(frames, list) else short(frames)
        raise SkeletonFormatError(path, "key 'Frames'", found, f"1 to {MAX_FRAMES:,} rows of {ROW} numbers")
    for index, row in enumerate(frames):
        if not isinstance(row, list) or len(row) != ROW or not {int, float}.issuperset(map(type, row)):
            found = f"{len(row)} values" if isinstance(row, list) and len(row) != ROW else short(row)
            raise SkeletonFormatError(path, f"key 'Frames', frame {index}", found, f"{ROW} numbers")
    try:
        return np.array(frames, dtype=np.float64)
    except OverflowError as error:
        raise SkeletonFormatError(path, "key 'Frames'", short(str(error)), "numbers of a usual size") from error


def _evenly(path: Path, rows: np.ndarray) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Rows at equal steps of time, frames per second, and notes. The last row has nothing to wait for."""
    steps = rows[:-1, 0]
    if not len(steps):
        return rows, FPS_OF_ONE_FRAME, (f"{FPS_OF_ONE_FRAME:g} frames per second assumed of a single frame",)
    wrong = np.flatnonzero(~((steps >= MIN_SECONDS) & (steps <= MAX_SECONDS)))
    if len(wrong):
        place, expected = f"key 'Frames', frame {wrong[0]}", f"a duration of {MIN_SECONDS:g} to {MAX_SECONDS:g} s"
        raise SkeletonFormatError(path, place, f"{steps[wrong[0]]:g} s", expected)
    step = float(np.median(steps))
    fps = round(1 / step) if abs(1 / step - round(1 / step)) < STEP_TOLERANCE / step else 1 / step
    notes = (f"{fps:g} frames per second from the durations in the file",)
    longer = int((np.abs(steps - step) > STEP_TOLERANCE * step).sum())
    if not longer:
        return rows, float(fps), notes
    times = np.concatenate([[0.0], np.cumsum(steps)])
    count = round(times[-1] / step) + 1
    if count > MAX_FRAMES:
        raise SkeletonFormatError(path, "durations", f"{count:,} frames of {step:g} s", f"at most {MAX_FRAMES:,}")
    note = f"{longer} of {len(steps)} frames last longer or shorter: {len(rows)} resampled to {count} frames"
    return resample(rows, times, np.minimum(np.arange(count) * step, times[-1])), float(fps), (*notes, note)


def resample(rows: np.ndarray, times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rows (N, 44) at the wanted times (N,) between rows (T, 44) at ascending times (T,): straight, on short arcs."""
    before = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(rows) - 2)
    weight = ((wanted - times[before]) / (times[before + 1] - times[before]))[:, None]
    start, stop = rows[before].copy(), rows[before + 1].copy()
    with np.errstate(invalid="ignore", over="ignore"):
        for column in QUATERNIONS.values():
            part = slice(column, column + 4)
            start[:, part], stop[:, part] = normalize(start[:, part]), normalize(stop[:, part])
            stop[(start[:, part] * stop[:, part]).sum(-1) < 0, part] *= -1
        return start * (1 - weight) + stop * weight


def sniff(head: bytes, path: Path) -> bool:
    row = _FIRST_ROW.search(head) if head.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{" else None
    return row is not None and row.group(1).count(b",") == ROW - 1


FORMAT = Format(
    "deepmimic",
    f"DeepMimic humanoid JSON, 'Frames' of {ROW} numbers",
    (".txt", ".json"),
    sniff,
    read,
    companions=(CHARACTER_FILE,),
)
