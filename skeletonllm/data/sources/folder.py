"""Any folder of readable skeleton files: one sub-folder per label."""

from collections.abc import Iterator
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.walk import Entry, entries_of
from skeletonllm.skeleton.formats import SkeletonFormatError, is_companion


def recordings(root: Path, test_every: int = 5) -> list[Recording]:
    """Files ``LABEL/NAME`` or ``train/LABEL/NAME`` and ``test/LABEL/NAME``.

    Hidden files and companions, such as lists of labels, are passed over. Of a file with several recordings each is
    one, ``LABEL/NAME#RECORDING``, and its own label, if it has one, goes before that of the folder. Without train and
    test folders every ``test_every``-th recording of a label, in the order of names, is for testing: use folders where
    one performer has several recordings.

    Raises:
        ValueError: ``test_every`` below 2, which would leave nothing to train on.
    """
    if test_every < 2:
        raise ValueError(f"test_every is {test_every}, expected 2 or more")
    if (root / "train").is_dir() and (root / "test").is_dir():
        parts = [(split, root / split) for split in ("train", "test")]
    else:
        parts = [(None, root)]
    found = []
    for split, part in parts:
        seen: dict[str, int] = {}
        for label, entry in _labelled(part):
            seen[label] = seen.get(label, 0) + 1
            chosen = split or ("train" if seen[label] % test_every else "test")
            found.append(Recording(entry.id(root), label, entry.read, chosen))
    return found


def _labelled(root: Path) -> Iterator[tuple[str, Entry]]:
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
            for entry in [] if is_companion(path) else entries_of(path):
                yield (_own_label(entry) if entry.name else None) or folder.name, entry


def _own_label(entry: Entry) -> str | None:
    """The label of one of several recordings of a file; None where it has none or cannot be read."""
    try:
        return entry.read().label
    except SkeletonFormatError:
        return None
