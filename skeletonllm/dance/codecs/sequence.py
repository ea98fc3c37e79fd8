"""Recordings of any topology as dances of a body, and dances as recordings."""

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.axes import FILE_TO_DANCE, RECORDING_TO_DANCE
from skeletonllm.dance.codecs.feet import level_feet
from skeletonllm.dance.codecs.inverse import REQUIRED, fit_rotations, to_local
from skeletonllm.dance.contacts import label_contacts
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.cleaning.cleaner import is_flat
from skeletonllm.skeleton.kinematics import matrix_to_quaternion, quaternion_to_matrix
from skeletonllm.skeleton.placement import DISTANCE, NEAREST
from skeletonllm.skeleton.retarget import plan_retargeting, retarget
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import SMPL_24

# The lowest place of a body that never stands, in all frames but these few, in percent, is the floor.
_FLOOR_PERCENTILE = 2.0
FEET = frozenset({"left_foot", "right_foot"})
"""Known of a recording that tells how feet are turned."""
_HIPS = [SMPL_24.index("left_hip"), SMPL_24.index("right_hip")]
_LEGS = [(SMPL_24.index(f"{side}_{a}"), SMPL_24.index(f"{side}_{b}"))
         for side in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))]  # fmt: skip


def from_sequence(sequence: SkeletonSequence, body: Body) -> Motion:
    """The first person of a recording as a dance of this body, at the recording's frame rate.

    Rotations of the recording are taken where it has them for ``smpl_24``; else they are found from the places of the
    joints (``inverse``), which do not tell all twists. Gaps are bridged by straight lines. The way of the pelvis is
    scaled as the legs are, begins at x = y = 0, and standing feet are put on the floor.

    Raises:
        ValueError: joints are missing without which there is no pose, or the recording has no depth.
    """
    source = sequence.source or "sequence"
    sequence = sequence.first_persons(1)
    joints, known, notes = smpl_places(sequence)
    if sequence.topology == SMPL_24 and sequence.rotations is not None and sequence.valid.all():
        turned = quaternion_to_matrix(sequence.rotations[:, 0].astype(np.float64))
        frames = RECORDING_TO_DANCE @ turned @ FILE_TO_DANCE.T
    else:
        frames = fit_rotations(body, joints, known)
        notes += ("rotations found from the places of the joints, which do not tell all twists",)
        if FEET.issubset(known):
            frames, told = level_feet(body, frames, joints, sequence.fps)
            notes += told
    return assemble(body, joints, frames, sequence.fps, source, notes)


def smpl_places(sequence: SkeletonSequence) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Joints (T, 24, 3) of the first person in the axes of dances, which of them are known, and notes.

    Raises:
        ValueError: see ``from_sequence``.
    """
    source = sequence.source or "sequence"
    missing = REQUIRED.intersection(plan_retargeting(sequence.topology, SMPL_24).missing)
    if not missing and sequence.num_persons and sequence.num_frames:
        if is_flat(sequence.joints, sequence.valid):
            raise ValueError(f"{source}: the joints have no depth, expected places in space to make a dance of")
        sequence = retarget(sequence, SMPL_24)
        missing = {name for name in REQUIRED if not sequence.valid[:, 0, SMPL_24.index(name)].any()}
    elif not missing:
        raise ValueError(f"{source}: {sequence.num_frames} frames of {sequence.num_persons} persons, expected some")
    if missing:
        named = ", ".join(name for name in SMPL_24.joints if name in missing)
        raise ValueError(f"{source}: no {named}, expected arms, legs and a trunk to make a dance of")
    joints, valid = sequence.joints[:, 0].astype(np.float64), sequence.valid[:, 0]
    times = np.arange(len(joints))
    known = tuple(name for joint, name in enumerate(SMPL_24.joints) if valid[:, joint].any())
    for name in known:
        joint = SMPL_24.index(name)
        gaps = ~valid[:, joint]
        for axis in range(3) if gaps.any() else ():
            joints[gaps, joint, axis] = np.interp(times[gaps], times[~gaps], joints[~gaps, joint, axis])
    gaps = int((~valid[:, [SMPL_24.index(name) for name in known]]).sum())
    notes = (*sequence.notes, *([f"{gaps} unknown places of joints bridged"] if gaps else []))
    return joints @ RECORDING_TO_DANCE.T, known, notes


def assemble(
    body: Body, joints: np.ndarray, frames: np.ndarray, fps: float, source: str, notes: tuple[str, ...]
) -> Motion:
    """A dance of this body from rotations (T, 24, 3, 3) relative to the world and the places (T, 24, 3) of the one who
    danced it: the middle of the hips is where it was, scaled as the legs are, on a floor that is estimated."""
    legs = np.stack([joints[:, lower] - joints[:, upper] for upper, lower in _LEGS])
    length = float(np.median(np.linalg.norm(legs, axis=-1), axis=1).sum()) / 2
    if not length > 0:
        raise ValueError(f"{source}: the legs have no length")
    scale = body.leg_length / length
    hips = scale * joints[:, _HIPS].mean(1)
    root = hips - frames[:, 0] @ body.offsets[_HIPS].mean(0)
    root[:, :2] -= root[0, :2]
    motion = Motion(root, to_local(frames), fps=fps, source=source)
    motion = motion.replace(contacts=label_contacts(motion.joints(body), fps))
    floor = estimate_floor(motion, body)
    notes += (f"legs of {length:.2f} m: ways scaled by {scale:.3f} to those of the body",)
    notes += (f"floor estimated: moved by {-floor:+.2f} m in height",)
    return motion.lifted(-floor).replace(notes=notes)


def estimate_floor(motion: Motion, body: Body) -> float:
    """Metres: the height of the floor of a dance. Where the lowest point of the body is in the middle (median) of the
    frames in which a foot stands; of one that never stands, below which it is in few frames."""
    lowest, stands = motion.lowest(body), motion.contacts.any(1)
    return float(np.median(lowest[stands]) if stands.any() else np.percentile(lowest, _FLOOR_PERCENTILE))


def to_sequence(motion: Motion, body: Body) -> SkeletonSequence:
    """A dance as a recording of ``smpl_24`` with rotations: whoever faces -y faces the camera, the floor is at y = 0,
    and the dancer begins 3 m in front of the camera, or farther off if the dance comes near."""
    joints, frames = motion.pose(body)
    joints = joints.astype(np.float64) @ RECORDING_TO_DANCE
    start = joints[0].mean(0)
    reach = max(DISTANCE, NEAREST + start[2] - float(joints[..., 2].min()))
    joints += [-start[0], 0.0, reach - start[2]]
    turned = RECORDING_TO_DANCE.T @ frames.astype(np.float64) @ FILE_TO_DANCE
    return SkeletonSequence(
        joints[:, None],
        motion.fps,
        SMPL_24,
        rotations=matrix_to_quaternion(turned)[:, None].astype(np.float32),
        source=motion.source,
        notes=motion.notes,
    )
