"""Which side of the body acts, by the person's own left and right."""

from skeletonllm.tasks.questions.topic import topic

TOPICS = {
    "arm": topic(
        "Which arm does the person move more?",
        left=("the left arm", "The person moves the left arm much more than the other."),
        right=("the right arm", "The person moves the right arm much more than the other."),
        both=("both arms alike", "The person moves both arms alike."),
    ),
    "leg": topic(
        "Which foot does the person lift high?",
        left=("the left foot", "The person lifts the left foot high, and not the other."),
        right=("the right foot", "The person lifts the right foot high, and not the other."),
    ),
}
