"""Sequences as BVH, for Blender and its like."""

import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import ROOT, Topology

# How much a joint clings to the way its parent turns, against the bones that it must follow: enough to settle what
# the bones leave open (the twist of a straight limb), too little to turn them away.
CLING = 1e-6
_AXES = "ZXY"


def write_bvh(sequence: SkeletonSequence, path: str | Path, person: int | None = None) -> tuple[str, ...]:
    """Write one person's motion as BVH: centimetres, Y up; who faced the camera faces +Z, with the left at +X.

    The rest pose is a T-pose with the median lengths of the bones. Each joint is turned from it by the rotation, as
    small as possible, that points its bones where they go (Kabsch 1976).

    Bones of recordings are not of constant length, and rotations alone would add up the differences from joint to
    joint. So each joint has six channels, and its position channels make up for the rest: positions come back exactly.
    Blender and other programs that follow the position channels show them so; those that ignore them still show the
    pose.

    Args:
        sequence: of one person, or name the ``person``.
        path: the file.
        person: which one.

    Returns:
        what the file does not hold, a sentence each.

    Raises:
        ValueError: several persons and none named, no such person, or a person of whom no joint is ever known.
    """
    if person is None and sequence.num_persons > 1:
        raise ValueError(f"BVH holds one person and the sequence has {sequence.num_persons}: name one, or write each")
    person = 0 if person is None else person
    if not 0 <= person < sequence.num_persons:
        raise ValueError(f"there is no person {person}: the sequence has {sequence.num_persons}, counted from 0")
    valid = sequence.valid[:, person]
    if not valid.any():
        raise ValueError(f"no joint of person {person} is known in any frame")
    notes = []
    if sequence.num_persons > 1:
        notes.append(f"{sequence.num_persons - 1} of {sequence.num_persons} persons left out")
    never = ~valid.any(0)
    if never.any():
        names = ", ".join(name for name, gone in zip(sequence.topology.joints, never, strict=True) if gone)
        notes.append(f"{int(never.sum())} joints that are never known left out: {names}")
    gaps = int((~valid[:, ~never]).sum())
    if gaps:
        notes.append(f"{gaps} unknown joint positions filled in between known ones")
    # Half a turn about Y, from our camera's axes to those of BVH files, and centimetres.
    joints = _filled(sequence.joints[:, person].astype(np.float64), valid) * [-100.0, 100.0, -100.0]
    order, parents = _depth_first(sequence.topology, never)
    names = [sequence.topology.joints[joint] for joint in order]
    joints = joints[:, order]
    offsets = _rest_offsets(joints, names, parents)
    angles, positions = _channels(joints, offsets, parents)
    text = ["HIERARCHY", *_hierarchy(names, parents, offsets)]
    text += ["MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / sequence.fps:.7f}"]
    numbers = np.concatenate([positions, angles], -1).reshape(len(joints), -1)
    line = " ".join(["%.5f"] * numbers.shape[1])
    text += [line % tuple(row) for row in numbers.tolist()]
    Path(path).write_text("\n".join(text) + "\n", encoding="ascii", newline="\n")
    return tuple(notes)


def _filled(joints: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Unknown positions (T, J) in a straight line between the known ones before and after, or as the nearest one."""
    joints = joints.copy()
    frames = np.arange(len(joints))
    for joint in np.flatnonzero(~valid.all(0) & valid.any(0)):
        known = valid[:, joint]
        for axis in range(3):
            joints[~known, joint, axis] = np.interp(frames[~known], frames[known], joints[known, joint, axis])
    return joints


def _depth_first(topology: Topology, never: np.ndarray) -> tuple[list[int], list[int]]:
    """The known joints, each followed by all below it, and their parents in that order.

    A joint without a known ancestor hangs on the first one.
    """
    above = list(topology.parents)
    for joint in range(topology.num_joints):
        while above[joint] != ROOT and never[above[joint]]:
            above[joint] = topology.parents[above[joint]]
    known = [joint for joint in range(topology.num_joints) if not never[joint]]
    roots = sorted((joint for joint in known if above[joint] == ROOT), key=lambda joint: topology.depths[joint])
    order, parents = [], []
    stack = [(roots[0], ROOT)]
    while stack:
        joint, parent = stack.pop()
        order.append(joint)
        parents.append(parent)
        below = [child for child in known if above[child] == joint]
        below += roots[1:] if joint == roots[0] else []
        stack += [(child, len(order) - 1) for child in reversed(below)]
    return order, parents


def _rest_offsets(joints: np.ndarray, names: list[str], parents: list[int]) -> np.ndarray:
    """(J, 3) centimetres from the parent in the T-pose; what that does not know goes on as its parent does."""
    places = rest_positions()
    offsets = np.zeros((len(names), 3))
    directions = np.tile([0.0, 1.0, 0.0], (len(names), 1))
    for joint, parent in enumerate(parents):
        if parent == ROOT:
            continue
        directions[joint] = directions[parent]
        if names[joint] in places and names[parent] in places:
            along = places[names[joint]] - places[names[parent]]
            directions[joint] = along / np.linalg.norm(along)
        length = np.median(np.linalg.norm(joints[:, joint] - joints[:, parent], axis=-1))
        offsets[joint] = length * directions[joint]
    return offsets


def _channels(joints: np.ndarray, offsets: np.ndarray, parents: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Angles (T, J, 3) in degrees about Z, X and Y, and positions (T, J, 3) from the parent in its turned frame."""
    num_frames, count = joints.shape[:2]
    positions, angles = joints.copy(), np.empty((num_frames, count, 3))
    turned: list[np.ndarray] = []
    for joint, parent in enumerate(parents):
        world = np.broadcast_to(np.eye(3), (num_frames, 3, 3)) if parent == ROOT else turned[parent]
        if parent != ROOT:
            positions[:, joint] = np.einsum("tji,tj->ti", world, joints[:, joint] - joints[:, parent])
        children = [child for child, above in enumerate(parents) if above == joint]
        bones = np.einsum("tji,tcj->tci", world, joints[:, children] - joints[:, joint, None])
        rotation = _align(offsets[children], bones)
        angles[:, joint] = _euler(rotation)
        turned.append(world @ rotation)
    return angles, positions


def _align(rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) that bring vectors (C, 3) nearest to (T, C, 3): Kabsch 1976, leaning towards none."""
    scale = (np.linalg.norm(rest, axis=-1) * np.linalg.norm(bones, axis=-1)).sum(-1)
    covariance = np.einsum("tci,cj->tij", bones, rest)
    covariance += np.maximum(CLING * scale, 1e-9)[:, None, None] * np.eye(3)
    left, _, right = np.linalg.svd(covariance)
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return left @ right


def _euler(rotation: np.ndarray) -> np.ndarray:
    """Degrees (T, 3) about Z, X and Y, whose product Rz Rx Ry is (T, 3, 3), over time without jumps by whole turns."""
    level = np.hypot(rotation[:, 2, 0], rotation[:, 2, 2])
    x = np.arctan2(rotation[:, 2, 1], level)
    y = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    z = np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    # Where X turns by a right angle, Z and Y turn about the same axis: Z does it alone.
    upright = level < 1e-8
    z = np.where(upright, np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]), z)
    y = np.where(upright, 0.0, y)
    return np.degrees(np.unwrap(np.stack([z, x, y], -1), axis=0))


def _hierarchy(names: list[str], parents: list[int], offsets: np.ndarray) -> list[str]:
    """Lines; an end site of no length ends each joint that has no other below, as the format wants it."""
    lines, depths = [], []
    for joint, (name, parent) in enumerate(zip(names, parents, strict=True)):
        depth = 0 if parent == ROOT else depths[parent] + 1
        depths.append(depth)
        indent = "  " * depth
        offset = " ".join(f"{value:.5f}" for value in offsets[joint].tolist())
        # A user's topology may have names that would not be read as one word.
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        lines += [
            f"{indent}{'ROOT' if parent == ROOT else 'JOINT'} {name}",
            f"{indent}{{",
            f"{indent}  OFFSET {offset}",
        ]
        rotations = " ".join(f"{axis}rotation" for axis in _AXES)
        lines.append(f"{indent}  CHANNELS 6 Xposition Yposition Zposition {rotations}")
        if joint not in parents:
            lines += [f"{indent}  End Site", f"{indent}  {{", f"{indent}    OFFSET 0 0 0", f"{indent}  }}"]
        following = 0 if joint + 1 == len(names) else depths[parents[joint + 1]] + 1
        lines += ["  " * level + "}" for level in range(depth, following - 1, -1)]
    return lines
