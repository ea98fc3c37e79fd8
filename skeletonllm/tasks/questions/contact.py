"""Who or what comes near whom."""

from skeletonllm.tasks.questions.topic import topic

TOPICS = {
    "hands": topic(
        "Do the two hands come together?",
        meet=("they come together", "The two hands come together."),
        apart=("they stay apart", "The two hands stay apart all the time."),
    ),
    "touch": topic(
        "Does one person touch the other with a hand?",
        touch=("one touches the other", "One person touches the other with a hand."),
        apart=("they do not touch", "Neither person touches the other with a hand."),
    ),
    "distance": topic(
        "What becomes of the space between the two people?",
        grow=("it grows", "The space between the two people grows."),
        shrink=("it shrinks", "The space between the two people shrinks."),
        stay=("it stays the same", "The space between the two people stays the same."),
    ),
    "facing": topic(
        "How do the two people stand at first?",
        face=("face to face", "The two people stand face to face at first."),
        back=("back to back", "The two people stand back to back at first."),
    ),
}
