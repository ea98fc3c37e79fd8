"""The project's own plain ``.npz``: arrays only, never pickles.

Keys: ``joints`` (T, P, J, 3) or, for one person, (T, J, 3), metres in the world frame of SkeletonSequence; ``fps``;
and optionally ``valid`` (T, P, J) bool, ``confidence`` (T, P, J) in [0, 1], ``topology`` (a registered name),
``topology_description`` (JSON, of a topology that is not registered), ``rotations`` (T, P, J, 4) wxyz, ``label`` and
``notes``.
"""

import json
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.archives import SIGNATURE, holds, read_arrays
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, build_sequence, check_size, short
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import TOPOLOGIES, topology_with_joints
from skeletonllm.skeleton.topology import Topology, describe_topology, read_topology

_KINDS = {
    "joints": "fiu", "fps": "fiu", "valid": "b", "topology": "U", "topology_description": "U", "rotations": "f",
    "confidence": "f", "label": "U", "notes": "U",
}  # fmt: skip
_EXPECTED = "the keys joints and fps, and optionally " + ", ".join(sorted(set(_KINDS) - {"joints", "fps"}))
# Of the largest topology that can be described, and more than its parsing could take long for.
_MOST_DESCRIPTION = 200_000


def write_npz(sequence: SkeletonSequence, path: str | Path) -> None:
    """Write a sequence so that ``read_skeleton`` gives it back."""
    arrays = {
        "joints": sequence.joints,
        "valid": sequence.valid,
        "fps": np.float64(sequence.fps),
        "topology": np.str_(sequence.topology.name),
        "notes": np.array(sequence.notes, dtype=np.str_),
    }
    if TOPOLOGIES.get(sequence.topology.name) != sequence.topology:
        arrays["topology_description"] = np.str_(json.dumps(describe_topology(sequence.topology)))
    if sequence.confidence is not None:
        arrays["confidence"] = sequence.confidence
    if sequence.rotations is not None:
        arrays["rotations"] = np.asarray(sequence.rotations, dtype=np.float32)
    if sequence.label is not None:
        arrays["label"] = np.str_(sequence.label)
    with open(path, "wb") as file:  # an open file, because numpy would add a suffix to a name without one
        np.savez_compressed(file, **arrays)


def read(path: Path) -> SkeletonSequence:
    """Read one of our own files; see the module for its keys."""
    arrays = read_arrays(path, _KINDS, ["joints"], _EXPECTED)
    for key in ("joints", "fps"):
        if key not in arrays:
            raise SkeletonFormatError(path, f"key {key!r}", f"only {', '.join(sorted(arrays)) or 'no keys'}", _EXPECTED)
    joints = arrays["joints"]
    joints = joints[:, None] if joints.ndim == 3 else joints
    if joints.ndim != 4 or joints.shape[3] != 3:
        found, expected = f"shape {arrays['joints'].shape}", "(frames, persons, joints, 3)"
        raise SkeletonFormatError(path, "key 'joints'", found, expected)
    # In an array of bytes, as many numbers as in the largest of floats would take four times the memory.
    check_size(path, 4 * joints.size, "key 'joints'")
    for key in ("fps", "label", "topology", "topology_description"):
        if key in arrays and arrays[key].size != 1:
            raise SkeletonFormatError(path, f"key {key!r}", f"shape {arrays[key].shape}", "one value")
    fps = float(arrays["fps"].item())
    if not (np.isfinite(fps) and fps > 0):
        raise SkeletonFormatError(path, "key 'fps'", str(fps), "a positive number")
    per_joint = [joints.shape[:3], arrays["joints"].shape[:-1]]
    shapes = {"valid": per_joint, "confidence": per_joint, "rotations": [(*joints.shape[:3], 4)]}
    for key, allowed in shapes.items():
        if key in arrays and arrays[key].shape not in allowed:
            raise SkeletonFormatError(
                path, f"key {key!r}", f"shape {arrays[key].shape}", f"{allowed[0]}, as joints have"
            )
    return build_sequence(
        path,
        joints,
        fps,
        _topology(path, arrays, joints.shape[2]),
        valid=arrays["valid"].reshape(joints.shape[:3]) if "valid" in arrays else None,
        rotations=arrays.get("rotations"),
        confidence=arrays["confidence"].reshape(joints.shape[:3]) if "confidence" in arrays else None,
        label=arrays["label"].item() if "label" in arrays else None,
        notes=tuple(arrays["notes"].reshape(-1).tolist()) if "notes" in arrays else (),
    )


def _topology(path: Path, arrays: dict[str, np.ndarray], num_joints: int) -> Topology:
    """The topology that is described, or else named; a name is looked up only among the registered ones."""
    known = ", ".join(f"{topology.name} ({topology.num_joints} joints)" for topology in TOPOLOGIES.values())
    if "topology_description" in arrays:
        topology = _described(path, arrays["topology_description"].item())
    elif "topology" in arrays:
        name = arrays["topology"].item()
        topology = TOPOLOGIES.get(name.lower().replace("-", "_"))
        if topology is None:
            expected = f"a registered topology ({known}); load_topology registers one from YAML"
            raise SkeletonFormatError(path, "key 'topology'", short(name), expected)
    else:
        try:
            topology = topology_with_joints(num_joints)
        except ValueError as error:
            raise SkeletonFormatError(
                path, "key 'topology'", f"none, with {num_joints} joints", f"one of {known}"
            ) from error
    if topology.num_joints != num_joints:
        expected = f"{topology.num_joints} for {short(topology.name)}"
        raise SkeletonFormatError(path, "key 'joints'", f"{num_joints} joints", expected)
    return topology


def _described(path: Path, text: str) -> Topology:
    key, expected = "key 'topology_description'", "a topology as JSON"
    if len(text) > _MOST_DESCRIPTION:
        raise SkeletonFormatError(path, key, f"{len(text):,} characters", f"at most {_MOST_DESCRIPTION:,}")
    try:
        return read_topology(json.loads(text))
    # A text may be nested more deeply than the parser can follow.
    except (ValueError, RecursionError) as error:
        raise SkeletonFormatError(path, key, short(str(error)), expected) from error


def sniff(head: bytes, path: Path) -> bool:
    return head.startswith(SIGNATURE) and not holds(head, path, "poses", "trans")


FORMAT = Format("npz", "plain .npz archive with joints (T, P, J, 3) in metres and fps", (".npz",), sniff, read)
