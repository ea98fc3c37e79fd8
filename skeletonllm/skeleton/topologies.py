"""The topologies that are known by name: those of the usual data sets and pose estimators, and those of the user."""

from collections.abc import Iterable
from pathlib import Path

from skeletonllm.skeleton.topology import Topology, build_topology


def _both(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Rows of a left limb followed by the same rows of the right one."""
    rows = list(rows)
    return rows + [
        (joint.replace("left_", "right_"), parent.replace("left_", "right_"), part) for joint, parent, part in rows
    ]


_KINECT_LIMBS = _both([
    ("left_shoulder", "chest", "torso"), ("left_elbow", "left_shoulder", "upper_arm"),
    ("left_wrist", "left_elbow", "forearm"), ("left_hand", "left_wrist", "hand"),
]) + _both([
    ("left_hip", "pelvis", "torso"), ("left_knee", "left_hip", "thigh"),
    ("left_ankle", "left_knee", "shin"), ("left_foot", "left_ankle", "foot"),
])  # fmt: skip

KINECT_V2 = build_topology(
    "kinect_v2",
    [
        ("pelvis", None, "torso"), ("spine", "pelvis", "torso"), ("neck", "chest", "head"), ("head", "neck", "head"),
        *_KINECT_LIMBS,
        ("chest", "spine", "torso"),
        ("left_hand_tip", "left_hand", "hand"), ("left_thumb", "left_hand", "hand"),
        ("right_hand_tip", "right_hand", "hand"), ("right_thumb", "right_hand", "hand"),
    ],
    # The order and direction of the published renderer, which fixes the order of its Gaussians. It hangs each thumb
    # on the hand and the hand tip on the thumb.
    [
        (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10),
        (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18),
        (21, 22), (22, 7), (23, 24), (24, 11),
    ],
)  # fmt: skip

KINECT_V1 = build_topology(
    "kinect_v1",
    [
        ("pelvis", None, "torso"), ("spine", "pelvis", "torso"), ("chest", "spine", "torso"), ("head", "chest", "head"),
        *_KINECT_LIMBS,
    ],
)  # fmt: skip

_SMPL_ROWS = [
    ("pelvis", None, "torso"), ("left_hip", "pelvis", "torso"), ("right_hip", "pelvis", "torso"),
    ("spine", "pelvis", "torso"), ("left_knee", "left_hip", "thigh"), ("right_knee", "right_hip", "thigh"),
    ("spine_upper", "spine", "torso"), ("left_ankle", "left_knee", "shin"), ("right_ankle", "right_knee", "shin"),
    ("chest", "spine_upper", "torso"), ("left_foot", "left_ankle", "foot"), ("right_foot", "right_ankle", "foot"),
    ("neck", "chest", "head"), ("left_collar", "chest", "torso"), ("right_collar", "chest", "torso"),
    ("head", "neck", "head"), ("left_shoulder", "left_collar", "torso"), ("right_shoulder", "right_collar", "torso"),
    ("left_elbow", "left_shoulder", "upper_arm"), ("right_elbow", "right_shoulder", "upper_arm"),
    ("left_wrist", "left_elbow", "forearm"), ("right_wrist", "right_elbow", "forearm"),
]  # fmt: skip

SMPL_22 = build_topology(
    "smpl_22",
    _SMPL_ROWS,
    # The order of the published renderer.
    [
        (0, 2), (2, 5), (5, 8), (8, 11), (0, 1), (1, 4), (4, 7), (7, 10), (0, 3), (3, 6), (6, 9),
        (9, 12), (12, 15), (9, 14), (14, 17), (17, 19), (19, 21), (9, 13), (13, 16), (16, 18), (18, 20),
    ],
)  # fmt: skip

SMPL_24 = build_topology(
    "smpl_24", [*_SMPL_ROWS, ("left_hand", "left_wrist", "hand"), ("right_hand", "right_wrist", "hand")]
)

# Those who look at pictures name joints in pairs, and see no trunk between them.
_ARMS_IN_PAIRS = [
    ("left_shoulder", "left_hip", "torso"), ("right_shoulder", "right_hip", "torso"),
    ("left_elbow", "left_shoulder", "upper_arm"), ("right_elbow", "right_shoulder", "upper_arm"),
    ("left_wrist", "left_elbow", "forearm"), ("right_wrist", "right_elbow", "forearm"),
]  # fmt: skip
_LEGS_IN_PAIRS = [
    ("left_hip", None, "torso"), ("right_hip", "left_hip", "torso"),
    ("left_knee", "left_hip", "thigh"), ("right_knee", "right_hip", "thigh"),
    ("left_ankle", "left_knee", "shin"), ("right_ankle", "right_knee", "shin"),
]  # fmt: skip

COCO_17 = build_topology(
    "coco_17",
    [
        ("nose", "left_shoulder", "head"), ("left_eye", "nose", "head"), ("right_eye", "nose", "head"),
        ("left_ear", "left_eye", "head"), ("right_ear", "right_eye", "head"),
        *_ARMS_IN_PAIRS,
        *_LEGS_IN_PAIRS,
    ],
    # The links of the COCO annotation; ears and shoulders are joined because there is no neck.
    [
        (13, 15), (11, 13), (14, 16), (12, 14), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ],
)  # fmt: skip

_OPENPOSE_ARMS = [
    ("right_shoulder", "neck", "torso"), ("right_elbow", "right_shoulder", "upper_arm"),
    ("right_wrist", "right_elbow", "forearm"),
    ("left_shoulder", "neck", "torso"), ("left_elbow", "left_shoulder", "upper_arm"),
    ("left_wrist", "left_elbow", "forearm"),
]  # fmt: skip
_OPENPOSE_FACE = [
    ("right_eye", "nose", "head"), ("left_eye", "nose", "head"),
    ("right_ear", "right_eye", "head"), ("left_ear", "left_eye", "head"),
]  # fmt: skip
_LEGS_OF_PELVIS = [
    ("right_hip", "pelvis", "torso"), ("right_knee", "right_hip", "thigh"), ("right_ankle", "right_knee", "shin"),
    ("left_hip", "pelvis", "torso"), ("left_knee", "left_hip", "thigh"), ("left_ankle", "left_knee", "shin"),
]  # fmt: skip

OPENPOSE_18 = build_topology(
    "openpose_18",
    [
        ("nose", "neck", "head"), ("neck", None, "torso"),
        *_OPENPOSE_ARMS,
        ("right_hip", "neck", "torso"), ("right_knee", "right_hip", "thigh"), ("right_ankle", "right_knee", "shin"),
        ("left_hip", "neck", "torso"), ("left_knee", "left_hip", "thigh"), ("left_ankle", "left_knee", "shin"),
        *_OPENPOSE_FACE,
    ],
)  # fmt: skip

OPENPOSE_25 = build_topology(
    "openpose_25",
    [
        ("nose", "neck", "head"), ("neck", "pelvis", "torso"),
        *_OPENPOSE_ARMS,
        ("pelvis", None, "torso"),
        *_LEGS_OF_PELVIS,
        *_OPENPOSE_FACE,
        ("left_foot", "left_ankle", "foot"), ("left_small_toe", "left_foot", "foot"),
        ("left_heel", "left_ankle", "foot"),
        ("right_foot", "right_ankle", "foot"), ("right_small_toe", "right_foot", "foot"),
        ("right_heel", "right_ankle", "foot"),
    ],
)  # fmt: skip

MEDIAPIPE_33 = build_topology(
    "mediapipe_33",
    [
        ("nose", "left_shoulder", "head"),
        ("left_eye_inner", "nose", "head"), ("left_eye", "left_eye_inner", "head"),
        ("left_eye_outer", "left_eye", "head"),
        ("right_eye_inner", "nose", "head"), ("right_eye", "right_eye_inner", "head"),
        ("right_eye_outer", "right_eye", "head"),
        ("left_ear", "left_eye_outer", "head"), ("right_ear", "right_eye_outer", "head"),
        ("left_mouth", "nose", "head"), ("right_mouth", "nose", "head"),
        *_ARMS_IN_PAIRS,
        ("left_pinky", "left_wrist", "hand"), ("right_pinky", "right_wrist", "hand"),
        ("left_index", "left_wrist", "hand"), ("right_index", "right_wrist", "hand"),
        ("left_thumb", "left_wrist", "hand"), ("right_thumb", "right_wrist", "hand"),
        *_LEGS_IN_PAIRS,
        ("left_heel", "left_ankle", "foot"), ("right_heel", "right_ankle", "foot"),
        ("left_foot", "left_ankle", "foot"), ("right_foot", "right_ankle", "foot"),
    ],
    # The connections that MediaPipe draws, and ears to shoulders because there is no neck.
    [
        (0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12), (11, 13), (13, 15),
        (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20),
        (11, 23), (12, 24), (23, 24), (23, 25), (24, 26), (25, 27), (26, 28), (27, 29), (28, 30), (29, 31), (30, 32),
        (27, 31), (28, 32), (7, 11), (8, 12),
    ],
)  # fmt: skip

H36M_17 = build_topology(
    "h36m_17",
    [
        ("pelvis", None, "torso"),
        *_LEGS_OF_PELVIS,
        ("spine", "pelvis", "torso"), ("chest", "spine", "torso"), ("nose", "chest", "head"), ("head", "nose", "head"),
        ("left_shoulder", "chest", "torso"), ("left_elbow", "left_shoulder", "upper_arm"),
        ("left_wrist", "left_elbow", "forearm"),
        ("right_shoulder", "chest", "torso"), ("right_elbow", "right_shoulder", "upper_arm"),
        ("right_wrist", "right_elbow", "forearm"),
    ],
)  # fmt: skip

PENN_13 = build_topology(
    "penn_13",
    [
        ("head", "left_shoulder", "head"),
        *_ARMS_IN_PAIRS,
        *_LEGS_IN_PAIRS,
    ],
    # The tree, the shoulder line, and the head to both shoulders because there is no neck.
    [
        (0, 1), (0, 2), (1, 2), (1, 3), (3, 5), (2, 4), (4, 6), (1, 7), (2, 8), (7, 8), (7, 9), (9, 11), (8, 10),
        (10, 12),
    ],
)  # fmt: skip

JHMDB_15 = build_topology(
    "jhmdb_15",
    [
        ("neck", "spine", "torso"), ("spine", None, "torso"), ("head", "neck", "head"),
        ("right_shoulder", "neck", "torso"), ("left_shoulder", "neck", "torso"),
        ("right_hip", "spine", "torso"), ("left_hip", "spine", "torso"),
        ("right_elbow", "right_shoulder", "upper_arm"), ("left_elbow", "left_shoulder", "upper_arm"),
        ("right_knee", "right_hip", "thigh"), ("left_knee", "left_hip", "thigh"),
        ("right_wrist", "right_elbow", "forearm"), ("left_wrist", "left_elbow", "forearm"),
        ("right_ankle", "right_knee", "shin"), ("left_ankle", "left_knee", "shin"),
    ],
)  # fmt: skip

# The 15 joints of the character in its order, and the ends of what turns with its neck and ankles: the head's centre
# and the tips of the feet. Its "chest" is the joint at which the trunk bends, at half its height.
DEEPMIMIC_18 = build_topology(
    "deepmimic_18",
    [
        ("pelvis", None, "torso"), ("spine_upper", "pelvis", "torso"), ("neck", "spine_upper", "torso"),
        ("right_hip", "pelvis", "torso"), ("right_knee", "right_hip", "thigh"),
        ("right_ankle", "right_knee", "shin"), ("right_shoulder", "spine_upper", "torso"),
        ("right_elbow", "right_shoulder", "upper_arm"), ("right_wrist", "right_elbow", "forearm"),
        ("left_hip", "pelvis", "torso"), ("left_knee", "left_hip", "thigh"),
        ("left_ankle", "left_knee", "shin"), ("left_shoulder", "spine_upper", "torso"),
        ("left_elbow", "left_shoulder", "upper_arm"), ("left_wrist", "left_elbow", "forearm"),
        ("head", "neck", "head"), ("right_foot", "right_ankle", "foot"), ("left_foot", "left_ankle", "foot"),
    ],
    # The tree, but for the shoulders, which are drawn from the neck at their height.
    [
        (0, 1), (1, 2), (0, 3), (3, 4), (4, 5), (2, 6), (6, 7), (7, 8), (0, 9), (9, 10), (10, 11), (2, 12),
        (12, 13), (13, 14), (2, 15), (5, 16), (11, 17),
    ],
)  # fmt: skip

TOPOLOGIES: dict[str, Topology] = {
    topology.name: topology
    for topology in (
        KINECT_V2, KINECT_V1, SMPL_22, SMPL_24, COCO_17, OPENPOSE_18, OPENPOSE_25, MEDIAPIPE_33, H36M_17, PENN_13,
        JHMDB_15, DEEPMIMIC_18,
    )
}  # fmt: skip


def get_topology(topology: str | Topology) -> Topology:
    """A topology by name (``smpl-22`` and ``smpl_22`` are the same), from a YAML file, or itself.

    Raises:
        KeyError: unknown name; the message lists the known ones.
    """
    if isinstance(topology, Topology):
        return topology
    key = topology.lower().replace("-", "_")
    if key in TOPOLOGIES:
        return TOPOLOGIES[key]
    if topology.endswith((".yaml", ".yml")):
        return load_topology(topology)
    raise KeyError(f"unknown topology {topology!r}; known: {', '.join(sorted(TOPOLOGIES))}, or a .yaml file")


def topology_with_joints(count: int) -> Topology:
    """The topology that has ``count`` joints; of several the one registered first: 25 are Kinect v2, 17 COCO.

    Raises:
        ValueError: if none has.
    """
    for topology in TOPOLOGIES.values():
        if topology.num_joints == count:
            return topology
    known = ", ".join(f"{topology.name} ({topology.num_joints})" for topology in TOPOLOGIES.values())
    raise ValueError(f"no topology has {count} joints; name the topology. Known: {known}")


def load_topology(path: str | Path) -> Topology:
    """Read a topology from YAML and register it.

    The file gives ``name`` and ``joints``, a list of mappings with ``name``, ``parent`` (absent for the root),
    ``part`` and, where the name does not begin with ``left_`` or ``right_``, optionally ``side``; and, if the drawn
    bones are not the tree's edges, ``bones`` as pairs of joint names.

    Raises:
        ValueError: names file, line and key of what is missing or wrong.
    """
    # Readers stand on this module.
    from skeletonllm.skeleton.formats.custom.topology_yaml import read_topology_yaml

    return register_topology(read_topology_yaml(path))


def register_topology(topology: Topology) -> Topology:
    """Make a topology known by its name. Raises ValueError if the name already means another one."""
    key = topology.name.lower().replace("-", "_")
    if TOPOLOGIES.get(key, topology) != topology:
        raise ValueError(f"a different topology is already registered as {topology.name!r}")
    TOPOLOGIES[key] = topology
    return topology
