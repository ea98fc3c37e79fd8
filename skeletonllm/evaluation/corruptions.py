"""What goes wrong with recordings, in steps: joints lost, noise, few frames, other views, hidden limbs and people.

A corruption is a function and a line in ``CORRUPTIONS``. What it draws depends on the seed, its own name and the
recording's id, not on the level: at each level a recording loses the joints that it lost at the level before, and more,
so that levels differ by their strength and not by their luck.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from skeletonllm.skeleton.cleaning.cleaner import is_flat
from skeletonllm.skeleton.retarget import retarget
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

Change = Callable[[SkeletonSequence, float, np.random.Generator], SkeletonSequence]

ARM, LEG = ("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")
LOWER_TRUNK = ("pelvis", "left_hip", "right_hip")
# Named topologies by their number of joints: the Kinect's own 20, the usual 17 of Human3.6M, the 13 of Penn Action.
REDUCED = {20: "kinect_v1", 17: "h36m_17", 13: "penn_13"}


@dataclass(frozen=True)
class Corruption:
    """One thing that goes wrong.

    Args:
        change: of a sequence, a level above 0 and a generator. It leaves its input as it is, and gives that object
            itself back if it does not concern it.
        levels: the strengths that are measured, the weakest first.
        unit: of a level.
        description: a sentence.
        names: of levels that are kinds rather than strengths.
    """

    change: Change
    levels: tuple[float, ...]
    unit: str
    description: str
    names: Mapping[float, str] = field(default_factory=dict)


def corrupt(sequence: SkeletonSequence, name: str, level: float, seed: int, id: str) -> SkeletonSequence:
    """A recording with one thing gone wrong; itself, the same object, if that does not concern it or at level 0.

    Args:
        sequence: is not changed.
        name: a key of ``CORRUPTIONS``.
        level: 0, or any that the corruption understands.
        seed, id: of the draws.

    Raises:
        ValueError: unknown name, a level below 0 or one that the corruption has not.
    """
    corruption = find_corruption(name)
    if not level >= 0:
        raise ValueError(f"{name}: the level is {level}, expected 0 or more")
    if level == 0:
        return sequence
    drawn = np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(id.encode())])
    return corruption.change(sequence, level, drawn)


def find_corruption(name: str) -> Corruption:
    """By its name. Raises ValueError that lists the names."""
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}; known: {', '.join(CORRUPTIONS)}")
    return CORRUPTIONS[name]


def _hidden(sequence: SkeletonSequence, hidden: np.ndarray) -> SkeletonSequence:
    """Joints (T, P, J) bool become unknown, which no renderer draws; itself if none of them was known."""
    if not (sequence.valid & hidden).any():
        return sequence
    return sequence.replace(valid=sequence.valid & ~hidden)


def _share(level: float) -> float:
    if level > 100:
        raise ValueError(f"{level} % of the joints, expected at most 100")
    return level / 100


def _drop_joints(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    return _hidden(sequence, drawn.random(sequence.valid.shape) < _share(level))


def _lose_joints(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    lost = drawn.random(sequence.valid.shape[1:]) < _share(level)
    return _hidden(sequence, np.broadcast_to(lost, sequence.valid.shape))


def _add_noise(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    noise = drawn.standard_normal(sequence.joints.shape).astype(np.float32) * np.float32(level / 100)
    if is_flat(sequence.joints, sequence.valid):
        noise[..., 2] = 0.0  # a picture has no depth that could be wrong
    return sequence.replace(joints=sequence.joints + noise * sequence.valid[..., None])


def _thin_out(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    step = _whole(level)
    if step == 1 or sequence.num_frames == 1:
        return sequence
    names = ("joints", "valid", "rotations", "confidence")
    arrays = {name: getattr(sequence, name) for name in names}
    kept = {name: None if array is None else array[::step] for name, array in arrays.items()}
    return sequence.replace(**kept, fps=sequence.fps / step)


def _turn(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    if is_flat(sequence.joints, sequence.valid) or not sequence.valid.any():
        return sequence
    angle = np.radians(level) * drawn.choice([-1.0, 1.0])
    cos, sin = np.cos(angle), np.sin(angle)
    about_y = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    middle = sequence.joints[sequence.valid].mean(0, dtype=np.float64)
    turned = (sequence.joints - middle) @ about_y.T + middle
    return sequence.replace(joints=turned, rotations=None)


def _lose_second_person(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    seen = np.flatnonzero(sequence.valid.any((0, 2)))
    if len(seen) < 2:
        return sequence
    hidden = np.zeros_like(sequence.valid)
    hidden[:, seen[1]] = True
    return _hidden(sequence, hidden)


def _occlude(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    if level not in OCCLUDED:
        raise ValueError(f"no occlusion {level}; they are {', '.join(f'{k}: {name}' for k, name in OCCLUDED.items())}")
    joints = _joints_of(sequence.topology, OCCLUDED[level], str(drawn.choice(["left", "right"])))
    return _hidden(sequence, np.broadcast_to(joints, sequence.valid.shape))


def _joints_of(topology: Topology, which: str, side: str) -> np.ndarray:
    """(J,) bool: the joints of a limb, of that side if there is one on each; shoulders and hips belong to the trunk."""
    rows = zip(topology.joints, topology.parts, topology.sides, strict=True)
    if which == "upper body":
        return np.array([part not in LEG and name not in LOWER_TRUNK for name, part, _ in rows])
    parts = ARM if which == "one arm" else LEG
    sides = (side,) if which.startswith("one") else ("left", "right")
    return np.array([part in parts and of in sides for _, part, of in rows])


def _reduce(sequence: SkeletonSequence, level: float, drawn: np.random.Generator) -> SkeletonSequence:
    if level not in REDUCED:
        raise ValueError(f"no topology of {level} joints here; they have {', '.join(map(str, REDUCED))}")
    if sequence.topology.num_joints <= level:
        return sequence
    return retarget(sequence, REDUCED[int(level)])


def _whole(level: float) -> int:
    if level != int(level):
        raise ValueError(f"every {level}-th frame, expected a whole number")
    return int(level)


OCCLUDED = {1: "one arm", 2: "one leg", 3: "both legs", 4: "upper body"}

CORRUPTIONS = {
    "joint_dropout": Corruption(
        _drop_joints, (10, 20, 30, 50), "% of joints", "Each joint of each frame is unknown or not."
    ),
    "joint_loss": Corruption(
        _lose_joints, (10, 20, 30, 50), "% of joints", "Each joint of a person is never seen."
    ),
    "noise": Corruption(_add_noise, (2, 5, 10), "cm", "Normal noise of this deviation on each known coordinate."),
    "frame_rate": Corruption(
        _thin_out, (2, 4, 8), "source frames apart", "A slower sensor: frames in between were never recorded."
    ),
    "view_angle": Corruption(
        _turn, (15, 30, 45, 60, 90), "degrees",
        "The camera goes round the middle of the recording about the vertical, to the left or to the right by a draw.",
    ),
    "missing_person": Corruption(
        _lose_second_person, (1,), "person", "Of two people or more the second one is never seen.",
        {1: "second person"},
    ),
    "occlusion": Corruption(
        _occlude, tuple(OCCLUDED), "limbs", "Limbs of all persons are never seen; which of two sides is drawn.",
        OCCLUDED,
    ),
    "topology": Corruption(
        _reduce, tuple(REDUCED), "joints left", "The motion in a topology of fewer joints, by the names of joints.",
        {count: f"{count} joints" for count in REDUCED},
    ),
}  # fmt: skip
"""Corruptions by name."""
