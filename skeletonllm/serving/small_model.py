"""How the small model that comes with the package is asked: in the words of its tasks, as it knows no others."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from skeletonllm.evaluation.timeline import find_segments, watch
from skeletonllm.serving.asking import rank
from skeletonllm.serving.plans import Answer, Generation, Passes, Plan, Progress, Ranking
from skeletonllm.serving.windows import OVERLAP, WINDOW, each_window
from skeletonllm.tasks import discrimination, questions, recognition
from skeletonllm.tasks.understanding import Understood

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence


def describe(trained: "Trained") -> str:
    """What everybody should know who reads its answers."""
    millions = sum(parameter.numel() for parameter in trained.model.parameters()) / 1e6
    return (
        f"The small model that comes with skeletonllm answers: {millions:.1f} million parameters that know "
        f"{len(trained.labels)} actions, from synthetic motions alone. Do not trust it; to ask a model of your own, "
        "name its folder."
    )


def cannot(trained: "Trained") -> str:
    """What is said of a question that is near no task."""
    return (
        "The small model was not taught to answer this. It can say which of its actions a recording shows, whether it "
        f"is one of them or when it is done ({', '.join(trained.labels)}), describe a motion, and tell a few facts, "
        "such as which arm moves more. Of its actions it sees:"
    )


def plan_understood(trained: "Trained", sequence: "SkeletonSequence", asked: Understood) -> Plan:
    """For a question of any task but recognition and localization, about the recording seen as one clip."""
    if asked.order is not None:
        return Passes(lambda progress: earlier(trained, sequence, asked.order, progress))
    if asked.topic is not None:
        return Passes(lambda progress: Answer(choose(trained, sequence, asked.topic, progress)))
    if asked.task == "discrimination":  # by all actions: asked for YES or NO it is right less often

        def is_it(shares: dict[str, float]) -> Answer:
            seen = next(iter(shares))
            said = discrimination.YES if seen == asked.label else f"{discrimination.NO}, rather {seen}"
            return Answer(f"{said} ({asked.label}: {shares[asked.label]:.1%})", shares)

        return Ranking(recognition.build_prompt(trained.labels), tuple(trained.labels), is_it)
    return Generation(asked.prompt)


def earlier(trained: "Trained", sequence: "SkeletonSequence", labels: Sequence[str], progress: Progress) -> Answer:
    """Which of two actions is seen first, by windows: asked for it in words, it guesses."""
    question = recognition.build_prompt(trained.labels)
    spans, shares = watch(
        trained.model, trained.processor, sequence, question, trained.labels, WINDOW, WINDOW / OVERLAP,
        progress=lambda windows: each_window(windows, progress),
    )  # fmt: skip
    found = {label: find_segments(label, spans, shares[:, trained.labels.index(label)])[0] for label in labels}
    first = min(labels, key=lambda label: found[label].segment.start)
    return Answer(first, segments=tuple(found.values()))


def choose(trained: "Trained", sequence: "SkeletonSequence", topic: questions.Topic, progress: Progress) -> str:
    """The answer that wins most against each other one: it was taught to choose between two, in any order."""
    won = dict.fromkeys(topic.answers.values(), 0.0)
    pairs = list(combinations(won, 2))
    for number, (one, other) in enumerate(pairs):
        progress("comparing", number / len(pairs))
        for offered in ([one, other], [other, one]):
            for text, share in rank(trained, sequence, questions.choice_prompt(topic, offered), offered).items():
                won[text] += share
    return max(won, key=won.__getitem__)
