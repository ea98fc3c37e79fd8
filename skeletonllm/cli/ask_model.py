"""How ``skeletonllm ask`` puts a question to a trained model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence

# So many of the candidates are printed.
SHOWN = 5


def ask_model(
    trained: "Trained",
    sequence: "SkeletonSequence",
    question: str | None,
    candidate: Sequence[str] | None,
    window: float | None,
    max_new_tokens: int,
) -> None:
    """Print the answer to a question as it is: ranked candidates, a generated text, or what happens when.

    Args:
        question: None: which of the candidates it is.
        candidate: answers to rank; without a question by default the actions that the model was trained on.
        window: seconds, to look at the recording piece by piece; None: where it is long and the question needs it.
        max_new_tokens: of a generated answer.
    """
    from skeletonllm.cli.ask_long import answer_in_windows, wants_windows
    from skeletonllm.tasks.recognition import build_prompt

    if wants_windows(sequence.duration, question, candidate, window):
        answer_in_windows(trained, sequence, question, candidate or trained.labels, window, max_new_tokens)
        return
    candidates = candidate or ([] if question else trained.labels)
    if not candidates and not question:
        raise ValueError("ask something, or offer answers with --candidate")
    if candidates:
        print_ranking(rank(trained, sequence, question or build_prompt(candidates, trained.listed), candidates))
    else:
        print(generate(trained, sequence, question, max_new_tokens))


def rank(trained: "Trained", sequence: "SkeletonSequence", prompt: str, candidates: Sequence[str]) -> dict[str, float]:
    """Candidates with their probabilities, which sum to 1, the likeliest first."""
    inputs = trained.processor([trained.processor.sample(sequence)], [prompt])
    ids = trained.processor.candidate_token_ids(candidates)
    scores = trained.model.label_log_likelihoods(candidate_token_ids=ids, **inputs)[0]
    ranked = sorted(zip(scores.softmax(-1).tolist(), candidates, strict=True), reverse=True)
    return {label: probability for probability, label in ranked}


def print_ranking(shares: dict[str, float]) -> None:
    """The likeliest, then a few with their probabilities."""
    print(next(iter(shares)))
    for label, probability in list(shares.items())[:SHOWN]:
        print(f"  {probability:6.1%}  {label}")


def generate(trained: "Trained", sequence: "SkeletonSequence", prompt: str, max_new_tokens: int) -> str:
    """The greedy answer."""
    inputs = trained.processor([trained.processor.sample(sequence)], [prompt])
    generated = trained.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    return trained.processor.decode(generated, inputs["input_ids"].shape[1])[0]
