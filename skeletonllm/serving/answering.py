"""How a question about a recording is answered: ranked candidates, a generated text, or what happens when."""

from dataclasses import replace
from typing import TYPE_CHECKING

from skeletonllm.serving.asking import generate_all, rank_all
from skeletonllm.serving.plans import Answer, Generation, Passes, Plan, Progress, Question, Ranking
from skeletonllm.serving.small_model import cannot, plan_understood
from skeletonllm.serving.windows import WINDOW, answer_in_windows, wants_windows
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.tasks.understanding import understand

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained

# So many of the candidates are told in words.
SHOWN = 5


def plan(trained: "Trained", question: Question) -> Plan:
    """What a trained model has to do to answer a question as it is put.

    Raises:
        ValueError: nothing is asked; windows for answers that are ranked once.
    """
    sequence, text, window = question.sequence, question.text, question.window
    candidates = question.candidates or (() if text else tuple(trained.labels))
    if wants_windows(sequence.duration, text, question.candidates, window):
        labels = question.candidates or trained.labels
        most = question.max_new_tokens
        return Passes(lambda progress: answer_in_windows(trained, sequence, text, labels, window, most, progress))
    if not candidates and not text:
        raise ValueError("ask something, or offer candidates")
    if candidates:
        return Ranking(text or build_prompt(candidates, trained.listed), candidates, ranked)
    return Generation(text)


def plan_small(trained: "Trained", question: Question) -> Plan:
    """The same for the small model that comes with the package, which is asked in the words of the nearest task.

    If none is near, that is said, and which action is seen.

    Raises:
        ValueError: windows for a question about the whole.
    """
    text = question.text
    asked = None if question.candidates or not text else understand(text, trained.labels)
    if question.candidates:
        return plan(trained, question)
    if asked is None or asked.task == "recognition":
        which = plan(trained, replace(question, text=None))
        return _behind(cannot(trained), which) if text and asked is None else which
    if asked.task == "localization":  # so small a model cannot say seconds; where it sees the action it can show
        return plan(trained, replace(question, window=question.window or WINDOW))
    if question.window is not None:
        raise ValueError("in windows the small model can be asked which actions there are, or when one is done")
    return plan_understood(trained, question.sequence, asked)


def carry_out(
    trained: "Trained", question: Question, what: Plan, progress: Progress = lambda doing, share: None
) -> Answer:
    """Answer one question.

    Raises:
        ValueError: the model cannot be asked so, see ``generate_all`` and ``answer_in_windows``.
    """
    if isinstance(what, Passes):
        return what.run(progress)
    if isinstance(what, Ranking):
        return what.answer(rank_all(trained, [question.sequence], [what.prompt], what.candidates)[0])
    (said,) = generate_all(trained, [question.sequence], [what.prompt], [question.max_new_tokens])
    return Answer(said.text, prompt_tokens=said.prompt_tokens, tokens=said.tokens, whole=said.whole)


def ranked(shares: dict[str, float]) -> Answer:
    """The likeliest, then a few with their probabilities."""
    few = [f"  {probability:6.1%}  {label}" for label, probability in list(shares.items())[:SHOWN]]
    return Answer("\n".join([next(iter(shares)), *few]), shares)


def _behind(text: str, what: Plan) -> Plan:
    """A plan whose answer stands below a text."""

    def below(answer: Answer) -> Answer:
        return replace(answer, text=f"{text}\n{answer.text}")

    if isinstance(what, Ranking):
        return replace(what, answer=lambda shares: below(what.answer(shares)))
    return Passes(lambda progress: below(what.run(progress)))
