"""Topologies: named joints, the bones between them, and the body part and side of each joint.

Joint names are shared by all topologies (``left_wrist`` means the same everywhere), which is what lets one renderer,
one generator of motions and one evaluation serve every skeleton.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

PARTS = ("torso", "head", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")
SIDES = ("centre", "left", "right")
ROOT = -1
# What a description in a file may have: twice as many as body, hands and face together have anywhere.
MOST_DESCRIBED_JOINTS = 1000


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


def build_topology(
    name: str, tree: Iterable[tuple[str, str | None, str]], bones: Iterable[tuple[int, int]] | None = None
) -> Topology:
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


def describe_topology(topology: Topology) -> dict[str, Any]:
    """A topology as JSON-able values."""
    return {name: getattr(topology, name) for name in ("name", "joints", "parents", "bones", "parts", "sides")}


def read_topology(described: Mapping[str, Any]) -> Topology:
    """The topology that ``describe_topology`` described. Raises ValueError if it describes none."""
    try:
        name, joints, parents, parts, sides = (
            described[key] for key in ("name", "joints", "parents", "parts", "sides")
        )
        if len(joints) > MOST_DESCRIBED_JOINTS:
            raise ValueError(f"{len(joints)} joints, more than {MOST_DESCRIBED_JOINTS}")
        if not all(isinstance(text, str) for text in (name, *joints, *parts, *sides)):
            raise ValueError("names, parts and sides must be text")
        bones = tuple((int(a), int(b)) for a, b in described["bones"])
        return Topology(name, tuple(joints), tuple(map(int, parents)), bones, tuple(parts), tuple(sides))
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"not a topology: {error}") from error
