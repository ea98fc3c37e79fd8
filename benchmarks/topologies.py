"""How alike one renderer draws the same motion in different topologies.

    python benchmarks/topologies.py [-o pictures.png] [--renderer FILE] [--topologies kinect_v2 coco_17 ...]

Synthetic motions, the same performer and take in every topology, without sensor noise. Two figures over the pixels that
either picture lights: the mean absolute difference of colours (0 to 1), and the overlap of silhouettes (intersection
over union). Two controls say how much that is: another action of the same performer, and the same motion mirrored,
both in the first topology. The table is Markdown for docs/topologies.md.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from skeletonllm.rendering.draction import DrAction  # noqa: E402
from skeletonllm.rendering.video import to_bytes  # noqa: E402
from skeletonllm.skeleton.sequence import Clip, sample_clip  # noqa: E402
from skeletonllm.skeleton.synthesis import synthesize  # noqa: E402
from skeletonllm.skeleton.topologies import TOPOLOGIES  # noqa: E402
from skeletonllm.skeleton.transforms import mirror  # noqa: E402

FIVE = ("kinect_v2", "kinect_v1", "smpl_24", "coco_17", "openpose_18")
ACTIONS = ("wave left hand", "kick", "sit down", "walk", "bow", "punch", "raise both arms", "turn around")
FRAMES, SIZE = 6, 128
LIT = 0.1  # what is brighter in some colour belongs to a body


def clips_of(topology: str, actions: Sequence[str] = ACTIONS, performer: int = 0) -> list[Clip]:
    """The actions of a performer in a topology, every joint known exactly."""
    return [
        sample_clip(synthesize(label, topology=topology, performer=performer, noise=0), FRAMES) for label in actions
    ]


def draw(renderer: DrAction, clips: Sequence[Clip], size: int = SIZE) -> torch.Tensor:
    """(B, N, 3, S, S) in [0, 1]."""
    with torch.no_grad():
        return renderer.render(clips, image_size=size)


def silhouettes(pictures: torch.Tensor) -> torch.Tensor:
    """(..., 3, H, W) colours to (..., H, W) bool."""
    return pictures.amax(-3) > LIT


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean absolute difference of colours over the pixels that either (B, N, 3, H, W) lights, mean over frames."""
    union = silhouettes(one) | silhouettes(other)
    apart = ((one - other).abs().mean(-3) * union).sum((-2, -1)) / union.sum((-2, -1)).clamp(min=1)
    return float(apart.mean())


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    """Intersection over union of the silhouettes of (B, N, 3, H, W), mean over frames."""
    one, other = silhouettes(one), silhouettes(other)
    return float(((one & other).sum((-2, -1)) / (one | other).sum((-2, -1)).clamp(min=1)).mean())


def compare(renderer: DrAction, topologies: Sequence[str], size: int = SIZE) -> list[tuple[str, float, float]]:
    """(what is compared with the first topology, difference, overlap), then all pairs together and the controls."""
    drawn = {name: draw(renderer, clips_of(name), size) for name in topologies}
    first, *rest = topologies
    rows = [(name, difference(drawn[first], drawn[name]), overlap(drawn[first], drawn[name])) for name in rest]
    pairs = list(combinations(topologies, 2))
    mean = [sum(measure(drawn[a], drawn[b]) for a, b in pairs) / len(pairs) for measure in (difference, overlap)]
    rows.append((f"all {len(pairs)} pairs", *mean))
    controls = {
        "another action": drawn[first].roll(1, 0),
        "the person mirrored": draw(renderer, [mirror(clip) for clip in clips_of(first)], size),
    }
    return rows + [
        (name, difference(drawn[first], other), overlap(drawn[first], other)) for name, other in controls.items()
    ]


def figure(renderer: DrAction, topologies: Sequence[str], actions: Sequence[str], size: int = 160) -> Image.Image:
    """A row per topology and a column per action: the frame in the middle of each."""
    margin = 92
    sheet = Image.new("RGB", (margin + size * len(actions), size * len(topologies)))
    write = ImageDraw.Draw(sheet)
    for row, name in enumerate(topologies):
        write.text((6, row * size + size // 2), name, fill="white")
        pictures = to_bytes(draw(renderer, clips_of(name, actions), size)[:, FRAMES // 2])
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (margin + column * size, row * size))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="PNG file for the figure")
    parser.add_argument("--renderer", type=Path, help="file of a trained renderer; default: an untrained one")
    parser.add_argument("--topologies", nargs="+", default=FIVE, choices=list(TOPOLOGIES), metavar="NAME")
    options = parser.parse_args()
    torch.manual_seed(0)
    renderer = DrAction.from_file(options.renderer) if options.renderer else DrAction()
    print(f"| compared with {options.topologies[0]} | difference | overlap |\n|---|---|---|")
    for name, apart, shared in compare(renderer, options.topologies):
        print(f"| {name} | {apart:.3f} | {shared:.3f} |")
    if options.output:
        # A palette makes a third of the file, and no difference to the eye.
        figure(renderer, options.topologies, ACTIONS[:5]).quantize(256).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
