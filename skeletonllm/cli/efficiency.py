"""skeletonllm efficiency: what an answer costs, part by part."""

from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.evaluate import print_table

REFERENCE_REPEATS = 3  # at most: of large pictures the dense reference takes seconds


def efficiency(
    checkpoint: Annotated[Path, typer.Argument(help="A trained model, or the folder of the run that made it.")],
    file: Annotated[
        Path | None, typer.Option(help="A recording. Default: an embedded motion, somebody who waves.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Answers that are timed.")] = 20,
    tokens: Annotated[int, typer.Option(min=2, help="Of the answer.")] = 16,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for efficiency.json. Default: that of the model.")
    ] = None,
) -> None:
    """Parameters, operations, tokens, time and memory from file to answer, on the CPU and on a GPU if there is one.

    Beside them the same recording drawn by the dense reference, and, of a model that reads foreground patches, read as
    whole pictures.
    """
    import json
    from tempfile import TemporaryDirectory

    import torch

    from skeletonllm.evaluation.efficiency import (
        compare_rendering,
        count_parameters,
        measure,
        usual_question,
        whole_pictures,
    )
    from skeletonllm.evaluation.provenance import provenance
    from skeletonllm.models.trained import load_trained
    from skeletonllm.skeleton.formats import write_npz
    from skeletonllm.skeleton.synthesis import synthesize

    trained = load_trained(checkpoint)
    parameters = count_parameters(trained.model)
    print_table([["parameters of", "count"], *([name, f"{count:,}"] for name, count in parameters.items())])
    found = dict(
        checkpoint=str(checkpoint), file=None if file is None else str(file), parameters=parameters,
        num_frames=trained.model.config.num_frames, image_size=trained.model.config.image_size, devices={},
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        if file is None:
            file = Path(folder) / "wave.npz"
            write_npz(synthesize("wave right hand", topology="kinect_v2", performer=0), file)
        question = usual_question(trained, file, tokens)
        for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
            of = found["devices"][device] = measure(trained, question, repeats, device)
            _print_device(of)
            if trained.model.config.foreground is not None:
                with whole_pictures(trained):
                    of["whole_pictures"] = measure(trained, question, repeats, device)
                print("the same, reading whole pictures:")
                _print_device(of["whole_pictures"])
            drawn = compare_rendering(trained, question, min(repeats, REFERENCE_REPEATS), device)
            of["rendering"] = drawn
            if drawn is not None:
                ours, dense = (
                    1000 * drawn[name]["cpu_seconds_p50" if device == "cpu" else "seconds_p50"]
                    for name in ("ours", "reference")
                )
                clock = "CPU ms" if device == "cpu" else "ms"
                print(
                    f"rendering alone {ours:.2f} {clock}, by the dense reference {dense:.2f}: {dense / ours:.1f} times"
                )
    path = (output or checkpoint) / "efficiency.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**found, **provenance()}, indent=1))
    print(f"written to {path}")


def _print_device(found: dict) -> None:
    from skeletonllm.evaluation.efficiency import efficiency_rows

    told = found["tokens"]
    print(f"{found['device']}, {found['threads']} threads, {found['dtype']}, {found['repeats']} answers")
    print(f"tokens: {told['visual']} visual, {told['text']} text, {told['answer']} of the answer")
    print_table(efficiency_rows(found))
