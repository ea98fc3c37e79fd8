"""Joints (T, J, 3) or, of several persons, (T, P, J, 3) as plain ``.npy``.

Such a file says nothing about itself. The skeleton is told by the number of joints and the proportions of its bones;
the axes by where the person is. What we write is in the world frame of SkeletonSequence, at ``FPS``, with NaN where a
joint is not known, and is read back as it was. One exception: (T, 22, 3) is HumanML3D's, in its axes and at its rate,
and written and read as such.
"""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats import humanml3d
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, as_doubles, build_sequence
from skeletonllm.skeleton.formats.npy import MAGIC, header_shape, read_array
from skeletonllm.skeleton.placement import LIMBS, body_size, detect_unit, place_motion
from skeletonllm.skeleton.proportions import bone_lengths
from skeletonllm.skeleton.resampling import resample
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import SMPL_22, TOPOLOGIES
from skeletonllm.skeleton.topology import Topology

FPS = 30.0
# Cameras stand at least this far from whom they film; where z is height, or a studio's middle is the origin, some
# joint is nearer to z = 0.
NEAREST = 0.5
# Sizes of people in metres, children and the tall, as multiples of an average body.
SMALLEST, LARGEST = 0.4, 1.5
# What is farther from the origin, in units of the file, is no place of a person.
MAX_UNITS = 1e6
# Joints over all frames: forty minutes of 25 joints at 30 per second. Work on many more takes seconds and gigabytes.
MAX_JOINTS = 2_000_000
# Bodies, over all frames and persons, whose bones are measured to tell the skeleton and the unit.
MEASURED_BODIES = 2000


def read(path: Path) -> SkeletonSequence:
    """Read joints of one or several persons."""
    with path.open("rb") as file:
        array = read_array(file, path.stat().st_size, path, "array", "fiu")
    if array.ndim not in (3, 4) or array.shape[-1] != 3 or 0 in array.shape:
        expected = "(frames, joints, 3) or (frames, persons, joints, 3)"
        raise SkeletonFormatError(path, "header", f"shape {array.shape}", expected)
    if array.size > 3 * MAX_JOINTS:
        found, expected = f"{array.size // 3:,} joints over all frames", f"at most {MAX_JOINTS:,}; cut it first"
        raise SkeletonFormatError(path, "header", found, expected)
    joints = as_doubles(array[:, None] if array.ndim == 3 else array)
    with np.errstate(invalid="ignore"):
        valid = (np.abs(joints) < MAX_UNITS).all(-1)
    joints = np.where(valid[..., None], joints, 0.0)
    seen = valid & (joints != 0).any(-1)
    step = -(-(joints.shape[0] * joints.shape[1]) // MEASURED_BODIES)
    bodies = (joints.reshape(-1, 1, *joints.shape[2:])[::step], seen.reshape(-1, 1, joints.shape[2])[::step])
    topology = _topology(path, *bodies)
    notes = [
        f"{FPS:g} frames per second assumed (an array does not say)",
        f"{topology.name}, of the skeletons with {topology.num_joints} joints the one whose bones fit",
    ]
    bad = int((~valid).sum())
    if bad:
        notes.append(f"{bad} of {valid.size} joints masked: NaN, infinite or absurd coordinates")
    size = body_size(*bodies, topology, parts=LIMBS)
    if size is not None and SMALLEST < size < LARGEST and (joints[seen][:, 2] > NEAREST).all():
        notes.append("metres, Y up, Z away from the camera: in these axes a person of human size is in front of it")
    elif seen.any():
        unit, note = detect_unit(*bodies, topology)
        placed = place_motion(joints, seen, topology, FPS, unit=unit)
        joints = placed.joints
        notes += [note, *placed.notes]
    return build_sequence(path, joints, FPS, topology, valid=valid, zero_is_missing=True, notes=tuple(notes))


def write_npy(sequence: SkeletonSequence, path: str | Path) -> tuple[str, ...]:
    """Write joints as float32, NaN where one is not known.

    One person gives (T, J, 3), several (T, P, J, 3); metres, Y up, Z away from the camera, at 30 frames per second. One
    person of SMPL's 22 joints gives HumanML3D's: Y up, starting at x = z = 0, facing +Z where they faced the camera,
    at 20 frames per second.

    Returns:
        what the file does not hold, a sentence each.
    """
    notes = []
    as_humanml3d = sequence.topology == SMPL_22 and sequence.num_persons == 1
    fps = humanml3d.FPS if as_humanml3d else FPS
    if fps != sequence.fps:
        notes.append(f"{sequence.fps:g} frames per second: resampled to {fps:g}, which readers of such arrays assume")
        sequence = resample(sequence, fps)
    if TOPOLOGIES.get(sequence.topology.name) != sequence.topology:
        notes.append(f"names of the joints of {sequence.topology.name}")
    joints = np.where(sequence.valid[..., None], sequence.joints, np.nan)
    if as_humanml3d:
        notes.append("the place in front of the camera (HumanML3D's axes)")
        joints = joints * np.float32([-1.0, 1.0, -1.0])
        known = joints[:, 0, 0][sequence.valid[:, 0, 0]]
        start = known[0] if len(known) else np.zeros(3, np.float32)
        joints = joints - start * np.float32([1.0, 0.0, 1.0])
    # Arrays of 22 joints and one person would be taken for HumanML3D's if they had no axis of persons.
    if sequence.num_persons == 1 and (as_humanml3d or sequence.topology.num_joints != humanml3d.NUM_JOINTS):
        joints = joints[:, 0]
    with open(path, "wb") as file:  # an open file, because numpy would add a suffix to a name without one
        np.save(file, joints.astype(np.float32))
    return tuple(notes)


def _topology(path: Path, joints: np.ndarray, seen: np.ndarray) -> Topology:
    """Of the registered topologies with so many joints, the one whose bones have the proportions of a body."""
    count = joints.shape[2]
    fitting = [topology for topology in TOPOLOGIES.values() if topology.num_joints == count]
    if not fitting:
        known = ", ".join(f"{topology.num_joints} ({topology.name})" for topology in TOPOLOGIES.values())
        raise SkeletonFormatError(path, "header", f"{count} joints", f"as many as a known skeleton has: {known}")
    return min(fitting, key=lambda topology: _disproportion(joints, seen, topology))


def _disproportion(joints: np.ndarray, seen: np.ndarray, topology: Topology) -> float:
    """How unlike median bone lengths are to those of an average body: the standard deviation of logs of ratios."""
    ratios = []
    for (parent, joint), metres in bone_lengths(topology).items():
        both = seen[:, :, parent] & seen[:, :, joint]
        if both.any():
            length = np.median(np.linalg.norm(joints[:, :, joint][both] - joints[:, :, parent][both], axis=-1))
            ratios.append(np.log(max(length, 1e-6) / metres))
    return float(np.std(ratios)) if len(ratios) > 1 else np.inf


def sniff(head: bytes, path: Path) -> bool:
    # Arrays of other shapes too, so that the error names the shape.
    shape = header_shape(head)
    return head.startswith(MAGIC) and (shape is None or not humanml3d.is_shape(shape))


FORMAT = Format("npy_joints", ".npy with joints (T, J, 3) or (T, P, J, 3)", (".npy",), sniff, read)
