"""Why something happens: by what else the body does it."""

from skeletonllm.tasks.questions.topic import topic

TOPICS = {
    "head_lowers": topic(
        "Why does the head get lower?",
        knees=("because the knees bend", "The head gets lower because the knees bend."),
        trunk=("because the upper body bends over", "The head gets lower because the upper body bends over."),
    ),
    "hips_rise": topic(
        "Why do the hips get higher than they were at first?",
        legs=("because bent legs straighten", "The hips get higher than at first because bent legs straighten."),
        leap=(
            "because both feet leave the floor",
            "The hips get higher than at first because both feet leave the floor.",
        ),
    ),
    "parting": topic(
        "Why does the space between the two people grow?",
        touch=("because one pushes the other", "The space between the two people grows because one pushes the other."),
        walk=("because they walk away", "The space between the two people grows because they walk away."),
    ),
}
