"""Rationales of a teacher, joined to the recordings that they were written about."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.teacher.ledger import DATA_FOLDER
from skeletonllm.tasks.recognition import normalize_label


def attach_rationales(recordings: Iterable[Recording], folder: str | Path) -> list[Recording]:
    """The recordings with the rationales of a folder of ``skeletonllm teach``, and without any other.

    A recording about which the folder says nothing keeps its place, with ``rationale`` None.

    Args:
        recordings: with ids as the teacher knew them.
        folder: with Parquet files in ``data/``, or directly in it, whose rows have ``id``, ``label``, ``rationale``.

    Raises:
        FileNotFoundError: no Parquet files there.
        ValueError: a damaged file or one without these columns, an id twice, a rationale for another label than the
            recording has, or none for any of the recordings.
    """
    found = read_rationales(folder)
    attached = []
    for recording in recordings:
        label, text = found.get(recording.id, (recording.label, None))
        if normalize_label(label) != normalize_label(recording.label):
            raise ValueError(f"{folder}: the rationale of {recording.id} is for {label!r}, not {recording.label!r}")
        attached.append(replace(recording, rationale=None if text is None else partial(str, text)))
    if not any(recording.rationale for recording in attached):
        raise ValueError(f"{folder}: none of its {len(found)} rationales is of one of the {len(attached)} recordings")
    return attached


def read_rationales(folder: str | Path) -> dict[str, tuple[str, str]]:
    """(label, rationale) by the id of the recording. Raises as ``attach_rationales`` does of files."""
    import pyarrow
    import pyarrow.parquet

    folder = Path(folder)
    paths = sorted((folder / DATA_FOLDER).glob("*.parquet")) or sorted(folder.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no rationales: there is no Parquet file")
    found: dict[str, tuple[str, str]] = {}
    for path in paths:
        try:
            table = pyarrow.parquet.read_table(path, columns=["id", "label", "rationale"])
            columns = [table.column(name).cast(pyarrow.string()).to_pylist() for name in ("id", "label", "rationale")]
        except (pyarrow.ArrowException, KeyError, OSError) as error:
            raise ValueError(f"{path}: no rationales: {error}") from None
        for id, label, text in zip(*columns, strict=True):
            if None in (id, label, text) or not text.strip():
                raise ValueError(f"{path}: a row without id, label or rationale (id {id!r})")
            if id in found:
                raise ValueError(f"{path}: {id} is there twice")
            found[id] = label, text
    return found
