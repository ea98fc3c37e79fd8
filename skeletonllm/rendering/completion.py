"""What a topology is drawn as: where the trunk or the skull is missing, they are inferred from the joints around them.

COCO and its kin outline the trunk from shoulder to hip and hang the face on the shoulders. Drawn as they are, these
lines would make a hollow body with a broad neck, unlike the same body seen by a Kinect. So they give way to a line from
the middle of the hips to that of the shoulders and on to the middle of the head, which is between the ears. Nothing
else is made up: hands and feet that nobody recorded are not drawn. But room is left for them in the picture, so that a
body is seen from the same place in every topology.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from skeletonllm.skeleton.synthesis.body import ANKLE_HEIGHT, FOREARM, HAND, KNEE_HEIGHT
from skeletonllm.skeleton.synthesis.pose import BALL_HEIGHT, INDEX, PALM
from skeletonllm.skeleton.topology import ROOT, Topology

FACE = ("_eye", "_eye_inner", "_eye_outer", "_ear", "_mouth")  # what their names end with; and the nose
_HIPS, _SHOULDERS, _EARS = (("left_" + name, "right_" + name) for name in ("hip", "shoulder", "ear"))
# How far up from the hips to the shoulders these joints of a Kinect are, in the proportions of our synthetic bodies.
_SPINE_HEIGHT, _CHEST_HEIGHT = 0.35, 0.92
# Inferred joints as weighted means of pairs of joints: (pair, weight, whether it is unknown without either of them).
# One of a pair is enough: mostly the other is hidden behind the body, so that in the picture both are at one place.
_MEANS = {
    "pelvis": [(_HIPS, 1.0, True)],
    "spine": [(_HIPS, 1 - _SPINE_HEIGHT, True), (_SHOULDERS, _SPINE_HEIGHT, True)],
    "chest": [(_SHOULDERS, _CHEST_HEIGHT, True), (_HIPS, 1 - _CHEST_HEIGHT, False)],
    "head": [(_EARS, 1.0, True)],
}
# How far a limb goes on beyond its last joint, as a part of the bone before that joint.
_END_OF_LIMB = {
    "hand_tip": [
        ("hand", "wrist", 1 / PALM - 1),
        ("index", "wrist", 1 / INDEX - 1),
        ("wrist", "elbow", HAND / FOREARM),
    ],
    "foot": [("ankle", "knee", (1 - BALL_HEIGHT) * ANKLE_HEIGHT / (KNEE_HEIGHT - ANKLE_HEIGHT))],
}

Bone = tuple[str, str]
Mean = tuple[tuple[tuple[int, int], float, bool], ...]
"""Pairs of joints, by index, with their weights, and whether the mean is unknown without either of them."""


@dataclass(frozen=True)
class Completion:
    """A topology as it is drawn.

    Args:
        topology: its own J joints, then the inferred ones, and the bones that are drawn.
        inferred: what the inferred joints are the means of.
        ends: where hands and feet end that the topology lacks; the sums of weights of which some are negative.
    """

    topology: Topology
    inferred: tuple[Mean, ...]
    ends: tuple[Mean, ...]


def _is_face(joint: str) -> bool:
    """Whether a joint is on the front or the sides of the head rather than in its middle."""
    return joint == "nose" or joint.endswith(FACE)


@lru_cache(maxsize=64)
def complete(topology: Topology) -> Completion:
    """How a topology is drawn; one with a spine and a head joint, such as ``kinect_v2``, is drawn as it is."""
    own = set(topology.joints)
    bones = [(topology.joints[a], topology.joints[b]) for a, b in topology.bones]
    inferred = []
    if "head" not in own and own.issuperset(_EARS):
        inferred.append("head")
        bones = [(_skull(a, b), _skull(b, a)) for a, b in bones]
    root = topology.joints[topology.parents.index(ROOT)]
    if own.issuperset((*_HIPS, *_SHOULDERS)) and any(map(_is_outline, bones)):
        root = "pelvis"
        line = [root, "spine", "neck" if "neck" in own and "chest" not in own else "chest"]
        inferred += [joint for joint in line if joint not in own]
        skull = next((joint for joint in ("head", "nose") if joint in own or joint in inferred), None)
        bones = [bone for bone in bones if not _is_outline(bone) and not (skull in bone and {*bone} & {*_SHOULDERS})]
        bones += [*zip(line, line[1:], strict=False), *((root, hip) for hip in _HIPS)]
        bones += [(line[-1], other) for other in (*_SHOULDERS, *([skull] if skull else []))]
    ends = tuple(_ends(topology))
    if not inferred:
        return Completion(topology, (), ends)
    joints = (*topology.joints, *inferred)
    unique = {frozenset(bone): tuple(map(joints.index, bone)) for bone in reversed(bones)}
    drawn = Topology(
        name=topology.name,
        joints=joints,
        parents=_parents(topology, len(joints), joints.index(root), list(unique.values())),
        bones=tuple(reversed(unique.values())),
        parts=(*topology.parts, *("head" if name == "head" else "torso" for name in inferred)),
        sides=(*topology.sides, *("centre" for _ in inferred)),
    )
    means = (
        tuple(((joints.index(left), joints.index(right)), *rest) for (left, right), *rest in _MEANS[name])
        for name in inferred
    )
    return Completion(drawn, tuple(means), ends)


def _ends(topology: Topology) -> Iterator[Mean]:
    """Where the limbs end that the topology does not follow to their ends."""
    for side in ("left", "right"):
        for end, ways in _END_OF_LIMB.items():
            places = [
                (topology.find(f"{side}_{last}"), topology.find(f"{side}_{before}"), more)
                for last, before, more in ways
            ]
            known = [way for way in places if None not in way]
            if topology.find(f"{side}_{end}") is None and known:
                last, before, more = known[0]
                yield ((last, last), 1 + more, True), ((before, before), -more, True)


def _skull(joint: str, other: str) -> str:
    """What a bone to ``other`` starts from: the middle of the head instead of the face, but within the face."""
    return "head" if _is_face(joint) and not _is_face(other) else joint


def _is_outline(bone: Bone) -> bool:
    """Whether a bone runs along the border of the trunk, or from its top to a hip."""
    hips, shoulders = {*bone} & {*_HIPS}, {*bone} & {*_SHOULDERS}
    return len(hips) + len(shoulders) == 2 or bool(hips and {*bone} & {"chest", "neck"})


def _parents(topology: Topology, count: int, root: int, bones: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """The tree that the bones make from ``root`` on; joints that they do not reach keep their parents."""
    parents = [root if parent == ROOT else parent for parent in topology.parents] + [root] * (
        count - topology.num_joints
    )
    neighbours = [
        sorted({b for a, b in bones if a == joint} | {a for a, b in bones if b == joint}) for joint in range(count)
    ]
    reached, waiting = {root}, [root]
    for joint in waiting:  # grows meanwhile: nearest to the root first
        for other in neighbours[joint]:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
                parents[other] = joint
    parents[root] = ROOT
    return tuple(parents)


@dataclass(frozen=True)
class Means:
    """Joints of B clips that follow from others: V at most, each from S pairs at most.

    Args:
        index: (B, V, S, 2) int64 joints.
        weight: (B, V, S) float32, zero for padding.
        required: (B, V, S) bool.
    """

    index: torch.Tensor
    weight: torch.Tensor
    required: torch.Tensor

    @classmethod
    def of(cls, means: Sequence[Sequence[Mean]], device: torch.device) -> "Means | None":
        """Those of each clip; None if no clip has any."""
        most = max(map(len, means))
        if not most:
            return None
        widest = max(len(mean) for clip in means for mean in clip)
        nothing = ((0, 0), 0.0, False)
        rows = [
            [[*mean, *[nothing] * (widest - len(mean))] for mean in clip] + [[nothing] * widest] * (most - len(clip))
            for clip in means
        ]
        numbers = [[[(*pair, weight, required) for pair, weight, required in mean] for mean in clip] for clip in rows]
        table = torch.tensor(numbers, dtype=torch.float64, device=device)
        return cls(table[..., :2].long(), table[..., 2].float(), table[..., 3].bool())

    def append(self, valid: torch.Tensor, *values: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        """(B, N, P, J) bool and values (B, N, P, J) or (B, N, P, J, 3), to the same of J + V joints; None stays."""
        index = self.index.flatten(2)
        known = of_joints(valid, index).unflatten(-1, self.index.shape[2:])
        count = known.sum(-1)
        enough = ((count > 0) | ~self.required[:, None, None]).all(-1)
        share = self.weight[:, None, None] * enough[..., None] / count.clamp(min=1)
        weights = (share[..., None] * known).flatten(4)
        total = weights.sum(-1, keepdim=True)
        weights = weights / total.clamp(min=1e-6)

        def extended(value: torch.Tensor) -> torch.Tensor:
            # Elementwise, because products of matrices may be rounded to ten bits on GPUs; about the first, because the
            # mean of ones is then one to the last bit.
            shares = weights if value.ndim == 4 else weights[..., None]
            sources = of_joints(value, index)
            first = sources[:, :, :, :, 0]
            return torch.cat([value, first + (shares * (sources - first.unsqueeze(4))).sum(4)], dim=3)

        valid = torch.cat([valid, total[..., 0] > 0], dim=3)
        return valid, *(None if value is None else extended(value) for value in values)


def of_joints(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """What belongs to certain joints of each clip: (B, N, P, J, ...) by (B, K, S) to (B, N, P, K, S, ...)."""
    clip = torch.arange(len(values), device=values.device)[:, None, None]
    return values.movedim(3, 1)[clip, index].movedim((3, 4), (1, 2))
