"""How fast it is done, and when it is done faster."""

from skeletonllm.tasks.questions.topic import topic

TOPICS = {
    "faster": topic(
        "In which half does the person move faster?",
        first=("in the first half", "The person moves faster in the first half than in the second."),
        second=("in the second half", "The person moves faster in the second half than in the first."),
    ),
    "pace": topic(
        "How fast does the person move?",
        slow=("slowly", "The person moves slowly all the time."),
        fast=("fast", "The person moves a hand or a foot fast."),
    ),
}
