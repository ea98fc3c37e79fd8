"""The facts about a recording: format, skeleton, persons, length, size, gaps and what its reader assumed."""

import numpy as np

from skeletonllm.skeleton.sequence import SkeletonSequence


def summarize(sequence: SkeletonSequence, file: str, format: str) -> dict:
    """The facts about a recording that was read, JSON-able.

    Args:
        sequence: the recording.
        file: where it came from.
        format: the name of its format.
    """
    known = sequence.joints[sequence.valid]
    extent = np.ptp(known, axis=0) if len(known) else np.zeros(3)
    return {
        "file": file,
        "format": format,
        "topology": sequence.topology.name,
        "persons": sequence.num_persons,
        "frames": sequence.num_frames,
        "fps": sequence.fps,
        "seconds": round(sequence.duration, 3),
        "units": "metres, Y up, Z away from the camera",
        "extent": {axis: round(float(size), 3) for axis, size in zip("xyz", extent, strict=True)},
        "missing_joints": round(1 - float(sequence.valid.mean()), 4) if sequence.valid.size else 1.0,
        "label": sequence.label,
        "notes": list(sequence.notes),
    }
