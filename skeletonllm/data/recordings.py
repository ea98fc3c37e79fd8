"""Recording: a labelled clip of some data set, not read yet; and reading many of them."""

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence

logger = logging.getLogger(__name__)

# Data sets have a few unreadable files; more than this share means that something else is wrong.
LARGEST_BAD_SHARE = 0.02


class PoisonedDataError(ValueError):
    """Too many files of a data set cannot be read."""


@dataclass(frozen=True)
class Recording:
    """Where a labelled recording is and what is known of it without reading it.

    Args:
        id: unique within its source.
        label: the action.
        read: gives the sequence.
        split: ``train`` or ``test`` by the usual protocol of its data set.
        attributes: numbers that splits are made of, such as performer and view.
        rationale: gives what each part of the body does, in words and without the label; None where it is not known.
        group: recordings with the same number are read together, such as a row group of a file; None: each alone.
        captions: gives sentences about the motion, any of which is right; None where there are none.
        facts: gives what is known to be true of the motion, by topic; None where it has to be measured.
        segments: gives what is done when, for a recording of several actions, whose label names none of them; None
            for a recording of one action.
    """

    id: str
    label: str
    read: Callable[[], SkeletonSequence]
    split: str
    attributes: Mapping[str, int] = field(default_factory=dict)
    rationale: Callable[[], str] | None = None
    group: int | None = None
    captions: Callable[[], Sequence[str]] | None = None
    facts: Callable[[], Mapping[str, str]] | None = None
    segments: Callable[[], tuple[Segment, ...]] | None = None


def labels_of(recordings: Iterable[Recording]) -> list[str]:
    """The actions that recordings show, sorted; those of several actions have labels that are none."""
    return sorted({recording.label for recording in recordings if recording.segments is None})


def select(
    recordings: Iterable[Recording],
    split: str = "all",
    where: Mapping[str, list[int]] | None = None,
    labels: Iterable[str] | None = None,
) -> list[Recording]:
    """Recordings of a split, with attributes among the given values, with one of the labels.

    Raises:
        ValueError: an unknown split, attribute or label, values that are no list, or nothing is left.
    """
    if split not in ("train", "test", "all"):
        raise ValueError(f"unknown split {split!r}, expected train, test or all")
    recordings = list(recordings)
    for key, values in (where or {}).items():
        if not isinstance(values, list):
            raise ValueError(f"where: {key} is {values!r}, expected a list such as [1, 2]")
        known = sorted({name for recording in recordings for name in recording.attributes})
        if key not in known:
            raise ValueError(f"recordings have no attribute {key!r}; they have {', '.join(known) or 'none'}")
    labels = None if labels is None else set(labels)
    if unknown := (labels or set()) - {recording.label for recording in recordings}:
        raise ValueError(f"recordings have no label {', '.join(sorted(unknown))}")
    chosen = [
        recording
        for recording in recordings
        if split in ("all", recording.split)
        and all(recording.attributes[key] in values for key, values in (where or {}).items())
        and (labels is None or recording.label in labels)
    ]
    if not chosen:
        raise ValueError(f"no recording of {len(recordings)} is in split {split!r} with {dict(where or {})}")
    return chosen


def read_all(recordings: Iterable[Recording], progress: str | None = None) -> list[tuple[Recording, SkeletonSequence]]:
    """Read recordings into memory; a bad file is named in a warning and left out.

    Raises:
        PoisonedDataError: more than ``LARGEST_BAD_SHARE`` of the files are bad; it tells the first one's error.
    """
    from tqdm import tqdm

    recordings = list(recordings)
    read, bad = [], []
    for recording in tqdm(recordings, desc=progress, disable=progress is None, leave=False, mininterval=0.5):
        try:
            read.append((recording, recording.read()))
        except SkeletonFormatError as error:
            logger.warning("left out: %s", error)
            bad.append(error)
            if len(bad) > LARGEST_BAD_SHARE * len(recordings):
                share = f"more than {LARGEST_BAD_SHARE:.0%} of {len(recordings)} recordings cannot be read"
                raise PoisonedDataError(f"{share}, the first: {bad[0]}") from None
    return read


def digest_of_order(recordings: Iterable[Recording]) -> int:
    """A number that changes if a recording is missing, added or elsewhere in the order: crc32 of the ids."""
    return zlib.crc32("\n".join(recording.id for recording in recordings).encode())
