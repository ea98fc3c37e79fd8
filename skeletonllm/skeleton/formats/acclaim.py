"""Acclaim motion (.amc) with the skeleton (.asf) beside it: the original form of the CMU and HDM05 recordings."""

import os
import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.acclaim_skeleton import (
    ROTATIONS,
    TRANSLATIONS,
    AcclaimSkeleton,
    read_acclaim_skeleton,
)
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, is_number, read_bytes, short
from skeletonllm.skeleton.formats.mocap import blocks_of_words, check_length, place_recording, pose, rest_pose, turns
from skeletonllm.skeleton.joint_names import topology_from_names
from skeletonllm.skeleton.placement import body_size
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

FPS = 120.0
INCH = 0.0254
# A body that the stated unit makes smaller or larger than an average one by more than this is in another unit.
CREDIBLE = 2.0

# The joint at which each bone of the usual skeleton ends. The forearm is two bones, of which ``wrist`` is the lower.
_ENDS = {
    "root": "pelvis", "lowerback": "spine", "upperback": "spine_upper", "thorax": "chest",
    "lowerneck": "neck", "upperneck": "head", "head": "head_top",
} | {
    f"{side[0]}{bone}": f"{side}_{joint}"
    for side in ("left", "right")
    for bone, joint in {
        "hipjoint": "hip", "femur": "knee", "tibia": "ankle", "foot": "foot", "toes": "toe",
        "clavicle": "shoulder", "humerus": "elbow", "radius": "radius", "wrist": "wrist",
        "hand": "hand", "fingers": "hand_tip", "thumb": "thumb",
    }.items()
}  # fmt: skip

# What stands before the first frame ends within this.
HEADER_BYTES = 2**16

# Comments, and the first keyword. The repetition never gives back what it took: that could be any number of lines.
_START = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*+[ \t]*:(?:FULLY-SPECIFIED|DEGREES|RADIANS)\b", re.IGNORECASE)
_HDM05 = re.compile(r"HDM_[a-z]+_(?P<label>.+)_\d+_(?P<fps>\d{2,3})", re.IGNORECASE)


def read(path: Path) -> SkeletonSequence:
    """Read one recording with the skeleton that belongs to it."""
    data = read_bytes(path)
    if not _START.match(data, 0, HEADER_BYTES):
        raise SkeletonFormatError(path, "line 1", short(data[:40].strip()), ":FULLY-SPECIFIED, :DEGREES or :RADIANS")
    skeleton_path = find_skeleton(path)
    skeleton = read_acclaim_skeleton(skeleton_path)
    angle, start = _header(path, data, skeleton)
    layout, values = _values(path, data, start, skeleton)
    topology, order = topology_from_names([_ENDS.get(name.lower(), name) for name in skeleton.names], skeleton.parents)
    kept = list(order)
    joints = _positions(skeleton, layout, values, angle)[:, kept]
    rest = rest_pose(skeleton.ends, skeleton.parents)[kept]
    name = _HDM05.fullmatch(path.stem)
    fps = float(name["fps"]) if name else FPS
    unit, note = _unit(skeleton, joints, topology)
    moved = {index for index, _ in layout}
    still = [bone for index, bone in enumerate(skeleton.names) if skeleton.freedoms[index] and index not in moved]
    if still:
        note += (f"bones without numbers left at rest ({len(still)}): {short(', '.join(still))[1:-1]}",)
    return place_recording(
        path,
        joints,
        rest,
        topology,
        fps,
        unit=unit,
        label=name["label"] if name else None,
        notes=(
            f"skeleton {skeleton_path.name}; joints are the ends of its bones",
            f"{fps:g} frames per second " + ("from the file's name" if name else "assumed; the file does not say"),
            *note,
        ),
    )


def find_skeleton(path: Path) -> Path:
    """The .asf file beside a recording: the only one, or the one whose name begins most alike.

    Raises:
        SkeletonFormatError: none, or several that are as much alike.
    """
    found = sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".asf" and file.is_file())
    alike = [len(os.path.commonprefix([file.stem.lower(), path.stem.lower()])) for file in found]
    best = [file for file, length in zip(found, alike, strict=True) if length == max(alike)]
    if len(best) != 1:
        names = ", ".join(file.name for file in best[:4]) or "none"
        expected = "the .asf file of this recording's skeleton, alone or with a name that begins like the recording's"
        raise SkeletonFormatError(path, "folder", names, expected)
    return best[0]


def _header(path: Path, data: bytes, skeleton: AcclaimSkeleton) -> tuple[float, int]:
    """Radians per unit of the angles, and where the first frame begins."""
    in_degrees, position = skeleton.in_degrees, 0
    for line in data[:HEADER_BYTES].splitlines(keepends=True):
        words = line.split()
        if words and not words[0].startswith((b"#", b":")):
            return (np.pi / 180 if in_degrees else 1.0), position
        if words and words[0].upper() in (b":DEGREES", b":RADIANS"):
            in_degrees = words[0].upper() == b":DEGREES"
        position += len(line)
    found = f"no frame in the first {min(len(data), HEADER_BYTES):,} bytes"
    raise SkeletonFormatError(path, "header", found, "the number of the first frame")


def _layout(path: Path, words: list[bytes], skeleton: AcclaimSkeleton) -> list[tuple[int, bytes]]:
    """The bones of the first frame: (index, name), in their order."""
    indices = {name.encode("latin-1"): index for index, name in enumerate(skeleton.names)}
    layout: list[tuple[int, bytes]] = []
    place = 1
    while place < len(words) and not is_number(words[place]):
        index = indices.get(words[place])
        if index is None or (index, words[place]) in layout:
            found = short(words[place].decode("latin-1"))
            raise SkeletonFormatError(path, "frame 1", found, "a bone of the skeleton, each once")
        layout.append((index, words[place]))
        place += 1 + len(skeleton.freedoms[index])
    if not layout or not is_number(words[0]):
        found = short(b" ".join(words[:3]).decode("latin-1")) if words else "the end of the file"
        raise SkeletonFormatError(path, "frame 1", found, "the number of the first frame, and bones with their numbers")
    return layout


def _values(
    path: Path, data: bytes, start: int, skeleton: AcclaimSkeleton
) -> tuple[list[tuple[int, bytes]], np.ndarray]:
    """The bones in the order of the file, and their numbers (F, C)."""
    layout: list[tuple[int, bytes]] = []
    frames: list[np.ndarray] = []
    count, width, rest = 0, 0, []
    for words in blocks_of_words(data, start):
        words = rest + words
        if not layout:
            layout = _layout(path, words, skeleton)
            widths = [1 + len(skeleton.freedoms[index]) for index, _ in layout]
            width = 1 + sum(widths)
            names = {1 + sum(widths[:place]): name for place, (_, name) in enumerate(layout)}
        whole = len(words) // width * width
        block = np.empty((len(words) // width, width - 1 - len(names)))
        filled, bad = 0, []
        for column in range(1, width):
            entries = words[column:whole:width]
            if column in names:
                expected = f"bone {short(names[column].decode('latin-1'))}, as in the first frame"
                bad += [(row, column, expected) for row, word in enumerate(entries) if word != names[column]][:1]
                continue
            try:
                block[:, filled] = np.fromiter(map(float, entries), float, len(entries))
            except ValueError:
                row = next(row for row, word in enumerate(entries) if not is_number(word))
                bad.append((row, column, "a number for each freedom of the bone"))
            filled += 1
        if bad:
            row, column, expected = min(bad)
            found = short(words[row * width + column].decode("latin-1"))
            raise SkeletonFormatError(path, f"frame {count + row + 1}", found, expected)
        frames.append(block)
        count += len(block)
        check_length(path, "file", count, len(skeleton.names))
        rest = words[whole:]
    if rest or not count:
        expected = f"{width} words per frame" if width else "frames"
        raise SkeletonFormatError(path, f"frame {count + 1}", f"the end of the file after {len(rest)} words", expected)
    return layout, np.concatenate(frames)


def _positions(
    skeleton: AcclaimSkeleton, layout: list[tuple[int, bytes]], values: np.ndarray, angle: float
) -> np.ndarray:
    """(F, N, 3) where the bones end. A bone turns in a frame of its own: C R C^-1, where C stands in the skeleton."""
    count = len(skeleton.names)
    columns: dict[int, list[int]] = {}
    for index, _ in layout:
        start = sum(map(len, columns.values()))
        columns[index] = list(range(start, start + len(skeleton.freedoms[index])))

    def frames(block: slice) -> tuple[np.ndarray, np.ndarray]:
        numbers = values[block]
        angles = np.zeros((len(numbers), count, 3))
        offsets = np.broadcast_to(skeleton.ends, (len(numbers), count, 3)).copy()
        for index, places in columns.items():
            for freedom, column in zip(skeleton.freedoms[index], places, strict=True):
                if freedom in ROTATIONS:
                    angles[:, index, ROTATIONS.index(freedom)] = angle * numbers[:, column]
                else:
                    offsets[:, index, TRANSLATIONS.index(freedom)] += numbers[:, column]
        rotations = np.empty((len(numbers), count, 3, 3))
        for order in set(skeleton.orders):
            nodes = [node for node in range(count) if skeleton.orders[node] == order]
            rotations[:, nodes] = turns(angles[:, nodes][..., list(order)], order)
        rotations = skeleton.frames @ rotations @ skeleton.frames.swapaxes(-1, -2)
        rotations[:, 0] = rotations[:, 0] @ skeleton.orientation
        # A bone's own turn moves its end, and what hangs on it.
        offsets[:, 1:] = (rotations[:, 1:] @ offsets[:, 1:, :, None])[..., 0]
        return rotations, offsets

    return pose(len(values), skeleton.parents, frames)


def _unit(skeleton: AcclaimSkeleton, joints: np.ndarray, topology: Topology) -> tuple[float | None, tuple[str, ...]]:
    """Metres per unit if what the file states is credible, and a note; None: to be detected.

    A length of 0.45 stands for units of 1 / 0.45 inches (mocap.cs.cmu.edu, "CMU graphics lab motion capture database:
    what are the units").
    """
    if skeleton.length is None or not 1e-6 < skeleton.length < 1e6:
        return None, ()
    unit = INCH / skeleton.length
    size = body_size(joints[:, None], np.isfinite(joints[:, None]).all(-1), topology)
    if size is None or not 1 / CREDIBLE < size * unit < CREDIBLE:
        return None, (f"length unit {skeleton.length:g} of the skeleton is not credible",)
    return unit, (f"unit: {100 * unit:.4g} cm, as the skeleton states (length {skeleton.length:g})",)


def sniff(head: bytes, path: Path) -> bool:
    return _START.match(head) is not None


FORMAT = Format(
    "acclaim",
    "Acclaim motion (.amc) with its skeleton (.asf) beside it",
    (".amc",),
    sniff,
    read,
    companions=("*.asf",),
)
