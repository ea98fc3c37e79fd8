"""The project's own plain ``.npz``: arrays only, never pickles.

Keys: ``joints`` (T, P, J, 3) or, for one person, (T, J, 3), metres in the world frame of SkeletonSequence; ``fps``;
and optionally ``valid`` (T, P, J) bool, ``topology`` (a registered name), ``rotations`` (T, P, J, 4) wxyz, ``label``
and ``notes``.
"""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.archives import SIGNATURE, holds, read_arrays
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, build_sequence, short
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import TOPOLOGIES, topology_with_joints
from skeletonllm.skeleton.topology import Topology

_KINDS = {
    "joints": "fiu", "fps": "fiu", "valid": "b", "topology": "U", "rotations": "f",
    "label": "U", "notes": "U",
}  # fmt: skip
_EXPECTED = "the keys joints and fps, and optionally " + ", ".join(sorted(set(_KINDS) - {"joints", "fps"}))


def write_npz(sequence: SkeletonSequence, path: str | Path) -> None:
    """Write a sequence so that ``read_skeleton`` gives it back."""
    arrays = {
        "joints": sequence.joints,
        "valid": sequence.valid,
        "fps": np.float64(sequence.fps),
        "topology": np.str_(sequence.topology.name),
        "notes": np.array(sequence.notes, dtype=np.str_),
    }
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
    for key in ("fps", "label", "topology"):
        if key in arrays and arrays[key].size != 1:
            raise SkeletonFormatError(path, f"key {key!r}", f"shape {arrays[key].shape}", "one value")
    fps = float(arrays["fps"].item())
    if not (np.isfinite(fps) and fps > 0):
        raise SkeletonFormatError(path, "key 'fps'", str(fps), "a positive number")
    shapes = {"valid": [joints.shape[:3], arrays["joints"].shape[:-1]], "rotations": [(*joints.shape[:3], 4)]}
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
        label=arrays["label"].item() if "label" in arrays else None,
        notes=tuple(np.atleast_1d(arrays["notes"]).tolist()) if "notes" in arrays else (),
    )


def _topology(path: Path, arrays: dict[str, np.ndarray], num_joints: int) -> Topology:
    """The topology that is named, looked up only among the registered ones: a name in a file must not open another."""
    known = ", ".join(f"{topology.name} ({topology.num_joints} joints)" for topology in TOPOLOGIES.values())
    if "topology" not in arrays:
        try:
            return topology_with_joints(num_joints)
        except ValueError as error:
            raise SkeletonFormatError(
                path, "key 'topology'", f"none, with {num_joints} joints", f"one of {known}"
            ) from error
    name = arrays["topology"].item()
    topology = TOPOLOGIES.get(name.lower().replace("-", "_"))
    if topology is None:
        expected = f"a registered topology ({known}); load_topology registers one from YAML"
        raise SkeletonFormatError(path, "key 'topology'", short(name), expected)
    if topology.num_joints != num_joints:
        expected = f"{topology.num_joints} for {topology.name}"
        raise SkeletonFormatError(path, "key 'joints'", f"{num_joints} joints", expected)
    return topology


def sniff(head: bytes, path: Path) -> bool:
    return head.startswith(SIGNATURE) and not holds(head, path, "poses", "trans")


FORMAT = Format("npz", "plain .npz archive with joints (T, P, J, 3) in metres and fps", (".npz",), sniff, read)
