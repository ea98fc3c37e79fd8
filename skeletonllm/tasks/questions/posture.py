"""How the body is held at the beginning, at the end and when it is lowest."""

from skeletonllm.tasks.questions.topic import Topic, topic

_WORDS = {
    "standing": "standing",
    "sitting": "sitting",
    "squatting": "squatting",
    "bent": "standing and bent over",
    "lying": "lying",
}


def _posture(when: str) -> Topic:
    claims = {value: f"The person is {words} {when}." for value, words in _WORDS.items()}
    return Topic(f"How is the person's body {when}?", _WORDS, claims)


def _legs(when: str) -> Topic:
    return topic(
        f"How are the legs {when}?",
        straight=("straight", f"The legs are straight {when}."),
        bent=("bent far", f"The legs are bent far {when}."),
    )


TOPICS = {
    "posture_first": _posture("at the beginning"),
    "posture_last": _posture("at the end"),
    "posture_lowest": _posture("when it is lowest"),
    "legs_first": _legs("at the beginning"),
    "legs_last": _legs("at the end"),
}
