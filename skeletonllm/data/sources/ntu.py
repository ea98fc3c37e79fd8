"""NTU RGB+D and NTU RGB+D 120: everything about a recording is in its file's name."""

import json
import re
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files, reader
from skeletonllm.skeleton.formats.ntu import LABELS

_SAMPLE = r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<performer>\d{3})R(?P<replication>\d{3})A(?P<action>\d{3})"
# Cross-subject training performers: those up to 40 are of NTU RGB+D (Shahroudy et al. 2016, section 3.2), all 53 of
# NTU RGB+D 120 (Liu et al. 2019, section 3.3).
TRAINING_PERFORMERS = frozenset(
    [1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38]
    + [45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78]
    + [80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103]
)


def recordings(root: Path, missing: str | None = None, labels: str | None = None) -> list[Recording]:
    """Clips ``SsssCcccPpppRrrrAaaa.skeleton`` below a folder; the usual split is cross-subject.

    Args:
        root: the folder.
        missing: a text file that names samples to leave out, one per line, such as the data set's own list of those
            with missing skeletons; lines that name none are passed over.
        labels: a JSON file with other names of the actions: a list, or an object whose keys count, A001 first.

    Raises:
        ValueError: one of the two files is not there or not of that form.
    """
    left_out = frozenset() if missing is None else _read_missing(Path(missing))
    names = LABELS if labels is None else _read_labels(Path(labels))
    return [
        Recording(
            id=path.stem,
            label=names[numbers["action"] - 1],
            read=reader(path, "ntu"),
            split="train" if numbers["performer"] in TRAINING_PERFORMERS else "test",
            attributes=numbers,
        )
        for path, numbers in named_files(root, rf"{_SAMPLE}\.skeleton")
        if path.stem not in left_out and 1 <= numbers["action"] <= len(names)
    ]


def _read_missing(path: Path) -> frozenset[str]:
    if not path.is_file():
        raise ValueError(f"missing: {path} is not a file")
    found = frozenset(match[0] for match in re.finditer(_SAMPLE, path.read_text(errors="replace")))
    if not found:
        raise ValueError(f"missing: {path} names no sample such as S001C001P001R001A001")
    return found


def _read_labels(path: Path) -> list[str]:
    try:
        names = list(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"labels: {path} is no JSON list or object of names: {error}") from error
    for number, name in enumerate(names, start=1):
        if not isinstance(name, str) or names.index(name) != number - 1:
            raise ValueError(f"labels: {path}: action {number} is {name!r}, expected a name that no other has")
    return names
