"""Any folder of readable skeleton files: one sub-folder per label."""

from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import reader


def recordings(root: Path, test_every: int = 5) -> list[Recording]:
    """Files ``LABEL/NAME`` or ``train/LABEL/NAME`` and ``test/LABEL/NAME``; hidden files are passed over.

    Without train and test folders every ``test_every``-th file of a label, in the order of names, is for testing: use
    folders where one performer has several files.

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
        for folder in sorted(path for path in part.iterdir() if path.is_dir() and not path.name.startswith(".")):
            files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
            for number, path in enumerate(files):
                chosen = split or ("test" if number % test_every == test_every - 1 else "train")
                found.append(Recording(str(path.relative_to(root)), folder.name, reader(path), chosen))
    return found
