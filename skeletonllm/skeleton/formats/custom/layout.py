"""What a layout says: the description of a file format, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from skeletonllm.skeleton.topology import Topology

COORDINATES = ("x", "y", "z")
VALUES = (*COORDINATES, "confidence")
# What a file calls a joint or a value: by name, or by its place along an axis, counted from 0.
Picks = Mapping[str, str | int]


@dataclass(frozen=True)
class Content:
    """What a file holds, still in its own unit and axes.

    Args:
        values: (T, P, J, C) float64, joints and values in the order in which the layout has them; NaN where
            there is none.
        fps: frames per second.
        confidence: (T, P, J) where it is not one of the values.
        label: what the person does.
        notes: what was assumed and dropped.
    """

    values: np.ndarray
    fps: float
    confidence: np.ndarray | None = None
    label: str | None = None
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """Where in a file of some kind the joints are."""

    suffixes: tuple[str, ...]

    def read(self, path: Path, layout: "Layout") -> Content:
        """Raises SkeletonFormatError if the file is not as the layout says."""


@dataclass(frozen=True)
class Layout:
    """A file format as a YAML file describes it; docs/formats.md explains each key.

    Args:
        path: the YAML file.
        name, description: of the format.
        topology: the skeleton of the sequences.
        values: which of ``VALUES`` a joint has, in their order.
        joints: the joints of the topology that the files have, in its order.
        source: where they are.
        unit: metres per unit; None: from the size of the body.
        up: the axis that points up, None: detected.
        mirrored: whether the axes are left-handed.
        place: ``turned``, ``kept``, ``camera`` or ``picture``.
        tracked: whether a person has the same place among the persons of every frame.
        missing: the number or word that stands for an unknown coordinate.
        fps: frames per second, or the key where the file says it.
        time: the column or key of the times of the frames.
        second: units of ``time`` in a second.
        label: the column or key of the label.
        confidence: the key of confidences that are apart from the coordinates.
        files: pattern of the names of such files, in which ``{label}`` stands for the label.
    """

    path: Path
    name: str
    description: str
    topology: Topology
    values: tuple[str, ...]
    joints: tuple[str, ...]
    source: Source = field(repr=False)
    unit: float | None
    up: str | None
    mirrored: bool
    place: str
    tracked: bool
    missing: float | str | None
    fps: float | str | None
    time: str | None
    second: float
    label: str | None
    confidence: str | None
    files: str | None

    @property
    def dimensions(self) -> int:
        return sum(value in COORDINATES for value in self.values)
