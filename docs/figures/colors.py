"""What colours tell before any training: regions, depth, motion, and what the GRU remembers of motion."""

from dataclasses import replace

import canvas
import torch
from PIL import Image
from scenes import action, moment, render, untrained

from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.sequence import Clip

SIZE = 152
BRIGHTER = 8
ALL = 30.0  # a logit beyond which its sigmoid is one in float32


def mixed(logit: float, modulator: str = "none") -> DrAction:
    """An untrained renderer whose colours are made of depth by the sigmoid of ``logit``."""
    renderer = untrained(modulator=modulator)
    with torch.no_grad():
        renderer.depth_mix_logit.fill_(logit)
    return renderer


def colors() -> Image.Image:
    """The same moments with ever more in the colours."""
    clips = [moment(action("punch", 9, yaw=20), 3), moment(action("kick", 9, yaw=-35), 3)]
    kinds = [mixed(-ALL), mixed(ALL), mixed(0.0), mixed(0.0, "gru")]
    titles = ["region", "depth", "half of each", "and motion"]
    rows = [[canvas.picture(render(kind, clip, SIZE)[0]) for kind in kinds] for clip in clips]
    return canvas.grid(rows, titles=titles)


def _stops(clip: Clip, frame: int, count: int) -> Clip:
    """The clip up to a frame, and from then on ``count`` frames of a person who stands still in that pose."""
    index = torch.arange(frame + count).clamp(max=frame)
    velocities = clip.velocities[index].clone()
    velocities[frame:] = 0.0
    return replace(clip, joints=clip.joints[index], velocities=velocities, valid=clip.valid[index], times=index / 10)


def memory() -> Image.Image:
    """Arms that were raised and are held still; and what the pictures keep of their velocities."""
    first, frame = 3, 4
    clip = _stops(action("raise both arms", 12), frame, 3)
    unmoved = replace(clip, velocities=torch.zeros_like(clip.velocities))
    rows = []
    for modulator in ("gru", "mlp"):
        renderer = untrained(modulator=modulator)
        drawn, without = (render(renderer, each, SIZE)[first:] for each in (clip, unmoved))
        rows += [drawn] * (modulator == "gru") + [BRIGHTER * (drawn - without).abs()]
    names = ["gru", f"gru,\nkept of\nmotion,\nx {BRIGHTER}", f"mlp,\nkept of\nmotion,\nx {BRIGHTER}"]
    titles = ["moving", "still", "a frame later", "two frames later"]
    return canvas.grid([canvas.pictures(row) for row in rows], names=names, titles=titles, margin=72)


FIGURES = {"draw_colors": colors, "draw_memory": memory}
