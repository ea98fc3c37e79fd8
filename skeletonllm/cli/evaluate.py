"""skeletonllm evaluate: how often a model is right."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.pack import parse_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from skeletonllm.evaluation.accuracy import Accuracy
    from skeletonllm.models.trained import Trained
    from skeletonllm.rendering.draction import DrAction
    from skeletonllm.skeleton.sequence import Clip, SkeletonSequence

KEY_VARIABLE = "OPENAI_API_KEY"
FRAMES = 12  # of a clip, where no trained model says it


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="A trained model, or the folder of the run that made it. With --api only its renderer."),
    ] = None,
    task: Annotated[str, typer.Option(help="What is asked: a task by name.")] = "recognition",
    data: Annotated[str, typer.Option(help="Source: synthetic, nw_ucla, utd_mhad, folder or another.")] = "synthetic",
    root: Annotated[Path | None, typer.Option(help="Folder of the source's files.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of the source; VALUE in JSON. May be repeated.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, test or all.")] = "test",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Who trains and who tests: a split by name, such as ntu60/55-5, or a YAML file. "
            "Default: as in training on the same source, else the data set's usual one."
        ),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep recordings with an attribute, such as view=3; may be repeated.")
    ] = None,
    shared_labels: Annotated[
        bool, typer.Option(help="Another data set: ask about the actions that it shares with the training data.")
    ] = False,
    generalized: Annotated[
        bool, typer.Option(help="Generalised zero-shot: seen and unseen classes together, harmonic mean.")
    ] = False,
    generate: Annotated[
        bool, typer.Option(help="Score the generated answer instead of the candidates' log-likelihoods.")
    ] = False,
    blind: Annotated[
        bool, typer.Option(help="Also answer without seeing: from the questions' text, black and exchanged frames.")
    ] = False,
    draws: Annotated[int, typer.Option(min=1, help="Questions about each recording, for tasks that draw them.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of questions, exchanged frames and bootstrap.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Recordings per pass.")] = 32,
    api: Annotated[
        str | None, typer.Option(help="Ask the model at this OpenAI-compatible address, with its version, instead.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="With --api: the model, by the server's name for it.")] = None,
    key_variable: Annotated[str, typer.Option(help="With --api: environment variable with the key.")] = KEY_VARIABLE,
    concurrency: Annotated[int, typer.Option(min=1, help="With --api: questions under way at once.")] = 8,
    token_cap: Annotated[int, typer.Option(min=0, help="With --api: tokens in all, at most; 0: no cap.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="With --api: of an answer.")] = 64,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the results. Default: beside the model.")
    ] = None,
) -> None:
    """Accuracy with its interval, a table per class or kind of question, and how well it goes without seeing."""
    import os

    from skeletonllm.data.teacher import Caps, Endpoint
    from skeletonllm.evaluation.accuracy import Accuracy
    from skeletonllm.evaluation.external import Asking
    from skeletonllm.evaluation.plots import plot_confusion
    from skeletonllm.evaluation.report import describe_accuracy
    from skeletonllm.evaluation.respondents import External, Ours, Test, blind_answers, on_device
    from skeletonllm.evaluation.results import predictions_of, write_results
    from skeletonllm.evaluation.selection import choose
    from skeletonllm.models.trained import load_trained

    if (api is None) != (model is None):
        raise ValueError("--api and --model belong together: an address, and the model's name there")
    if checkpoint is None and api is None:
        raise ValueError("give the folder of a trained model, or --api and --model")
    if generalized and task != "recognition":
        raise ValueError(f"generalised zero-shot is about recognition, not about {task}")
    trained = None if checkpoint is None else on_device(load_trained(checkpoint))
    protocol = protocol or ("usual" if trained is None else protocol_of_training(trained.recipe, data))
    names_labels = task in ("recognition", "discrimination", "rationale")
    selection = choose(
        data, root, parse_options(option or []), protocol, trained.labels if trained and names_labels else None,
        split=split, where=parse_where(where or []), shared_labels=shared_labels, generalized=generalized,
    )  # fmt: skip
    test = Test.about(selection, task, draws, seed)

    scoring = "log-likelihood" if task == "recognition" and not generate and api is None else "generation"
    marks = ["shared"] * shared_labels + ["generalized"] * generalized + ["generated"] * (generate and api is None)
    named = [task] * (task != "recognition") + [data, *_name_of_protocol(protocol), split, *(where or []), *marks]
    named += [plain(model)] if model else []
    folder = output or (checkpoint or Path()) / "evaluation" / "-".join(named)
    count = len(test.posed)
    if api is None:
        ours = Ours(trained, generate, batch_size)
        answers = ours.answer(test)
    else:
        ours = None
        endpoint = Endpoint(api, model, os.environ.get(key_variable))
        renderer, sample = drawing(trained)
        folder.mkdir(parents=True, exist_ok=True)
        asked = External(
            endpoint, renderer, sample, folder / "answers.jsonl", Asking(max_tokens, seed=seed),
            Caps(token_cap), concurrency,
        )  # fmt: skip
        test, answers = asked.answer(test)
    facts = dict(
        checkpoint=None if checkpoint is None else str(checkpoint), model=model, data=data, options=option,
        split=split, protocol=protocol, where=where, shared_labels=shared_labels, scoring=scoring,
        unanswered=count - len(test.posed),
    )  # fmt: skip
    seeing_nothing = blind_answers(test, ours) if blind else {}
    summary = write_results(folder, test, answers, seeing_nothing, facts, generalized)
    if task == "recognition":
        accuracy = Accuracy.of(predictions_of(test, answers), selection.candidates)
        plot_confusion(accuracy, folder / "confusion.png", f"{data}, {split}: {describe_accuracy(accuracy)}")
        print_recognition(accuracy, summary)
    else:
        print_task(summary)
    print_advantages(summary)
    if facts["unanswered"]:
        print(f"{facts['unanswered']} of {count} questions got no answer; start again to ask them")
    print(f"written to {folder}")


def print_recognition(accuracy: "Accuracy", summary: dict) -> None:
    """A table of classes, then the accuracy; seen and unseen classes apart where they are told apart."""
    from skeletonllm.evaluation.report import describe_accuracy, per_class_rows, percent

    print_table(per_class_rows(accuracy))
    print(f"accuracy {describe_accuracy(accuracy)}")
    print(f"mean over labels {percent(accuracy.macro)}; chance {percent(summary['chance'])}")
    if found := summary.get("generalized"):
        low, high = found["harmonic_interval_95"]
        print(
            f"seen {percent(found['seen']['accuracy'])}, unseen {percent(found['unseen']['accuracy'])}, "
            f"harmonic mean {percent(found['harmonic'])} ({100 * low:.1f} to {100 * high:.1f}, 95 % interval)"
        )


def print_task(summary: dict) -> None:
    """A table of kinds of question, then every metric over all of them."""
    from skeletonllm.evaluation.report import metric_rows

    print_table(metric_rows(summary))
    for name, found in summary["metrics"].items():
        low, high = found["interval_95"]
        print(f"{name} {found['value']:.3f} ({low:.3f} to {high:.3f}, 95 % interval), {found['count']} answers")
    for name, value in summary.get("corpus", {}).items():
        print(f"{name} {value}" if isinstance(value, str) else f"{name} {value:.1f}")


def print_advantages(summary: dict) -> None:
    """How far the answers are above those of somebody who sees nothing."""
    from skeletonllm.evaluation.report import describe_advantage, percent

    for name, found in summary.get("blind", {}).items():
        told = percent(found["metrics"]["score"]["value"])
        print(f"blind, {name}: {told}; {describe_advantage(name, found['advantage']['all'])}")


def drawing(trained: "Trained | None") -> "tuple[DrAction, Callable[[SkeletonSequence], Clip]]":
    """What draws for an external model, and cuts recordings: those of a trained one, else the untrained renderer."""
    from functools import partial

    from skeletonllm.cli.render import Backend, load_renderer
    from skeletonllm.skeleton.sequence import sample_clip

    if trained is not None:
        return trained.model.renderer.eval(), trained.processor.sample
    return load_renderer(None, Backend.auto), partial(sample_clip, num_frames=FRAMES)


def plain(name: str) -> str:
    """A model's name as part of a file's."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def _name_of_protocol(protocol: str) -> list[str]:
    if protocol == "usual":
        return []
    return [Path(protocol).stem if Path(protocol).is_file() else protocol.replace("/", "-")]


def protocol_of_training(recipe: dict, source: str) -> str:
    """The protocol that a recipe trained by, if on this source; ``usual`` for any other."""
    data = recipe.get("data", {})
    return data.get("protocol", "usual") if data.get("source") == source else "usual"


def parse_where(conditions: list[str]) -> dict[str, list[int]]:
    """``["view=1", "view=2"]`` to ``{"view": [1, 2]}``. Raises ValueError at anything else."""
    where: dict[str, list[int]] = {}
    for condition in conditions:
        key, _, value = condition.partition("=")
        if not key or not value.lstrip("-").isdigit():
            raise ValueError(f"{condition!r} is not of the form attribute=number, such as view=3")
        where.setdefault(key, []).append(int(value))
    return where


def print_table(rows: list[list[str]]) -> None:
    """A table whose first row is its head."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*map(Text, row))  # as they are: a label is never read as markup
    Console().print(table)
