"""UTD-MHAD: 27 actions in front of a Kinect; odd subjects train, even subjects test (Chen et al. 2015)."""

from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files, reader
from skeletonllm.skeleton.formats.utd_mhad import LABELS

_NAME = r"a(?P<action>\d+)_s(?P<performer>\d+)_t(?P<trial>\d+)_skeleton\.mat"


def recordings(root: Path) -> list[Recording]:
    """Clips ``aX_sX_tX_skeleton.mat`` below a folder."""
    return [
        Recording(
            id=path.name.removesuffix("_skeleton.mat"),
            label=LABELS[numbers["action"] - 1],
            read=reader(path, "utd_mhad"),
            split="train" if numbers["performer"] % 2 else "test",
            attributes=numbers,
        )
        for path, numbers in named_files(root, _NAME)
        if 1 <= numbers["action"] <= len(LABELS)
    ]
