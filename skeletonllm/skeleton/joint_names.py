"""Names that files give to joints, understood: ``mixamorig:LeftForeArm``, ``lowerarm_l`` and ``LElbow`` are elbows.

A file's names become the joint names that all topologies share. A joint that none of them means keeps its own name,
and gets body part and side from its neighbours in the tree, so that any rig can be drawn.

A joint of a hierarchy stands where its bone begins: ``LeftArm`` turns about the shoulder and is ``left_shoulder``,
``LeftHand`` turns about the wrist and is ``left_wrist``.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import ROOT, Topology

# A name may be a whole file: this much of it is kept.
LONGEST_NAME = 40

# What stands on the left or right, without the side: words, and the joints that they may mean, the likeliest first.
# Earlier lines claim their joints first, so that "Shoulder" is the collar where there is an "UpperArm" or "Arm", and
# "Hand" is the wrist unless there is a "Wrist".
_SIDED = tuple((words.split(), joints.split()) for words, joints in (
    ("upleg upperleg thigh femur", "hip"),
    ("knee lowerleg lowleg calf shin tibia", "knee"),
    ("ankle", "ankle"),
    ("upperarm uparm humerus", "shoulder"),
    ("elbow forearm lowerarm lowarm", "elbow"),
    ("wrist", "wrist"),
    ("collar clavicle collarbone scapula", "collar"),
    ("hip", "hip"),
    ("arm", "shoulder elbow"),
    ("shoulder shldr", "shoulder collar"),
    ("leg", "hip knee"),
    ("hand", "wrist hand"),
    ("palm", "hand"),
    ("handtip", "hand_tip"),
    ("foot", "ankle foot"),
    ("toe toes toebase ball", "foot toe"),
    ("smalltoe", "small_toe"),
    ("heel", "heel"),
    ("eye", "eye"),
    ("ear", "ear"),
))  # fmt: skip
_CENTRE = tuple((words.split(), joints.split()) for words, joints in (
    ("hips pelvis spinebase", "pelvis"),
    ("hip", "pelvis"),
    ("root", "pelvis"),
    ("neck", "neck"),
    ("headtop topofhead", "head_top"),
    ("head skull", "head"),
    ("nose", "nose"),
))  # fmt: skip
_FINGERS = frozenset("finger fingers fingerbase index middle ring pinky pinkie little thumb".split())
_CHEST = frozenset("chest upperchest thorax ribcage spineshoulder".split())
_TRUNK = _CHEST | frozenset(
    "spine spinemid spineupper upperspine midspine lowerspine lowerback upperback back abdomen belly stomach waist "
    "torso lumbar".split()
)
_WORDS = _FINGERS | _TRUNK | {word for rows in (_SIDED, _CENTRE) for words, _ in rows for word in words}
# Words behind a joint's name that make it the end of that joint's bone.
_END_WORDS = frozenset("end nub tip site effector".split())

_PARTS = {
    "neck": "head", "head": "head", "head_top": "head", "nose": "head", "eye": "head", "ear": "head",
    "elbow": "upper_arm", "wrist": "forearm", "hand": "hand", "hand_tip": "hand", "thumb": "hand",
    "knee": "thigh", "ankle": "shin", "foot": "foot", "toe": "foot", "small_toe": "foot", "heel": "foot",
    "pelvis": "torso", "spine": "torso", "spine_upper": "torso", "chest": "torso",
    "collar": "torso", "shoulder": "torso", "hip": "torso",
}  # fmt: skip
# The joint that ends the bone which begins at a joint, for ends that are named after the bone.
_NEXT = {
    "neck": "head", "head": "head_top", "shoulder": "elbow", "elbow": "wrist", "wrist": "hand_tip", "hand": "hand_tip",
    "hip": "knee", "knee": "ankle", "ankle": "foot", "foot": "toe",
}  # fmt: skip
_CENTRE_JOINTS = frozenset("pelvis spine spine_upper chest neck head head_top nose".split())
SHARED_NAMES = _CENTRE_JOINTS | {f"{side}_{joint}" for joint in _PARTS if joint not in _CENTRE_JOINTS
                                 for side in ("left", "right")}  # fmt: skip


def split_name(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The side, or None, and the other words of a joint's name in lower case: LeftUpLeg is left, (up, leg)."""
    name = re.split(r"[:|]", name[-4 * LONGEST_NAME :])[-1]
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
    sides = {"left": "left", "l": "left", "right": "right", "r": "right"}
    for index, word in enumerate(words):
        if word in sides:
            return sides[word], tuple(words[:index] + words[index + 1 :])
    for index, word in enumerate(words):
        for beginning in ("left", "right", "l", "r"):
            rest = word.removeprefix(beginning)
            if rest != word and word not in _WORDS and (rest in _WORDS or len(beginning) > 1):
                return sides[beginning], (*words[:index], rest, *words[index + 1 :])
    return None, tuple(words)


def _meaning(words: tuple[str, ...]) -> tuple[str | None, bool]:
    """The word of the tables that a name ends in, or None, and whether the name is that of the bone's end."""
    for kept, is_end in ((words, False), (words[:-1], True)):
        if is_end and (not words or words[-1] not in _END_WORDS):
            break
        for start in range(len(kept)):
            whole = "".join(kept[start:])
            for candidate in (whole, whole.rstrip("0123456789")):
                if candidate in _WORDS:
                    return candidate, is_end
    return None, bool(words) and words[-1] in _END_WORDS


class _Names:
    """The joints of one tree on their way to shared names."""

    def __init__(self, names: Sequence[str], parents: Sequence[int], ends: frozenset[int]):
        self.parents = parents
        self.ends = ends
        split = [split_name(name) for name in names]
        self.sides = [side for side, _ in split]
        self.words = [words for _, words in split]
        meanings = [_meaning(words) for words in self.words]
        self.meaning = [meaning for meaning, _ in meanings]
        self.is_end = [index in ends or is_end for index, (_, is_end) in enumerate(meanings)]
        self.children: list[list[int]] = [[] for _ in names]
        for index, parent in enumerate(parents):
            if parent != ROOT:
                self.children[parent].append(index)
        # The joint that each stands for, without its side.
        self.joints: list[str | None] = [None] * len(names)
        self._claimed: dict[tuple[str | None, str], int] = {}

    def resolve(self) -> None:
        for sided, rows in ((True, _SIDED), (False, _CENTRE)):
            for words, joints in rows:
                for index, meaning in enumerate(self.meaning):
                    if meaning in words and not self.is_end[index] and (self.sides[index] is not None) == sided:
                        self._claim(index, *joints)
        self._resolve_trunk()
        self._resolve_fingers()
        for index, parent in enumerate(self.parents):
            before = self.joints[parent] if parent != ROOT else None
            if self.is_end[index] and self.joints[index] is None and before in _NEXT:
                self.sides[index] = self.sides[parent]
                self._claim(index, _NEXT[before])

    def _claim(self, index: int, *joints: str) -> None:
        """Give a joint the first of these that is still free on its side."""
        for joint in joints:
            if self.joints[index] is None and (self.sides[index], joint) not in self._claimed:
                self.joints[index] = joint
                self._claimed[self.sides[index], joint] = index

    def _resolve_trunk(self) -> None:
        """Whatever they are called, the trunk's joints are, from below, spine, spine_upper and chest."""
        above = ("neck", "head", "collar", "shoulder")
        top = next((index for index, joint in enumerate(self.joints) if joint in above), None)
        if top is None:
            top = max((i for i, meaning in enumerate(self.meaning) if meaning in _TRUNK), default=None)
        chain = []
        while top is not None and top != ROOT:
            if self.meaning[top] in _TRUNK and self.sides[top] is None and not self.is_end[top]:
                chain.insert(0, top)
            top = self.parents[top]
        if len(chain) == 1:
            own = "_".join(self.words[chain[0]])
            usual = "chest" if self.meaning[chain[0]] in _CHEST else "spine"
            self._claim(chain[0], own if own in _CENTRE_JOINTS else usual)
        elif chain:
            self._claim(chain[-1], "chest")
            self._claim(chain[0], "spine")
            if len(chain) > 2:
                self._claim(chain[-2], "spine_upper")

    def _resolve_fingers(self) -> None:
        """A hand's only finger, or its middle one, goes from ``hand`` to ``hand_tip``; the thumb's tip is ``thumb``."""
        for side in ("left", "right"):
            own = [i for i, m in enumerate(self.meaning) if m in _FINGERS and self.sides[i] == side]
            first = [i for i in own if self.parents[i] not in own]
            thumbs = [i for i in first if self.meaning[i] == "thumb"]
            fingers = [i for i in first if self.meaning[i] != "thumb"]
            if len(fingers) > 1:
                fingers = [i for i in fingers if self.meaning[i] == "middle"]
            palm = self._claimed.get((side, "hand"))
            if len(fingers) == 1 and palm in (None, self.parents[fingers[0]]):
                chain = self._chain(fingers[0])
                if not self.is_end[chain[0]]:
                    self._claim(chain[0], "hand")
                self._claim(chain[-1], "hand_tip")
            if len(thumbs) == 1:
                self._claim(self._chain(thumbs[0])[-1], "thumb")

    def _chain(self, index: int) -> list[int]:
        chain = [index]
        while self.children[chain[-1]]:
            chain.append(self.children[chain[-1]][0])
        return chain

    def useless_ends(self) -> set[int]:
        """End sites that stand for no joint: all but those that end head, hand, foot or a finger."""
        return {index for index in self.ends if self.joints[index] is None and self.meaning[index] not in _FINGERS}

    def parts_and_sides(self) -> list[tuple[str, str]]:
        """Of the joints that no shared name fits, from the nearest others below, or else above."""
        below: list[set[tuple[str, str]]] = [set() for _ in self.parents]
        found = [
            None if joint is None else (_PARTS[joint], side or "centre")
            for joint, side in zip(self.joints, self.sides, strict=True)
        ]
        for index in reversed(range(len(found))):
            parent = self.parents[index]
            if parent != ROOT:
                below[parent] |= below[index] if found[index] is None else {found[index]}
        beyond: list[tuple[str, str]] = []
        for index, known in enumerate(found):
            parent = self.parents[index]
            part, side = beyond[parent] if parent != ROOT else ("torso", "centre")
            if known is None and len(below[index]) == 1:
                part, side = next(iter(below[index]))
            if known is None:
                side = self.sides[index] or ("centre" if part in ("torso", "head") else side)
                found[index] = ("torso" if side == "centre" and part != "head" else part, side)
                beyond.append((part, side))
            else:
                joint = self.joints[index]
                beyond.append((_PARTS[_NEXT.get(joint, joint)], known[1]))
        return found


def _unique_names(tree: _Names, sides: list[str]) -> tuple[str, ...]:
    """Shared names, and of the others their own, made of lower-case letters, digits and ``_``."""
    shared = [
        None if joint is None else joint if side is None else f"{side}_{joint}"
        for joint, side in zip(tree.joints, tree.sides, strict=True)
    ]
    taken, names = set(SHARED_NAMES), []
    for index, name in enumerate(shared):
        if name is None:
            words = (*([sides[index]] if sides[index] != "centre" else []), *tree.words[index])
            if index in tree.ends:
                words += ("end",)
            own = "_".join(words)[:LONGEST_NAME] or "joint"
            name, number = own, 1
            while name in taken:
                number += 1
                name = f"{own}_{number}"
            taken.add(name)
        names.append(name)
    return tuple(names)


def topology_from_names(
    names: Sequence[str], parents: Sequence[int], ends: Sequence[int] = ()
) -> tuple[Topology, tuple[int, ...]]:
    """The topology that a file's joint tree makes.

    A root without a meaning of its own above the pelvis is left out, and so are end sites that end neither head, hand
    nor foot. A tree that is one of the registered topologies by names and parents is that topology; any other is named
    by the number of its joints and a digest of the tree, so that it has the same name everywhere.

    Args:
        names: of the file, each parent before its children.
        parents: indices into ``names``, -1 for the root.
        ends: which of them are end sites; these have the names of the joints whose bones they end.

    Returns:
        the topology, and for each of its joints the index into ``names``.
    """
    return _topology(tuple(names), tuple(parents), tuple(ends))


@lru_cache(maxsize=64)
def _topology(
    names: tuple[str, ...], parents: tuple[int, ...], ends: tuple[int, ...]
) -> tuple[Topology, tuple[int, ...]]:
    kept = list(range(_first_joint(names, parents), len(names)))
    tree = _subtree(names, parents, ends, kept)
    tree.resolve()
    useless = tree.useless_ends()
    if useless:
        kept = [index for place, index in enumerate(kept) if place not in useless]
        tree = _subtree(names, parents, ends, kept)
        tree.resolve()
    parts_and_sides = tree.parts_and_sides()
    parts, sides = [part for part, _ in parts_and_sides], [side for _, side in parts_and_sides]
    joints = _unique_names(tree, sides)
    above = [joints[parent] if parent != ROOT else None for parent in tree.parents]
    for topology in TOPOLOGIES.values():
        if set(topology.joints) == set(joints):
            order = [joints.index(joint) for joint in topology.joints]
            if [above[i] for i in order] == [topology.joints[p] if p != ROOT else None for p in topology.parents]:
                return topology, tuple(kept[i] for i in order)
    bones = tuple((parent, joint) for joint, parent in enumerate(tree.parents) if parent != ROOT)
    digest = hashlib.sha256(repr((joints, tree.parents, parts, sides)).encode()).hexdigest()[:8]
    name = f"rig_{len(joints)}_{digest}"
    return Topology(name, joints, tuple(tree.parents), bones, tuple(parts), tuple(sides)), tuple(kept)


def _first_joint(names: tuple[str, ...], parents: tuple[int, ...]) -> int:
    """The index of the pelvis if all before it are lone ancestors that are none; else zero."""
    pelvis = ("hips", "pelvis", "hip", "spinebase", "root")
    first = 0
    while parents.count(first) == 1 and first + 1 < len(names) and parents[first + 1] == first:
        own, child = (_meaning(split_name(names[index])[1])[0] for index in (first, first + 1))
        if child not in pelvis or own in pelvis[:-1]:
            break
        first += 1
    return first


def _subtree(names: tuple[str, ...], parents: tuple[int, ...], ends: tuple[int, ...], kept: list[int]) -> _Names:
    place = {index: new for new, index in enumerate(kept)}
    return _Names(
        [names[index] for index in kept],
        [place.get(parents[index], ROOT) for index in kept],
        frozenset(place[index] for index in ends if index in place),
    )
