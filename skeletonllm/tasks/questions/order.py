"""What comes first: limbs, hands, or whole actions of a recording that has several."""

from skeletonllm.skeleton.kinematic_facts import ORDER
from skeletonllm.tasks.questions.topic import Topic, topic

TOPICS = {
    "first_limbs": topic(
        "What begins to move first?",
        arms=("the arms", "The arms begin to move before the legs."),
        legs=("the legs", "The legs begin to move before the arms."),
    ),
    "first_hand": topic(
        "Which hand goes up first?",
        left=("the left hand", "The left hand goes up before the right one."),
        right=("the right hand", "The right hand goes up before the left one."),
    ),
}


def of_actions(name: str) -> Topic | None:
    """The topic ``order/ONE/OTHER`` of two labelled actions; None for any other name."""
    kind, _, labels = name.partition("/")
    one, _, other = labels.partition("/")
    if kind != ORDER or not one or not other:
        return None
    question = f'What does the person do first, "{one}" or "{other}"?'
    claims = {one: f'The person does "{one}" before "{other}".', other: f'The person does "{other}" before "{one}".'}
    return Topic(question, {one: one, other: other}, claims)
