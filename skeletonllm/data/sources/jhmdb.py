"""JHMDB: joints in video of 21 everyday actions, as pickles of one side of one of three splits each."""

import re
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.jhmdb import recordings as clips_of

# The data set's names of its classes, as the reader gives them, in words that say what is done.
LABELS = {
    "brush hair": "brush hair", "catch": "catch", "clap": "clap", "climb stairs": "climb stairs", "golf": "golf swing",
    "jump": "jump", "kick ball": "kick a ball", "pick": "pick up", "pour": "pour", "pullup": "pull-up", "push": "push",
    "run": "run", "shoot ball": "basketball shooting", "shoot bow": "shoot a bow", "shoot gun": "shoot a gun",
    "sit": "sit down", "stand": "stand up", "swing baseball": "baseball swing", "throw": "throw", "walk": "walk",
    "wave": "wave",
}  # fmt: skip
_FILE = re.compile(r"GT_(train|test)_(\d+)\.pkl")


def recordings(root: Path, fold: int = 1) -> list[Recording]:
    """The clips of ``GT_train_N.pkl`` and ``GT_test_N.pkl`` below a folder.

    Args:
        root: the folder. Where it has one of the two files only, the other side of the split is empty.
        fold: which of the three splits of Jhuang et al. (2013); each has the same clips, otherwise shared out.

    Raises:
        SkeletonFormatError: a pickle that cannot be read, or a clip whose label is not one of the data set's.
    """
    found = []
    for path in sorted(root.rglob("*.pkl")):
        match = _FILE.fullmatch(path.name)
        if match is None or int(match[2]) != fold:
            continue
        for name, read in clips_of(path).items():
            label = read().label
            if label not in LABELS:
                place, expected = f"key 'label', clip {name}", f"one of {', '.join(LABELS)}"
                raise SkeletonFormatError(path, place, short(label), expected)
            attributes = {"fold": fold, "clip": int(name)}
            found.append(Recording(f"{path.stem}#{name}", LABELS[label], read, match[1], attributes))
    return found
