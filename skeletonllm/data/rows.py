"""Rows: a labelled recording as packed shards hold it, and the schema that all shards share.

Joints are a flat list of floats with their shape beside it; confidence, where there is one, is a byte per joint.
float32 is the default and keeps what a reader gave, bit for bit; float16 takes half the space, but has 11 significant
bits: at 2 to 4 m from the sensor it rounds by up to 1 mm, beyond 4 m by up to 2 mm, which over the time that velocities
are measured in is up to 3 cm/s.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import Topology, describe_topology

if TYPE_CHECKING:
    import datasets
    import pyarrow

PRECISIONS = ("float32", "float16")
# Written into every shard; what has a version that is not readable is refused. Version 1 had no confidence.
SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
METADATA_KEY = b"skeletonllm"


@dataclass(frozen=True)
class Row:
    """A recording and all that is known of it.

    Args:
        id: unique within its shards.
        sequence: the joints; its label and notes are kept too.
        label: the action.
        split: ``train`` or ``test`` by the usual protocol of its data set.
        attributes: numbers that splits are made of, such as performer and view.
        captions: sentences about the motion.
        rationale: what each part of the body does, without the label; None where nobody wrote it.
    """

    id: str
    sequence: SkeletonSequence
    label: str
    split: str = "train"
    attributes: Mapping[str, int] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    rationale: str | None = None


def features(precision: str = "float32") -> "datasets.Features":
    """The columns of a shard as the ``datasets`` library describes them."""
    from datasets import Features, List, Value

    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, expected {' or '.join(PRECISIONS)}")
    text, number = Value("string"), Value("int64")
    return Features(
        {
            "id": text,
            "label": text,
            "split": text,
            "performer": number,
            "view": number,
            "attributes": text,  # JSON: names differ between data sets
            "captions": List(text),
            "rationale": text,
            "topology": text,
            "fps": Value("float64"),
            "shape": List(Value("int32")),  # frames, persons, joints, 3
            "joints": List(Value(precision)),
            "valid": Value("binary"),  # one bit per joint of each frame and person, the first in the highest bit
            "confidence": Value("binary"),  # one byte likewise, 255 for sure; null where the file has none
            "notes": List(text),
        }
    )


def arrow_schema(precision: str, topologies: Mapping[str, Topology], version: int = SCHEMA_VERSION) -> "pyarrow.Schema":
    """The same for Parquet; the description of ``topologies`` that are not registered travels along."""
    import pyarrow as pa

    schema = features(precision).arrow_schema
    # Lists that cannot be missing, nor their items, are read a third faster.
    items = pa.field("element", schema.field("joints").type.value_type, nullable=False)
    schema = schema.set(schema.get_field_index("joints"), pa.field("joints", pa.list_(items), nullable=False))
    if version == 1:
        schema = schema.remove(schema.get_field_index("confidence"))
    described = {name: describe_topology(topology) for name, topology in topologies.items()}
    ours = json.dumps({"version": version, "topologies": described})
    return schema.with_metadata({**(schema.metadata or {}), METADATA_KEY: ours.encode()})


def encode(row: Row, precision: str) -> dict[str, Any]:
    """A row as the values of its columns; joints stay an array.

    Raises:
        SkeletonFormatError: joints that ``precision`` cannot hold.
    """
    sequence = row.sequence
    joints = sequence.joints.astype(precision).ravel()
    if not np.isfinite(joints).all():
        raise SkeletonFormatError(sequence.source, "joints", f"values too large for {precision}", "metres")
    return {
        "id": row.id,
        "label": row.label,
        "split": row.split,
        "performer": row.attributes.get("performer"),
        "view": row.attributes.get("view"),
        "attributes": json.dumps(dict(row.attributes)),
        "captions": list(row.captions),
        "rationale": row.rationale,
        "topology": sequence.topology.name,
        "fps": sequence.fps,
        "shape": list(sequence.joints.shape),
        "joints": joints,
        "valid": np.packbits(sequence.valid).tobytes(),
        "confidence": None if sequence.confidence is None else _to_bytes(sequence.confidence),
        "notes": list(sequence.notes),
    }


def decode(values: Mapping[str, Any], place: str, topologies: Mapping[str, Topology]) -> Row:
    """The row of the values of its columns.

    Args:
        values: by column; joints an array that may be written to.
        place: where they stand, for messages and as the source of the sequence.
        topologies: those that the shard brings along.

    Raises:
        SkeletonFormatError: values that do not fit one another.
    """
    missing = [
        name for name in ("id", "label", "split", "attributes", "topology", "fps", "valid") if values[name] is None
    ]
    if missing:
        raise SkeletonFormatError(place, ", ".join(missing), "nothing", "a value")
    name, joints, shape = values["topology"], values["joints"], tuple(values["shape"] or ())
    topology = topologies.get(name) or TOPOLOGIES.get(name)
    if topology is None:
        known = ", ".join(sorted({*topologies, *TOPOLOGIES}))
        raise SkeletonFormatError(place, "topology", short(name), f"one of {known}")
    if len(shape) != 4 or min(shape) < 1 or shape[2:] != (topology.num_joints, 3):
        raise SkeletonFormatError(place, "shape", str(shape), f"(frames, persons, {topology.num_joints}, 3)")
    if joints is None or prod(shape) != len(joints) or len(values["valid"]) != -(-prod(shape[:3]) // 8):
        found = f"{0 if joints is None else len(joints)} numbers and {len(values['valid'])} bytes of valid bits"
        raise SkeletonFormatError(place, "joints", found, f"as many as shape {shape} has")
    if not (np.isfinite(values["fps"]) and values["fps"] > 0):
        raise SkeletonFormatError(place, "fps", str(values["fps"]), "a positive number")
    if not np.isfinite(joints).all():
        raise SkeletonFormatError(place, "joints", "NaN or infinite coordinates", "metres")
    confidence = values.get("confidence")
    if confidence is not None and len(confidence) != prod(shape[:3]):
        raise SkeletonFormatError(place, "confidence", f"{len(confidence)} bytes", f"{prod(shape[:3])}, one per joint")
    attributes = read_attributes(values["attributes"], place)
    bits = np.unpackbits(np.frombuffer(values["valid"], np.uint8), count=prod(shape[:3]))
    valid, joints = bits.view(bool).reshape(shape[:3]), joints.astype(np.float32, copy=False).reshape(shape)
    joints[~valid] = 0.0
    # All that a sequence makes sure of has been made sure of; to do it again would take half the time of reading.
    sequence = object.__new__(SkeletonSequence)
    vars(sequence).update(
        joints=joints,
        fps=values["fps"],
        topology=topology,
        valid=valid,
        rotations=None,
        label=values["label"],
        source=place,
        notes=tuple(values["notes"] or ()),
        confidence=None if confidence is None else _from_bytes(confidence).reshape(shape[:3]),
    )
    captions = tuple(values["captions"] or ())
    return Row(values["id"], sequence, values["label"], values["split"], attributes, captions, values["rationale"])


def _to_bytes(confidence: np.ndarray) -> bytes:
    """Steps of 1/255; the error of an estimator's own confidence is far larger."""
    return np.rint(np.clip(confidence, 0.0, 1.0) * 255).astype(np.uint8).tobytes()


def _from_bytes(confidence: bytes) -> np.ndarray:
    return np.frombuffer(confidence, np.uint8) / np.float32(255)


def row_to_recording(row: Row) -> tuple[Recording, SkeletonSequence]:
    """What training takes."""
    rationale = None if row.rationale is None else partial(str, row.rationale)
    captions = partial(tuple, row.captions) if row.captions else None
    recording = Recording(
        row.id, row.label, partial(_given, row), row.split, row.attributes, rationale, captions=captions
    )
    return recording, row.sequence


def read_attributes(text: str, place: str) -> dict[str, int]:
    """The column of that name as what it means. Raises SkeletonFormatError if it means nothing."""
    try:
        attributes = json.loads(text)
    except (ValueError, RecursionError):
        attributes = None
    if not isinstance(attributes, dict) or not all(type(value) is int for value in attributes.values()):
        raise SkeletonFormatError(place, "attributes", short(text), "a JSON object of integers")
    return attributes


def _given(row: Row) -> SkeletonSequence:
    return row.sequence
