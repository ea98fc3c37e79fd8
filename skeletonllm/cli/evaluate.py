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
    data: Annotated[
        str | None,
        typer.Option(help="Source: synthetic, nw_ucla, utd_mhad, folder or another. Default: that of training."),
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Of a mixture that was trained on: one source, by its name in the recipe.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the source's files. Default: as in training on the same source.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE of the source; VALUE in JSON. May be repeated. Others: as in training on the same source."
        ),
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
    """Accuracy with its interval, a table per class or kind of question, and how well it goes without seeing.

    Any number of processes that see the same folder share the questions out (torchrun, srun). What was stopped goes on
    when the command is given again.
    """
    import os

    from skeletonllm.data.teacher import Caps, Endpoint
    from skeletonllm.evaluation.accuracy import Accuracy
    from skeletonllm.evaluation.defaults import source_of_test
    from skeletonllm.evaluation.external import Asking
    from skeletonllm.evaluation.ranks import Ranks
    from skeletonllm.evaluation.respondents import External, Ours, Test, blind_answers, on_device
    from skeletonllm.evaluation.results import write_results
    from skeletonllm.evaluation.run import evaluate_shared
    from skeletonllm.evaluation.selection import choose
    from skeletonllm.models.trained import load_trained

    if (api is None) != (model is None):
        raise ValueError("--api and --model belong together: an address, and the model's name there")
    if checkpoint is None and api is None:
        raise ValueError("give the folder of a trained model, or --api and --model")
    if generalized and task != "recognition":
        raise ValueError(f"generalised zero-shot is about recognition, not about {task}")
    ranks = Ranks.from_environment()
    if api is not None and ranks.world_size > 1:
        raise ValueError("an endpoint is asked by one process; --concurrency says how many questions are under way")
    trained = None if checkpoint is None else on_device(load_trained(checkpoint), ranks.device)
    source = source_of_test(
        trained and trained.recipe, data=data, root=None if root is None else str(root),
        options=parse_options(option or []), protocol=protocol, part=part,
    )  # fmt: skip
    names_labels = task in ("recognition", "discrimination", "rationale")
    selection = choose(
        source.name, source.root, source.options, source.protocol, trained.labels if trained and names_labels else None,
        split=split, where=parse_where(where or []), shared_labels=shared_labels, generalized=generalized,
        shared_names=source.shared_names,
    )  # fmt: skip
    test = Test.about(selection, task, draws, seed)

    scoring = "log-likelihood" if task == "recognition" and not generate and api is None else "generation"
    marks = ["shared"] * shared_labels + ["generalized"] * generalized + ["generated"] * (generate and api is None)
    named = [task] * (task != "recognition") + [plain(part or source.name), *_name_of_protocol(source.protocol), split]
    named += [*(where or []), *marks, *([plain(model)] if model else [])]
    folder = output or (checkpoint or Path()) / "evaluation" / "-".join(named)
    count = len(test.posed)
    facts = dict(
        checkpoint=None if checkpoint is None else str(checkpoint), model=model, data=source.name, part=part,
        options=source.options, split=split, protocol=source.protocol, where=where, shared_labels=shared_labels,
        scoring=scoring,
    )  # fmt: skip
    if api is None:
        ours = Ours(trained, generate, batch_size)
        facts["unanswered"] = 0
        summary = evaluate_shared(ours, test, folder, facts, blind=blind, generalized=generalized, ranks=ranks)
    else:
        endpoint = Endpoint(api, model, os.environ.get(key_variable))
        renderer, sample = drawing(trained)
        folder.mkdir(parents=True, exist_ok=True)
        asked = External(
            endpoint, renderer, sample, folder / "answers.jsonl", Asking(max_tokens, seed=seed),
            Caps(token_cap), concurrency,
        )  # fmt: skip
        test, answers = asked.answer(test)
        facts["unanswered"] = count - len(test.posed)
        seeing_nothing = blind_answers(test, None) if blind else {}
        title = f"{source.name}, {split}"
        summary = write_results(folder, test, answers, seeing_nothing, facts, generalized, title=title)
    if summary is None:  # the first process tells
        return
    if task == "recognition":
        print_recognition(Accuracy.from_summary(summary), summary)
    else:
        print_task(summary)
    print_advantages(summary)
    if facts["unanswered"]:
        print(f"{facts['unanswered']} of {count} questions got no answer; start again to ask them")
    print(f"written to {folder}")


def print_recognition(accuracy: "Accuracy", summary: dict) -> None:
    """A table of classes, then the accuracy; groups of classes and of recordings apart where they are told apart."""
    from skeletonllm.evaluation.report import describe_accuracy, per_class_rows, percent

    print_table(per_class_rows(accuracy))
    print(f"accuracy {describe_accuracy(accuracy)}")
    macro = f"{percent(accuracy.macro)} ({_interval(summary['macro_interval_95'])})"
    print(f"mean over labels {macro}; chance {percent(summary['chance'])}")
    for count, found in summary.get("persons", {}).items():
        told = f"{percent(found['accuracy'])} ({_interval(found['interval_95'])}), {found['count']} recordings"
        print(f"with {count} {'person' if count == '1' else 'persons'} {told}")
    if found := summary.get("top_k", {}).get("5"):
        print(f"among the five likeliest {percent(found['value'])} ({_interval(found['interval_95'])})")
    if found := summary.get("calibration"):
        error, brier = found["expected_calibration_error"]["value"], found["brier"]["value"]
        print(
            f"expected calibration error {percent(error)} at a mean confidence of {percent(found['confidence'])}, ",
            end="",
        )
        print(f"Brier score {brier:.3f}")
    if found := summary.get("generalized"):
        print(
            f"seen {percent(found['seen']['accuracy'])}, unseen {percent(found['unseen']['accuracy'])}, "
            f"harmonic mean {percent(found['harmonic'])} ({_interval(found['harmonic_interval_95'])})"
        )


def print_task(summary: dict) -> None:
    """A table of kinds of question, then every metric over all of them."""
    from skeletonllm.evaluation.report import metric_rows, percent

    print_table(metric_rows(summary))
    for name, found in summary["metrics"].items():
        low, high = found["interval_95"]
        print(f"{name} {found['value']:.3f} ({low:.3f} to {high:.3f}, 95 % interval), {found['count']} answers")
    for name, found in summary.get("corpus", {}).items():
        low, high = found["interval_95"]
        print(f"{name} {found['value']:.1f} ({low:.1f} to {high:.1f}, 95 % interval), {found['signature']}")
    if found := summary.get("r_precision"):
        for name in ("top_1", "top_2", "top_3"):
            told = f"{percent(found[name]['value'])} ({_interval(found[name]['interval_95'])})"
            print(f"R-precision, {name} of {found['pool']}: {told}; chance {percent(found[name]['chance'])}")
    for name, why in summary.get("not_computed", {}).items():
        print(f"{name} not computed: {why}")


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


def _interval(ends: list[float]) -> str:
    """``78.5 to 88.2, 95 % interval``"""
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}, 95 % interval"


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
