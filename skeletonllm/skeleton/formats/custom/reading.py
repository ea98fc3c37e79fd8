"""From what a file holds, as its layout says, to a sequence: placed in the world, persons told apart, labelled."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.cleaning import track_bodies
from skeletonllm.skeleton.formats.common import MAX_METRES, SkeletonFormatError, build_sequence
from skeletonllm.skeleton.formats.custom.arrays import check_joints
from skeletonllm.skeleton.formats.custom.layout import COORDINATES, Content, Layout
from skeletonllm.skeleton.formats.detections import MAX_PERSONS_PER_FRAME, check_detections
from skeletonllm.skeleton.placement import detect_unit, place_image, place_motion
from skeletonllm.skeleton.sequence import SkeletonSequence

# What is farther from the origin, in units that are not known, is no place of a person.
MAX_UNITS = 1e6
_LABEL = "{label}"
# From axes as pictures have them, x to the right and y down, to the world's.
_FROM_PICTURE = np.array([-1.0, -1.0, 1.0])


def read_with(layout: Layout, path: Path) -> SkeletonSequence:
    """Read a file as a layout says.

    Raises:
        SkeletonFormatError: it is not as the layout says, or holds nobody.
    """
    content = layout.source.read(path, layout)
    if 0 in content.values.shape:
        raise SkeletonFormatError(path, "file", f"shape {content.values.shape}", "frames, persons, joints and values")
    joints, confidence = _of_topology(layout, content)
    known = np.isfinite(joints).all(-1)
    notes = [f"read as {layout.path.name} says", *content.notes]
    absent = layout.topology.num_joints - len(layout.joints)
    if absent:
        notes.append(f"{absent} of the {layout.topology.num_joints} joints of {layout.topology.name} are not in it")
    if isinstance(layout.missing, float):
        marked = known & (joints == layout.missing).all(-1)
        known &= ~marked
        notes += [f"{marked.sum()} of {marked.size} joints masked: marked as missing"] if marked.any() else []
    if confidence is not None:
        doubtful = known & ~(confidence > 0)
        known &= ~doubtful
        notes += [f"{doubtful.sum()} of {doubtful.size} joints masked: confidence of zero"] if doubtful.any() else []
        above = int((known & (confidence > 1)).sum())
        notes += [f"{above} confidences above 1 taken as 1"] if above else []
    limit = MAX_UNITS if layout.unit is None else MAX_METRES / layout.unit
    with np.errstate(invalid="ignore"):
        absurd = known & ~(np.abs(joints) <= limit).all(-1)
    known &= ~absurd
    notes += [f"{absurd.sum()} of {absurd.size} joints masked: beyond {limit:g} units"] if absurd.any() else []
    seen = known.any((0, 2))
    if not seen.any():
        raise SkeletonFormatError(path, "all frames", f"no usable joint ({'; '.join(notes)})", "positions of joints")
    joints = np.where(known[..., None], joints, 0.0)[:, seen]
    known, confidence = known[:, seen], None if confidence is None else confidence[:, seen]
    if layout.mirrored:
        joints[..., 0] = -joints[..., 0]
        notes.append("left-handed axes: x turned round")
    joints, more = _placed(layout, joints, known, content.fps)
    notes += more
    if not layout.tracked and known.any(-1).sum(1).max() > 1:
        joints, known, confidence, more = _tracked(path, joints, known, confidence, content.fps)
        notes += more
    return build_sequence(
        path,
        joints,
        content.fps,
        layout.topology,
        valid=known,
        confidence=confidence,
        label=content.label or label_of(layout, path),
        notes=tuple(notes),
    )


def fits(layout: Layout, path: Path) -> bool:
    """Whether a file, by its name, is one of those that a layout describes."""
    if layout.files is None:
        return path.suffix.lower() in layout.source.suffixes
    return fnmatchcase(path.name, layout.files.replace(_LABEL, "*"))


def label_of(layout: Layout, path: Path) -> str | None:
    """The label in a file's name, or None if it has none."""
    if layout.files is None or _LABEL not in layout.files:
        return None
    before, _, behind = layout.files.partition(_LABEL)
    before, behind = (".*?".join(map(re.escape, part.split("*"))) for part in (before, behind))
    found = re.fullmatch(f"{before}(.+?){behind}", path.name, re.DOTALL)
    return found[1].replace("_", " ").strip() or None if found else None


def _of_topology(layout: Layout, content: Content) -> tuple[np.ndarray, np.ndarray | None]:
    """Coordinates (T, P, J, 2 or 3) and confidences (T, P, J) of all joints of the topology, NaN where none is."""
    frames, persons = content.values.shape[:2]
    check_joints(layout.path, "topology", frames * persons * layout.topology.num_joints)
    places = [layout.topology.index(joint) for joint in layout.joints]
    coordinates = [layout.values.index(axis) for axis in COORDINATES if axis in layout.values]
    joints = np.full((frames, persons, layout.topology.num_joints, len(coordinates)), np.nan)
    joints[:, :, places] = content.values[..., coordinates]
    given = content.confidence
    if "confidence" in layout.values:
        given = content.values[..., layout.values.index("confidence")]
    if given is None:
        return joints, None
    confidence = np.zeros(joints.shape[:3])
    confidence[:, :, places] = np.nan_to_num(given, nan=0.0, posinf=0.0, neginf=0.0)
    return joints, confidence


def _placed(layout: Layout, joints: np.ndarray, known: np.ndarray, fps: float) -> tuple[np.ndarray, list[str]]:
    """Joints (T, P, J, 3) in the world frame of SkeletonSequence, and notes."""
    if layout.place == "picture":
        placed = place_image(joints, known, layout.topology, unit=layout.unit, y_down=layout.up == "-y")
        return placed.joints, list(placed.notes)
    if layout.place == "camera":
        unit, note = (layout.unit, "") if layout.unit else detect_unit(joints, known, layout.topology)
        axes = _FROM_PICTURE if layout.up == "-y" else 1.0
        return joints * unit * axes, ["places before the camera kept", *([note] if note else [])]
    turn = layout.place == "turned"
    placed = place_motion(joints, known, layout.topology, fps, up=layout.up, unit=layout.unit, face_camera=turn)
    return placed.joints, list(placed.notes)


def _tracked(
    path: Path, joints: np.ndarray, known: np.ndarray, confidence: np.ndarray | None, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, list[str]]:
    """The same with each person at one place of all frames, those who are seen longest first, and notes."""
    there = known.any(-1)
    most = int(there.sum(1).max())
    if most > MAX_PERSONS_PER_FRAME:
        frame = int(there.sum(1).argmax())
        raise SkeletonFormatError(path, f"frame {frame}", f"{most} persons", f"at most {MAX_PERSONS_PER_FRAME}")
    frames, places = np.nonzero(there)
    check_detections(path, len(frames))
    mask = known[frames, places]
    centres = (joints[frames, places] * mask[..., None]).sum(1) / mask.sum(1)[:, None]
    # Nobody has an id: only where somebody is says who it is.
    persons = track_bodies(frames, list(range(len(frames))), centres, fps)
    order = np.argsort(-np.bincount(persons), kind="stable")
    persons = np.argsort(order)[persons]
    shape = (len(joints), len(order), joints.shape[2])
    check_joints(path, "persons over all frames", len(joints) * len(order) * joints.shape[2])
    tracked, valid = np.zeros((*shape, 3)), np.zeros(shape, bool)
    tracked[frames, persons], valid[frames, persons] = joints[frames, places], mask
    if confidence is not None:
        sure = np.zeros(shape)
        sure[frames, persons] = confidence[frames, places]
        confidence = sure
    return tracked, valid, confidence, [f"{len(order)} persons, told apart by where they are"]
