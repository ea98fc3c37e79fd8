"""From one topology to another by the names of joints: copied where both have them, else derived from known ones.

How a missing joint is found: every part of the body (``retarget_rules.SEGMENTS``) is turned from a T-pose to where
its known joints are, by the rotation that fits them best in the least squares (Kabsch 1976, "A solution for the best
rotation to relate two sets of vectors"); what its joints leave open, such as the twist of an arm, is taken from the
part that it hangs on. Each anchor of the joint (``retarget_rules.RULES``) then says where the joint is: as far off as
in the T-pose of an average body (``proportions.rest_positions``), turned with its part and scaled to the person. Of
several anchors the nearer counts more.
"""

from dataclasses import dataclass

import numpy as np

from skeletonllm.skeleton.cleaning.cleaner import is_flat
from skeletonllm.skeleton.placement import LIMBS, LONGEST_PERCENTILE, body_size
from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.retarget_rules import RULES, SEGMENTS
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.skeleton.topology import Topology

# How much the turn of the part that a part hangs on counts, beside its own joints. A bone that is bent by 90 degrees
# is followed to within 2.3 degrees, while two joints nearly in line with it do not tell its twist.
PARENT_WEIGHT = 0.02
# Joints whose second moment is below this share of the first, about 3 % of the extent, are a line: any turn about it
# fits. A bone that hangs on another one counts as such when it is folded back upon it by more than 162 degrees.
LINE = 0.001
# Someone who faces the camera, whose left is at -X, seen from a T-pose whose left is at +x.
FACING_CAMERA = np.diag([-1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Plan:
    """How each joint of a topology is found from the joints of another.

    Args:
        copied: joints that both have.
        derived: for each joint that is derived, also on the way to others, the joints that it is derived from.
        missing: joints that cannot be known.
    """

    copied: tuple[str, ...]
    derived: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]


def plan_retargeting(source: Topology, target: Topology) -> Plan:
    """What ``retarget`` will do with each joint."""
    known, derived = set(source.joints), {}
    for name, rule in RULES.items():
        anchors = next((anchors for anchors in rule.anchors if known.issuperset(anchors)), None)
        if name not in known and anchors is not None:
            derived[name] = anchors
            known.add(name)
    wanted = set(target.joints)
    for name in reversed(list(derived)):
        if name in wanted:
            wanted.update(derived[name])
    return Plan(
        tuple(joint for joint in target.joints if joint in source.joints),
        {joint: anchors for joint, anchors in derived.items() if joint in wanted},
        tuple(joint for joint in target.joints if joint not in known),
    )


def retarget(sequence: SkeletonSequence, topology: str | Topology) -> SkeletonSequence:
    """The same motion in another topology.

    A derived joint is valid where all its anchors are and where it is known how its part of the body is turned; its
    confidence is the least of the joints that it was found from. Joints that cannot be found are not valid. Rotations
    are left out, since they belong to the joints of the old topology. Derived joints of a sequence without depth stay
    in its plane. ``notes`` says which joints were copied, derived and missing.

    Args:
        sequence: any topology; its own gives the sequence back.
        topology: registered, or given.

    Raises:
        KeyError: unknown topology.
        ValueError: no joint of the topology can be found.
    """
    target = get_topology(topology)
    if target == sequence.topology:
        return sequence
    plan = plan_retargeting(sequence.topology, target)
    if len(plan.missing) == target.num_joints:
        had = ", ".join(sequence.topology.joints)
        raise ValueError(f"no joint of {target.name} can be found from those of {sequence.topology.name} ({had})")
    body = _Body(sequence)
    for joint, anchors in plan.derived.items():
        body.derive(joint, anchors)
    shape = (*sequence.valid.shape[:2], target.num_joints)
    joints, valid = np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
    confidence = None if sequence.confidence is None else np.zeros(shape, np.float32)
    for index, name in enumerate(target.joints):
        if name not in plan.missing:
            joints[:, :, index], valid[:, :, index] = body.places[name], body.valid[name]
            if confidence is not None:
                confidence[:, :, index] = body.confidence[name]
    return sequence.replace(
        joints=joints,
        valid=valid,
        topology=target,
        rotations=None,
        confidence=confidence,
        notes=(*sequence.notes, *_notes(sequence, target, plan, body.flat)),
    )


class _Body:
    """The joints of a sequence by name, (T, P, 3), those that were derived among them."""

    def __init__(self, sequence: SkeletonSequence):
        joints = sequence.joints.astype(np.float64)
        names = sequence.topology.joints
        confidence = np.ones(sequence.valid.shape) if sequence.confidence is None else sequence.confidence
        self.places = {name: joints[:, :, index] for index, name in enumerate(names)}
        self.valid = {name: sequence.valid[:, :, index] for index, name in enumerate(names)}
        self.confidence = {name: confidence[:, :, index] for index, name in enumerate(names)}
        self.given = frozenset(names)
        self.flat = is_flat(joints, sequence.valid)
        self.sizes = _sizes(joints, sequence.valid, sequence.topology, self.flat)
        self.turns: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def derive(self, joint: str, anchors: tuple[str, ...]) -> None:
        rest = rest_positions()
        turn, valid, confidence = self.turned(RULES[joint].segment)
        offsets = [rest[joint] - rest[anchor] for anchor in anchors]
        weights = np.array([1 / np.linalg.norm(offset) for offset in offsets])
        place = np.zeros_like(self.places[anchors[0]])
        for anchor, offset, weight in zip(anchors, offsets, weights / weights.sum(), strict=True):
            seen = self.sizes[:, None] * (turn @ offset)
            if self.flat:
                seen[..., 2] = 0.0
            place += weight * (self.places[anchor] + seen)
            valid = valid & self.valid[anchor]
            confidence = np.minimum(confidence, self.confidence[anchor])
        self.places[joint] = np.where(valid[..., None], place, 0.0)
        self.valid[joint], self.confidence[joint] = valid, np.where(valid, confidence, 0.0)

    def turned(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How a segment is turned from rest: (T, P, 3, 3), where that is known, and how surely, (T, P) each."""
        if name not in self.turns:
            segment = SEGMENTS[name]
            groups = [group for group in segment.points if self.given.issuperset(group)]
            shape = next(iter(self.valid.values())).shape
            if segment.parent is not None:
                parent, parent_known, _ = self.turned(segment.parent)
            elif self.flat:
                # Seen exactly from the side, the two sides of a body without depth are one.
                parent, parent_known = np.broadcast_to(FACING_CAMERA, (*shape, 3, 3)), np.ones(shape, bool)
            else:
                parent, parent_known = np.zeros((*shape, 3, 3)), np.zeros(shape, bool)
            self.turns[name] = self._fit(groups, parent, parent_known)
        return self.turns[name]

    def _fit(
        self, groups: list[tuple[str, ...]], parent: np.ndarray, parent_known: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = parent_known.shape
        confidence = np.ones(shape)
        moments, spread = np.zeros((*shape, 3, 3)), np.zeros(shape)
        if groups:
            places = np.stack([np.mean([self.places[joint] for joint in group], 0) for group in groups], -2)
            seen = np.stack([np.all([self.valid[joint] for joint in group], 0) for group in groups], -1)
            rest = np.stack([np.mean([rest_positions()[joint] for joint in group], 0) for group in groups])
            weight = seen / np.maximum(seen.sum(-1, keepdims=True), 1)
            places = places - (weight[..., None] * places).sum(-2, keepdims=True)
            rest = rest - (weight[..., None] * rest).sum(-2, keepdims=True)
            moments = np.einsum("tpg,tpgi,tpgj->tpij", weight, places, rest)
            spread = np.einsum("tpg,tpgi,tpgi->tp", weight, rest, rest)
            for index, group in enumerate(groups):
                least = np.min([self.confidence[joint] for joint in group], 0)
                confidence = np.where(seen[..., index], np.minimum(confidence, least), confidence)
        # Without a point of its own a segment is turned as its parent is.
        hold = np.where(spread > 0, PARENT_WEIGHT * spread * self.sizes, 1.0)
        moments = moments + np.where(parent_known, hold, 0.0)[..., None, None] * parent
        left, extents, right = np.linalg.svd(moments)
        handed = np.sign(np.linalg.det(left @ right))
        left[..., 2] *= handed[..., None]
        known = extents[..., 1] + handed * extents[..., 2] > LINE * extents[..., 0]
        return left @ right, known, confidence


def _sizes(joints: np.ndarray, valid: np.ndarray, topology: Topology, flat: bool) -> np.ndarray:
    """The size of each person, (P,), as a multiple of an average body."""
    percentile = LONGEST_PERCENTILE if flat else 50  # what points at the camera looks short
    sizes = []
    for person in range(joints.shape[1]):
        one = slice(person, person + 1)
        sizes.append(body_size(joints[:, one], valid[:, one], topology, percentile, LIMBS) or 1.0)
    return np.array(sizes)


def _notes(sequence: SkeletonSequence, target: Topology, plan: Plan, flat: bool) -> tuple[str, ...]:
    derived = [joint for joint in target.joints if joint in plan.derived]
    counts = [f"{len(plan.copied)} joints copied", f"{len(derived)} derived", f"{len(plan.missing)} missing"]
    notes = [f"retargeted from {sequence.topology.name} to {target.name}: {', '.join(counts)}"]
    if derived:
        told = ", ".join(f"{joint} (from {', '.join(plan.derived[joint])})" for joint in derived)
        notes.append(f"joints derived by the proportions of an average body: {told}")
    if plan.missing:
        notes.append(f"joints that cannot be derived: {', '.join(plan.missing)}")
    left_out = [joint for joint in sequence.topology.joints if joint not in target.joints]
    if left_out:
        notes.append(f"joints that {target.name} has not: {', '.join(left_out)}")
    if flat:
        notes.append("no depth: derived joints lie in the plane of the others")
    if sequence.rotations is not None:
        notes.append("rotations left out: they belong to the joints of the old topology")
    return tuple(notes)
