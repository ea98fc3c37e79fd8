"""What the benchmarks draw: workloads as data, and the moving bodies that fill them."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Twenty-five joints of a standing person as Kinect v2 orders them: x, y in metres, parent.
BODY = [
    (0.00, 0.00, 0), (0.00, 0.25, 0), (0.00, 0.55, 20), (0.00, 0.70, 2), (-0.18, 0.45, 20), (-0.25, 0.20, 4),
    (-0.27, -0.02, 5), (-0.27, -0.10, 6), (0.18, 0.45, 20), (0.25, 0.20, 8), (0.27, -0.02, 9), (0.27, -0.10, 10),
    (-0.10, -0.05, 0), (-0.12, -0.45, 12), (-0.12, -0.82, 13), (-0.13, -0.88, 14), (0.10, -0.05, 0), (0.12, -0.45, 16),
    (0.12, -0.82, 17), (0.13, -0.88, 18), (0.00, 0.45, 1), (-0.27, -0.16, 7), (-0.24, -0.10, 7), (0.27, -0.16, 11),
    (0.24, -0.10, 11),
]  # fmt: skip
SAMPLES = 10  # Gaussians along each bone, as the published renderer has: 25 + 24 * 10 = 265
SIZE = 0.02  # metres: 2.6 pixels at 3 m in a picture of 448 x 448
OPACITY = 0.34  # about what the published weights give


@dataclass(frozen=True)
class Workload:
    """Clips of bodies to draw as square pictures."""

    name: str
    clips: int
    frames: int
    size: int
    persons: int


WORKLOADS = [
    Workload("one person, 448 x 448", clips=1, frames=12, size=448, persons=1),
    Workload("two persons, 448 x 448", clips=1, frames=12, size=448, persons=2),
    Workload("training batch, 64 x 64", clips=16, frames=12, size=64, persons=1),
]


def bodies(workload: Workload, device: str) -> dict[str, Tensor | int]:
    """Arguments of `skeleton_kernels.splat_bones`, the same for the same workload on every machine."""
    generator = torch.Generator().manual_seed(0)
    batch = (workload.clips, workload.frames, workload.persons)
    standing = torch.tensor([[x, y, 3.0] for x, y, _ in BODY])
    wander = torch.randn(*batch, 1, 3, generator=generator) * torch.tensor([0.3, 0.05, 0.2])
    joints = standing + wander + 0.03 * torch.randn(*batch, len(BODY), 3, generator=generator)

    index = [(joint, joint) for joint in range(len(BODY))]
    weight = [(1.0, 0.0)] * len(BODY)
    for joint, (_, _, parent) in list(enumerate(BODY))[1:]:
        for sample in range(1, SAMPLES + 1):
            index.append((parent, joint))
            weight.append((1 - sample / (SAMPLES + 1), sample / (SAMPLES + 1)))
    count = len(index)
    focal = workload.size * 3**0.5 / 2
    middle = workload.size / 2
    arguments = {
        "joints": joints,
        "skin_index": torch.tensor(index).expand(workload.clips, -1, -1),
        "skin_weight": torch.tensor(weight).expand(workload.clips, -1, -1),
        "offsets": torch.zeros(workload.clips, count, 3),
        "scales": torch.full((workload.clips, count), SIZE),
        "colors": torch.rand(*batch, count, 3, generator=generator),
        "opacities": torch.full((*batch, count), OPACITY),
        "intrinsics": torch.tensor([[-focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]]),
    }
    return {name: value.to(device) for name, value in arguments.items()} | {"image_size": workload.size}
