"""Paths into JSON that say which lists and objects are which axis: ``frames[T].people[P].keypoints[J C]``.

``.key`` is a member of an object; ``[T]`` a list along an axis, ``[J C]`` a flat list of two; ``{J}`` an object whose
keys are what the layout calls the joints, ``{C}`` one whose keys are the values.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.custom.arrays import MAX_TEXT_JOINTS, check_joints
from skeletonllm.skeleton.formats.custom.axes import AXES, AXIS_NAMES, Group, describe_group, split_size
from skeletonllm.skeleton.formats.custom.layout import Picks
from skeletonllm.skeleton.formats.custom.yaml_document import nearest
from skeletonllm.skeleton.formats.json_text import numbers

_STEP = re.compile(r"\[\s*([TPJC](?:\s*[TPJC])*)\s*\]|\{\s*([JC])\s*\}|\.?([^.\[\]{}\s]+)")


@dataclass(frozen=True)
class Step:
    """A member of an object (``key``), a list along axes (``axes``), or an object along one (``axes``, ``by_name``)."""

    key: str | None = None
    axes: Group = ()
    by_name: bool = False


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path.

    Raises:
        ValueError: says what is wrong with it.
    """
    steps, position = [], 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"{text[position:]!r} in {text!r}")
        listed, named, key = found.groups()
        axes = tuple("".join((listed or named or "").split()))
        steps.append(Step(key, axes, named is not None))
        position = found.end()
    letters = [letter for step in steps for letter in step.axes]
    for letter in letters:
        if letters.count(letter) > 1:
            raise ValueError(f"the axis {letter!r} twice in {text!r}")
    return tuple(steps)


def axes_of(steps: Sequence[Step]) -> str:
    """The letters of all axes of a path."""
    return "".join(axis for step in steps for axis in step.axes)


def follow(path: Path, content: object, text: str) -> object:
    """What a path without axes leads to, None where some key on the way is null. Raises SkeletonFormatError."""
    for step in parse_path(text):
        if content is None:
            return None
        content = _member(path, text, content, step.key)
    return content


class Gathering:
    """The numbers that a path leads to.

    Args:
        path: the file, for messages.
        text: the path.
        picks: what the file calls the joints (J) and the values (C) that are taken.
        sizes: of the axes whose sizes are known.
    """

    def __init__(self, path: Path, text: str, picks: Mapping[str, Picks], sizes: Mapping[str, int]):
        self.path, self.text, self.picks, self.sizes = path, text, picks, sizes
        self.steps = parse_path(text)
        self.axes = axes_of(self.steps)
        self.lengths = {axis: len(picks[axis]) if axis in picks else 0 for axis in self.axes}
        named = [axis for step in self.steps if step.by_name for axis in step.axes]
        self.missed = {axis: set(picks[axis].values()) for axis in named}
        # Blocks along the axes of the last step, which files hold by the million: where each begins along the other
        # axes, how long it is, and its numbers.
        self.last = self.steps[-1].axes
        self.outer = [axis for axis in self.axes if axis not in self.last]
        self.starts, self.counts, self.values = array("q"), array("q"), array("d")

    def gather(self, content: object) -> np.ndarray:
        """The numbers, with the axes of the path in the order of ``AXES``; NaN where there is none.

        Raises:
            SkeletonFormatError: the file is not as the path says.
        """
        self._walk(content, 0, (), self.steps[0].key or "top level")
        for axis, missed in self.missed.items():
            for name, called in self.picks[axis].items() if self.counts else ():
                if called in missed:
                    expected = f"it for {name}, as the layout says"
                    raise SkeletonFormatError(self.path, self.text, f"no key {called!r} anywhere", expected)
        self._check_joints()
        found = np.full([self.lengths[axis] for axis in (*self.outer, *self.last)], np.nan)
        starts = np.array(self.starts, np.int64).reshape(len(self.counts), len(self.outer))
        if all(axis in self.picks for axis in self.last):
            shape = (len(starts), *found.shape[len(self.outer) :])
            found[tuple(starts.T)] = np.array(self.values).reshape(shape)
        else:
            ends = np.cumsum(self.counts)
            for start, end, count in zip(starts.tolist(), ends.tolist(), self.counts, strict=True):
                sizes = split_size(count, self.last, {axis: len(picks) for axis, picks in self.picks.items()})
                place = (*start, *map(slice, sizes))
                found[place] = np.array(self.values[end - count : end]).reshape(sizes)
        axes = [*self.outer, *self.last]
        return found.transpose([axes.index(axis) for axis in AXES if axis in axes])

    def _check_joints(self) -> None:
        count = prod(max(self.lengths[axis], 1) for axis in self.axes if axis != "C")
        check_joints(self.path, self.text, count, MAX_TEXT_JOINTS)

    def _walk(self, node: object, number: int, index: tuple[int, ...], place: str) -> None:
        """Follow the path from its step ``number`` on; ``index`` is along the axes so far."""
        if node is None:
            return
        if number == len(self.steps):
            self._keep(index, numbers(self.path, place, [node], "a number or null"))
            return
        step = self.steps[number]
        if step.key is not None:
            child = _member(self.path, place, node, step.key)
            self._walk(child, number + 1, index, f"{place}.{step.key}" if number else step.key)
        elif step.by_name:
            self._walk_object(node, number, index, place, step.axes[0])
        elif number == len(self.steps) - 1:
            self._take_list(node, index, place, step.axes)
        else:
            self._walk_list(node, number, index, place, step.axes[0])

    def _walk_object(self, node: object, number: int, index: tuple[int, ...], place: str, axis: str) -> None:
        if not isinstance(node, dict):
            raise SkeletonFormatError(self.path, place, short(node), f"an object with {AXIS_NAMES[axis]}")
        if self.missed[axis]:
            self.missed[axis] -= node.keys()
        if number == len(self.steps) - 1:
            found = [node.get(called) for called in self.picks[axis].values()]
            self._keep(index, numbers(self.path, place, found, "numbers"))
            return
        children = {(order, f".{called}"): node.get(called) for order, called in enumerate(self.picks[axis].values())}
        self._walk_children(children, number, index, place)

    def _walk_list(self, node: object, number: int, index: tuple[int, ...], place: str, axis: str) -> None:
        self._check_list(node, place, (axis,))
        if axis in self.picks:
            picks = self.picks[axis].values()
            children = {(order, f"[{position}]"): node[position] for order, position in enumerate(picks)}
            self._walk_children(children, number, index, place)
            return
        if len(node) > self.lengths[axis]:
            self.lengths[axis] = len(node)
            self._check_joints()  # before they are looked at one by one
        for position, child in enumerate(node):
            if child is not None:
                self._walk(child, number + 1, (*index, position), f"{place}[{position}]")

    def _walk_children(self, children: dict[tuple[int, str], object], number: int, index: tuple, place: str) -> None:
        """Follow the path from what is behind its step ``number``, given by place along its axis and spelling."""
        children = {key: child for key, child in children.items() if child is not None}
        if number + 2 == len(self.steps) and self._take_block(list(children.values())):
            self.starts.extend([start for order, _ in children for start in (*index, order)])
            return
        for (order, spelling), child in children.items():
            self._walk(child, number + 1, (*index, order), place + spelling)

    def _take_block(self, children: list) -> bool:
        """Keep the numbers of what is before the last step all at once, unless anything about them is unusual.

        One by one, those of a long recording would take seconds.
        """
        last = self.steps[-1]
        if not children or len(last.axes) != 1 or last.axes[0] not in self.picks:
            return False
        picks, size = list(self.picks[last.axes[0]].values()), self.sizes.get(last.axes[0])
        if last.by_name:
            if not all(type(child) is dict and child.keys() >= set(picks) for child in children):
                return False
            flat, width = [child[called] for child in children for called in picks], len(picks)
            self.missed[last.axes[0]].clear()
        else:
            if not all(type(child) is list and len(child) == size for child in children):
                return False
            flat, width = list(chain.from_iterable(children)), size
        try:
            block = numbers(self.path, self.text, flat, "numbers").reshape(len(children), width)
        except SkeletonFormatError:
            return False  # the walk through each of them says where it is
        self.values.frombytes((block if last.by_name else block[:, picks]).tobytes())
        self.counts.extend([len(picks)] * len(children))
        return True

    def _take_list(self, node: object, index: tuple[int, ...], place: str, axes: Group) -> None:
        sizes = self._check_list(node, place, axes)
        block = numbers(self.path, place, node, "numbers").reshape(sizes)
        for dimension, axis in enumerate(axes):
            if axis in self.picks:
                block = block.take(list(self.picks[axis].values()), dimension)
            else:
                self.lengths[axis] = max(self.lengths[axis], block.shape[dimension])
        self._keep(index, block)

    def _keep(self, index: tuple[int, ...], block: np.ndarray) -> None:
        self.starts.extend(index)
        self.counts.append(block.size)
        self.values.frombytes(block.tobytes())

    def _check_list(self, node: object, place: str, axes: Group) -> tuple[int, ...]:
        """The sizes of the axes of a list."""
        if not isinstance(node, list):
            raise SkeletonFormatError(self.path, place, short(node), f"a list of {describe_group(axes)}")
        try:
            sizes = split_size(len(node), axes, self.sizes)
        except ValueError as error:
            raise SkeletonFormatError(self.path, place, f"{len(node)} elements", str(error)) from error
        for axis, size in zip(axes, sizes, strict=True):
            last = max(self.picks[axis].values()) if axis in self.picks else -1
            if size <= last:
                found = f"{size} {AXIS_NAMES[axis]}"
                raise SkeletonFormatError(self.path, place, found, f"at least {last + 1}, as the layout says")
        return sizes


def _member(path: Path, place: str, node: object, key: str) -> object:
    if not isinstance(node, dict):
        raise SkeletonFormatError(path, place, short(node), f"an object with the key {key!r}")
    if key not in node:
        found = f"no key {key!r}{nearest(key, [name for name in node if isinstance(name, str)][:1000])}"
        raise SkeletonFormatError(path, place, found, f"an object with the key {key!r}")
    return node[key]
