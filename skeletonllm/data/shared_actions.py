"""Actions that data sets have in common, whatever they call them: what a model of one can be asked about another.

Coarser than ``labels.SHARED_NAMES``: one hand or two, which way round and how high do not part these, because most data
sets do not tell. It is for tests only; nothing is trained to call two of these the same.
"""

from collections.abc import Sequence

# Action -> data set -> its labels. Of several the first stands for the action in that data set.
SHARED_ACTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "walk": {
        "synthetic": ("walk",), "nw_ucla": ("walk around",), "utd_mhad": ("walking",), "utkinect": ("walk",),
        "jhmdb": ("walk",), "gtu": ("walking",),
    },
    "run": {
        "ntu": ("running on the spot",), "utd_mhad": ("jogging",), "msr_action3d": ("jogging",), "jhmdb": ("run",),
    },
    "jump": {"synthetic": ("jump",), "ntu": ("jump up", "hopping"), "jhmdb": ("jump",)},
    "sit down": {
        "synthetic": ("sit down",), "ntu": ("sit down",), "nw_ucla": ("sit down",), "utd_mhad": ("stand to sit",),
        "utkinect": ("sit down",), "jhmdb": ("sit down",),
    },
    "stand up": {
        "synthetic": ("stand up",), "ntu": ("stand up",), "nw_ucla": ("stand up",), "utd_mhad": ("sit to stand",),
        "utkinect": ("stand up",), "jhmdb": ("stand up",),
    },
    "squat": {
        "synthetic": ("squat",), "ntu": ("squat down",), "utd_mhad": ("squat",), "gtu": ("crouch",),
        "penn_action": ("squat",),
    },
    "bend": {"synthetic": ("bow",), "ntu": ("bow (bend forward)",), "msr_action3d": ("bend",)},
    "pick up": {
        "ntu": ("pick up",), "nw_ucla": ("pick up with one hand", "pick up with two hands"), "utkinect": ("pick up",),
        "jhmdb": ("pick up",),
    },
    "pick up and throw": {"utd_mhad": ("pick up and throw",), "msr_action3d": ("pick up and throw",)},
    "drop": {"ntu": ("drop something",), "nw_ucla": ("drop trash",)},
    "carry": {"nw_ucla": ("carry",), "utkinect": ("carry",)},
    "put on clothes": {"ntu": ("put on jacket",), "nw_ucla": ("donning",)},
    "take off clothes": {"ntu": ("take off jacket",), "nw_ucla": ("doffing",)},
    "throw": {
        "ntu": ("throw",), "nw_ucla": ("throw",), "utd_mhad": ("right arm throw",), "utkinect": ("throw",),
        "msr_action3d": ("high throw",), "jhmdb": ("throw",), "penn_action": ("baseball pitch",),
    },
    "catch": {"utd_mhad": ("hand catch",), "msr_action3d": ("hand catch",), "jhmdb": ("catch",)},
    "wave": {
        "synthetic": ("wave right hand", "wave left hand"), "ntu": ("hand waving",), "utd_mhad": ("right hand wave",),
        "utkinect": ("wave hands",), "msr_action3d": ("high arm wave", "two hand wave", "horizontal arm wave"),
        "jhmdb": ("wave",),
    },
    "clap": {
        "synthetic": ("clap",), "ntu": ("clapping",), "utd_mhad": ("two hand front clap",), "utkinect": ("clap hands",),
        "msr_action3d": ("hand clap",), "jhmdb": ("clap",), "gtu": ("sit and applaud",),
    },
    "punch": {
        "synthetic": ("punch",), "ntu": ("punch/slap someone",), "utd_mhad": ("front boxing",),
        "msr_action3d": ("forward punch", "side boxing"),
    },
    "push": {
        "synthetic": ("push",), "ntu": ("pushing someone",), "utd_mhad": ("two hand push",), "utkinect": ("push",),
        "jhmdb": ("push",),
    },
    "kick": {
        "synthetic": ("kick",), "ntu": ("kicking the air/something", "side kick"),
        "msr_action3d": ("forward kick", "side kick"), "jhmdb": ("kick a ball",),
    },
    "draw x": {"utd_mhad": ("draw x",), "msr_action3d": ("draw x",)},
    "draw circle": {
        "utd_mhad": ("draw circle (clockwise)", "draw circle (counter clockwise)"), "msr_action3d": ("draw circle",),
    },
    "cross arms": {"ntu": ("cross arms", "cross hands in front"), "utd_mhad": ("cross arms in the chest",)},
    "raise arms": {"synthetic": ("raise both arms",), "ntu": ("hands up (both hands)",)},
    "basketball shooting": {
        "ntu": ("shoot at the basket",), "utd_mhad": ("basketball shooting",), "jhmdb": ("basketball shooting",),
    },
    "baseball swing": {
        "utd_mhad": ("baseball swing from right",), "jhmdb": ("baseball swing",), "penn_action": ("baseball swing",),
    },
    "bowling": {"utd_mhad": ("bowling (right hand)",), "penn_action": ("bowling",)},
    "golf swing": {"msr_action3d": ("golf swing",), "jhmdb": ("golf swing",), "penn_action": ("golf swing",)},
    "tennis swing": {
        "ntu": ("tennis bat swing",), "utd_mhad": ("tennis forehand swing",), "msr_action3d": ("tennis swing",),
        "penn_action": ("tennis forehand",),
    },
    "tennis serve": {
        "utd_mhad": ("tennis serve",), "msr_action3d": ("tennis serve",), "penn_action": ("tennis serve",),
    },
    "pull-up": {"jhmdb": ("pull-up",), "penn_action": ("pull-up",)},
    "shake hands": {"synthetic": ("shake hands",), "ntu": ("shaking hands",)},
    "walk apart": {"synthetic": ("walk apart",), "ntu": ("walking apart from each other",)},
}  # fmt: skip

_ACTION_OF = {label: action for action, sets in SHARED_ACTIONS.items() for labels in sets.values() for label in labels}


def shared_action(label: str) -> str:
    """The action that a label of any data set stands for; the label itself where no other data set has it."""
    return _ACTION_OF.get(label, label)


def stand_in(action: str, known: Sequence[str]) -> str | None:
    """The known label that stands for an action, None where there is none.

    Of several that of the first rank within its data set, then the first among the known.
    """
    order = [label for labels in SHARED_ACTIONS.get(action, {}).values() for label in labels[1:]]
    fitting = [label for label in known if shared_action(label) == action]
    return min(fitting, key=lambda label: order.index(label) + 1 if label in order else 0, default=None)
