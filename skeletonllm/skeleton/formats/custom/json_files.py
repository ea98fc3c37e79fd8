"""Layouts of JSON: the paths to joints, confidences, times and facts."""

from dataclasses import dataclass
from pathlib import Path

from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.custom.arrays import check_joints, frame_rate
from skeletonllm.skeleton.formats.custom.axes import AXES, AXIS_NAMES
from skeletonllm.skeleton.formats.custom.checked import Checked
from skeletonllm.skeleton.formats.custom.json_path import Gathering, Step, axes_of, follow, parse_path
from skeletonllm.skeleton.formats.custom.layout import VALUES, Content, Layout, Picks
from skeletonllm.skeleton.formats.json_text import load_json, one_line, positive
from skeletonllm.skeleton.topology import Topology

KEYS = ("points", "confidence", "label", "time", "time_unit")
_POINTS = (
    "a path such as frames[T].people[P].keypoints[J C]: lists along T frames, P persons, J joints, C values; "
    "{J} and {C} are objects"
)


@dataclass(frozen=True)
class JsonFile:
    """Where the joints are in JSON.

    Args:
        points: the path to them.
        joints, values: what the file calls those that are taken.
        sizes: of the axes whose sizes are known.
    """

    points: str
    joints: Picks
    values: Picks
    sizes: dict[str, int]
    suffixes: tuple[str, ...] = (".json",)

    def read(self, path: Path, layout: Layout) -> Content:
        """Raises SkeletonFormatError if the file is not as the layout says."""
        content = load_json(path, "JSON as the layout says")
        values = self._gather(path, content, self.points)
        confidence = self._gather(path, content, layout.confidence) if layout.confidence else None
        if confidence is not None and confidence.shape != values.shape[:-1]:
            found, expected = f"shape {confidence.shape}", f"{values.shape[:-1]}, as {self.points} has"
            raise SkeletonFormatError(path, layout.confidence, found, expected)
        fps, notes = layout.fps, ()
        if layout.time:
            times = Gathering(path, layout.time, {}, {}).gather(content)
            if len(times) != len(values):
                raise SkeletonFormatError(
                    path, layout.time, f"{len(times)} times", f"{len(values)}, one for each frame"
                )
            fps, notes = frame_rate(path, layout.time, times, layout.second)
        elif isinstance(fps, str):
            stated = follow(path, content, fps)
            fps = positive(stated)
            if fps is None:
                raise SkeletonFormatError(path, layout.fps, short(stated), "frames per second")
        label = one_line(follow(path, content, layout.label)) if layout.label else None
        return Content(values, fps, confidence, label, notes)

    def _gather(self, path: Path, content: object, text: str):
        """(T, P, J, C), or (T, P, J) of a path without C."""
        axes = axes_of(parse_path(text))
        picks = {axis: picks for axis, picks in (("J", self.joints), ("C", self.values)) if axis in axes}
        array = Gathering(path, text, picks, self.sizes).gather(content)
        array = array if "P" in axes else array[:, None]
        check_joints(path, text, array.size // (array.shape[-1] if "C" in axes else 1))
        return array


def parse_json(checked: Checked, topology: Topology) -> tuple[JsonFile, tuple[str, ...], tuple[str, ...]]:
    """The paths, the joints and the values of a layout of JSON. Raises SkeletonFormatError."""
    points = checked.text("points", _POINTS, required=True)
    steps = _path(checked, "points", points, required="TJC", allowed=AXES)
    named = {axis for step in steps if step.by_name for axis in step.axes}
    joints, joint_count = checked.picks("joints", topology.joints, "J" in named, topology.joints)
    values, value_count = checked.picks("values", VALUES, "C" in named, VALUES[:3])
    sizes = {letter: size for letter, size in (("J", joint_count), ("C", value_count)) if size is not None}
    _check_sizes(checked, "points", steps, sizes)
    for key, axes in (("confidence", "TPJ"), ("time", "T"), ("fps", ""), ("label", "")):
        text = checked.get(key)
        if isinstance(text, str):
            own = _path(checked, key, text, required=axes.replace("P", ""), allowed=axes)
            if {axis for step in own if step.by_name for axis in step.axes} != named & set(axes_of(own)):
                raise checked.wrong(key, f"joints as in {points}")
            _check_sizes(checked, key, own, sizes)
    return JsonFile(points, joints, values, sizes), tuple(joints), tuple(values)


def _path(checked: Checked, key: str, text: str, required: str, allowed: str) -> tuple[Step, ...]:
    expected = _POINTS if key == "points" else f"a path of the axes {allowed}" if allowed else "keys with . between"
    try:
        steps = parse_path(text)
    except ValueError as error:
        raise checked.wrong(key, expected, str(error)) from error
    axes = axes_of(steps)
    for letter in AXES:
        if (letter in required and letter not in axes) or (letter in axes and letter not in allowed):
            found = f"{'the' if letter in axes else 'no'} axis {letter} ({AXIS_NAMES[letter]})"
            raise checked.wrong(key, expected, found)
    for step in steps[:-1]:
        if len(step.axes) > 1:
            raise checked.wrong(
                key, "a flat list of several axes only at the end", f"[{' '.join(step.axes)}] before it"
            )
    if not steps:
        raise checked.wrong(key, expected)
    return steps


def _check_sizes(checked: Checked, key: str, steps: tuple[Step, ...], sizes: dict[str, int]) -> None:
    for step in steps:
        unknown = [axis for axis in step.axes if axis not in sizes]
        if len(unknown) > 1:
            found = f"{' and '.join(unknown)} in one list, none of them of a known size"
            raise checked.wrong(key, "at most one axis of unknown size in brackets", found)
