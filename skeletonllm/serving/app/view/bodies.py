"""What the animated view shows: points that move, capsules between them, and how they are coloured."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from skeletonllm.dance.body import Body, capsule_ends
from skeletonllm.dance.flesh import capsule_colors
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.pictures import FULLY_RED, overlap_depths
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

# Frames that are sent to a browser: 100 seconds of film at 30 per second. Longer recordings are shown with fewer.
MOST_FRAMES = 3000
# Metres of flesh around a bone, by the part of the body that the bone is of.
_RADII = {
    "torso": 0.085, "head": 0.075, "upper_arm": 0.048, "forearm": 0.040, "hand": 0.028,
    "thigh": 0.070, "shin": 0.050, "foot": 0.036,
}  # fmt: skip
# A finger is not as thick as the hand that it is a part of.
_RADIUS_PER_LENGTH, _THINNEST = 0.6, 0.012
# Left limbs blue and green, right limbs pink and orange: the hues of our pictures.
_TRUNK, _HEAD = (0.80, 0.80, 0.82), (0.92, 0.86, 0.55)
_ARMS = {"left": (0.35, 0.54, 0.92), "right": (0.95, 0.56, 0.54), "centre": _TRUNK}
_LEGS = {"left": (0.22, 0.74, 0.70), "right": (0.93, 0.63, 0.28), "centre": _TRUNK}
_LIMBS = {"upper_arm": _ARMS, "forearm": _ARMS, "hand": _ARMS, "thigh": _LEGS, "shin": _LEGS, "foot": _LEGS}
# Ends of limbs, whose ways through the air are drawn; of each side the first that a skeleton has.
_TRAILING = (("wrist", "hand", "hand_tip"), ("ankle", "foot", "toes"))
# The lowest joints of a person who stands are this far above the floor.
_ANKLE = 0.06
# Of the lowest point in each frame this part is below the floor: jitter of sensors reaches lower than any foot.
_BELOW_FLOOR = 0.05


@dataclass(frozen=True)
class Mark:
    """A stretch of time that can be jumped to: ``start`` and ``stop`` in seconds, and what is there."""

    start: float
    stop: float
    label: str


@dataclass(frozen=True, eq=False)
class View:
    """Moving capsules.

    Args:
        title: what is seen.
        points: (T, N, 3) float32 metres, X to the right of the picture, Y up, Z towards whoever looks; NaN: not known.
        fps: frames per second.
        capsules: (C, 2) numbers of the points at their ends.
        radii: (C,) metres.
        colors: (C, 3) in [0, 1].
        floor: metres, the height of the floor.
        trails: points whose way is drawn.
        heat: (T, C) in [0, 1], how much of ``heat_color`` a capsule has; None: none.
        heat_color: red, green and blue in [0, 1].
        marks: stretches of time that can be jumped to.

    Raises:
        ValueError: no frames, or shapes that do not fit each other.
    """

    title: str
    points: np.ndarray
    fps: float
    capsules: np.ndarray
    radii: np.ndarray
    colors: np.ndarray
    floor: float
    trails: tuple[int, ...] = ()
    heat: np.ndarray | None = None
    heat_color: tuple[float, float, float] = (1.0, 0.0, 0.05)
    marks: tuple[Mark, ...] = field(default=())

    def __post_init__(self):
        frames, count = len(self.points), len(self.capsules)
        if frames < 1:
            raise ValueError(f"{self.title}: no frames to look at")
        for name, wanted in (("capsules", (count, 2)), ("radii", (count,)), ("colors", (count, 3))):
            if np.shape(getattr(self, name)) != wanted:
                raise ValueError(f"{self.title}: {name} have shape {np.shape(getattr(self, name))}, expected {wanted}")
        if self.heat is not None and self.heat.shape != (frames, count):
            raise ValueError(f"{self.title}: heat has shape {self.heat.shape}, expected {(frames, count)}")

    def thinned(self, most: int = MOST_FRAMES) -> "View":
        """The same at fewer frames per second, if it has more than ``most`` frames."""
        step = -(-len(self.points) // most)
        heat = None if self.heat is None else self.heat[::step]
        return self if step == 1 else replace(self, points=self.points[::step], heat=heat, fps=self.fps / step)


def view_of_sequence(
    sequence: SkeletonSequence,
    title: str,
    *,
    joint_heat: np.ndarray | None = None,
    marks: Sequence[Mark] = (),
) -> View:
    """All persons of a recording.

    Args:
        sequence: the recording.
        title: what is written above it.
        joint_heat: (T, P, J) in [0, 1], from which each bone has the mean of its two joints; None: none.
        marks: stretches of time that can be jumped to.

    Raises:
        ValueError: a recording without frames.
    """
    topology, persons = sequence.topology, sequence.num_persons
    # The camera of recordings looks along +Z with +X to the left of its picture.
    points = np.where(sequence.valid[..., None], sequence.joints, np.nan) * np.float32([-1, 1, -1])
    points = points.reshape(len(points), persons * topology.num_joints, 3)
    bones = np.array(topology.bones, dtype=np.int64).reshape(-1, 2)
    offsets = np.arange(persons)[:, None, None] * topology.num_joints
    heat = None
    if joint_heat is not None:
        heat = joint_heat[:, :, bones].mean(-1).reshape(len(points), -1)
    return View(
        title=title,
        points=points,
        fps=sequence.fps,
        capsules=(bones[None] + offsets).reshape(-1, 2),
        radii=np.tile(_radii(topology, bones, points), persons),
        colors=np.tile(_colors(topology, bones), (persons, 1)),
        floor=_floor(points),
        trails=tuple(j + p * topology.num_joints for p in range(persons) for j in _trailing(topology)),
        heat=heat,
        marks=tuple(marks),
    ).thinned()


def view_of_dance(motion: Motion, body: Body, title: str) -> View:
    """A dancer with the volume that metrics and physics give them; what stands in other limbs is red."""
    pose = motion.pose(body)
    ends = capsule_ends(body, pose[1], pose[0]).reshape(motion.num_frames, -1, 3)
    count = len(body.capsules.radii)
    hands = [2 * place for place, joint in enumerate(body.capsules.joints) if body.names[int(joint)].endswith("hand")]
    return View(
        title=title,
        # Z is up, and who faces -y looks at the camera.
        points=np.stack([ends[..., 0], ends[..., 2], -ends[..., 1]], -1).astype(np.float32),
        fps=motion.fps,
        capsules=np.arange(2 * count).reshape(count, 2),
        radii=np.asarray(body.capsules.radii),
        colors=capsule_colors(body),
        floor=0.0,
        trails=tuple(hands),
        heat=np.clip(overlap_depths(body, *pose) / FULLY_RED, 0, 1),
    ).thinned()


def _radii(topology: Topology, bones: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(B,) metres for the bones of one person."""
    radii = []
    for one, other in bones.tolist():
        lengths = np.linalg.norm(points[:, one] - points[:, other], axis=-1)
        lengths = lengths[np.isfinite(lengths)]
        part = topology.parts[_end(topology, one, other)]
        length = float(np.median(lengths)) if len(lengths) else np.inf
        radii.append(min(_RADII[part], max(_THINNEST, _RADIUS_PER_LENGTH * length)))
    return np.array(radii)


def _colors(topology: Topology, bones: np.ndarray) -> np.ndarray:
    """(B, 3) in [0, 1] for the bones of one person."""
    colors = []
    for one, other in bones.tolist():
        end = _end(topology, one, other)
        part, side = topology.parts[end], topology.sides[end]
        colors.append(_LIMBS[part][side] if part in _LIMBS else _HEAD if part == "head" else _TRUNK)
    return np.array(colors).reshape(-1, 3)


def _end(topology: Topology, one: int, other: int) -> int:
    """Of two joints the one that is further from the root, whose part of the body the bone is."""
    return max(one, other, key=lambda joint: topology.depths[joint])


def _trailing(topology: Topology) -> list[int]:
    found = []
    for names in _TRAILING:
        for side in ("left", "right"):
            places = [topology.joints.index(f"{side}_{n}") for n in names if f"{side}_{n}" in topology.joints]
            found += places[:1]
    return found


def _floor(points: np.ndarray) -> float:
    """Where the floor seems to be, in metres: a little below the lowest points."""
    heights = points[..., 1]
    lowest = np.where(np.isfinite(heights), heights, np.inf).min(1, initial=np.inf)
    lowest = lowest[np.isfinite(lowest)]
    return float(np.quantile(lowest, _BELOW_FLOOR)) - _ANKLE if len(lowest) else 0.0
