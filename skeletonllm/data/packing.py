"""Packing: recordings read by several processes and written, in order, to shards that are whole or not there.

A pack that was killed goes on behind its last finished shard: the manifest tells how much of the list that covers.
"""

import hashlib
import json
import logging
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skeletonllm.data.annotations import Listed
from skeletonllm.data.card import write_card
from skeletonllm.data.rows import PRECISIONS, SCHEMA_VERSION, Row, arrow_schema, encode
from skeletonllm.data.shards import MANIFEST, Shard, joints_array, open_shard, read_manifest, sha256_of, write_manifest
from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import Topology

logger = logging.getLogger(__name__)

GROUP_ROWS = 64
SHARD_BYTES = 256 * 2**20
REJECTED = "rejected.jsonl"
# Recordings handed to a process at once: enough to make up for the way between processes.
CHUNK = 16
# Topologies that come with the program; any other is described in the shards.
SHIPPED = dict(TOPOLOGIES)


@dataclass(frozen=True)
class Packed:
    """What a pack has come to.

    Args:
        recordings: in all shards.
        rejected: left out, with a reason each in ``rejected.jsonl``.
        shards: files.
        resumed: recordings, packed or rejected, that were found done.
    """

    recordings: int
    rejected: int
    shards: int
    resumed: int


class ShardWriter:
    """Writes rows to shards of a folder; use as a context.

    Args:
        folder: exists; may hold finished shards.
        precision: of joints, ``float32`` or ``float16``.
        shard_bytes: a shard is finished by the row group that makes it as large.
        facts: written into the manifest.
    """

    def __init__(
        self,
        folder: Path,
        precision: str = "float32",
        shard_bytes: int = SHARD_BYTES,
        facts: Mapping[str, Any] | None = None,
    ):
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}, expected {' or '.join(PRECISIONS)}")
        if shard_bytes < 1:
            raise ValueError(f"a shard of {shard_bytes} bytes, expected at least 1")
        self.folder, self.precision, self.shard_bytes = folder, precision, shard_bytes
        self.facts = dict(facts or {})
        self.shards = list(read_manifest(str(folder))) if (folder / MANIFEST).exists() else []
        self._described = self._described_so_far()
        self._rows: list[dict[str, Any]] = []
        self._groups: list[int] = []
        self._file = None
        self._writer = None
        for left in folder.glob(".shard-*"):  # of a pack that was killed
            left.unlink()

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind, *_) -> None:
        if self._writer is not None:  # an error came between: what is not whole is not kept
            self._writer.close()
            self._file.close()
            self._temporary.unlink()

    @property
    def until(self) -> int:
        """How much of the list the finished shards cover."""
        return self.shards[-1].until if self.shards else 0

    def add(self, values: dict[str, Any], topology: Topology, until: int) -> None:
        """Add an encoded row.

        Args:
            values: of the columns.
            topology: of the recording. One that is not shipped is described at the head of its shard and of all later
                ones, so that the first recording with it begins a shard.
            until: how much of the list has been gone through with it.

        Raises:
            SkeletonFormatError: there is another topology of that name; nothing was added.
        """
        known = SHIPPED.get(topology.name) or self._described.get(topology.name)
        if known is None:
            if self._writer is not None:
                self.finish(until - 1)
            self._described[topology.name] = topology
        elif known != topology:
            found = f"another one called {short(topology.name)}"
            raise SkeletonFormatError(values["id"], "topology", found, "a name of its own")
        self._rows.append(values)
        if len(self._rows) == GROUP_ROWS:
            self._write_group()
            if self._file.tell() >= self.shard_bytes:
                self.finish(until)

    def finish(self, until: int) -> None:
        """Finish the present shard, if anything is in it."""
        if self._rows:
            self._write_group()
        if self._writer is None:
            return
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._writer = None
        path = self.folder / f"shard-{len(self.shards):05d}.parquet"
        digest, size = sha256_of(self._temporary), self._temporary.stat().st_size
        self._temporary.replace(path)
        self.shards.append(Shard(path.name, digest, size, tuple(self._groups), until))
        write_manifest(self.folder, self.shards, self.facts)
        self._groups = []

    def cover(self, until: int) -> None:
        """Note that the list has been gone through as far as ``until``, with nothing left to write."""
        if self.shards and self.shards[-1].until != until:
            self.shards[-1] = replace(self.shards[-1], until=until)
            write_manifest(self.folder, self.shards, self.facts)

    def _described_so_far(self) -> dict[str, Topology]:
        """The topologies that the last finished shard describes."""
        if not self.shards:
            return {}
        file, topologies = open_shard(str(self.folder / self.shards[-1].name), self.shards[-1])
        file.close(force=True)
        return topologies

    @property
    def _temporary(self) -> Path:
        return self.folder / f".shard-{len(self.shards):05d}.parquet"

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            self._file = self._temporary.open("wb")
            self._schema = arrow_schema(self.precision, self._described)
            # Floats compress by a fifth better, and are read faster, with their bytes sorted by significance.
            self._writer = pq.ParquetWriter(
                self._file,
                self._schema,
                compression="zstd",
                use_dictionary=["label", "split", "topology"],
                use_byte_stream_split=["joints.list.element"],
                write_page_checksum=True,
            )
        columns = [
            joints_array([row[field.name] for row in self._rows], self.precision)
            if field.name == "joints"
            else pa.array([row[field.name] for row in self._rows], field.type)
            for field in self._schema
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema), row_group_size=GROUP_ROWS)
        self._groups.append(len(self._rows))
        self._rows = []


def pack(
    listed: Sequence[Listed],
    folder: Path,
    *,
    name: str,
    precision: str = "float32",
    shard_bytes: int = SHARD_BYTES,
    workers: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> Packed:
    """Pack recordings into shards; goes on where an earlier pack of the same list was stopped.

    Args:
        listed: in the order that they are to have.
        folder: made if need be; holds nothing else.
        name: of the data set, for its card.
        precision: of joints, see ``rows``.
        shard_bytes: a shard is finished when it is as large.
        workers: processes that read; 0 reads in this one.
        progress: told how many of the list are done.

    Raises:
        ValueError: nothing to pack, nothing that can be read, or a folder with shards of another list.
    """
    if not listed:
        raise ValueError(f"{name}: no file to pack")
    if repeated := [id for id, count in Counter(one.recording.id for one in listed).items() if count > 1]:
        raise ValueError(f"{name}: id {repeated[0]} stands for {len(repeated) + 1} recordings, expected unique ids")
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"name": name, "precision": precision, "listed": len(listed), "list": _fingerprint(listed, precision)}
    if (folder / MANIFEST).exists():
        found = json.loads((folder / MANIFEST).read_text())
        wanted = {**facts, "version": SCHEMA_VERSION}
        if differing := [key for key, value in wanted.items() if found.get(key) != value]:
            raise ValueError(
                f"{folder} has shards of something else ({', '.join(differing)} differ): use an empty folder"
            )
    elif others := [path.name for path in folder.iterdir() if path.name.endswith(".parquet")]:
        raise ValueError(f"{folder} has {others[0]}, but no {MANIFEST}: use an empty folder")
    with ShardWriter(folder, precision, shard_bytes, facts) as writer:
        resumed = writer.until
        rejected = _keep_rejected(folder, resumed)
        with (folder / REJECTED).open("a", encoding="utf-8") as reasons:
            for index, values, topology, reason in _read(listed, resumed, precision, workers):
                if values is not None:
                    try:
                        writer.add(values, topology, index + 1)
                    except SkeletonFormatError as error:
                        reason = str(error)
                if reason:
                    rejected += 1
                    # On the disk before a shard that covers it: written late it could be missing after a crash.
                    entry = {"index": index, "id": listed[index].recording.id, "reason": reason}
                    reasons.write(json.dumps(entry) + "\n")
                    reasons.flush()
                progress(index + 1)
            writer.finish(len(listed))
            writer.cover(len(listed))
        recordings = sum(sum(shard.groups) for shard in writer.shards)
        if not recordings:
            raise ValueError(f"{name}: none of {len(listed)} files can be read; the reasons are in {folder / REJECTED}")
        write_card(folder, name, precision, recordings, rejected)
        return Packed(recordings, rejected, len(writer.shards), resumed)


def _keep_rejected(folder: Path, until: int) -> int:
    """Forget what was rejected behind the last finished shard, as it is read again; returns how many are left."""
    path = folder / REJECTED
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    # A line that was cut off by a crash belongs to what is read again.
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["index"] < until]
    temporary = folder / f".{REJECTED}"
    temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    temporary.replace(path)
    return len(kept)


def _fingerprint(listed: Sequence[Listed], precision: str) -> str:
    digest = hashlib.sha256(precision.encode())
    for one in listed:
        recording = one.recording
        facts = recording.id, recording.label, recording.split, dict(recording.attributes), one.captions
        digest.update(repr(facts).encode())
    return digest.hexdigest()


def _read(
    listed: Sequence[Listed], start: int, precision: str, workers: int
) -> Iterator[tuple[int, dict[str, Any] | None, Topology | None, str]]:
    """(index, encoded row and its topology, or None and None, reason) of each recording from ``start``, in order."""
    chunks = [range(first, min(first + CHUNK, len(listed))) for first in range(start, len(listed), CHUNK)]
    if workers < 1:
        for chunk in chunks:
            yield from zip(chunk, *_encode_all([listed[index] for index in chunk], precision), strict=True)
        return
    # Processes that were forked from one with threads can hang.
    context = multiprocessing.get_context("spawn")
    # What users registered themselves is not known to a new process; the data may use it.
    topologies = {name: topology for name, topology in TOPOLOGIES.items() if name not in SHIPPED}
    with ProcessPoolExecutor(workers, context, _register, (topologies,)) as pool:
        waiting: deque = deque()
        try:
            for chunk in chunks:
                waiting.append((chunk, pool.submit(_encode_all, [listed[index] for index in chunk], precision)))
                # So many results at most are in memory.
                if len(waiting) > 2 * workers:
                    done, future = waiting.popleft()
                    yield from zip(done, *future.result(), strict=True)
            while waiting:
                done, future = waiting.popleft()
                yield from zip(done, *future.result(), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _register(topologies: Mapping[str, Topology]) -> None:
    import torch

    TOPOLOGIES.update(topologies)
    torch.set_num_threads(1)


def _encode_all(
    listed: Sequence[Listed], precision: str
) -> tuple[list[dict[str, Any] | None], list[Topology | None], list[str]]:
    rows, topologies, reasons = [], [], []
    for one in listed:
        recording = one.recording
        try:
            sequence = recording.read()
            label = (one.file_knows_better and sequence.label) or recording.label
            if not label:
                raise SkeletonFormatError(sequence.source, "label", "none", "one in the file, its folder or a list")
            rationale = None if recording.rationale is None else recording.rationale()
            row = Row(recording.id, sequence, label, recording.split, recording.attributes, one.captions, rationale)
            rows.append(encode(row, precision))
            topologies.append(sequence.topology)
            reasons.append("")
        except (SkeletonFormatError, FileNotFoundError) as error:
            rows.append(None)
            topologies.append(None)
            reasons.append(str(error))
    return rows, topologies, reasons
