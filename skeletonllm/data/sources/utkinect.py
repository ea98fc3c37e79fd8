"""UTKinect-Action3D: people who do ten things one after the other in front of a Kinect (Xia et al. 2012)."""

from functools import partial
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files
from skeletonllm.skeleton.formats import read_recordings
from skeletonllm.skeleton.formats.utkinect import read_with_segments
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence

LABEL = "several actions"
_NAME = r"joints_s(?P<performer>\d+)_e(?P<trial>\d+)\.txt"


def recordings(root: Path, whole: bool = False, test_performers: tuple[int, ...] = (6, 7, 8, 9, 10)) -> list[Recording]:
    """The labelled segments, or the recordings as a whole with their segments, below a folder.

    Args:
        root: folder with ``joints_sXX_eXX.txt`` and the list of labels.
        whole: one recording per file instead of one per segment.
        test_performers: who tests; by default the second half of the ten subjects.
    """
    found = []
    for path, numbers in named_files(root, _NAME):
        split = "test" if numbers["performer"] in test_performers else "train"
        if whole:
            found.append(
                Recording(path.stem, LABEL, partial(_sequence, path), split, numbers, segments=partial(_segments, path))
            )
            continue
        for name, read in read_recordings(path).items():
            label = read().label
            if label is not None:
                found.append(Recording(f"{path.stem}#{name.rpartition('#')[2]}", label, read, split, numbers))
    return found


def _sequence(path: Path) -> SkeletonSequence:
    return read_with_segments(path)[0]


def _segments(path: Path) -> tuple[Segment, ...]:
    return read_with_segments(path)[1]
