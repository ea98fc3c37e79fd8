"""skeletonllm baseline: how well a small network without a language model does on the same test."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.pack import parse_options

WEIGHTS_FILE = "st_gcn.safetensors"


class Network(StrEnum):
    """What can be trained."""

    st_gcn = "st_gcn"


def baseline(
    network: Annotated[Network, typer.Argument(help="st_gcn: convolutions over bones and time (Yan et al. 2018).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for network and results.")],
    data: Annotated[str, typer.Option(help="Source: nw_ucla, utd_mhad, ntu, folder or another.")] = "nw_ucla",
    root: Annotated[Path | None, typer.Option(help="Folder of the source's files.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of the source; VALUE in JSON. May be repeated.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="Who trains and who tests: a split by name, such as ntu60/cross-view, or a YAML file.")
    ] = "usual",
    split: Annotated[str, typer.Option(help="What is tested: train, test or all.")] = "test",
    test_data: Annotated[
        str | None, typer.Option(help="Test on another source, on the actions that it shares with the first.")
    ] = None,
    test_root: Annotated[Path | None, typer.Option(help="Folder of the other source's files.")] = None,
    test_option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of the other source.")] = None,
    topology: Annotated[
        str | None, typer.Option(help="Bring all recordings to this topology. Default: that of the training data.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each recording is seen.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and augmentation.")] = 0,
) -> None:
    """Train on the training side, test on the test side, and write what evaluate writes of recognition."""
    from dataclasses import replace

    from skeletonllm.cli.evaluate import print_recognition
    from skeletonllm.data.recordings import labels_of, read_all, select
    from skeletonllm.data.sources import load_source
    from skeletonllm.data.splits import load_split
    from skeletonllm.evaluation.accuracy import Accuracy
    from skeletonllm.evaluation.baselines.learning import (
        Learning,
        answer,
        one_topology,
        refuse_unknown_labels,
        train_st_gcn,
    )
    from skeletonllm.evaluation.baselines.st_gcn import count_parameters, save_st_gcn
    from skeletonllm.evaluation.plots import plot_confusion
    from skeletonllm.evaluation.report import describe_accuracy
    from skeletonllm.evaluation.respondents import Test
    from skeletonllm.evaluation.results import predictions_of, write_results
    from skeletonllm.evaluation.selection import choose

    if test_data is None and (test_root is not None or test_option):
        raise ValueError("--test-root and --test-option belong to --test-data")
    other = test_data is not None
    tested, test_protocol = (test_data, "usual") if other else (data, protocol)
    facts = dict(
        model=network.value, data=tested,
        options=test_option if other else option, split=split, protocol=test_protocol, where=None,
        shared_labels=other, scoring="log-likelihood", unanswered=0,
        training=dict(data=data, options=option, protocol=protocol, topology=topology, epochs=epochs),
    )  # fmt: skip
    if (done := found_summary(output, {**facts, "seed": seed})) is not None:
        print(f"{output} holds this run already: accuracy {100 * done['accuracy']:.1f} %")
        return

    options = parse_options(option or [])
    listed = select(load_split(protocol).assign(load_source(data, root, **options)), "train")
    training = [recording for recording in listed if recording.segments is None]
    if not training:
        raise ValueError(f"{data}: every recording is of several actions, expected some of one")
    labels = labels_of(training)
    selection = choose(
        tested, test_root if other else root, parse_options(test_option or []) if other else options,
        test_protocol, labels, split=split, shared_labels=other,
    )  # fmt: skip
    refuse_unknown_labels(selection.candidates, labels)
    learnt = one_topology(read_all(training, progress="reading"), topology)
    test = Test.about(selection, "recognition", seed=seed)
    test = replace(test, recordings=one_topology(test.recordings, learnt[0][1].topology))
    trained = train_st_gcn(learnt, seed, Learning(epochs=epochs), progress=True)
    answers = answer(trained, test)

    output.mkdir(parents=True, exist_ok=True)
    save_st_gcn(trained, output / WEIGHTS_FILE)
    accuracy = Accuracy.of(predictions_of(test, answers), selection.candidates)
    plot_confusion(accuracy, output / "confusion.png", f"{network}, {tested}, {split}: {describe_accuracy(accuracy)}")
    # The summary comes last: it is what says that a run is done.
    summary = write_results(output, test, answers, {}, {"checkpoint": str(output / WEIGHTS_FILE), **facts})
    print_recognition(accuracy, summary)
    print(f"{len(learnt)} recordings trained {count_parameters(trained):,} parameters; written to {output}")


def found_summary(folder: Path, facts: dict) -> dict | None:
    """The summary of a run that is done, None where there is none.

    Raises:
        ValueError: it is that of another run; the first fact that differs is named.
    """
    import json

    from skeletonllm.evaluation.results import SUMMARY_FILE

    path = folder / SUMMARY_FILE
    if not path.exists():
        return None
    try:
        summary = json.loads(path.read_text())
        found = {name: summary.get(name) for name in facts}
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path}: not a summary: {error}") from error
    for name, expected in facts.items():
        if found[name] != expected:
            raise ValueError(f"{path} is of another run: {name} is {found[name]!r}, expected {expected!r}")
    return summary
