"""Captions of synthetic motions: the same motion in several wordings, with the particulars that its parameters know."""

from skeletonllm.skeleton.synthesis.truth import known_facts

_WHO = ("a person", "someone", "the person")
# What a label is in the third person, in two wordings; {side} and {times} are filled from what is known of the motion.
_WORDS = {
    "wave left hand": ("waves with the left hand", "raises the left hand and swings it to and fro"),
    "wave right hand": ("waves with the right hand", "raises the right hand and swings it to and fro"),
    "clap": ("claps the hands {times}", "brings both hands together {times}, clapping"),
    "kick": ("kicks with the {side} foot", "draws the {side} foot back and kicks forward"),
    "squat": ("squats {times}", "bends the knees far and comes up again {times}"),
    "sit down": ("sits down", "lowers the hips onto a seat and stays there"),
    "stand up": ("stands up", "gets up from a seat"),
    "jump": ("jumps {times}", "leaps up {times} with both feet"),
    "walk": ("walks forward", "goes forward step by step"),
    "turn around": ("turns around to the {side}", "makes half a turn to the {side} in small steps"),
    "bow": ("bows", "bends the upper body far forward and comes up again"),
    "punch": ("punches {times}", "throws a punch {times}"),
    "raise both arms": ("raises both arms over the head", "lifts the two arms sideways and lowers them again"),
}
_OF_TWO = {
    "shake hands": ("two people shake hands", "two persons hold each other's right hand and shake it"),
    "push": ("one person pushes another", "someone pushes another person, who staggers back"),
    "walk apart": ("two people walk away from each other", "two persons turn their backs on each other and part"),
}
# Where the number and the side of an action are told.
_COUNTED = {"clap": "claps", "squat": "sinks", "jump": "jumps", "punch": "thrusts"}
_SIDED = {"kick": "leg", "turn around": "turn"}
_TIMES = ("", "once", "twice", "three times", "four times", "five times", "six times")


def captions(label: str, *, performer: int, take: int = 0) -> tuple[str, ...]:
    """Four or more sentences, all true of the motion that ``synthesize`` shows, in lower case and without a full stop.

    Raises:
        KeyError: unknown label.
    """
    if label in _OF_TWO:
        return tuple(f"{text}{end}" for text in _OF_TWO[label] for end in ("", " in front of the camera"))
    facts = known_facts(label, performer=performer, take=take)
    number = int(facts.get(_COUNTED.get(label, ""), "0"))
    side = facts.get(_SIDED.get(label, ""), "")
    said = [_filled(words, number, side) for words in _WORDS[label]]
    return tuple(f"{who} {text}" for text in said for who in _WHO)


def captions_of_sequence(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences about several actions in their order; they tell no numbers and no sides that are not in the labels."""
    found = []
    for who in _WHO:
        for link in (", then ", " and then "):
            parts = [_filled(_WORDS[label][0], 0, "") for label in labels]
            found.append(f"{who} {link.join(parts)}")
    return tuple(found)


def _filled(words: str, number: int, side: str) -> str:
    times = _TIMES[number] if number < len(_TIMES) else "many times"
    if not side:
        for phrase in (" with the {side} foot", " to the {side}"):
            words = words.replace(phrase, "")
        words = words.replace("the {side} foot", "a foot")
    return " ".join(words.format(side=side, times=times).replace(" ,", ",").split())
