"""Which parts of the body act."""

from skeletonllm.tasks.questions.topic import topic

TOPICS = {
    "part": topic(
        "What does the person move most?",
        arms=("the arms", "The person moves the arms more than anything else."),
        legs=("the legs", "The person moves the legs more than anything else."),
        trunk=("the upper body", "The person moves the upper body more than anything else."),
    ),
    "raised": topic(
        "How many hands does the person raise above the head?",
        none=("no hand", "The person raises no hand above the head."),
        one=("one hand", "The person raises exactly one hand above the head."),
        both=("both hands", "The person raises both hands above the head."),
    ),
}
