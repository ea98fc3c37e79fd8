"""Actions that several data sets share under different names."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from skeletonllm.data.shared_actions import shared_action, stand_in
from skeletonllm.skeleton.formats import ntu, nw_ucla, utd_mhad
from skeletonllm.skeleton.synthesis import ACTIONS

# The name of an action in a data set -> what it has in common with others, so that a mixture learns it under one name.
# An action is listed only where the motion is the same; UTD-MHAD walks in place, which is kept and said in reports.
# What is only alike enough to be tested is in ``shared_actions``.
SHARED_NAMES = {
    "walk around": "walk", "walking": "walk", "walk": "walk",
    "sit down": "sit down", "stand to sit": "sit down",
    "stand up": "stand up", "sit to stand": "stand up",
    "throw": "throw", "right arm throw": "throw",
    "clap": "clap", "two hand front clap": "clap", "clapping": "clap",
    "squat": "squat", "kick": "kick", "kicking the air/something": "kick",
    "punch": "punch", "front boxing": "punch",
    "wave right hand": "wave right hand", "right hand wave": "wave right hand",
}  # fmt: skip


def known_labels() -> tuple[str, ...]:
    """Every label of the data sets whose words all tiny models have, and of the embedded one.

    Tiny vocabularies are made from these: another label here would give tokens other numbers than older runs have.
    """
    return (*ntu.LABELS, *nw_ucla.LABELS, *utd_mhad.LABELS, *ACTIONS)


def shared_name(label: str) -> str:
    """What a label is called across data sets; itself where nothing is known."""
    return SHARED_NAMES.get(label, label)


def translate_labels(known: Sequence[str], foreign: Iterable[str]) -> dict[str, str]:
    """For each foreign label the known one that means the same action; labels without one are left out.

    A known label of the same motion goes before one of the same action (``shared_actions``). Where the known labels
    tell an action apart that the foreign ones do not, one of them stands for all: ``stand_in`` says which.

    Raises:
        ValueError: two known labels mean the same motion.
    """
    by_shared: dict[str, str] = {}
    for label in known:
        if shared_name(label) in by_shared:
            raise ValueError(f"labels {by_shared[shared_name(label)]!r} and {label!r} mean the same action")
        by_shared[shared_name(label)] = label
    found = {label: by_shared.get(shared_name(label)) or stand_in(shared_action(label), known) for label in foreign}
    return {label: same for label, same in found.items() if same is not None}


def refuse_unknown(labels: Iterable[str], known: Collection[str], place: str) -> None:
    """Raises ValueError, which names the nearest known label, if one of the labels is not known."""
    for label in labels:
        if label not in known:
            near = difflib.get_close_matches(label, sorted(known), n=1, cutoff=0.0)
            raise ValueError(f"{place}: unknown label {label!r}" + (f"; the nearest is {near[0]!r}" if near else ""))
