"""skeletonllm demo: the four stages on the embedded actions, from pictures to answers, with a report to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from skeletonllm.evaluation.accuracy import Accuracy
    from skeletonllm.models.trained import Trained
    from skeletonllm.rendering.draction import DrAction
    from skeletonllm.training.arguments import Recipe

GALLERY = ("wave right hand", "kick", "sit down", "shake hands")
PICTURE_SIZE = 224
START, END = "before the stages", "after refine"
# Runs that leave stages out: what a table calls them, the stages left out, and the stage of the full run to go on from.
SHORTER = {
    "refine, without discriminate": (("warmup", "discriminate"), "warmup"),
    "refine, without distill": (("warmup", "discriminate", "distill"), "discriminate"),
    "refine alone, the renderer as at its start": (("warmup", "discriminate", "distill"), None),
}


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures, models and report.")] = Path(
        "demo"
    ),
    share: Annotated[float, typer.Option(help="Share of the training and of the people, for a quick look.")] = 1.0,
) -> None:
    """Teach a tiny multimodal LLM the embedded actions in four stages, and test it on people it never saw."""
    import time

    begin = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    recipe = shortened("four_stages", share, [f"model.backbone={output / 'foundation'}"])
    print("1/5  a foundation: a tiny model that has seen a few people in one topology")
    fresh_run(shortened("foundation", share), output / "foundation")
    print("2/5  the four stages, in three topologies")
    fresh_run(recipe, output / "four_stages")
    print("3/5  the same without each optional stage")
    stages = stage_checkpoints(output / "four_stages")
    for name, (left_out, stage) in SHORTER.items():
        fresh_run(without(recipe, left_out), output / folder_name(name), stages.get(stage))
    print("4/5  testing on performers never seen in training")
    models = load_models(output)
    results = {name: measure(trained, recipe.data.options) for name, trained in models.items()}
    print("5/5  pictures")
    before, after = (models[name].model.renderer for name in (START, END))
    pictures = draw_gallery(before, after, recipe.data.options, output)
    changes = renderer_changes(before, after, recipe.data.options)
    minutes = (time.monotonic() - begin) / 60
    write_report(output, results, changes, pictures, minutes)

    from skeletonllm.cli.evaluate import print_table

    print_table(result_rows(results))
    print_table(changes)
    print(f"{minutes:.1f} minutes; open {output / 'report.html'}")


def shortened(name: str, share: float, changes: list[str] | None = None) -> "Recipe":
    """A shipped recipe with a share of its epochs and of its people."""
    import math

    from skeletonllm.training.arguments import load_recipe

    recipe = load_recipe(name, changes or [])
    for stage in recipe.stages.values():
        stage.epochs *= share
    for people in ("performers", "test_performers"):
        recipe.data.options[people] = math.ceil(recipe.data.options[people] * share)
    return recipe


def without(recipe: "Recipe", left_out: tuple[str, ...]) -> "Recipe":
    """A recipe with some of its stages left out."""
    import copy

    recipe = copy.deepcopy(recipe)
    for name in left_out:
        recipe.stages[name].epochs = 0.0
    return recipe


def folder_name(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")


def fresh_run(recipe: "Recipe", folder: Path, start: Path | None = None) -> None:
    """Train into a folder, whatever it held before."""
    import shutil

    from skeletonllm.training.run import train

    shutil.rmtree(folder, ignore_errors=True)
    train(recipe, folder, start=start)


def stage_checkpoints(run: Path) -> dict[str, Path]:
    """The checkpoint at the end of each stage of a run."""
    from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, load_checkpoint

    paths = sorted((run / CHECKPOINT_FOLDER).glob("step-*"))
    return {load_checkpoint(path).state["stage"]: path for path in paths}  # the last one of a stage is its end


def load_models(output: Path) -> "dict[str, Trained]":
    """What is compared: the foundation, the model after each stage, and the models of the shorter runs."""
    from skeletonllm.models.trained import load_trained
    from skeletonllm.training.checkpoint import load_checkpoint
    from skeletonllm.training.restore import restore

    stages = stage_checkpoints(output / "four_stages")
    return {
        START: load_trained(output / "foundation"),
        **{f"after {stage}": restore(load_checkpoint(path)) for stage, path in stages.items()},
        **{name: load_trained(output / folder_name(name)) for name in SHORTER},
    }


def measure(trained: "Trained", options: dict) -> "dict[str, Accuracy]":
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


def result_rows(results: "dict[str, dict[str, Accuracy]]") -> list[list[str]]:
    """A table of accuracies: a row per model, a column per topology and one for all of them."""
    from skeletonllm.evaluation.accuracy import wilson_interval
    from skeletonllm.evaluation.report import percent

    topologies = list(next(iter(results.values())))
    rows = [["model", *topologies, "all three, 95 % interval"]]
    for name, by_topology in results.items():
        hits = sum(accuracy.hits for accuracy in by_topology.values())
        count = sum(accuracy.count for accuracy in by_topology.values())
        low, high = wilson_interval(hits, count)
        whole = f"{percent(hits / count)} ({100 * low:.1f} to {100 * high:.1f}), {hits} of {count}"
        rows.append([name, *(percent(accuracy.micro) for accuracy in by_topology.values()), whole])
    return rows


def renderer_changes(before: "DrAction", after: "DrAction", options: dict) -> list[list[str]]:
    """A table of how far training moved the renderer's parameters and its pictures."""
    import torch

    rows = [["renderer", "at its start", "moved by (root mean square)"]]
    values = after.state_dict()
    for name, start in before.state_dict().items():
        moved = (values[name] - start).square().mean().sqrt()
        rows.append([name, f"{start.square().mean().sqrt():.3f}", f"{moved:.3f}"])
    pictures = [draw(renderer, GALLERY[0], options["topologies"][0], 12) for renderer in (before, after)]
    lit = torch.stack(pictures).amax((0, 2)) > 0.02
    difference = 255 * (pictures[1] - pictures[0]).abs().mean(1)[lit].mean()
    rows.append(["pixels that are not black", "", f"{difference:.1f} of 255 (mean difference)"])
    return rows


def draw(renderer: "DrAction", label: str, topology: str, frames: int) -> "torch.Tensor":
    """An action by the first test performer: (frames, 3, H, W)."""
    import torch

    from skeletonllm.data.sources.synthetic import FIRST_TEST_PERFORMER
    from skeletonllm.skeleton.sequence import sample_clip
    from skeletonllm.skeleton.synthesis import synthesize

    clip = sample_clip(synthesize(label, topology=topology, performer=FIRST_TEST_PERFORMER), frames)
    with torch.no_grad():
        return renderer.render(clip, image_size=PICTURE_SIZE)[0]


def draw_gallery(before: "DrAction", after: "DrAction", options: dict, output: Path) -> list[tuple[str, str]]:
    """GIFs of a few actions and topologies, and a sheet that compares the renderers; (file name, caption) of each."""
    from skeletonllm.rendering import video

    pictures = []
    topologies = options["topologies"]
    for number, label in enumerate(GALLERY):
        topology = topologies[number % len(topologies)]
        name = f"{label.replace(' ', '_')}.gif"
        video.write_gif(output / name, draw(after, label, topology, 30), fps=12)
        pictures.append((name, f"{label}, {topology}"))
    sheets = [
        video.contact_sheet(draw(renderer, GALLERY[0], topologies[0], 6), title=title, columns=6)
        for renderer, title in ((before, "renderer at its start"), (after, "renderer after the four stages"))
    ]
    video.write_png(output / "renderers.png", video.stack_sheets(sheets))
    pictures.append(("renderers.png", f"what training did to the pictures: {GALLERY[0]}"))
    return pictures


def write_report(
    output: Path,
    results: "dict[str, dict[str, Accuracy]]",
    changes: list[list[str]],
    pictures: list[tuple[str, str]],
    minutes: float,
) -> None:
    """``report.html`` and ``results.json`` in the output folder."""
    import json

    from skeletonllm.evaluation.plots import plot_confusion, plot_losses
    from skeletonllm.evaluation.report import Section, describe_accuracy, per_class_rows, write_page

    summary = {run: {topology: accuracy.summary() for topology, accuracy in by.items()} for run, by in results.items()}
    (output / "results.json").write_text(json.dumps(summary, indent=1))
    lines = [json.loads(line) for line in (output / "four_stages" / "log.jsonl").read_text().splitlines()]
    stages = dict.fromkeys(line["stage"] for line in lines)
    plot_losses({stage: [line for line in lines if line["stage"] == stage] for stage in stages}, output / "losses.png")
    final = results[END]
    labels = next(iter(final.values())).candidates
    sections = [
        Section(
            "Accuracy on performers never seen in training",
            [f"Log-likelihood over {len(labels)} labels, chance {100 / len(labels):.1f} %. "
             f"The whole demo took {minutes:.1f} minutes on this machine."],
            result_rows(results),
            [("losses.png", "training loss of the four stages, each on its own task")],
        ),
        Section("What the stages did to the renderer", [], changes, []),
        Section("What the model sees", [], [], pictures),
    ]  # fmt: skip
    for topology, accuracy in final.items():
        name = f"confusion_{topology}.png"
        plot_confusion(accuracy, output / name, f"{topology}: {describe_accuracy(accuracy)}")
        sections.append(Section(topology, [], per_class_rows(accuracy), [(name, "confusion matrix")]))
    write_page(output / "report.html", "skeletonllm: the embedded actions in four stages", sections)
