"""Northwestern-UCLA Multiview 3D: three Kinects see the same performances; the third is the test view."""

from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files, reader
from skeletonllm.skeleton.formats.nw_ucla import LABELS

# Numbers in file names, in the order of the labels; 7 and 10 were never recorded.
_ACTIONS = dict(zip((1, 2, 3, 4, 5, 6, 8, 9, 11, 12), LABELS, strict=True))
_NAME = r"a(?P<action>\d+)_s(?P<performer>\d+)_e(?P<episode>\d+)_v(?P<view>\d+)\.json"
TEST_VIEW = 3


def recordings(root: Path) -> list[Recording]:
    """Clips ``aXX_sXX_eXX_vXX.json`` below a folder; views 1 and 2 train, view 3 tests (Wang et al. 2014)."""
    return [
        Recording(
            id=path.stem,
            label=_ACTIONS[numbers["action"]],
            read=reader(path, "nw_ucla"),
            split="test" if numbers["view"] == TEST_VIEW else "train",
            attributes=numbers,
        )
        for path, numbers in named_files(root, _NAME)
        if numbers["action"] in _ACTIONS
    ]
