"""skeletonllm demo: the whole path on the embedded actions, from pictures to answers, with a report to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from skeletonllm.evaluation.accuracy import Accuracy
    from skeletonllm.models.trained import Trained
    from skeletonllm.rendering.draction import DrAction

GALLERY = ("wave right hand", "kick", "sit down", "shake hands")
PICTURE_SIZE = 224


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures, models and report.")] = Path(
        "demo"
    ),
    epochs: Annotated[float | None, typer.Option(help="Passes over the training data; default: the recipe's.")] = None,
) -> None:
    """Train a tiny multimodal LLM on embedded actions in three topologies, test it on people it never saw."""
    import shutil
    import time
    from dataclasses import replace

    from skeletonllm.models.trained import load_trained
    from skeletonllm.training.arguments import load_recipe
    from skeletonllm.training.run import train

    begin = time.monotonic()
    recipe = load_recipe("synthetic", [f"optimization.epochs={epochs}"] if epochs else [])
    for run in ("learning", "frozen"):
        shutil.rmtree(output / run, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)

    print("1/4  training renderer and model on synthetic performers")
    learning = load_trained(train(recipe, output / "learning"))
    print("2/4  the same once more with the renderer frozen at its start")
    rested = replace(recipe, train=[part for part in recipe.train if part != "renderer"])
    frozen = load_trained(train(rested, output / "frozen"))
    print("3/4  testing on performers never seen in training")
    results = {name: measure(one, recipe.data.options) for name, one in (("learning", learning), ("frozen", frozen))}
    print("4/4  pictures")
    pictures = draw_gallery(learning.model.renderer, frozen.model.renderer, recipe.data.options, output)
    minutes = (time.monotonic() - begin) / 60
    write_report(output, results, pictures, minutes)

    from skeletonllm.cli.evaluate import print_table

    print_table(result_rows(results))
    print(f"{minutes:.1f} minutes; open {output / 'report.html'}")


def measure(trained: "Trained", options: dict) -> dict[str, "Accuracy"]:
    """Accuracy on the test performers, per topology."""
    from skeletonllm.data.recordings import read_all, select
    from skeletonllm.data.sources import load_source
    from skeletonllm.evaluation.accuracy import Accuracy, predict

    recordings = load_source("synthetic", **options)
    result = {}
    for number, topology in enumerate(options["topologies"]):
        read = read_all(select(recordings, "test", {"topology": [number]}))
        predictions = predict(trained.model, trained.processor, read, trained.labels)
        result[topology] = Accuracy.of(predictions, trained.labels)
    return result


def result_rows(results: dict[str, dict[str, "Accuracy"]]) -> list[list[str]]:
    from skeletonllm.evaluation.report import describe_accuracy, percent

    rows = [["topology", "renderer learns", "renderer frozen at its start", "chance"]]
    for topology, accuracy in results["learning"].items():
        chance = percent(1 / len(accuracy.candidates))
        rows.append([topology, describe_accuracy(accuracy), describe_accuracy(results["frozen"][topology]), chance])
    return rows


def draw_gallery(learnt: "DrAction", start: "DrAction", options: dict, output: Path) -> list[tuple[str, str]]:
    """GIFs of a few actions and topologies, and sheets that compare the renderers; (file name, caption) of each."""
    import torch

    from skeletonllm.data.sources.synthetic import FIRST_TEST_PERFORMER
    from skeletonllm.rendering import video
    from skeletonllm.skeleton.sequence import sample_clip
    from skeletonllm.skeleton.synthesis import synthesize

    def draw(renderer: "DrAction", label: str, topology: str, frames: int) -> "torch.Tensor":
        clip = sample_clip(synthesize(label, topology=topology, performer=FIRST_TEST_PERFORMER), frames)
        with torch.no_grad():
            return renderer.render(clip, image_size=PICTURE_SIZE)[0]

    pictures = []
    topologies = options["topologies"]
    for number, label in enumerate(GALLERY):
        topology = topologies[number % len(topologies)]
        name = f"{label.replace(' ', '_')}.gif"
        video.write_gif(output / name, draw(learnt, label, topology, 30), fps=12)
        pictures.append((name, f"{label}, {topology}"))
    sheets = [
        video.contact_sheet(draw(renderer, GALLERY[0], topologies[0], 6), title=title, columns=6)
        for renderer, title in ((start, "renderer at its start"), (learnt, "renderer after training"))
    ]
    video.write_png(output / "renderers.png", video.stack_sheets(sheets))
    pictures.append(("renderers.png", f"what training did to the pictures: {GALLERY[0]}"))
    return pictures


def write_report(output: Path, results: dict, pictures: list[tuple[str, str]], minutes: float) -> None:
    """``report.html`` and ``results.json`` in the output folder."""
    import json

    from skeletonllm.evaluation.plots import plot_confusion, plot_losses
    from skeletonllm.evaluation.report import Section, describe_accuracy, per_class_rows, write_page

    summary = {run: {topology: accuracy.summary() for topology, accuracy in by.items()} for run, by in results.items()}
    (output / "results.json").write_text(json.dumps(summary, indent=1))
    runs = {
        f"renderer {name}": [json.loads(line) for line in (output / run / "log.jsonl").read_text().splitlines()]
        for run, name in (("learning", "learns"), ("frozen", "frozen"))
    }
    plot_losses(runs, output / "losses.png")
    sections = [
        Section(
            "Accuracy on performers never seen in training",
            [f"Log-likelihood over {len(next(iter(results['learning'].values())).candidates)} labels. "
             f"The whole demo took {minutes:.1f} minutes on this machine."],
            result_rows(results),
            [("losses.png", "training loss")],
        ),
        Section("What the model sees", [], [], pictures),
    ]  # fmt: skip
    for topology, accuracy in results["learning"].items():
        name = f"confusion_{topology}.png"
        plot_confusion(accuracy, output / name, f"{topology}: {describe_accuracy(accuracy)}")
        sections.append(Section(topology, [], per_class_rows(accuracy), [(name, "confusion matrix")]))
    write_page(output / "report.html", "skeletonllm: the embedded actions", sections)
