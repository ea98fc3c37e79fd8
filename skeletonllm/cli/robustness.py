"""skeletonllm robustness: what a model still recognises when recordings get worse."""

from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.evaluate import parse_where, print_table, protocol_of_training
from skeletonllm.cli.pack import parse_options


def robustness(
    models: Annotated[list[Path], typer.Argument(help="Trained models, or the folders of their runs; one or more.")],
    data: Annotated[str, typer.Option(help="Source: synthetic, nw_ucla, utd_mhad, folder or another.")] = "synthetic",
    root: Annotated[Path | None, typer.Option(help="Folder of the source's files.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of the source; VALUE in JSON. May be repeated.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, test or all.")] = "test",
    protocol: Annotated[str | None, typer.Option(help="Who trains and who tests, as of evaluate.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep recordings with an attribute, such as view=3; may be repeated.")
    ] = None,
    shared_labels: Annotated[
        bool, typer.Option(help="Another data set: ask about the actions that it shares with the training data.")
    ] = False,
    corruption: Annotated[
        list[str] | None, typer.Option(help="What goes wrong; may be repeated. Default: everything there is.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what goes wrong, and of the bootstrap.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Recordings per pass.")] = 32,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the results. Default: robustness in the first.")
    ] = None,
) -> None:
    """Accuracy with joints lost, noise, few frames, other views, hidden limbs and people, and fewer joints.

    Writes robustness.json and robustness.png. What was measured already is not measured again.
    """
    import json

    from skeletonllm.evaluation.corruptions import CORRUPTIONS, find_corruption
    from skeletonllm.evaluation.provenance import provenance
    from skeletonllm.evaluation.respondents import Ours, Test, on_device
    from skeletonllm.evaluation.robustness import (
        PLOT_FILE,
        RESULTS_FILE,
        Contestant,
        fingerprint_of,
        robustness_rows,
        short_names,
        sweep,
    )
    from skeletonllm.evaluation.robustness_plot import plot_robustness
    from skeletonllm.evaluation.selection import choose
    from skeletonllm.models.trained import load_trained

    wanted = corruption or list(CORRUPTIONS)
    for name in wanted:
        find_corruption(name)  # before models are read
    names = short_names(models)
    read = [on_device(load_trained(folder)) for folder in models]
    protocols = [protocol or protocol_of_training(trained.recipe, data) for trained in read]
    if len(set(protocols)) > 1:
        raise ValueError(f"the models were trained by the protocols {', '.join(sorted(set(protocols)))}; choose one")
    selections = [
        choose(
            data, root, parse_options(option or []), protocols[0], trained.labels,
            split=split, where=parse_where(where or []), shared_labels=shared_labels,
        )
        for trained in read
    ]  # fmt: skip
    for name, selection in zip(names, selections, strict=True):
        if selection.candidates != selections[0].candidates:
            raise ValueError(
                f"{names[0]} chooses from {', '.join(selections[0].candidates)}, {name} from "
                f"{', '.join(selection.candidates)}; such accuracies cannot be compared"
            )
    contestants = [
        Contestant(name, Ours(trained, batch_size=batch_size).answer, fingerprint_of(folder))
        for name, trained, folder in zip(names, read, models, strict=True)
    ]
    test = Test.about(selections[0], "recognition", seed=seed)
    folder = output or models[0] / "robustness"
    found = sweep(contestants, test, wanted, folder, batch_size=batch_size)
    facts = dict(
        checkpoints=dict(zip(names, map(str, models), strict=True)), data=data, options=option, split=split,
        protocol=protocols[0], where=where, shared_labels=shared_labels,
    )  # fmt: skip
    (folder / RESULTS_FILE).write_text(json.dumps({**facts, **found, **provenance()}, indent=1))
    print_table(robustness_rows(found))
    concerning = {name for each in found["models"].values() for name in each}
    if unconcerned := [name for name in wanted if name not in concerning]:
        print(f"no recording is concerned by {', '.join(unconcerned)}")
    if concerning:
        plot_robustness(found, folder / PLOT_FILE)
    print(f"chance {100 * found['chance']:.1f} %; written to {folder}")
