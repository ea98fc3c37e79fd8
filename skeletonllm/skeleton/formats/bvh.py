"""Biovision hierarchies: a tree of joints, and for each frame the angles and positions that move them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.bvh_hierarchy import CHANNELS, Hierarchy, parse_hierarchy
from skeletonllm.skeleton.formats.bvh_writer import write_bvh
from skeletonllm.skeleton.formats.common import (
    BYTE_ORDER_MARK,
    Format,
    SkeletonFormatError,
    is_number,
    read_bytes,
    short,
)
from skeletonllm.skeleton.formats.mocap import (
    BLOCK_JOINT_FRAMES,
    blocks_of_words,
    check_length,
    nearest_kept,
    place_recording,
    pose,
    rest_pose,
    turns,
)
from skeletonllm.skeleton.joint_names import topology_from_names
from skeletonllm.skeleton.placement import body_size
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import ROOT, Topology

__all__ = ["FORMAT", "TurnedRecording", "read", "read_turned", "sniff", "write_bvh"]

_MOTION = re.compile(rb"\s*MOTION\s+Frames\s*:\s*(\S+)\s+Frame\s+Time\s*:\s*(\S+)", re.IGNORECASE)
_BANDAI = re.compile(r"dataset-\d+_(.+)_[^_]+_\d+", re.IGNORECASE)
# Seconds per frame that a camera or a suit can have.
SHORTEST_FRAME, LONGEST_FRAME = 1e-4, 100.0
# A joint that stays nearer to its parent than this part of the longest offset is the same place.
SAME_PLACE = 1e-4
# A first frame that is a T-pose, out of which a joint moves faster than hands do, was put before the recording.
T_POSE_COSINE = 0.9
JUMP = 10.0
FIRST_FRAMES = 3
MOST_NAMES_IN_A_NOTE = 12


@dataclass(frozen=True)
class TurnedRecording:
    """A recording with what the places of its joints do not tell.

    Args:
        sequence: as ``read`` gives it.
        joints: (T, J, 3) the same places in the axes and the unit of the file.
        rotations: (T, J, 3, 3) how each joint is turned from the rest pose of the file, in the axes of the file.
        rest: (J, 3) the joints in the rest pose, in the axes and the unit of the file.
    """

    sequence: SkeletonSequence
    joints: np.ndarray
    rotations: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True)
class _Content:
    """A file's tree and numbers, the nodes that are joints of the topology, and how the recording is to be told."""

    hierarchy: Hierarchy
    values: np.ndarray
    kept: list[int]
    topology: Topology
    fps: float
    notes: list[str]


def read(path: Path) -> SkeletonSequence:
    """Read one recording of one person."""
    content = _content(path)
    return _sequence(path, content, _positions(content.hierarchy, content.values)[:, content.kept])[0]


def read_turned(path: Path) -> TurnedRecording:
    """Read one recording of one person with the rotations of its joints."""
    content = _content(path)
    positions = _positions(content.hierarchy, content.values)[:, content.kept]
    sequence, joints = _sequence(path, content, positions)
    first = len(positions) - len(joints)
    return TurnedRecording(
        sequence,
        joints,
        _rotations(content.hierarchy, content.values[first:])[:, content.kept],
        rest_pose(content.hierarchy.offsets, content.hierarchy.parents)[content.kept],
    )


def _content(path: Path) -> _Content:
    data = read_bytes(path)
    hierarchy, position = parse_hierarchy(path, data)
    num_frames, frame_time, position = _header(path, data, position, hierarchy)
    values = _values(path, data, position, num_frames, hierarchy.num_channels)
    same = _same_places(hierarchy, values)
    apart = [node for node in range(len(hierarchy.parents)) if node not in same]
    above = nearest_kept(hierarchy.parents, same)
    topology, order = topology_from_names(
        [hierarchy.names[node] for node in apart],
        [apart.index(above[node]) if above[node] >= 0 else -1 for node in apart],
        [place for place, node in enumerate(apart) if node in hierarchy.ends],
    )
    kept = [apart[place] for place in order]
    if topology.num_joints < 2:
        raise SkeletonFormatError(path, "HIERARCHY", "one joint without extent", "joints with offsets between them")
    fps = _frames_per_second(frame_time)
    notes = [f"{fps:g} frames per second (Frame Time {frame_time})", *_left_out(hierarchy, kept, same)]
    return _Content(hierarchy, values, kept, topology, fps, notes)


def _sequence(path: Path, content: _Content, joints: np.ndarray) -> tuple[SkeletonSequence, np.ndarray]:
    """The recording, and its joints (T, J, 3) of the file without frames before it."""
    first = _frames_before(joints, content.topology, content.fps)
    notes = content.notes
    if first:
        notes = [*notes, f"{first} of {len(joints)} frames left out: a T-pose before the recording"]
    label = _BANDAI.fullmatch(path.stem)
    sequence = place_recording(
        path,
        joints[first:],
        rest_pose(content.hierarchy.offsets, content.hierarchy.parents)[content.kept],
        content.topology,
        content.fps,
        label=label[1].replace("-", " ") if label else None,
        notes=tuple(notes),
    )
    return sequence, joints[first:]


def _header(path: Path, data: bytes, position: int, hierarchy: Hierarchy) -> tuple[int, str, int]:
    """How many frames, the frame time as it is written, and where the numbers begin."""
    match = _MOTION.match(data, position)
    if not match:
        rest = data[position:].lstrip()
        line = data.count(b"\n", 0, len(data) - len(rest)) + 1
        found = short(rest.split(b"\n", 1)[0].strip().decode("latin-1")) if rest else "the end of the file"
        raise SkeletonFormatError(path, f"line {line}", found, "MOTION, Frames: and Frame Time: behind one skeleton")
    frames, frame_time = match[1].decode("latin-1"), match[2].decode("latin-1")
    # At least a digit and a space for each number: what is claimed beyond is not there, and no memory is taken for it.
    most = (len(data) - match.end() + 1) // 2 // hierarchy.num_channels
    if not frames.isascii() or not frames.isdigit() or len(frames) > 12 or not 0 < int(frames) <= most:
        expected = f"a number of frames, of {hierarchy.num_channels} channels each, that the file can hold"
        raise SkeletonFormatError(path, "Frames", short(frames), expected)
    if not is_number(match[2]) or not SHORTEST_FRAME <= float(frame_time) <= LONGEST_FRAME:
        raise SkeletonFormatError(path, "Frame Time", short(frame_time), "seconds per frame")
    check_length(path, "Frames", int(frames), len(hierarchy.parents))
    return int(frames), frame_time, match.end()


def _values(path: Path, data: bytes, position: int, num_frames: int, num_channels: int) -> np.ndarray:
    """The numbers of the motion (F, C). Lines do not matter: some writers break the line of a frame."""
    values = np.empty(num_frames * num_channels)
    filled = 0
    for words in blocks_of_words(data, position):
        room = len(values) - filled
        try:
            values[filled : filled + len(words)] = np.fromiter(map(float, words[:room]), float)
        except ValueError as error:
            bad = next(index for index, word in enumerate(words) if not is_number(word))
            frame, channel = divmod(filled + bad, num_channels)
            place = f"frame {frame + 1}, number {channel + 1}"
            raise SkeletonFormatError(path, place, short(words[bad].decode("latin-1")), "a number") from error
        filled += len(words)
        if filled > len(values):
            break
    if filled != len(values):
        frames, numbers = divmod(filled, num_channels)
        found = f"{frames} frames and {numbers} numbers" if filled < len(values) else "more numbers"
        expected = f"{num_frames} frames of {num_channels} numbers"
        raise SkeletonFormatError(path, f"frame {min(frames, num_frames) + 1}", found, expected)
    return values.reshape(num_frames, num_channels)


def _frames_per_second(frame_time: str) -> float:
    """A whole rate if its frame time begins with all the digits that are written: .0083333 s are 120 per second."""
    rate = 1 / float(frame_time)
    digits = -Decimal(frame_time).as_tuple().exponent
    whole = round(rate)
    return float(whole) if whole and abs(1 / whole - float(frame_time)) < 10.0**-digits else rate


def _columns(hierarchy: Hierarchy) -> list[tuple[int, str, int]]:
    """(node, channel, column) of each number of a frame."""
    pairs = chain.from_iterable(
        ((node, channel) for channel in channels) for node, channels in enumerate(hierarchy.channels)
    )
    return [(node, channel, column) for column, (node, channel) in enumerate(pairs)]


def _frames(hierarchy: Hierarchy, values: np.ndarray) -> Callable[[slice], tuple[np.ndarray, np.ndarray]]:
    """What gives rotations (f, N, 3, 3) and offsets (f, N, 3) of a range of frames, relative to the parents. Positions
    among the channels take the place of the offset; turns apply from the last to the first."""
    count = len(hierarchy.parents)
    moved = np.array([(n, CHANNELS.index(name), c) for n, name, c in _columns(hierarchy) if name in CHANNELS[:3]], int)
    turned: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
    by_node: dict[int, list[tuple[int, int]]] = {}
    for node, name, column in _columns(hierarchy):
        if name in CHANNELS[3:]:
            by_node.setdefault(node, []).append((CHANNELS.index(name) - 3, column))
    for node, pairs in by_node.items():
        turned.setdefault(tuple(axis for axis, _ in pairs), []).append((node, [column for _, column in pairs]))

    def frames(block: slice) -> tuple[np.ndarray, np.ndarray]:
        numbers = values[block]
        offsets = np.broadcast_to(hierarchy.offsets, (len(numbers), count, 3)).copy()
        if len(moved):
            offsets[:, moved[:, 0], moved[:, 1]] = numbers[:, moved[:, 2]]
        rotations = np.broadcast_to(np.eye(3), (len(numbers), count, 3, 3)).copy()
        for axes, nodes in turned.items():
            columns = [columns for _, columns in nodes]
            rotations[:, [node for node, _ in nodes]] = turns(np.radians(numbers[:, columns]), axes)
        return rotations, offsets

    return frames


def _positions(hierarchy: Hierarchy, values: np.ndarray) -> np.ndarray:
    """(F, N, 3)."""
    return pose(len(values), hierarchy.parents, _frames(hierarchy, values))


def _rotations(hierarchy: Hierarchy, values: np.ndarray) -> np.ndarray:
    """(F, N, 3, 3), of each node relative to the file's axes; parents stand before their children."""
    frames = _frames(hierarchy, values)
    rotations = np.empty((len(values), len(hierarchy.parents), 3, 3))
    step = max(1, BLOCK_JOINT_FRAMES // len(hierarchy.parents))
    for start in range(0, len(values), step):
        block = slice(start, start + step)
        rotations[block] = frames(block)[0]
        for node, parent in enumerate(hierarchy.parents):
            if parent != ROOT:
                rotations[block, node] = rotations[block, parent] @ rotations[block, node]
    return rotations


def _same_places(hierarchy: Hierarchy, values: np.ndarray) -> set[int]:
    """Nodes that are always where their parent is: they turn it once more, but there is no bone."""
    farthest = np.abs(hierarchy.offsets)
    for node, channel, column in _columns(hierarchy):
        if channel in CHANNELS[:3]:
            farthest[node, CHANNELS.index(channel)] = np.abs(values[:, column]).max()
    longest = np.abs(hierarchy.offsets).max()
    return {node for node in range(1, len(farthest)) if (farthest[node] <= SAME_PLACE * longest).all()}


def _frames_before(joints: np.ndarray, topology: Topology, fps: float) -> int:
    """How many frames at the start are a T-pose that does not belong to the recording (CMU's conversions have one)."""
    sides = [[topology.find(f"{side}_{joint}") for joint in ("shoulder", "wrist")] for side in ("left", "right")]
    start = joints[: FIRST_FRAMES + 1]
    if None in sides[0] + sides[1] or not np.isfinite(start).all():
        return 0
    size = body_size(start[:, None], np.ones((len(start), 1, joints.shape[1]), bool), topology)
    if size is None:
        return 0
    own = start - start[:, :1]
    speed = np.linalg.norm(np.diff(own, axis=0), axis=-1).max(-1) * fps / size
    t_pose = np.ones(len(start), bool)
    (left_shoulder, left_wrist), (right_shoulder, right_wrist) = sides
    across = start[:, left_shoulder] - start[:, right_shoulder]
    arms = (start[:, left_wrist] - start[:, left_shoulder], start[:, right_shoulder] - start[:, right_wrist])
    for arm in arms:
        along = (arm * across).sum(-1)
        t_pose &= along > T_POSE_COSINE * np.linalg.norm(arm, axis=-1) * np.linalg.norm(across, axis=-1)
    return max((frame + 1 for frame in range(len(speed)) if t_pose[frame] and speed[frame] > JUMP), default=0)


def _left_out(hierarchy: Hierarchy, kept: list[int], same: set[int]) -> list[str]:
    """A note for each reason why nodes are left out."""
    reasons: dict[str, list[str]] = {}
    for node, name in enumerate(hierarchy.names):
        if node in kept:
            continue
        reason = "above the pelvis and no part of the body"
        if node in same:
            reason = "always where their parent is"
        elif node in hierarchy.ends:
            reason = "the end of no bone of head, hand or foot"
        reasons.setdefault(reason, []).append(short(name + " End" if node in hierarchy.ends else name, 40)[1:-1])
    notes = []
    for reason, names in reasons.items():
        more = f" and {len(names) - MOST_NAMES_IN_A_NOTE} more" if len(names) > MOST_NAMES_IN_A_NOTE else ""
        shown = ", ".join(names[:MOST_NAMES_IN_A_NOTE]) + more
        notes.append(f"left out as {reason} ({len(names)}): {shown}")
    return notes


def sniff(head: bytes, path: Path) -> bool:
    return re.match(rb"\s*HIERARCHY\s", head.removeprefix(BYTE_ORDER_MARK), re.IGNORECASE) is not None


FORMAT = Format(
    "bvh",
    "BVH text that begins HIERARCHY",
    (".bvh",),
    sniff,
    read,
    companions=("dataset-*_content_label.txt", "dataset-*_style_label.txt"),
)
