"""Dances from and to BVH, with the rotations that the file has.

Rigs differ in how their joints lie at rest: some stand in a T-pose, in some every bone points along an axis of its own.
So a joint's rotation means something only against a pose that is known in both bodies. That is the rest pose of the
file where it is a T-pose, else all poses of the recording together: there, rotations of our body are found from the
places of the joints (``inverse``), and what lies between these and the file's rotations, a constant for each joint, is
kept. Feet are levelled (``feet``), unless they slope at rest as ours do.
"""

import re
from pathlib import Path

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.body.euler import euler_angles, unwrap_angles
from skeletonllm.dance.body.hinges import LIMB_ORDER
from skeletonllm.dance.codecs.axes import FILE_TO_DANCE, RECORDING_TO_DANCE
from skeletonllm.dance.codecs.feet import level_feet
from skeletonllm.dance.codecs.inverse import fit_rotations, nearest_rotation, swing
from skeletonllm.dance.codecs.sequence import FEET, assemble, smpl_places
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.formats.bvh import TurnedRecording, read_turned
from skeletonllm.skeleton.kinematics import axis_rotation, normalize
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT, Topology

_AXES = "zxy"
_CENTIMETRES = 100.0
# Of each joint that a limb turns about, the next one.
_LIMBS = {
    f"{side}_{joint}": f"{side}_{below}"
    for side in ("left", "right")
    for joint, below in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
}
# How far from exactly so, as a cosine, a rest pose is a T-pose: legs down, arms out.
_T_POSE = 0.8
# Radians: rounding of files.
_SAME_SLOPE = 0.01


def read(path: Path, body: Body) -> Motion:
    """One person's dance at the file's own frame rate.

    Joints that the file has not are turned with the nearest one above that it has. See ``sequence.from_sequence`` for
    what is done with size, place and floor.

    Raises:
        SkeletonFormatError: no BVH, or a damaged one.
        ValueError: joints are missing without which there is no pose.
    """
    recording = read_turned(path)
    sequence = recording.sequence
    joints, known, notes = smpl_places(sequence)
    turn, scale = _similarity(recording)
    resting = sequence.replace(joints=scale * (recording.rest @ turn.T)[None, None], valid=None, confidence=None)
    rest, _, _ = smpl_places(resting)
    world = RECORDING_TO_DANCE @ turn
    turned = world @ recording.rotations[:, _nodes(sequence.topology)]
    lying_as_ours = False
    if _is_t_pose(rest[0]):
        lying_as_ours = _feet_as_ours(body, rest[0])
        constant = world.T @ _t_pose_frames(body, rest[0])
        notes += ("rotations of the file, from its T-pose",)
    else:
        fitted = fit_rotations(body, joints, known)
        constant = nearest_rotation((np.swapaxes(turned, -1, -2) @ fitted).mean(0))
        notes += ("rotations of the file, whose rest pose is no T-pose: the twist of limbs is known up to a constant",)
    frames = turned @ constant
    if FEET.issubset(known) and not lying_as_ours:
        frames, told = level_feet(body, frames, joints, sequence.fps)
        notes += told
    return assemble(body, joints, frames, sequence.fps, sequence.source or str(path), notes)


def write(motion: Motion, body: Body, path: str | Path) -> None:
    """Write a dance as BVH for Blender and its like: centimetres, Y up, whoever faces -y in the dance faces +Z.

    The rest pose is the T-pose of the body. The pelvis has positions and angles, every other joint angles only, about
    Z, X and Y in this order.
    """
    parents, names = body.parents, body.names
    offsets = _CENTIMETRES * body.offsets @ FILE_TO_DANCE
    local = FILE_TO_DANCE.T @ motion.rotations.astype(np.float64) @ FILE_TO_DANCE
    angles = np.degrees(unwrap_angles(euler_angles(local, _AXES)))
    root = _CENTIMETRES * motion.root.astype(np.float64) @ FILE_TO_DANCE
    numbers = np.concatenate([root, angles[:, list(LIMB_ORDER)].reshape(motion.num_frames, -1)], -1)
    line = " ".join(["%.5f"] * numbers.shape[1])
    text = ["HIERARCHY", *_hierarchy(names, parents, offsets), "MOTION", f"Frames: {motion.num_frames}"]
    text += [f"Frame Time: {1 / motion.fps:.7f}", *(line % tuple(row) for row in numbers.tolist())]
    Path(path).write_text("\n".join(text) + "\n", encoding="ascii", newline="\n")


def _hierarchy(names: tuple[str, ...], parents: tuple[int, ...], offsets: np.ndarray) -> list[str]:
    rotations = " ".join(f"{axis.upper()}rotation" for axis in _AXES)

    def lines(joint: int, indent: str) -> list[str]:
        is_root = parents[joint] == ROOT
        channels = f"6 Xposition Yposition Zposition {rotations}" if is_root else f"3 {rotations}"
        text = [f"{'ROOT' if is_root else 'JOINT'} {names[joint]}", "{"]
        text += [f"  OFFSET {_words(offsets[joint])}", f"  CHANNELS {channels}"]
        children = [child for child in LIMB_ORDER if parents[child] == joint]
        for child in children:
            text += lines(child, "  ")
        if not children:
            # An end site of half the bone, so that the last bone of a limb is drawn.
            text += ["  End Site", "  {", f"    OFFSET {_words(offsets[joint] / 2)}", "  }"]
        return [indent + row for row in [*text, "}"]]

    return lines(LIMB_ORDER[0], "")


def _words(values: np.ndarray) -> str:
    return re.sub(r"-(0\.0+)\b", r"\1", " ".join(f"{value:.5f}" for value in values.tolist()))


def _similarity(recording: TurnedRecording) -> tuple[np.ndarray, float]:
    """The rotation and the scale that brought the places of the file into the axes and metres of the recording."""
    valid = recording.sequence.valid[:, 0]
    file, placed = recording.joints[valid], recording.sequence.joints[:, 0][valid].astype(np.float64)
    file, placed = file - file.mean(0), placed - placed.mean(0)
    return nearest_rotation(placed.T @ file), float(np.linalg.norm(placed) / np.linalg.norm(file))


def _nodes(topology: Topology) -> list[int]:
    """For each of our joints the file's joint that it turns with: its own, or that of the nearest joint above."""
    nodes: list[int] = []
    for joint, name in enumerate(SMPL_24.joints):
        above = nodes[SMPL_24.parents[joint]] if joint else topology.parents.index(ROOT)
        own = topology.find(name)
        nodes.append(above if own is None else own)
    return nodes


def _t_pose_frames(body: Body, places: np.ndarray) -> np.ndarray:
    """World rotations (24, 3, 3) of our body in the T-pose (24, 3) of a file.

    The trunk is upright and the feet are flat, however the file's bones run there; arms and legs point as in the file.
    """
    across = places[SMPL_24.index("left_hip")] - places[SMPL_24.index("right_hip")]
    heading = axis_rotation(2, np.arctan2(across[1], across[0]))
    frames = np.broadcast_to(heading, (SMPL_24.num_joints, 3, 3)).copy()
    for joint, name in enumerate(SMPL_24.joints):
        parent, child = SMPL_24.parents[joint], SMPL_24.index(_LIMBS[name]) if name in _LIMBS else None
        if child is not None:
            bone, towards = normalize(body.offsets[child]), normalize(places[child] - places[joint])
            frames[joint] = swing(heading @ bone, towards) @ heading
        elif name.endswith(("wrist", "hand")):
            frames[joint] = frames[parent]
    return frames


def _feet_as_ours(body: Body, places: np.ndarray) -> bool:
    """Whether both feet of a T-pose (24, 3) slope as those of our body do, so that nothing of them is to be found."""
    for side in ("left", "right"):
        ball = body.index(f"{side}_foot")
        theirs = normalize(places[ball] - places[body.index(f"{side}_ankle")])
        slopes = np.arcsin([theirs[2], normalize(body.offsets[ball])[2]])
        if abs(slopes[0] - slopes[1]) > _SAME_SLOPE:
            return False
    return True


def _is_t_pose(places: np.ndarray) -> bool:
    """Whether the upper arms of (24, 3) places point outwards and the thighs down."""
    for side, out in (("left", 1.0), ("right", -1.0)):
        for upper, lower, axis in (
            ("hip", "knee", [0.0, 0.0, -1.0]),
            ("shoulder", "elbow", out * (places[SMPL_24.index("left_hip")] - places[SMPL_24.index("right_hip")])),
        ):
            bone = places[SMPL_24.index(f"{side}_{lower}")] - places[SMPL_24.index(f"{side}_{upper}")]
            if not bone @ axis > _T_POSE * np.linalg.norm(bone) * np.linalg.norm(axis):
                return False
    return True
