"""Topologies: named joints, the bones between them, and the body part and side of each joint.

Joint names are shared by all topologies (``left_wrist`` means the same everywhere), which is what lets one renderer,
one generator of motions and one evaluation serve every skeleton.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PARTS = ("torso", "head", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")
SIDES = ("centre", "left", "right")
ROOT = -1


@dataclass(frozen=True)
class Topology:
    """A kind of skeleton.

    Args:
        name: registry key, such as ``kinect_v2``.
        joints: J joint names, unique, in the order of the data.
        parents: J joint indices, ``-1`` for the root; the tree of the body.
        bones: pairs of joint indices that are drawn. Usually the tree's edges; COCO adds cross links.
        parts: one of ``PARTS`` per joint: the part that ends at this joint (an elbow ends the upper arm).
        sides: one of ``SIDES`` per joint.

    Raises:
        ValueError: if the lengths differ, a name repeats, an index is out of range or the parents are not a tree.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    bones: tuple[tuple[int, int], ...]
    parts: tuple[str, ...]
    sides: tuple[str, ...]

    def __post_init__(self):
        count = len(self.joints)
        for field in ("parents", "parts", "sides"):
            found = len(getattr(self, field))
            if found != count:
                raise ValueError(f"topology {self.name}: {found} {field} for {count} joints")
        if len(set(self.joints)) != count:
            repeated = sorted({joint for joint in self.joints if self.joints.count(joint) > 1})
            raise ValueError(f"topology {self.name}: repeated joint names {repeated}")
        for bone in self.bones:
            if len(bone) != 2 or not all(0 <= joint < count for joint in bone) or bone[0] == bone[1]:
                raise ValueError(f"topology {self.name}: bone {bone} does not join two of its {count} joints")
        for field, allowed in (("parts", PARTS), ("sides", SIDES)):
            unknown = sorted(set(getattr(self, field)) - set(allowed))
            if unknown:
                raise ValueError(f"topology {self.name}: unknown {field} {unknown}, expected some of {list(allowed)}")
        if self.parents.count(ROOT) != 1 or not all(ROOT <= parent < count for parent in self.parents):
            raise ValueError(f"topology {self.name}: parents {self.parents} must name one root (-1) and joints")
        _ = self.depths  # walks to the root from every joint, so a cycle is found here

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Steps from each joint to the root."""
        depths = []
        for joint in range(self.num_joints):
            depth = 0
            while self.parents[joint] != ROOT:
                joint, depth = self.parents[joint], depth + 1
                if depth > self.num_joints:
                    raise ValueError(f"topology {self.name}: the parents form a cycle")
            depths.append(depth)
        return tuple(depths)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its mirror image: itself on the centre line, left and right exchanged."""
        swapped = {"left_": "right_", "right_": "left_"}
        partners = []
        for index, name in enumerate(self.joints):
            side, _, rest = name.partition("_")
            partner = swapped.get(side + "_", "") + rest if side + "_" in swapped else name
            partners.append(self.joints.index(partner) if partner in self.joints else index)
        return tuple(partners)

    @cached_property
    def oriented_bones(self) -> tuple[tuple[int, int], ...]:
        """The bones as (proximal, distal): the joint nearer to the root first."""
        return tuple((a, b) if self.depths[a] <= self.depths[b] else (b, a) for a, b in self.bones)

    def index(self, joint: str) -> int:
        """The index of a joint by name. Raises KeyError that lists the names."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"topology {self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    def find(self, *names: str) -> int | None:
        """The index of the first of ``names`` that this topology has, or None."""
        return next((self.joints.index(name) for name in names if name in self.joints), None)


def _build(name: str, tree: Iterable[tuple[str, str | None, str]], bones: Iterable[tuple[int, int]] | None = None):
    """A topology from (joint, parent, part) rows; the side is read off the joint's name."""
    tree = list(tree)
    joints = tuple(joint for joint, _, _ in tree)
    parents = tuple(ROOT if parent is None else joints.index(parent) for _, parent, _ in tree)
    if bones is None:
        bones = ((parent, joint) for joint, parent in enumerate(parents) if parent != ROOT)
    sides = tuple(
        next((side for side in ("left", "right") if joint.startswith(side + "_")), "centre") for joint in joints
    )
    return Topology(name, joints, parents, tuple(bones), tuple(part for _, _, part in tree), sides)


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

KINECT_V2 = _build(
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

KINECT_V1 = _build(
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

SMPL_22 = _build(
    "smpl_22",
    _SMPL_ROWS,
    # The order of the published renderer.
    [
        (0, 2), (2, 5), (5, 8), (8, 11), (0, 1), (1, 4), (4, 7), (7, 10), (0, 3), (3, 6), (6, 9),
        (9, 12), (12, 15), (9, 14), (14, 17), (17, 19), (19, 21), (9, 13), (13, 16), (16, 18), (18, 20),
    ],
)  # fmt: skip

SMPL_24 = _build("smpl_24", [*_SMPL_ROWS, ("left_hand", "left_wrist", "hand"), ("right_hand", "right_wrist", "hand")])

COCO_17 = _build(
    "coco_17",
    [
        ("nose", "left_shoulder", "head"), ("left_eye", "nose", "head"), ("right_eye", "nose", "head"),
        ("left_ear", "left_eye", "head"), ("right_ear", "right_eye", "head"),
        ("left_shoulder", "left_hip", "torso"), ("right_shoulder", "right_hip", "torso"),
        ("left_elbow", "left_shoulder", "upper_arm"), ("right_elbow", "right_shoulder", "upper_arm"),
        ("left_wrist", "left_elbow", "forearm"), ("right_wrist", "right_elbow", "forearm"),
        ("left_hip", None, "torso"), ("right_hip", "left_hip", "torso"),
        ("left_knee", "left_hip", "thigh"), ("right_knee", "right_hip", "thigh"),
        ("left_ankle", "left_knee", "shin"), ("right_ankle", "right_knee", "shin"),
    ],
    # The links of the COCO annotation; ears and shoulders are joined because there is no neck.
    [
        (13, 15), (11, 13), (14, 16), (12, 14), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ],
)  # fmt: skip

TOPOLOGIES: dict[str, Topology] = {t.name: t for t in (KINECT_V2, KINECT_V1, SMPL_22, SMPL_24, COCO_17)}


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
    """The one registered topology that has ``count`` joints.

    Raises:
        ValueError: if none or several have.
    """
    fitting = [topology for topology in TOPOLOGIES.values() if topology.num_joints == count]
    if len(fitting) != 1:
        known = ", ".join(f"{t.name} ({t.num_joints})" for t in TOPOLOGIES.values())
        raise ValueError(f"{count} joints fit {len(fitting)} topologies; name the topology. Known: {known}")
    return fitting[0]


def load_topology(path: str | Path) -> Topology:
    """Read a topology from YAML and register it.

    The file gives ``name`` and ``joints``, a list of mappings with ``name``, ``parent`` (absent for the root),
    ``part`` and, where the name does not begin with ``left_`` or ``right_``, optionally ``side``; and, if the drawn
    bones are not the tree's edges, ``bones`` as pairs of joint names.

    Raises:
        ValueError: names the file and what is missing or wrong.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text())
        rows = [(row["name"], row.get("parent"), row["part"]) for row in content["joints"]]
        names = [name for name, _, _ in rows]
        bones = content.get("bones")
        bones = None if bones is None else [(names.index(a), names.index(b)) for a, b in bones]
        built = _build(content["name"], rows, bones)
        sides = tuple(row.get("side", side) for row, side in zip(content["joints"], built.sides, strict=True))
        topology = Topology(built.name, built.joints, built.parents, built.bones, built.parts, sides)
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not a topology: {error}") from error
    return register_topology(topology)


def register_topology(topology: Topology) -> Topology:
    """Make a topology known by its name. Raises ValueError if the name already means another one."""
    key = topology.name.lower().replace("-", "_")
    if TOPOLOGIES.get(key, topology) != topology:
        raise ValueError(f"a different topology is already registered as {topology.name!r}")
    TOPOLOGIES[key] = topology
    return topology
