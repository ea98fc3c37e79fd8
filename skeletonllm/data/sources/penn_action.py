"""Penn Action: joints in video of 15 kinds of sport and music; each file says whether it trains or tests."""

from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files, reader
from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.matlab import read_variables

# The data set's names of its classes in words that say what is done.
LABELS = {
    "baseball_pitch": "baseball pitch", "baseball_swing": "baseball swing", "bench_press": "bench press",
    "bowl": "bowling", "clean_and_jerk": "clean and jerk", "golf_swing": "golf swing", "jump_rope": "jump rope",
    "jumping_jacks": "jumping jacks", "pullup": "pull-up", "pushup": "push-up", "situp": "sit-up", "squat": "squat",
    "strum_guitar": "strum a guitar", "tennis_forehand": "tennis forehand", "tennis_serve": "tennis serve",
}  # fmt: skip


def recordings(root: Path) -> list[Recording]:
    """Clips ``NNNN.mat`` below a folder; the split is that of Zhang et al. (2013), which stands in the files.

    Raises:
        SkeletonFormatError: a file without action and side, which are read right away, or with another action.
    """
    found = []
    for path, numbers in named_files(root, r"(?P<video>\d{4})\.mat"):
        arrays, text = read_variables(path, ("train",), ("action",))
        action, side = text["action"].strip(), arrays["train"]
        if action not in LABELS:
            raise SkeletonFormatError(path, "action", short(action), f"one of {', '.join(LABELS)}")
        if side.size != 1 or side.item() not in (-1, 1):
            raise SkeletonFormatError(path, "train", f"{side.ravel()[:3].tolist()}", "1 or -1")
        split = "train" if side.item() > 0 else "test"
        found.append(Recording(path.stem, LABELS[action], reader(path, "penn_action"), split, numbers))
    return found
