"""From a file's own axes and unit to the world frame of SkeletonSequence: motion capture, and points in pictures."""

from dataclasses import dataclass

import numpy as np

from skeletonllm.skeleton.proportions import STATURE, bone_lengths
from skeletonllm.skeleton.topology import Topology

# Motion capture has no camera: the person starts this far in front of ours, or farther, so that the nearest joint of
# the whole recording stays NEAREST away.
DISTANCE = 3.0
NEAREST = 1.0
# How long at the start a person's facing is taken from.
FACING_SECONDS = 0.5
# Units that files come in, in metres; the last is that of the CMU and HDM05 Acclaim files.
UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "units of 5.644 cm": 0.0254 / 0.45}
# A body that a unit makes smaller or larger than an average one by less than this is taken to be in that unit.
UNIT_TOLERANCE = 1.4
# Bones whose projections are measured: those of the limbs turn all ways, so their longest projections are near their
# lengths. The trunk and the hips' and shoulders' lines are often seen from one side only.
LIMBS = ("upper_arm", "forearm", "thigh", "shin")
LONGEST_PERCENTILE = 90
# What is shorter, in any unit, is no bone: to divide by it could overflow.
SHORTEST = 1e-30


@dataclass(frozen=True)
class Placement:
    """Joints in the world frame.

    Args:
        joints: (T, P, J, 3) metres.
        rotation: (3, 3) from the file's axes to the world's, without scale and mirroring.
        notes: what was detected or assumed.
    """

    joints: np.ndarray
    rotation: np.ndarray
    notes: tuple[str, ...]


def place_motion(
    joints: np.ndarray,
    valid: np.ndarray,
    topology: Topology,
    fps: float,
    *,
    up: str | None = None,
    unit: float | None = None,
    face_camera: bool = True,
) -> Placement:
    """Motion capture in any axes and unit to metres, Y up, the first person facing the camera at the start.

    Args:
        joints: (T, P, J, 3) right-handed.
        valid: (T, P, J) bool.
        fps: frames per second.
        up: ``x``, ``y``, ``z`` or one of these behind a minus sign; None: detected from how the body stands.
        unit: metres per unit of the file; None: detected from the size of the body.
        face_camera: turn the first person about the vertical to the camera; else the axes decide: the file's z (minus
            its y where z is up) is forwards, towards our camera.
    """
    notes = []
    if up is None:
        up = detect_up(joints, valid, topology)
        notes.append(f"up axis {up} detected from how the body stands")
    rotation = _upright(up)
    if unit is None:
        unit, note = detect_unit(joints, valid, topology)
        notes.append(note)
    joints = np.where(valid[..., None], joints, 0.0) @ (unit * rotation).T
    yaw = facing(joints, valid, topology, fps) if face_camera else np.pi
    if yaw is None:
        yaw = np.pi
        notes.append("facing unknown: turned by 180 degrees about the vertical")
    elif face_camera:
        notes.append(f"turned by {np.degrees(yaw):.0f} degrees about the vertical to face the camera at the start")
    about_y = np.array([[np.cos(yaw), 0.0, np.sin(yaw)], [0.0, 1.0, 0.0], [-np.sin(yaw), 0.0, np.cos(yaw)]])
    joints = joints @ about_y.T
    if valid.any():
        first = joints[np.flatnonzero(valid.any((1, 2)))[0]]
        start = first[0][valid[np.flatnonzero(valid.any((1, 2)))[0], 0]] if valid[:, 0].any() else first[0]
        middle = start.mean(0) if len(start) else joints[valid].mean(0)
        reach = max(DISTANCE, NEAREST + middle[2] - float(joints[valid][:, 2].min()))
        joints = joints + np.array([-middle[0], 0.0, reach - middle[2]])
        notes.append(f"placed {reach:.1f} m in front of the camera")
    return Placement(np.where(valid[..., None], joints, 0.0), about_y @ rotation, tuple(notes))


def place_image(
    points: np.ndarray, valid: np.ndarray, topology: Topology, *, unit: float | None = None, y_down: bool = True
) -> Placement:
    """Points of pictures to a plane in front of the camera, at the size of an average body.

    Args:
        points: (T, P, J, 2) in pixels or any unit that is the same in both directions, x to the right of the picture;
            or (T, P, J, 3) with a third coordinate in the same unit that grows away from the camera.
        valid: (T, P, J) bool.
        unit: metres per unit; None: such that limbs at their longest are as long as those of a body of 1.70 m.
        y_down: whether y grows downwards.
    """
    notes = []
    if unit is None:
        size = body_size(points, valid, topology, percentile=LONGEST_PERCENTILE, parts=LIMBS)
        if size is None:
            known = points[valid][:, 1]
            size = float(np.ptp(known)) / STATURE if len(known) and np.ptp(known) > SHORTEST else 1.0
        unit = 1.0 / size
        notes.append(f"scaled so that the longest view of each limb fits a body of {STATURE:.2f} m")
    depth = points.shape[-1] == 3
    known = points[valid]
    middle = (known.min(0) + known.max(0)) / 2 if len(known) else np.zeros(points.shape[-1])
    joints = np.zeros((*points.shape[:-1], 3))
    # +X is to the left of a picture that was not mirrored.
    signs = np.array([-1.0, -1.0 if y_down else 1.0, 1.0])[: points.shape[-1]]
    joints[..., : points.shape[-1]] = (points - middle) * signs * unit
    joints[..., 2] += DISTANCE
    kept = "depth kept" if depth else "no depth"
    notes.append(f"points of a picture placed {DISTANCE:g} m in front of the camera, {kept}")
    return Placement(np.where(valid[..., None], joints, 0.0), np.diag([-1.0, signs[1], 1.0]), tuple(notes))


def body_size(
    joints: np.ndarray, valid: np.ndarray, topology: Topology, percentile: float = 50, parts: tuple[str, ...] = ()
) -> float | None:
    """Units of the joints per metre of an average body: the median over bones; None if no bone is known.

    Args:
        joints: (T, P, J, 2 or 3).
        valid: (T, P, J) bool.
        percentile: which length of a bone over time is taken.
        parts: bones of these parts only, if there are any; all of them otherwise.
    """
    ratios: dict[bool, list[float]] = {True: [], False: []}
    for (parent, joint), metres in bone_lengths(topology).items():
        both = valid[:, :, parent] & valid[:, :, joint]
        if both.any() and metres > 0:
            lengths = np.linalg.norm(joints[:, :, joint][both] - joints[:, :, parent][both], axis=-1)
            length = float(np.percentile(lengths, percentile))
            if np.isfinite(length) and length > SHORTEST:
                ratios[topology.parts[joint] in parts].append(length / metres)
    chosen = ratios[True] or ratios[False]
    return float(np.median(chosen)) if chosen else None


def detect_unit(joints: np.ndarray, valid: np.ndarray, topology: Topology) -> tuple[float, str]:
    """Metres per unit of (T, P, J, 3) joints, and a note that says how that was found."""
    size = body_size(joints, valid, topology, parts=LIMBS)
    if size is None:
        return 1.0, "metres assumed: no bone has a known length"
    name, unit = min(UNITS.items(), key=lambda item: abs(np.log(size * item[1])))
    if abs(np.log(size * unit)) < np.log(UNIT_TOLERANCE):
        return unit, f"unit: {name}, detected from the size of the body"
    return 1 / size, f"unit unknown: scaled by {1 / size:.4g} to a body of {STATURE:.2f} m"


def detect_up(joints: np.ndarray, valid: np.ndarray, topology: Topology) -> str:
    """The axis along which heads are above feet most of the time: ``x``, ``y``, ``z``, or one behind a minus sign."""
    top = topology.find("head", "nose", "neck", "chest", "left_shoulder")
    low = [
        index for index in (topology.find(f"{s}_ankle", f"{s}_foot", f"{s}_knee") for s in ("left", "right")) if index
    ]
    if top is None or not low:
        return "y"
    seen = valid[:, :, [top, *low]].all(-1)
    if not seen.any():
        return "y"
    rise = np.median(joints[:, :, top][seen] - joints[:, :, low][seen].mean(-2), axis=0)
    axis = int(np.abs(rise).argmax())
    return ("-" if rise[axis] < 0 else "") + "xyz"[axis]


def facing(joints: np.ndarray, valid: np.ndarray, topology: Topology, fps: float) -> float | None:
    """The angle about Y that turns the first person to the camera as seen at the start, or None if that is unknown.

    The line from the left to the right hip and shoulder is the body's sideways direction; of someone who faces the
    camera it points to +X.
    """
    across = np.zeros(3)
    frames = max(1, round(FACING_SECONDS * fps))
    for name in ("hip", "shoulder"):
        left, right = topology.find(f"left_{name}"), topology.find(f"right_{name}")
        if left is None or right is None:
            continue
        both = np.flatnonzero(valid[:, 0, left] & valid[:, 0, right])
        if len(both):
            both = both[both < both[0] + frames]
            across += (joints[both, 0, right] - joints[both, 0, left]).sum(0)
    if np.hypot(across[0], across[2]) < 1e-9:
        return None
    return float(np.arctan2(across[2], across[0]))


def drop_to_floor(joints: np.ndarray, valid: np.ndarray, percentile: float = 2.0) -> tuple[np.ndarray, str]:
    """Joints (T, P, J, 3) moved up or down so that their lowest places (a percentile over frames) are at y = 0."""
    lowest = np.where(valid, joints[..., 1], np.inf).min((1, 2))
    lowest = lowest[np.isfinite(lowest)]
    floor = float(np.percentile(lowest, percentile)) if len(lowest) else 0.0
    moved = joints - np.array([0.0, floor, 0.0])
    return np.where(valid[..., None], moved, 0.0), f"floor estimated: moved by {-floor:+.2f} m in height"


def _upright(up: str) -> np.ndarray:
    """The rotation (3, 3) that carries an axis to +Y."""
    sign, axis = (-1.0, up[1]) if up.startswith("-") else (1.0, up)
    # Each keeps the handedness. What is left free, the turn about the vertical, is settled by ``facing``.
    matrix = {
        "x": np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        "y": np.eye(3),
        "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    }[axis]
    return matrix if sign > 0 else np.diag([1.0, -1.0, -1.0]) @ matrix
