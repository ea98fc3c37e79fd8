"""What renderers learnt: pictures that runs left behind, and one motion drawn before and after training."""

import io
import json
from pathlib import Path

import torch
from markupsafe import Markup
from PIL import Image
from safetensors import SafetensorError, safe_open

from skeletonllm.evaluation.report.finding import Run, read_json
from skeletonllm.evaluation.report.html import figure, image, joined, markup, panels, paragraph, warning
from skeletonllm.rendering.gallery import animate
from skeletonllm.rendering.registry import build_renderer
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize

MOTION = "wave left hand"
PERFORMER = 100_000  # of those that no embedded training data contain
TOPOLOGIES = ("kinect_v2", "kinect_v1", "smpl_22", "coco_17", "openpose_25", "mediapipe_33")
SIZE, FRAMES = 160, 16
WIDEST = 1400  # pixels of a run's picture
LIT = 0.02  # what is darker in both pictures is background
_SPOILT = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def pictures_part(run: Run) -> Markup:
    """What the renderer drew before the run, and after each of its stages."""
    pictures = run.pictures
    if not pictures:
        return paragraph(f"{run.name} has left no pictures.", faint=True)
    ends: dict[str, int] = {}
    for line in run.lines:
        ends[str(line.get("stage"))] = line["step"]
    first = min(pictures)
    shown = {first: "before training" if first == 0 else f"after step {first}"}
    for stage, end in ends.items():
        steps = [step for step in pictures if first < step <= end]
        if steps:
            shown.setdefault(max(steps), f"stage {stage}, after step {max(steps)}")
    return joined(_picture(pictures[step], caption) for step, caption in shown.items())


def _picture(path: Path, caption: str) -> Markup:
    try:
        with Image.open(path) as picture:
            picture = picture.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return warning(f"{path}: no picture", [str(error)])
    picture.thumbnail((WIDEST, 4 * WIDEST))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=75)
    return figure(image(file.getvalue(), caption), caption)


def renderer_part(run: Run) -> Markup:
    """The same motion in several topologies, drawn by the untrained renderer and by the trained one."""
    if run.model is None:
        return paragraph(f"{run.name} has no trained model to draw with.", faint=True)
    try:
        before, after = read_renderers(run.model, run.recipe)
        cards = [_card(topology, before, after) for topology in TOPOLOGIES]
    except _SPOILT as error:
        return warning(f"{run.name}: its renderer cannot be drawn with", [f"{run.model}: {error}"])
    note = f"“{MOTION}” by somebody who is in no training data. Left of each pair untrained, right trained."
    return joined([paragraph(note), panels(cards)])


def _card(topology: str, before: Renderer, after: Renderer) -> Markup:
    sequence = synthesize(MOTION, topology=topology, performer=PERFORMER)
    clip = sample_clip(sequence, FRAMES)
    with torch.no_grad():
        drawn = [renderer.render(clip, image_size=SIZE)[0].cpu() for renderer in (before, after)]
    seconds = sequence.duration
    pair = joined(image(animate(frames, seconds), f"{topology}, {name}")
                  for frames, name in zip(drawn, ("untrained", "trained"), strict=True))  # fmt: skip
    caption = f"{topology}: pixels of the body moved by {moved(*drawn):.1f} of 255 on average"
    return figure(markup('<div class="pair">{}</div>', pair), caption)


def moved(before: torch.Tensor, after: torch.Tensor) -> float:
    """Mean absolute difference of frames (N, 3, H, W) in steps of 255, over pixels that either has anything in."""
    lit = torch.maximum(before, after).amax(1) > LIT
    return 255 * float((after - before).abs().mean(1)[lit].mean()) if lit.any() else 0.0


def read_renderers(model: Path, recipe: dict) -> tuple[Renderer, Renderer]:
    """The renderer of a trained model as it was built with the run's seed, and as it is now.

    Only the renderer's own tensors are read, however large the backbone beside it.

    Raises:
        OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError: the folder's files are not whole.
    """
    config, reason = read_json(model / "config.json")
    if reason:
        raise ValueError(f"config.json: {reason}")
    seed = recipe.get("optimization", {}).get("seed", 0)
    renderers = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            renderers.append(build_renderer(config.get("renderer") or {}).eval())
    tensors = _tensors(model, "renderer.")
    if tensors or renderers[1].state_dict():
        renderers[1].load_state_dict(tensors)
    return renderers[0], renderers[1]


def _tensors(model: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Tensors of a model, in one file or several, whose names begin so, by the rest of their names."""
    index = model / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        places = json.loads(index.read_text())["weight_map"]
        names = sorted({Path(file).name for name, file in places.items() if name.startswith(prefix)})
    found = {}
    for name in names:
        with safe_open(model / name, "pt") as file:
            found |= {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}
    return found
