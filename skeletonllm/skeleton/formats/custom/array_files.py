"""Layouts of ``.npy`` and ``.npz``: the order of an array's axes, and the keys of an archive."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.archives import read_arrays
from skeletonllm.skeleton.formats.common import SkeletonFormatError, as_doubles
from skeletonllm.skeleton.formats.custom.arrays import arrange, check_joints, frame_rate, take
from skeletonllm.skeleton.formats.custom.axes import AXIS_NAMES, Group, parse_shape
from skeletonllm.skeleton.formats.custom.checked import Checked
from skeletonllm.skeleton.formats.custom.layout import VALUES, Content, Layout, Picks
from skeletonllm.skeleton.formats.json_text import one_line, positive
from skeletonllm.skeleton.formats.npy import read_array
from skeletonllm.skeleton.topology import Topology

KEYS = {"npy": ("shape",), "npz": ("array", "shape", "confidence", "label", "time", "time_unit")}
_NUMBERS = "fiu"
_EXPECTED = "the axes in their order, such as T J C or T P (J C): T frames, P persons, J joints, C values, 1 nothing"


@dataclass(frozen=True)
class ArrayFile:
    """Where the joints are in an array.

    Args:
        key: of the array in an archive; None: the file is the array.
        groups: its axes.
        joints, values: places along J and C of what is taken.
        sizes: of the axes whose sizes are known.
    """

    key: str | None
    groups: tuple[Group, ...]
    joints: Picks
    values: Picks
    sizes: Mapping[str, int]

    @property
    def suffixes(self) -> tuple[str, ...]:
        return (".npy",) if self.key is None else (".npz",)

    def read(self, path: Path, layout: Layout) -> Content:
        """Raises SkeletonFormatError if the file is not as the layout says."""
        if self.key is None:
            with path.open("rb") as file:
                array = read_array(file, path.stat().st_size, path, "array", _NUMBERS)
            return Content(self._arranged(path, "array", array, self.groups), layout.fps)
        kinds = {key: _NUMBERS for key in (layout.confidence, layout.time, layout.fps) if isinstance(key, str)}
        kinds |= {self.key: _NUMBERS} | ({layout.label: "U"} if layout.label else {})
        arrays = read_arrays(path, kinds, list(kinds), f"the keys {', '.join(kinds)}")
        values = self._arranged(path, f"key {self.key!r}", arrays[self.key], self.groups)
        fps, notes = _fps(path, layout, arrays, len(values))
        confidence = None
        if layout.confidence:
            groups = [tuple(letter for letter in group if letter != "C") for group in self.groups]
            place = f"key {layout.confidence!r}"
            confidence = self._arranged(path, place, arrays[layout.confidence], [group for group in groups if group])
            if confidence.shape != values.shape[:-1]:
                found, expected = f"shape {confidence.shape}", f"{values.shape[:-1]}, as {self.key} has"
                raise SkeletonFormatError(path, place, found, expected)
        label = one_line(str(_one(path, layout.label, arrays))) if layout.label else None
        return Content(values, fps, confidence, label, notes)

    def _arranged(self, path: Path, place: str, array: np.ndarray, groups: list[Group] | tuple[Group, ...]):
        """(T, P, J, C), or (T, P, J) of groups without C."""
        array = arrange(path, place, array, groups, self.sizes)
        if not any("P" in group for group in groups):
            array = array[:, None]
        check_joints(path, place, array[..., 0].size if array.ndim == 4 else array.size)
        array = take(path, place, array, 2, self.joints, "J")
        return as_doubles(take(path, place, array, 3, self.values, "C") if array.ndim == 4 else array)


def parse_npy(checked: Checked, topology: Topology) -> tuple[ArrayFile, tuple[str, ...], tuple[str, ...]]:
    """The array, the joints and the values of a layout of ``.npy``. Raises SkeletonFormatError."""
    return _parse(checked, topology, None)


def parse_npz(checked: Checked, topology: Topology) -> tuple[ArrayFile, tuple[str, ...], tuple[str, ...]]:
    """The array, the joints and the values of a layout of ``.npz``. Raises SkeletonFormatError."""
    return _parse(checked, topology, checked.text("array", "the key of the joints", required=True))


def _parse(checked: Checked, topology: Topology, key: str | None) -> tuple[ArrayFile, tuple[str, ...], tuple[str, ...]]:
    joints, joint_count = checked.picks("joints", topology.joints, False, topology.joints)
    values, value_count = checked.picks("values", VALUES, False, VALUES[:3])
    sizes = {letter: size for letter, size in (("J", joint_count), ("C", value_count)) if size is not None}
    try:
        groups = parse_shape(checked.text("shape", _EXPECTED, required=True))
    except ValueError as error:
        raise checked.wrong("shape", _EXPECTED, str(error)) from error
    letters = [letter for group in groups for letter in group]
    for letter in "TJC":
        if letter not in letters:
            raise checked.wrong("shape", _EXPECTED, f"no {letter} ({AXIS_NAMES[letter]})")
    for group in groups:
        unknown = [letter for letter in group if letter in AXIS_NAMES and letter not in sizes]
        if len(unknown) > 1:
            found = f"{' and '.join(unknown)} in one dimension, none of them of a known size"
            raise checked.wrong("shape", "at most one axis of unknown size in brackets", found)
    return ArrayFile(key, groups, joints, values, sizes), tuple(joints), tuple(values)


def _fps(path: Path, layout: Layout, arrays: Mapping[str, np.ndarray], frames: int) -> tuple[float, tuple[str, ...]]:
    if layout.time:
        times, place = as_doubles(arrays[layout.time]).reshape(-1), f"key {layout.time!r}"
        if len(times) != frames:
            raise SkeletonFormatError(path, place, f"{len(times)} times", f"{frames}, one for each frame")
        return frame_rate(path, place, times, layout.second)
    if not isinstance(layout.fps, str):
        return layout.fps, ()
    fps = positive(float(_one(path, layout.fps, arrays)))
    if fps is None:
        raise SkeletonFormatError(path, f"key {layout.fps!r}", str(arrays[layout.fps].item()), "frames per second")
    return fps, ()


def _one(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> object:
    if arrays[key].size != 1:
        raise SkeletonFormatError(path, f"key {key!r}", f"shape {arrays[key].shape}", "one value")
    return arrays[key].item()
