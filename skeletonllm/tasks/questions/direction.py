"""Where the body, or a part of it, goes; forward and left are the person's own."""

from skeletonllm.tasks.questions.topic import topic

TOPICS = {
    "travel": topic(
        "Where does the person go?",
        forward=("forward", "The person goes forward."),
        backward=("backward", "The person goes backward."),
        stay=("nowhere", "The person stays in place."),
    ),
    "turn": topic(
        "To which side does the person turn?",
        left=("to the left", "The person turns to the left."),
        right=("to the right", "The person turns to the right."),
        none=("to neither side", "The person turns to neither side."),
    ),
    "hips": topic(
        "What do the hips do?",
        level=("they stay level", "The hips stay level."),
        down=("they sink and stay low", "The hips sink and stay low."),
        up=("they rise and stay high", "The hips are low at first, and rise."),
        dip=("they sink and rise again", "The hips sink, and rise again."),
    ),
}
