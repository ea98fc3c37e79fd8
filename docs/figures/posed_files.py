"""Files of formats that keep rotations or places relative to parents, from recordings whose joints are all known."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import from_sequence
from skeletonllm.dance.codecs.axes import FILE_TO_DANCE
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.synthesis import embedded_song, make_dance
from skeletonllm.skeleton.formats.deepmimic import HINGES, PLACE, QUATERNIONS, ROW
from skeletonllm.skeleton.formats.deepmimic_body import average_offsets
from skeletonllm.skeleton.formats.ui_prmd import FILE_ORDER, PARENTS
from skeletonllm.skeleton.kinematics import normalize
from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import DEEPMIMIC_18
from skeletonllm.skeleton.topology import ROOT

# Who faces the camera has the left at smaller x and looks along -z; in files of motion capture he looks along +z.
_TO_CAPTURE = np.array([-1.0, 1.0, -1.0])
_ACCLAIM_INCH = 0.45  # of the file's unit, as in the published files
# Each bone by the joint at its end.
_ACCLAIM_BONES = {
    "lowerback": ("root", "spine"), "upperback": ("lowerback", "spine_upper"), "thorax": ("upperback", "chest"),
    "lowerneck": ("thorax", "neck"), "upperneck": ("lowerneck", "head"),
} | {
    f"{side[0]}{bone}": (parent if parent in ("root", "thorax") else f"{side[0]}{parent}", f"{side}_{joint}")
    for side in ("left", "right")
    for bone, parent, joint in (
        ("hipjoint", "root", "hip"), ("femur", "hipjoint", "knee"), ("tibia", "femur", "ankle"),
        ("foot", "tibia", "foot"), ("clavicle", "thorax", "shoulder"), ("humerus", "clavicle", "elbow"),
        ("wrist", "humerus", "wrist"),
    )
}  # fmt: skip


def _places(sequence: SkeletonSequence) -> dict[str, np.ndarray]:
    """(T, 3) metres by name, of the first person."""
    return {name: sequence.joints[:, 0, index].astype(float) for index, name in enumerate(sequence.topology.joints)}


def _least_turn(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The smallest rotations (T, 3, 3) that point ``start`` (3,) as ``stop`` (T, 3)."""
    start, stop = np.broadcast_to(normalize(start), stop.shape), normalize(stop)
    axis = np.cross(start, stop)
    angle = np.arctan2(np.linalg.norm(axis, axis=-1), (start * stop).sum(-1))
    return Rotation.from_rotvec(normalize(axis) * angle[:, None]).as_matrix()


def write_acclaim(sequence: SkeletonSequence, path: Path) -> None:
    """A recording with its skeleton beside it; every bone turns as little as it can from a T-pose."""
    places = {name: place * _TO_CAPTURE for name, place in _places(sequence).items()} | {"root": None}
    rest = rest_positions()
    ends = {"root": "pelvis"} | {bone: joint for bone, (_, joint) in _ACCLAIM_BONES.items()}
    unit = _ACCLAIM_INCH / 0.0254
    skeleton = [":version 1.10", ":name figure", ":units", "  mass 1.0", f"  length {_ACCLAIM_INCH}", "  angle deg",
                ":root", "  order TX TY TZ RX RY RZ", "  axis XYZ", "  position 0 0 0", "  orientation 0 0 0",
                ":bonedata"]  # fmt: skip
    turned = {"root": np.broadcast_to(np.eye(3), (sequence.num_frames, 3, 3))}
    numbers = {"root": np.concatenate([unit * places["pelvis"], np.zeros((sequence.num_frames, 3))], -1)}
    for number, (bone, (parent, joint)) in enumerate(_ACCLAIM_BONES.items(), start=1):
        along = places[joint] - places[ends[parent]]
        direction = normalize(rest[joint] - rest[ends[parent]])
        length = unit * np.median(np.linalg.norm(along, axis=-1))
        skeleton += ["  begin", f"    id {number}", f"    name {bone}", f"    length {length:.6f}"]
        skeleton += [f"    direction {' '.join(f'{value:.8f}' for value in direction)}", "    axis 0 0 0 XYZ"]
        skeleton += ["    dof rx ry rz", "  end"]
        turned[bone] = _least_turn(direction, along)
        local = np.swapaxes(turned[parent], 1, 2) @ turned[bone]
        numbers[bone] = Rotation.from_matrix(local).as_euler("xyz", degrees=True)
    skeleton += [":hierarchy", "  begin"]
    for parent in ends:
        children = [bone for bone, (above, _) in _ACCLAIM_BONES.items() if above == parent]
        skeleton += [f"    {parent} {' '.join(children)}"] if children else []
    path.with_suffix(".asf").write_text("\n".join([*skeleton, "  end"]) + "\n")
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(sequence.num_frames):
        lines += [str(frame + 1)]
        lines += [f"{bone} {' '.join(f'{value:.6f}' for value in rows[frame])}" for bone, rows in numbers.items()]
    path.write_text("\n".join(lines) + "\n")


def write_ui_prmd(sequence: SkeletonSequence, path: Path) -> None:
    """Places relative to parents in centimetres, and beside them the angles by which these are turned."""
    places = _places(sequence) | {"base of the neck": _places(sequence)["chest"] + [0.0, 0.007, 0.0]}
    joints = np.stack([places[name] for name in FILE_ORDER], 1) * [-1.0, 1.0, -1.0]
    turned, offsets, angles = [], np.zeros_like(joints), np.zeros_like(joints)
    for joint, parent in enumerate(PARENTS):
        above = np.broadcast_to(np.eye(3), (len(joints), 3, 3)) if parent == ROOT else turned[parent]
        along = joints[:, joint] - (0.0 if parent == ROOT else joints[:, parent])
        offsets[:, joint] = 100 * np.einsum("tji,tj->ti", above, along)
        turned.append(above if parent == ROOT else _least_turn(np.median(along, axis=0), along))
        local = np.swapaxes(above, 1, 2) @ turned[joint]
        # About y, then x, then z.
        angles[:, joint] = Rotation.from_matrix(local).as_euler("ZXY", degrees=True)[:, [1, 2, 0]]
    for name, values in ((path.name, offsets), (path.name.replace("positions", "angles"), angles)):
        lines = [",".join(f"{value:.6f}" for value in frame.ravel()) for frame in values]
        path.with_name(name).write_text("\n".join(lines) + "\n")


def write_deepmimic(sequence: SkeletonSequence, path: Path) -> None:
    """Quaternions of joints, and angles of knees and elbows, which are hinges; steps of a thirtieth of a second."""
    # The file looks along +x, with the left at -z.
    joints = sequence.joints[:, 0].astype(float)[..., [2, 1, 0]] * [-1.0, 1.0, 1.0]
    at = {name: joints[:, index] for index, name in enumerate(DEEPMIMIC_18.joints)}
    offsets = dict(zip(DEEPMIMIC_18.joints, average_offsets(), strict=True))
    rows = np.zeros((sequence.num_frames, ROW))
    rows[:, 0], rows[:, PLACE] = 1 / sequence.fps, at["pelvis"]
    turned: dict[str, np.ndarray] = {}
    for name, parent in zip(DEEPMIMIC_18.joints, DEEPMIMIC_18.parents, strict=True):
        above = turned[DEEPMIMIC_18.joints[parent]] if parent != ROOT else np.tile(np.eye(3), (len(rows), 1, 1))
        below = [child for child, p in zip(DEEPMIMIC_18.joints, DEEPMIMIC_18.parents, strict=True)
                 if p != ROOT and DEEPMIMIC_18.joints[p] == name]  # fmt: skip
        if name in HINGES:
            inside = np.einsum("tji,tj->ti", above, at[below[0]] - at[name])
            angle = np.arctan2(inside[:, 0], -inside[:, 1])
            rows[:, HINGES[name]] = angle
            turned[name] = above @ Rotation.from_rotvec(angle[:, None] * [0.0, 0.0, 1.0]).as_matrix()
        elif below and below[0] in HINGES:
            turned[name] = _limb(above, at[below[0]] - at[name], _after(at, below[0]))
        elif below:
            turned[name] = _follow(offsets, at, name, below)
        else:
            turned[name] = above
        if name in QUATERNIONS:
            local = np.swapaxes(above, 1, 2) @ turned[name]
            quaternions = Rotation.from_matrix(local).as_quat(scalar_first=True)
            rows[:, QUATERNIONS[name] : QUATERNIONS[name] + 4] = quaternions
    path.write_text(json.dumps({"Loop": "none", "Frames": rows.round(6).tolist()}))


def _after(at: Mapping[str, np.ndarray], joint: str) -> np.ndarray:
    """(T, 3) from a knee or an elbow to what follows."""
    return at[joint.replace("knee", "ankle").replace("elbow", "wrist")] - at[joint]


def _limb(above: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """How a hip or a shoulder is turned (T, 3, 3): -y along the upper bone, z across the plane in which it bends."""
    y = -normalize(upper)
    across = np.cross(lower, upper)
    # A limb that is nearly straight keeps the side that its parent has.
    bent = np.linalg.norm(across, axis=-1) / (np.linalg.norm(lower, axis=-1) * np.linalg.norm(upper, axis=-1))
    across = np.where((across * above[:, :, 2]).sum(-1, keepdims=True) < 0, -across, across)
    z = np.where(bent[:, None] > 0.02, normalize(across), above[:, :, 2])
    z = normalize(z - (z * y).sum(-1, keepdims=True) * y)
    return np.stack([np.cross(y, z), y, z], -1)


def _follow(offsets: Mapping[str, np.ndarray], at: Mapping[str, np.ndarray], name: str, below: list[str]) -> np.ndarray:
    """The rotations (T, 3, 3) that point the bones of a joint where they go, as well as one rotation can."""
    bones = np.stack([at[child] - at[name] for child in below], 1)
    rest = np.stack([offsets[child] for child in below])
    if len(below) == 1:
        return _least_turn(rest[0], bones[:, 0])
    return np.stack([Rotation.align_vectors(frame, rest)[0].as_matrix() for frame in bones])


def _smpl_poses(motion: Motion) -> np.ndarray:
    """(T, 24, 3) axis times radians, of a body that faces +z with Y up at rest; the first in the world, Z up."""
    local = FILE_TO_DANCE.T @ motion.rotations.astype(float) @ FILE_TO_DANCE
    local[:, 0] = motion.rotations[:, 0] @ FILE_TO_DANCE
    return Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(*local.shape[:2], 3)


def write_amass(sequence: SkeletonSequence, path: Path) -> None:
    """SMPL-H of which hands are at rest, Z up."""
    motion = from_sequence(sequence, default_body())
    poses = np.zeros((len(motion.root), 156))
    poses[:, :66] = _smpl_poses(motion)[:, :22].reshape(-1, 66)
    np.savez(path, poses=poses, trans=motion.root, mocap_framerate=motion.fps, betas=np.zeros(16), gender="neutral")


def write_aist(path: Path, seconds: float = 6.0) -> None:
    """A dance to an embedded song, Y up, in the centimetres of AIST++."""
    motion = make_dance(embedded_song(0, seconds), seed=0, fps=60.0)
    world = FILE_TO_DANCE.T
    poses = _smpl_poses(motion)
    first = Rotation.from_matrix(world) * Rotation.from_rotvec(poses[:, 0])
    poses[:, 0] = first.as_rotvec()
    content = {"smpl_loss": 0.0, "smpl_poses": poses.reshape(len(poses), 72).astype(np.float32),
               "smpl_trans": (93.779 * motion.root @ world.T).astype(np.float32),
               "smpl_scaling": np.array([93.779], np.float32)}  # fmt: skip
    path.write_bytes(pickle.dumps(content))
