"""skeletonllm ask: a question about a recording."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.evaluate import KEY_VARIABLE, drawing

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence


def ask(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[CHECKPOINT] FILE [QUESTION]",
            help="A trained model, or the folder of the run that made it (with --api only its renderer draws; without "
            "either, the small model that comes with the package); a skeleton recording; what to ask, by default which "
            "of the actions that the model was trained on it shows.",
        ),
    ],
    candidate: Annotated[
        list[str] | None, typer.Option(help="Rank this answer instead of generating one; may be repeated.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 192,
    window: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Look at the recording in windows of so many seconds; by itself where it is long and the "
            "question is what happens when.",
        ),
    ] = None,
    api: Annotated[
        str | None, typer.Option(help="Ask the model at this OpenAI-compatible address, with its version, instead.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="With --api: the model, by the server's name for it.")] = None,
    key_variable: Annotated[str, typer.Option(help="With --api: environment variable with the key.")] = KEY_VARIABLE,
) -> None:
    """Ask a model about a recording: a free answer, or the probabilities of given ones."""
    from skeletonllm.models.trained import load_trained
    from skeletonllm.skeleton.formats import read_skeleton
    from skeletonllm.tasks.recognition import build_prompt

    checkpoint, file, question = told_apart(arguments)
    if (api is None) != (model is None):
        raise ValueError("--api and --model belong together: an address, and the model's name there")
    sequence = read_skeleton(file)
    if api is None:
        print(ask_here(checkpoint, sequence, question, candidate or (), window, max_new_tokens))
        return
    trained = None if checkpoint is None else load_trained(checkpoint)
    candidates = candidate or ([] if question or trained is None else trained.labels)
    if window is not None:
        raise ValueError("--window is for trained models; an endpoint is shown frames of the whole recording")
    if not candidates and not question:
        raise ValueError("ask something, or offer answers with --candidate")
    # Our models rank candidates of any question; this one has to be told them.
    offered = "\n".join([question, "Answer with one of these only:", *candidate]) if question and candidate else ""
    prompt = offered or question or build_prompt(candidates)
    print(ask_external(trained, sequence, prompt, api, model, key_variable, max_new_tokens))


def told_apart(arguments: list[str]) -> tuple[Path | None, Path, str | None]:
    """Model, recording and question: the first is a model if it is a folder, or if the second is the recording.

    Raises:
        ValueError: more than three, or a folder without a recording.
    """
    paths = [Path(argument) for argument in arguments]
    lacks_model = len(paths) == 2 and not paths[0].exists() and _is_file(paths[1])
    first_is_model = paths[0].is_dir() or len(paths) == 3 or lacks_model
    checkpoint, rest = (paths[0], arguments[1:]) if first_is_model else (None, arguments)
    if not 1 <= len(rest) <= 2:
        raise ValueError("expected a trained model if there is one, a recording, and a question in one argument")
    return checkpoint, Path(rest[0]), rest[1] if len(rest) == 2 else None


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a question may be longer than any name of one."""
    try:
        return path.is_file()
    except OSError:
        return False


def ask_here(
    checkpoint: Path | None,
    sequence: "SkeletonSequence",
    question: str | None,
    candidates: Sequence[str],
    window: float | None,
    max_new_tokens: int,
) -> str:
    """What a trained model answers, or the small one of the package, which is described on stderr."""
    from tqdm import tqdm

    from skeletonllm.models.shipped import load_shipped
    from skeletonllm.models.trained import load_trained
    from skeletonllm.serving.answering import carry_out, plan, plan_small
    from skeletonllm.serving.plans import Question
    from skeletonllm.serving.small_model import describe

    if checkpoint is None:
        trained, planned = load_shipped(), plan_small
        print(describe(trained), file=sys.stderr)
    else:
        trained, planned = load_trained(checkpoint), plan
    asked = Question(sequence, question or None, tuple(candidates), window, max_new_tokens)
    with tqdm(total=1.0, leave=False, delay=1.0, disable=None, bar_format="{desc} {percentage:.0f} %") as bar:

        def progress(doing: str, share: float) -> None:
            bar.set_description_str(doing, refresh=False)
            bar.update(share - bar.n)

        return carry_out(trained, asked, planned(trained, asked), progress).text


def ask_external(
    trained: "Trained | None",
    sequence: "SkeletonSequence",
    prompt: str,
    url: str,
    model: str,
    key_variable: str,
    max_tokens: int,
) -> str:
    """What a model behind an endpoint answers."""
    import os

    from skeletonllm.data.teacher import Endpoint
    from skeletonllm.evaluation.external import Asking, ask_endpoint

    endpoint = Endpoint(url, model, os.environ.get(key_variable))
    renderer, sample = drawing(trained)
    return ask_endpoint(endpoint, renderer, sample(sequence), prompt, Asking(max_tokens)).strip()
