"""How ``skeletonllm ask`` answers where no model is named: with the small one that comes with the package."""

import sys
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from skeletonllm.cli.ask_long import OVERLAP, WINDOW
from skeletonllm.cli.ask_model import ask_model, generate, rank
from skeletonllm.evaluation.timeline import find_segments, watch
from skeletonllm.models.shipped import load_shipped
from skeletonllm.tasks import discrimination, questions, recognition
from skeletonllm.tasks.understanding import Understood, understand

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence


def ask_shipped(
    sequence: "SkeletonSequence",
    question: str | None,
    candidate: Sequence[str] | None,
    window: float | None,
    max_new_tokens: int,
) -> None:
    """Print an answer of the shipped model, and on stderr how little it is.

    A question is asked in the words of the nearest task. If none is near, that is said, and which action is seen.

    Args: as of ``ask_model``.

    Raises:
        ValueError: windows for a question about the whole.
    """
    trained = load_shipped()
    print(describe(trained), file=sys.stderr)
    asked = None if candidate or not question else understand(question, trained.labels)
    if question and not candidate and asked is None:
        print(cannot(trained))
    if candidate:
        ask_model(trained, sequence, question, candidate, window, max_new_tokens)
    elif asked is None or asked.task == "recognition":
        ask_model(trained, sequence, None, None, window, max_new_tokens)
    elif asked.task == "localization":  # so small a model cannot say seconds; where it sees the action it can show
        ask_model(trained, sequence, question, None, window or WINDOW, max_new_tokens)
    elif window is not None:
        raise ValueError("with --window the small model can be asked which actions there are, or when one is done")
    else:
        print(answer(trained, sequence, asked, max_new_tokens))


def describe(trained: "Trained") -> str:
    """What everybody should know who reads its answers."""
    millions = sum(parameter.numel() for parameter in trained.model.parameters()) / 1e6
    return (
        f"The small model that comes with skeletonllm answers: {millions:.1f} million parameters that know "
        f"{len(trained.labels)} actions, from synthetic motions alone. Do not trust it; to ask a model of your own, "
        "name its folder before the recording."
    )


def cannot(trained: "Trained") -> str:
    """What is said of a question that is near no task."""
    return (
        "The small model was not taught to answer this. It can say which of its actions a recording shows, whether it "
        f"is one of them or when it is done ({', '.join(trained.labels)}), describe a motion, and tell a few facts, "
        "such as which arm moves more. Of its actions it sees:"
    )


def answer(trained: "Trained", sequence: "SkeletonSequence", asked: Understood, max_new_tokens: int) -> str:
    """The answer to a question of any task but recognition, from the recording seen as one clip."""
    if asked.order is not None:
        return earlier(trained, sequence, asked.order)
    if asked.topic is not None:
        return choose(trained, sequence, asked.topic)
    if asked.task == "discrimination":  # by all actions: asked for YES or NO it is right less often
        shares = rank(trained, sequence, recognition.build_prompt(trained.labels), trained.labels)
        seen = next(iter(shares))
        said = discrimination.YES if seen == asked.label else f"{discrimination.NO}, rather {seen}"
        return f"{said} ({asked.label}: {shares[asked.label]:.1%})"
    return generate(trained, sequence, asked.prompt, max_new_tokens)


def earlier(trained: "Trained", sequence: "SkeletonSequence", labels: Sequence[str]) -> str:
    """Which of two actions is seen first, by windows: asked for it in words, it guesses."""
    question = recognition.build_prompt(trained.labels)
    spans, shares = watch(
        trained.model, trained.processor, sequence, question, trained.labels, WINDOW, WINDOW / OVERLAP, progress=True
    )
    found = {label: find_segments(label, spans, shares[:, trained.labels.index(label)])[0] for label in labels}
    return min(labels, key=lambda label: found[label].segment.start)


def choose(trained: "Trained", sequence: "SkeletonSequence", topic: questions.Topic) -> str:
    """The answer that wins most against each other one: it was taught to choose between two, in any order."""
    won = dict.fromkeys(topic.answers.values(), 0.0)
    for one, other in combinations(won, 2):
        for offered in ([one, other], [other, one]):
            for text, share in rank(trained, sequence, questions.choice_prompt(topic, offered), offered).items():
                won[text] += share
    return max(won, key=won.__getitem__)
