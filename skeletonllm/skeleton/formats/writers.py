"""Writers: one entry per format that sequences can be written in, found by the suffix of the file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skeletonllm.skeleton.formats.bvh_writer import write_bvh
from skeletonllm.skeleton.formats.coco_writer import write_coco
from skeletonllm.skeleton.formats.npy_joints import write_npy
from skeletonllm.skeleton.formats.npz import write_npz
from skeletonllm.skeleton.retarget import retarget
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17


@dataclass(frozen=True)
class Writer:
    """A format to write.

    Args:
        name: registry key.
        description: what such a file holds, for messages.
        suffix: of its files, with the dot, lower case.
        write: writes a sequence; returns what the file does not hold, a sentence each.
        keeps: which of rotations, confidence and label the file holds; those of the others that a sequence has are
            told as lost.
        topology: the only one that such files hold, to which sequences are retargeted.
    """

    name: str
    description: str
    suffix: str
    write: Callable[[SkeletonSequence, Path], tuple[str, ...]]
    keeps: frozenset[str] = frozenset()
    topology: str | None = None


def _write_npz(sequence: SkeletonSequence, path: Path) -> tuple[str, ...]:
    write_npz(sequence, path)
    return ()


def _write_coco(sequence: SkeletonSequence, path: Path) -> tuple[str, ...]:
    write_coco(sequence, path)
    return ("depth",)


def _write_bvh(sequence: SkeletonSequence, path: Path) -> tuple[str, ...]:
    return write_bvh(sequence, path, person=0)


WRITERS: dict[str, Writer] = {
    writer.name: writer
    for writer in (
        Writer("npz", "our own archive, which keeps everything", ".npz", _write_npz,
               frozenset({"rotations", "confidence", "label"})),
        Writer("npy", "an array of joints, (T, J, 3) or (T, P, J, 3)", ".npy", write_npy),
        Writer("bvh", "Biovision hierarchy, one person", ".bvh", _write_bvh),
        Writer("coco", "COCO annotations, 2-D", ".json", _write_coco, frozenset({"confidence", "label"}), COCO_17.name),
    )
}  # fmt: skip


def find_writer(path: str | Path, format: str | None = None) -> Writer:
    """The writer of this name, or else of the file's suffix. Raises ValueError that lists what there is."""
    if format is not None:
        if format not in WRITERS:
            raise ValueError(f"cannot write format {format!r}; known: {', '.join(WRITERS)}")
        return WRITERS[format]
    suffix = Path(path).suffix.lower()
    found = [writer for writer in WRITERS.values() if writer.suffix == suffix]
    if not found:
        known = ", ".join(f"{writer.suffix} ({writer.name})" for writer in WRITERS.values())
        raise ValueError(f"{path}: cannot write {suffix or 'a file without a suffix'}; known: {known}")
    return found[0]


def write_skeleton(sequence: SkeletonSequence, path: str | Path, format: str | None = None) -> tuple[str, ...]:
    """Write a sequence in the format of the file's suffix, so that ``read_skeleton`` reads it.

    Args:
        sequence: any topology; formats that hold one only get the sequence retargeted.
        path: the file; one that is there is overwritten.
        format: a key of ``WRITERS``, where the suffix is not to decide.

    Returns:
        what the file does not hold, a sentence each.

    Raises:
        ValueError: a format that is not known, or a sequence without any known joint.
    """
    writer = find_writer(path, format)
    if not sequence.valid.any():
        raise ValueError(f"{sequence.source or 'sequence'}: no joint is known in any frame")
    lost = []
    if writer.topology is not None and sequence.topology.name != writer.topology:
        lost.append(f"joints of {sequence.topology.name} (retargeted to {writer.topology})")
        sequence = retarget(sequence, writer.topology)
    for field in ("rotations", "confidence", "label"):
        if getattr(sequence, field) is not None and field not in writer.keeps:
            lost.append(field)
    return (*lost, *writer.write(sequence, Path(path)))
