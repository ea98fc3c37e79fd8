"""MSR Action3D: 20 actions in front of a depth camera; odd subjects train, even subjects test (Li et al. 2010)."""

from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files, reader
from skeletonllm.skeleton.formats.msr_action3d import LABELS

_NAME = r"a(?P<action>\d+)_s(?P<performer>\d+)_e(?P<episode>\d+)_skeleton3D\.txt"


def recordings(root: Path) -> list[Recording]:
    """Clips ``aXX_sXX_eXX_skeleton3D.txt`` below a folder, all actions together; the usual split is cross-subject."""
    return [
        Recording(
            id=path.name.removesuffix("_skeleton3D.txt"),
            label=LABELS[numbers["action"] - 1],
            read=reader(path, "msr_action3d"),
            split="train" if numbers["performer"] % 2 else "test",
            attributes=numbers,
        )
        for path, numbers in named_files(root, _NAME)
        if 1 <= numbers["action"] <= len(LABELS)
    ]
