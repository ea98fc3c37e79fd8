"""What a multimodal model says in the commands of the documentation."""

from teacher_server import Served, label_of

from skeletonllm.skeleton.synthesis import ACTIONS, describe


def answer(question: dict, number: int) -> Served:
    """To a teacher's question what somebody says who sees the label below it; to others a word."""
    if "Label: " not in question["messages"][-1]["content"][-1]["text"]:
        return Served("walk")
    label = label_of(question)
    return Served(f"{describe(label if label in ACTIONS else 'walk', performer=0)}\nLabel: {label}")
