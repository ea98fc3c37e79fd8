"""Renderers beside each other: untrained and trained DrAction, and those that learn nothing."""

import canvas
from PIL import Image
from scenes import action, moment, render, untrained

from skeletonllm.models.shipped import load_shipped
from skeletonllm.rendering.registry import RENDERERS, build_renderer

SIZE = 120
LABELS = ("wave left hand", "kick", "sit down", "raise both arms")


def learned() -> Image.Image:
    """What training changed: the shipped model's renderer, and one with the same settings before any training."""
    trained = load_shipped().model.renderer
    clips = [moment(action(label, 9, yaw=25), 4) for label in LABELS]
    before = [render(untrained(**trained.settings), clip, SIZE)[0] for clip in clips]
    after = [render(trained, clip, SIZE)[0] for clip in clips]
    changed = [(a - b).abs() for a, b in zip(after, before, strict=True)]
    rows = [[canvas.picture(frame) for frame in frames] for frames in (before, after, changed)]
    return canvas.grid(rows, names=["before", "after", "change"], titles=LABELS, margin=68)


def fixed() -> Image.Image:
    """One clip as every kind of renderer draws it."""
    clip = action("wave left hand", 4, yaw=15)
    rows = []
    for kind in RENDERERS:
        renderer = untrained() if kind == "draction" else build_renderer({"kind": kind})
        rows.append(canvas.pictures(render(renderer, clip, SIZE)))
    return canvas.grid(rows, names=[kind.replace("_", "\n") for kind in RENDERERS], margin=88)


FIGURES = {"draw_learned": learned, "draw_kinds": fixed}
