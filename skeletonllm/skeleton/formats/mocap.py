"""What the formats of motion capture share: long runs of words, rotations about axes, and a place before the camera."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, build_sequence
from skeletonllm.skeleton.kinematics import axis_rotation, forward_kinematics
from skeletonllm.skeleton.placement import detect_up, place_motion
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import ROOT, Topology

# Bodies with fingers and faces have some two hundred joints.
MAX_NODES = 512
# Joints times frames: half an hour of 27 joints at 30 frames per second, which takes a second or more to read.
MAX_JOINT_FRAMES = 1_500_000
# Bytes and joint-frames that are worked on at a time.
BLOCK_BYTES = 2**20
BLOCK_JOINT_FRAMES = 2**15
# What is farther from the origin, in units of the file, is no place of a person.
MAX_UNITS = 1e6
# How straight below its hip an ankle is, as a cosine, in a rest pose that tells the up axis.
UPRIGHT = 0.7


def blocks_of_words(data: bytes, start: int) -> Iterator[list[bytes]]:
    """The words of a text from ``start`` on, a megabyte's at a time: lists of all of them would not fit in memory."""
    space = re.compile(rb"\s")
    while start < len(data):
        found = space.search(data, start + BLOCK_BYTES)
        end = found.start() if found else len(data)
        yield data[start:end].split()
        start = end


def check_length(path: Path, place: str, num_frames: int, num_nodes: int) -> None:
    """Raise SkeletonFormatError if a recording is longer than can be read at once."""
    if num_frames * num_nodes > MAX_JOINT_FRAMES:
        found = f"{num_frames:,} frames of {num_nodes} joints"
        raise SkeletonFormatError(path, place, found, f"at most {MAX_JOINT_FRAMES // num_nodes:,} frames; cut it first")


def turns(angles: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Rotations (..., 3, 3): the product, from left to right, of turns about axes by (..., len(axes)) radians."""
    product = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for place, axis in enumerate(axes):
        product = product @ axis_rotation(axis, angles[..., place])
    return product


def pose(
    num_frames: int,
    parents: Sequence[int],
    frames: Callable[[slice], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Positions (T, N, 3) of the nodes of a tree, NaN for what is no place.

    Args:
        num_frames: T.
        parents: N indices, -1 for the root.
        frames: a range of frames to rotations (t, N, 3, 3) and offsets (t, N, 3), each relative to the parent.
    """
    positions = np.empty((num_frames, len(parents), 3))
    step = max(1, BLOCK_JOINT_FRAMES // len(parents))
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, num_frames, step):
            block = slice(start, min(start + step, num_frames))
            positions[block] = forward_kinematics(*frames(block), parents)[0]
        positions[~(np.abs(positions) < MAX_UNITS)] = np.nan
    return positions


def rest_pose(offsets: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """(N, 3) where the nodes are when nothing is turned; parents stand before their children."""
    places = np.clip(offsets, -MAX_UNITS, MAX_UNITS)
    for node, parent in enumerate(parents):
        if parent != ROOT:
            places[node] += places[parent]
    return places


def place_recording(
    path: Path,
    joints: np.ndarray,
    rest: np.ndarray,
    topology: Topology,
    fps: float,
    *,
    unit: float | None = None,
    label: str | None = None,
    notes: tuple[str, ...] = (),
) -> SkeletonSequence:
    """The recording of one person, upright, in metres, in front of the camera and facing it at the start.

    Args:
        joints: (T, J, 3) in the file's axes and unit, NaN where unknown.
        rest: (J, 3) the pose in which no joint is turned, likewise.
        unit: metres; None: detected.
    """
    joints = joints[:, None]
    valid = np.isfinite(joints).all(-1)
    up, note = _up_axis(rest, joints, valid, topology)
    placement = place_motion(joints, valid, topology, fps, up=up, unit=unit)
    bad = int((~valid).sum())
    if bad:
        notes += (f"{bad} of {valid.size} joints masked: NaN, infinite or absurd coordinates",)
    return build_sequence(
        path, placement.joints, fps, topology, valid=valid, label=label, notes=(*notes, note, *placement.notes)
    )


def _up_axis(rest: np.ndarray, joints: np.ndarray, valid: np.ndarray, topology: Topology) -> tuple[str, str]:
    """The up axis and a note.

    Y is the custom. A person who lies or crawls all the time looks upright along another axis, and in a rig that was
    converted from other axes the rest pose does: only where both speak against Y is another axis believed.
    """
    moving = detect_up(joints, valid, topology)
    resting = detect_up(rest[None, None], np.ones((1, 1, len(rest)), bool), topology)
    if not _is_upright(rest, resting, topology):
        return moving, f"up axis {moving} detected from how the body stands"
    if "y" in (moving, resting) and moving != resting:
        return "y", f"up axis y, as is the custom: the rest pose says {resting}, the motion {moving}"
    return moving, f"up axis {moving} detected from how the body stands"


def _is_upright(rest: np.ndarray, up: str, topology: Topology) -> bool:
    """Whether both legs of a rest pose go down; in many rigs it is no pose of a person."""
    axis = (-1.0 if up.startswith("-") else 1.0) * np.eye(3)["xyz".index(up[-1])]
    for side in ("left", "right"):
        hip, ankle = topology.find(f"{side}_hip"), topology.find(f"{side}_ankle")
        if hip is None or ankle is None:
            return False
        leg = rest[hip] - rest[ankle]
        if not leg @ axis > UPRIGHT * np.linalg.norm(leg):
            return False
    return True


def nearest_kept(parents: Sequence[int], dropped: set[int]) -> list[int]:
    """For each node its nearest ancestor that is not dropped, or -1; parents stand before their children."""
    nearest = []
    for parent in parents:
        nearest.append(nearest[parent] if parent in dropped and parent != ROOT else parent)
    return nearest
