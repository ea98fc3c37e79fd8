"""skeletonllm teach: rationales of a large model for the recordings that a small one learns from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skeletonllm.data.splits import Guard
    from skeletonllm.data.teacher import Frames, Summary
    from skeletonllm.rendering.renderer import Renderer
    from skeletonllm.training.arguments import Recipe

IMAGE_SIZE = 448  # of a renderer without a model that would say


def teach(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe, as of train.")
    ] = None,
    endpoint: Annotated[
        str, typer.Option(help="Address of an OpenAI-compatible server, with its version: https://api.openai.com/v1.")
    ] = "http://127.0.0.1:8000/v1",
    model: Annotated[str, typer.Option(help="The teacher, by the server's name for it.")] = ...,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; a job that was stopped goes on in it.")] = ...,
    recipe: Annotated[
        str | None, typer.Option(help="The student's: data, clips, seed. Default: that of the model, if it is given.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Data source, instead of the recipe's.")] = None,
    root: Annotated[str | None, typer.Option(help="Folder of the source's files.")] = None,
    split: Annotated[str | None, typer.Option(help="Only train is ever shown to a teacher.")] = None,
    model_folder: Annotated[
        Path | None, typer.Option(help="A trained model or run: its renderer draws, its sizes count.")
    ] = None,
    renderer: Annotated[
        Path | None, typer.Option(help="A renderer's file, exported or published, instead of a model.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=8, help="Pixels, if no model says it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask about so many recordings at most.")] = None,
    prompt_version: Annotated[str | None, typer.Option(help="Default: the newest.")] = None,
    temperature: Annotated[float, typer.Option(help="Of the teacher.")] = 0.2,
    max_tokens: Annotated[int, typer.Option(help="Of an answer.")] = 512,
    seed: Annotated[int, typer.Option(help="Sent with every question, mixed with the recording's id.")] = 0,
    attempts: Annotated[int, typer.Option(help="Answers to ask for while they are rejected.")] = 1,
    verify: Annotated[bool, typer.Option(help="Keep out what is wrong, incomplete or untrue.")] = True,
    concurrency: Annotated[int, typer.Option(help="Questions under way at once.")] = 8,
    requests_per_minute: Annotated[float, typer.Option(help="At most; 0: no limit.")] = 0.0,
    timeout: Annotated[float, typer.Option(help="Seconds for a whole answer.")] = 120.0,
    tries: Annotated[int, typer.Option(help="Of a question that gets no answer.")] = 6,
    token_cap: Annotated[int, typer.Option(help="Tokens of all answers in the folder, at most; 0: no cap.")] = 0,
    cost_cap: Annotated[float, typer.Option(help="What they may cost; 0: no cap.")] = 0.0,
    prompt_price: Annotated[float, typer.Option(help="Of a million tokens of questions.")] = 0.0,
    completion_price: Annotated[float, typer.Option(help="Of a million tokens of answers.")] = 0.0,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable with the API key; unset: none is sent.")
    ] = "OPENAI_API_KEY",
    time_limit: Annotated[float | None, typer.Option(help="Minutes after which to stop; SLURM's own is known.")] = None,
) -> None:
    """Ask a multimodal LLM why each recording shows its action, and keep the answers that hold."""
    import os

    from skeletonllm.data import teacher
    from skeletonllm.data.teacher.prompts import NEWEST
    from skeletonllm.training.faults import REQUEUE, StopRequest, TimeLimit, ending_at_once, exit_code

    settings = teacher.TeacherSettings(prompt_version or NEWEST, temperature, max_tokens, seed, verify, attempts)
    caps = teacher.Caps(token_cap, cost_cap, prompt_price, completion_price)
    policy = teacher.RequestPolicy(timeout, tries, requests_per_minute)
    asked = teacher.Endpoint(endpoint, model, os.environ.get(key_variable), policy)
    deadline = TimeLimit(time_limit)
    data = dict(source=source, root=root, split=split)
    with ending_at_once():
        frames, guard = student_frames(recipe, changes or [], data, model_folder, renderer, image_size, limit)
    with StopRequest() as request:
        summary = teacher.teach(
            frames, asked, output, settings, caps=caps, concurrency=concurrency, allowed=guard.allows, progress=True,
            stopping=lambda: request.signal_number is not None or deadline.is_near(),
        )  # fmt: skip
    print_summary(summary, output)
    if summary.ended == "stopped" and request.signal_number is not None:
        raise SystemExit(exit_code(request.signal_number))
    if summary.ended in ("stopped", "unanswered"):
        raise SystemExit(REQUEUE)


def student_frames(
    recipe: str | None,
    changes: list[str],
    data: dict[str, str | None],
    model_folder: Path | None,
    renderer_file: Path | None,
    image_size: int | None,
    limit: int | None,
) -> "tuple[Frames, Guard]":
    """The recordings and frames of a student, and what keeps those away that test it.

    Raises:
        LeakError: a recording that is held out for testing.
        ValueError: neither a model nor a renderer, or both; a model's size changed.
    """
    from skeletonllm.data.mixture import Part
    from skeletonllm.data.recordings import select
    from skeletonllm.data.sources import load_source
    from skeletonllm.data.splits import Guard, load_split
    from skeletonllm.data.teacher import Frames, Sampling
    from skeletonllm.rendering.registry import read_renderer
    from skeletonllm.training.data import load

    if (model_folder is None) == (renderer_file is None):
        raise ValueError("give the student's --model-folder, or a file with its --renderer")
    if model_folder is not None:
        loaded, renderer, size = model_parts(model_folder)
        if image_size not in (None, size):
            raise ValueError(f"image size {image_size}, but the model in {model_folder} sees {size} pixels")
    else:
        loaded, renderer, size = None, read_renderer(renderer_file), image_size
    student = chosen_recipe(recipe, changes, loaded, data)
    sampling = Sampling(
        student.model.num_frames, student.model.face_camera, student.augmentation, student.optimization.seed
    )
    if student.data.mixture:
        raise ValueError("the recipe mixes sources; teach them one by one: name each with --source and --root")
    wanted, split = student.data, load_split(student.data.protocol)
    guard = Guard(split, "the teacher")
    found = split.assign(load_source(wanted.source, wanted.root, **wanted.options))
    chosen = select(found, wanted.split, wanted.where)
    guard.check(chosen)
    size = size or student.model.image_size or IMAGE_SIZE
    # A recording's clip depends on its place: those at the end are left out, so that the others stay where they are.
    mixture = load([Part(chosen[:limit])], progress="reading")
    return Frames(mixture, sampling, on_device(renderer), size), guard


def model_parts(folder: Path) -> "tuple[Recipe, Renderer, int]":
    """Recipe, renderer and image size of a trained model."""
    from skeletonllm.models.trained import load_trained
    from skeletonllm.training.arguments import recipe_from_dict

    trained = load_trained(folder)
    return recipe_from_dict(trained.recipe, str(folder)), trained.model.renderer, trained.model.config.image_size


def chosen_recipe(
    name: str | None, changes: list[str], of_model: "Recipe | None", data: dict[str, str | None]
) -> "Recipe":
    """A recipe by name, or the model's own, or the defaults; with the data that the command line names.

    Raises:
        ValueError: changes, and no recipe by name that they could change.
    """
    from skeletonllm.training.arguments import Recipe, load_recipe

    if changes and name is None:
        raise ValueError(f"{changes[0]}: changes need a --recipe")
    recipe = load_recipe(name, changes) if name else of_model or Recipe()
    if data["source"] not in (None, recipe.data.source):
        recipe.data.options, recipe.data.where, recipe.data.root = {}, {}, None  # were those of the other source
    if data["source"] is not None:
        recipe.data.mixture = {}
    for key, value in data.items():
        if value is not None:
            setattr(recipe.data, key, value)
    return recipe


def on_device(renderer: "Renderer") -> "Renderer":
    import torch

    return renderer.to("cuda" if torch.cuda.is_available() else "cpu")


def print_summary(summary: "Summary", output: Path) -> None:
    """What came of it, and what to do about the rest."""
    cost = f", cost {summary.cost:.2f}" if summary.cost else ""
    print(
        f"{summary.accepted} accepted, {summary.rejected} rejected, {summary.left} left; {summary.tokens} tokens{cost}"
    )
    why = {
        "done": "all recordings that can be read are answered",
        "caps": "a cap is reached; raise it and start again to go on",
        "stopped": "stopped; start again to go on",
        "unanswered": "some questions got no answer; start again to ask them",
    }
    print(f"{why[summary.ended]}: {output}")
