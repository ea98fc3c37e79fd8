"""GTU 3D Actions: 14 actions in front of a Kinect v2, one folder each, whose number is all that names the action."""

from collections import defaultdict
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import named_files, reader

# By number of the folder. The data set's own list is a translation: its "standing on the sandal standing" are people
# who sit down on a chair (sandalye) and stand up, and its left and right are not the hands that move, which are named
# here.
LABELS = {
    1: "open and close the arms", 2: "shake the right hand", 3: "step to the right and left", 4: "crouch",
    5: "sit on a chair and stand up", 6: "sit and applaud", 7: "bend the lower back", 8: "eight steps right and left",
    9: "loosen the neck", 10: "shake the left hand", 11: "stretch the waist to the right and left", 12: "walking",
    13: "bend a leg", 14: "bend a leg, second way",
}  # fmt: skip
_TEST_SHARE = 0.2


def recordings(root: Path) -> list[Recording]:
    """Clips ``ACTION/movementN.txt`` below a folder.

    Files name no performer, and the data set has no protocol. Neighbouring numbers are likely to be of one performer:
    the last fifth of each action by number, rounded up, tests, and an action of a single clip trains.
    """
    by_action = defaultdict(list)
    for path, numbers in named_files(root, r"movement(?P<movement>\d+)\.txt"):
        folder = path.parent.name
        if folder.isdecimal() and int(folder) in LABELS:
            by_action[int(folder)].append((numbers["movement"], path))
    found = []
    for action, clips in sorted(by_action.items()):
        training = int(len(clips) * (1 - _TEST_SHARE)) or 1
        for place, (movement, path) in enumerate(sorted(clips)):
            found.append(
                Recording(
                    id=path.relative_to(root).with_suffix("").as_posix(),
                    label=LABELS[action],
                    read=reader(path, "gtu"),
                    split="train" if place < training else "test",
                    attributes={"action": action, "movement": movement},
                )
            )
    return found
