"""Acclaim skeletons (.asf): bones by direction and length, and the axes about which they turn."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, read_bytes, short
from skeletonllm.skeleton.formats.mocap import MAX_NODES, turns

MAX_BYTES = 2**20
ROTATIONS = ("rx", "ry", "rz")
TRANSLATIONS = ("tx", "ty", "tz")
ROOT_NAME = "root"


@dataclass(frozen=True)
class AcclaimSkeleton:
    """N bones, the root first and each followed by all that hang on it.

    Args:
        names: of the bones; the first is ``root``.
        parents: -1 for the root.
        ends: (N, 3) from where a bone begins to where it ends in the rest pose, in the file's unit; of the root its
            position.
        frames: (N, 3, 3) the axes about which each bone turns, as columns.
        orders: of each bone the axes 0, 1, 2 in the order of the matrix product.
        freedoms: of each bone what its numbers are, entries of ``ROTATIONS`` and, at the root, ``TRANSLATIONS``.
        orientation: (3, 3) of the root at rest.
        length: the length unit that the file states, in parts of an inch, or None.
        in_degrees: whether angles are in degrees.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    ends: np.ndarray
    frames: np.ndarray
    orders: tuple[tuple[int, ...], ...]
    freedoms: tuple[tuple[str, ...], ...]
    orientation: np.ndarray
    length: float | None
    in_degrees: bool


@dataclass
class _Bone:
    direction: tuple[float, ...] | None = None
    length: float | None = None
    axis: tuple[float, ...] = (0.0, 0.0, 0.0)
    order: str = "xyz"
    freedoms: tuple[str, ...] = ()


class _Parser:
    """The lines of an .asf file, section by section."""

    def __init__(self, path: Path):
        self.path = path
        # Latin-1 takes any byte: comments and paths have umlauts, and names are compared only.
        self.lines = read_bytes(path, MAX_BYTES).decode("latin-1").splitlines()
        self.number = 0
        self.bones: dict[str, _Bone] = {}
        self.root = _Bone(freedoms=(*TRANSLATIONS, *ROTATIONS))
        self.position, self.orientation = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        self.children: dict[str, list[str]] = {}
        self.length: float | None = None
        self.in_degrees = True

    def error(self, found: str, expected: str) -> SkeletonFormatError:
        return SkeletonFormatError(self.path, f"line {self.number}", found, expected)

    def parse(self) -> None:
        sections = {"units": self._units, "root": self._root, "bonedata": self._bone, "hierarchy": self._hierarchy}
        section, seen = "", set()
        for words in self._words():
            if words[0].startswith(":"):
                section = words[0][1:].lower()
                seen.add(section)
            elif section in sections:
                sections[section](words)
        for wanted in ("bonedata", "hierarchy"):
            if wanted not in seen:
                raise self.error("the end of the file", f"a section :{wanted}")

    def _words(self) -> Iterator[list[str]]:
        for number, line in enumerate(self.lines, start=1):
            self.number = number
            words = line.split("#", 1)[0].split()
            if words:
                yield words

    def _numbers(self, words: list[str], count: int) -> tuple[float, ...]:
        try:
            numbers = tuple(float(word) for word in words[1 : 1 + count])
        except ValueError:
            numbers = ()
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise self.error(short(" ".join(words)), f"{words[0]} and {count} numbers")
        return numbers

    def _order(self, word: str) -> str:
        if sorted(word.lower()) != ["x", "y", "z"]:
            raise self.error(short(word), "an order of axes such as XYZ")
        return word.lower()

    def _freedoms(self, words: list[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
        freedoms = tuple(word.lower() for word in words[1:])
        if not set(freedoms) <= set(allowed) or len(set(freedoms)) != len(freedoms):
            raise self.error(short(" ".join(words)), f"some of {', '.join(allowed)}, each once")
        return freedoms

    def _units(self, words: list[str]) -> None:
        if words[0].lower() == "length":
            self.length = self._numbers(words, 1)[0]
        elif words[0].lower() == "angle" and len(words) > 1:
            self.in_degrees = not words[1].lower().startswith("rad")

    def _root(self, words: list[str]) -> None:
        key = words[0].lower()
        if key == "order":
            self.root.freedoms = self._freedoms(words, (*TRANSLATIONS, *ROTATIONS))
        elif key == "axis" and len(words) > 1:
            self.root.order = self._order(words[1])
        elif key == "position":
            self.position = self._numbers(words, 3)
        elif key == "orientation":
            self.orientation = self._numbers(words, 3)

    def _bone(self, words: list[str]) -> None:
        key = words[0].lower()
        if key == "name":
            name = words[1] if len(words) > 1 else ""
            if not name or name in self.bones or name == ROOT_NAME:
                raise self.error(short(" ".join(words)), "a name that no other bone has")
            if len(self.bones) == MAX_NODES:
                raise self.error(f"more than {MAX_NODES} bones", f"at most {MAX_NODES}")
            self.bones[name] = _Bone()
        elif key in ("direction", "length", "axis", "dof"):
            if not self.bones:
                raise self.error(short(" ".join(words)), "the name of the bone before it")
            bone = next(reversed(self.bones.values()))
            if key == "direction":
                bone.direction = self._numbers(words, 3)
            elif key == "length":
                bone.length = self._numbers(words, 1)[0]
            elif key == "axis":
                bone.axis = self._numbers(words, 3)
                bone.order = self._order(words[4] if len(words) > 4 else "xyz")
            else:
                bone.freedoms = self._freedoms(words, ROTATIONS)

    def _hierarchy(self, words: list[str]) -> None:
        if words[0].lower() in ("begin", "end"):
            return
        for name in words:
            if name not in self.bones and name != ROOT_NAME:
                raise self.error(short(name), "a bone of :bonedata")
        self.children.setdefault(words[0], []).extend(words[1:])


def read_acclaim_skeleton(path: Path) -> AcclaimSkeleton:
    """Read an .asf file. Raises SkeletonFormatError that names the line."""
    parser = _Parser(path)
    parser.parse()
    names, parents = [], []
    stack = [(ROOT_NAME, -1)]
    while stack:
        name, parent = stack.pop()
        if name in names:
            raise SkeletonFormatError(path, ":hierarchy", f"{short(name)} twice", "a tree of bones")
        names.append(name)
        parents.append(parent)
        stack += [(child, len(names) - 1) for child in reversed(parser.children.get(name, ()))]
    if len(names) < 2:
        raise SkeletonFormatError(path, ":hierarchy", "no bone below root", "a tree of bones")
    bones = [parser.root, *(parser.bones[name] for name in names[1:])]
    for name, bone in zip(names[1:], bones[1:], strict=True):
        if bone.direction is None or bone.length is None:
            raise SkeletonFormatError(path, f"bone {short(name)}", "no direction or no length", "both")
    unit = math.pi / 180 if parser.in_degrees else 1.0
    orders = tuple(tuple("xyz".index(axis) for axis in reversed(bone.order)) for bone in bones)
    frames = [_turned(bone.axis, order, unit) for bone, order in zip(bones, orders, strict=True)]
    with np.errstate(over="ignore"):  # what is no place is masked later
        ends = [np.array(parser.position), *(bone.length * np.array(bone.direction) for bone in bones[1:])]
    return AcclaimSkeleton(
        names=tuple(names),
        parents=tuple(parents),
        ends=np.array(ends),
        frames=np.array(frames),
        orders=orders,
        freedoms=tuple(bone.freedoms for bone in bones),
        orientation=_turned(parser.orientation, orders[0], unit),
        length=parser.length,
        in_degrees=parser.in_degrees,
    )


def _turned(angles: tuple[float, ...], order: tuple[int, ...], unit: float) -> np.ndarray:
    """(3, 3) of turns about x, y and z by angles of which one is ``unit`` radians, in the order of the product."""
    return turns(unit * np.array([angles[axis] for axis in order]), order)
