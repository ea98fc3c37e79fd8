"""Packed shards: recordings as Parquet files with a manifest, in a folder, on the Hub (``hf://``) or behind a URL.

The manifest tells how many recordings each row group of each file holds, so that any of them is found without opening
the others. What files claim is checked against it, and against what is sensible, before memory is taken for it.
"""

import hashlib
import json
import os
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm.data.remote import BLOCK_BYTES, open_binary
from skeletonllm.data.rows import (
    METADATA_KEY,
    PRECISIONS,
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    Row,
    arrow_schema,
    decode,
)
from skeletonllm.skeleton.formats.common import SkeletonFormatError, describe, short
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import Topology, read_topology

MANIFEST = "manifest.json"
SHARD_NAME = re.compile(r"shard-\d{5}\.parquet")
# A row group is what is read at once: 64 clips of ten seconds of two Kinect bodies are 12 MB.
MAX_GROUP_ROWS = 4096
MAX_GROUP_BYTES = 2**30
MAX_FOOTER_BYTES = 64 * 2**20
MAX_MANIFEST_BYTES = 256 * 2**20
# What is known of a recording without its joints.
INDEX_COLUMNS = ("id", "label", "split", "attributes", "rationale", "captions")
# Groups kept per reader: those of two windows of ``skeletonllm.data.mixture``, which a batch may straddle.
KEPT_GROUPS = 32


@dataclass(frozen=True)
class Shard:
    """A finished file.

    Args:
        name: within the folder.
        sha256, bytes: of the file.
        groups: recordings in each row group.
        until: how many of the listed recordings had been gone through when it was finished.
    """

    name: str
    sha256: str
    bytes: int
    groups: tuple[int, ...]
    until: int = 0


class PackedShards:
    """Recordings in shards, by row group.

    Args:
        root: a folder with a manifest, an ``hf://`` path or an ``http(s)://`` URL of one.

    Raises:
        ValueError: a protocol other than these.
        SkeletonFormatError: no manifest, or one that is not what it should be. What is wrong in a shard is raised when
            it is opened first.
    """

    def __init__(self, root: str | Path):
        self.root = str(root)
        self.shards = read_manifest(self.root)
        self.groups = tuple(rows for shard in self.shards for rows in shard.groups)
        self._first_group = [0, *accumulate(len(shard.groups) for shard in self.shards)]
        self._begin()

    def _begin(self) -> None:
        """Nothing open, nothing read yet in this process."""
        self._process, self._lock = os.getpid(), threading.Lock()
        self._files: dict[int, tuple[Any, dict[str, Topology]]] = {}
        self.forget_groups()

    def forget_groups(self) -> None:
        """Let go of the row groups that are kept in memory."""
        self._kept: OrderedDict[int, list[Row]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        # Open files cannot go to another process: it opens its own.
        return {
            name: value for name, value in vars(self).items() if name not in ("_files", "_kept", "_lock", "_process")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def __len__(self) -> int:
        return sum(self.groups)

    def read_group(self, group: int) -> list[Row]:
        """The recordings of a row group, counted over all shards.

        Raises:
            IndexError: no such group.
            SkeletonFormatError: a shard that is not what it should be.
        """
        if self._process != os.getpid():  # forked: its files would share their positions with those of the other
            self._begin()
        with self._lock:
            if group not in self._kept:
                self._kept[group] = self._decoded(group)
                if len(self._kept) > KEPT_GROUPS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(group)
            return self._kept[group]

    def _decoded(self, group: int) -> list[Row]:
        shard, within, topologies, table = self._table(group)
        place = f"{self._path(shard)}: row group {within}, row"
        columns = {name: table.column(name).combine_chunks() for name in table.column_names}
        joints = columns.pop("joints")
        values, offsets = joints.values.to_numpy().copy(), joints.offsets.to_numpy()
        plain = {name: column.to_pylist() for name, column in columns.items()}
        return [
            decode(
                {name: column[row] for name, column in plain.items()}
                | {"joints": values[offsets[row] : offsets[row + 1]]},
                f"{place} {row}",
                topologies,
            )
            for row in range(table.num_rows)
        ]

    def read(self, group: int, row: int) -> Row:
        """One recording of a row group; the last groups are kept."""
        return self.read_group(group)[row]

    def index(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """(group, row, what is known of it without its joints) of every recording, in order."""
        for group in range(len(self.groups)):
            for row, values in enumerate(self._table(group, INDEX_COLUMNS)[3].to_pylist()):
                yield group, row, values

    def _path(self, shard: int) -> str:
        return f"{self.root.rstrip('/')}/{self.shards[shard].name}"

    def _table(self, group: int, columns: Sequence[str] | None = None):
        """(shard, group within it, its topologies, the Arrow table of the group)."""
        import pyarrow as pa

        if not 0 <= group < len(self.groups):
            raise IndexError(f"{self.root} has no row group {group}, only {len(self.groups)}")
        shard = bisect_right(self._first_group, group) - 1
        within = group - self._first_group[shard]
        path = self._path(shard)
        if shard not in self._files:
            self._files[shard] = open_shard(path, self.shards[shard])
        file, topologies = self._files[shard]
        try:
            table = file.read_row_group(within, columns=None if columns is None else list(columns), use_threads=False)
        # All of these are what damaged data raise; OSError also of files that are gone.
        except (pa.ArrowException, OSError) as error:
            raise SkeletonFormatError(path, f"row group {within}", short(str(error), 200), "Parquet data") from error
        return shard, within, topologies, table


def read_manifest(root: str) -> tuple[Shard, ...]:
    """The shards that a folder says it has.

    Raises:
        SkeletonFormatError: no manifest, or names, hashes or counts that cannot be.
    """
    path = f"{root.rstrip('/')}/{MANIFEST}"
    try:
        with open_binary(path) as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise SkeletonFormatError(path, "file", "nothing", "the manifest of packed shards") from error
    try:
        content = json.loads(text[:MAX_MANIFEST_BYTES])
        if content["version"] not in READABLE_VERSIONS:
            raise SkeletonFormatError(path, "version", short(content["version"]), _readable())
        shards = tuple(Shard(**{**shard, "groups": tuple(shard["groups"])}) for shard in content["shards"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, SkeletonFormatError):
            raise
        raise SkeletonFormatError(path, "content", short(str(error)), "version and shards") from error
    for shard in shards:
        sound = (
            isinstance(shard.name, str)
            and SHARD_NAME.fullmatch(shard.name)
            and isinstance(shard.sha256, str)
            and all(type(number) is int and number >= 0 for number in (shard.bytes, shard.until))
            and all(type(rows) is int and 0 < rows <= MAX_GROUP_ROWS for rows in shard.groups)
        )
        if not sound:
            expected = f"a name like shard-00000.parquet, sizes, and groups of 1 to {MAX_GROUP_ROWS} rows"
            raise SkeletonFormatError(path, "shards", short(asdict(shard), 200), expected)
    if len({shard.name for shard in shards}) != len(shards):
        raise SkeletonFormatError(path, "shards", "a shard twice", "each once")
    return shards


def open_shard(path: str, shard: Shard) -> tuple[Any, dict[str, Topology]]:
    """The open Parquet file and the topologies that it brings along, once what its footer claims has been checked.

    Raises:
        SkeletonFormatError: a file that is cut off, not Parquet, of another schema, or larger than its manifest says.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = open_binary(path)
    except FileNotFoundError as error:
        raise SkeletonFormatError(path, "file", "nothing", "a shard that the manifest names") from error
    size = file.seek(0, 2)
    if size != shard.bytes:
        raise SkeletonFormatError(path, "file", f"{size:,} bytes", f"{shard.bytes:,}, as the manifest says")
    file.seek(0)
    head = file.read(64)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if not head.startswith(b"PAR1") or tail[4:] != b"PAR1":
        found = describe(head) if not head.startswith(b"PAR1") else "a Parquet file that is cut off"
        raise SkeletonFormatError(path, "file", found, "a whole Parquet file")
    if footer > min(size - 12, MAX_FOOTER_BYTES):
        raise SkeletonFormatError(path, f"byte {size - 8}", f"a footer of {footer:,} bytes", f"at most {size - 12:,}")
    file.seek(0)
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        schema = parquet.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise SkeletonFormatError(path, "footer", short(str(error), 200), "Parquet metadata") from error
    _check_sizes(path, parquet.metadata, shard)
    return parquet, _check_schema(path, schema)


def _check_sizes(path: str, metadata, shard: Shard) -> None:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    rows = tuple(group.num_rows for group in groups)
    if rows != shard.groups or metadata.num_rows != sum(rows):
        found = f"{metadata.num_rows:,} rows in {len(rows):,} row groups"
        expected = f"{sum(shard.groups):,} in {len(shard.groups):,}, as the manifest says"
        raise SkeletonFormatError(path, "footer", found, expected)
    for index, group in enumerate(groups):
        columns = [group.column(number) for number in range(group.num_columns)]
        claimed = sum(max(0, column.total_uncompressed_size) for column in columns)
        values = max(column.num_values for column in columns)
        held = sum(max(0, column.total_compressed_size) for column in columns)
        # A value takes a byte at least once it is decoded, however well it was compressed.
        if max(claimed, values) > MAX_GROUP_BYTES or held > shard.bytes:
            found = f"{max(claimed, held):,} bytes and {values:,} values"
            raise SkeletonFormatError(path, f"row group {index}", found, f"at most {MAX_GROUP_BYTES:,}")


def _check_schema(path: str, schema) -> dict[str, Topology]:
    found = _columns(schema)
    versions = {
        version: [_columns(arrow_schema(precision, {}, version)) for precision in PRECISIONS]
        for version in READABLE_VERSIONS
    }
    wanted = [columns for version in (SCHEMA_VERSION, *READABLE_VERSIONS) for columns in versions[version]]
    if found not in wanted:
        odd = sorted({name for name in {*found, *wanted[0]} if found.get(name) not in {w.get(name) for w in wanted}})
        differing = ", ".join(f"{name}: {found.get(name, 'missing')}" for name in odd)
        expected = ", ".join(f"{name}: {wanted[0].get(name, 'no such column')}" for name in odd)
        raise SkeletonFormatError(path, "schema", short(differing, 300), short(expected, 300))
    try:
        ours = json.loads((schema.metadata or {})[METADATA_KEY])
        version, described = ours["version"], ours["topologies"]
        if version not in READABLE_VERSIONS:
            raise SkeletonFormatError(path, "schema version", short(version), _readable())
        if found not in versions[version]:
            raise SkeletonFormatError(path, "schema", f"version {version}", "the version whose columns it has")
        topologies = {name: read_topology(topology) for name, topology in described.items()}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, SkeletonFormatError):
            raise
        raise SkeletonFormatError(path, "metadata", short(str(error)), "version and topologies") from error
    for name, topology in topologies.items():
        if TOPOLOGIES.get(name, topology) != topology or topology.name != name:
            raise SkeletonFormatError(path, "metadata", f"another topology called {short(name)}", "the registered one")
    return topologies


def _readable() -> str:
    return " or ".join(map(str, READABLE_VERSIONS))


def _columns(schema) -> dict[str, str]:
    """Types by column. Arrow and Parquet have different names for the items of a list, which say nothing."""
    return {field.name: str(field.type).replace("<item:", "<element:") for field in schema}


def verify(root: str | Path) -> Iterator[tuple[str, int]]:
    """Read everything again, shard by shard: hashes, schema, counts, every number.

    Yields:
        (shard, its recordings), as each is found sound.

    Raises:
        SkeletonFormatError: the first thing that is wrong.
    """
    shards = PackedShards(root)
    seen: set[str] = set()
    group = 0
    for number, shard in enumerate(shards.shards):
        path = shards._path(number)
        found = sha256_of(path)
        if found != shard.sha256:
            raise SkeletonFormatError(path, "sha256", found, f"{shard.sha256}, as the manifest says")
        for _ in shard.groups:
            for row in shards.read_group(group):
                if row.id in seen:
                    raise SkeletonFormatError(path, f"row group {group}", f"id {short(row.id)} twice", "unique ids")
                seen.add(row.id)
            group += 1
        yield shard.name, sum(shard.groups)


def sha256_of(path: str | Path) -> str:
    """Of a file, local or not."""
    digest = hashlib.sha256()
    with open_binary(str(path)) as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(folder: Path, shards: Sequence[Shard], facts: Mapping[str, Any]) -> None:
    """Write the list of finished shards, at once or not at all."""
    content = {"version": SCHEMA_VERSION, **facts, "shards": [asdict(shard) for shard in shards]}
    temporary = folder / f".{MANIFEST}"
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(folder / MANIFEST)


def joints_array(arrays: Sequence[np.ndarray], precision: str):
    """Arrays of numbers as an Arrow list column without missing items."""
    import pyarrow as pa

    offsets = np.cumsum([0, *map(len, arrays)]).astype(np.int32)
    kind = arrow_schema(precision, {}).field("joints").type
    return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(arrays)), type=kind)
