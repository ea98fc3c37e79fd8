"""The two pictures of the pages that readers see first: actions that move, and motions in several topologies."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from scenes import render, untrained

from skeletonllm.rendering.video import write_gif
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize

ACTIONS = {"wave right hand": "kinect_v2", "kick": "smpl_24", "sit down": "coco_17", "shake hands": "kinect_v2"}
FRAMES, FPS, SIZE = 24, 10.0, 192


def actions(path: Path) -> None:
    """Four actions side by side, as a GIF."""
    clips = [
        sample_clip(synthesize(label, topology=topology, performer=1, seconds=FRAMES / FPS, noise=0.0), FRAMES)
        for label, topology in ACTIONS.items()
    ]
    write_gif(path, torch.cat([render(untrained(), clip, SIZE) for clip in clips], -1), FPS)


def topologies(path: Path) -> None:
    """Five motions in five topologies, by the benchmark that measures how alike they are."""
    sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    from topologies import ACTIONS, FIVE, figure

    figure(untrained(), FIVE, ACTIONS[:5]).quantize(256).save(path, optimize=True)


FIGURES: dict[str, Callable[[Path], None]] = {"actions.gif": actions, "topologies.png": topologies}
