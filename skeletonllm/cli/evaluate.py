"""skeletonllm evaluate: how often a trained model is right."""

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A trained model, or the folder of the run that made it.")],
    data: Annotated[str, typer.Option(help="Source: synthetic, nw_ucla, utd_mhad or folder.")] = "synthetic",
    root: Annotated[Path | None, typer.Option(help="Folder of the source's files.")] = None,
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
    generate: Annotated[
        bool, typer.Option(help="Score the generated answer instead of the candidates' log-likelihoods.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the results. Default: beside the model.")
    ] = None,
) -> None:
    """Accuracy with its interval, a table per class, and the confusion matrix as a picture."""
    from dataclasses import asdict, replace

    from skeletonllm.data.labels import translate_labels
    from skeletonllm.data.recordings import read_all, select
    from skeletonllm.data.sources import load_source
    from skeletonllm.data.splits import load_split
    from skeletonllm.evaluation.accuracy import Accuracy, predict
    from skeletonllm.evaluation.plots import plot_confusion
    from skeletonllm.evaluation.report import describe_accuracy, per_class_rows, percent
    from skeletonllm.models.trained import load_trained

    trained = load_trained(checkpoint)
    protocol = protocol or protocol_of_training(trained.recipe, data)
    parted = load_split(protocol)
    listed = parted.assign(load_source(data, root))
    recordings = select(listed, split, parse_where(where or []))
    unseen = sorted({recording.label for recording in listed if parted.is_unseen(recording)})
    present = sorted({recording.label for recording in recordings})
    candidates = trained.labels
    if shared_labels:
        translation = translate_labels(trained.labels, present)
        candidates = [label for label in trained.labels if label in translation.values()]
        recordings = [replace(r, label=translation[r.label]) for r in recordings if r.label in translation]
        if not recordings:
            raise ValueError(f"{data} shares no action with the training data ({', '.join(trained.labels)})")
    elif unseen and split == "test":  # zero-shot: asked about the classes that never trained, and these alone
        candidates = unseen
    elif unknown := [label for label in present if label not in candidates]:
        raise ValueError(f"the model was not trained on {', '.join(unknown)}; see --shared-labels")

    read = read_all(recordings, progress="reading")
    predictions = predict(trained.model, trained.processor, read, candidates, generate=generate)
    accuracy = Accuracy.of(predictions, candidates)

    named = (
        [] if protocol == "usual" else [Path(protocol).stem if Path(protocol).is_file() else protocol.replace("/", "-")]
    )
    kind = [data, *named, split, *(where or []), *["shared"] * shared_labels, *["generated"] * generate]
    folder = output or checkpoint / "evaluation" / "-".join(kind)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "predictions.jsonl").open("w") as file:
        file.writelines(json.dumps(asdict(prediction)) + "\n" for prediction in predictions)
    scoring = "generation" if generate else "log-likelihood"
    summary = dict(
        checkpoint=str(checkpoint),
        data=data,
        split=split,
        protocol=protocol,
        where=where,
        shared_labels=shared_labels,
        scoring=scoring,
        **accuracy.summary(),
    )
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))
    plot_confusion(accuracy, folder / "confusion.png", f"{data}, {split}: {describe_accuracy(accuracy)}")

    print_table(per_class_rows(accuracy))
    print(f"accuracy {describe_accuracy(accuracy)}")
    print(f"mean over labels {percent(accuracy.macro)}; chance {percent(1 / len(candidates))}")
    print(f"written to {folder}")


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
