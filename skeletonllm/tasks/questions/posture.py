"""How the body is held at the beginning, at the end and when it is lowest."""

from skeletonllm.tasks.questions.topic import Topic

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


TOPICS = {
    "posture_first": _posture("at the beginning"),
    "posture_last": _posture("at the end"),
    "posture_lowest": _posture("when it is lowest"),
}
