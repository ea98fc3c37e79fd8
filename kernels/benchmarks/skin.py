"""Benchmark of `skeleton_kernels.skin`: what a renderer's appearance needs of a batch of clips before it can draw.

python kernels/benchmarks/skin.py [--device cpu|cuda] [--repeats 20] [--json FILE]
"""

from collections.abc import Iterator

import torch
from paths import Case, main
from torch import Tensor
from workloads import Workload, bodies

from skeleton_kernels import skin

SPAN = 0.8  # metres, what the renderer takes


def cases(device: str) -> Iterator[Case]:
    """Two persons of 265 Gaussians each in clips of 12 frames."""
    for clips in (1, 16, 64):
        body = bodies(Workload("skin", clips=clips, frames=12, size=8, persons=2), device)
        middle = torch.full((clips,), 3.0, device=device)

        def call(backend: str, joints: Tensor, velocities: Tensor, body=body, middle=middle) -> tuple[Tensor, ...]:
            index, weight = body["skin_index"], body["skin_weight"]
            return skin(joints, velocities, index, weight, middle, SPAN, backend=backend)

        yield Case(f"{clips} clips of 12 frames, two persons", call, [body["joints"], torch.randn_like(body["joints"])])


if __name__ == "__main__":
    main(__doc__, cases)
