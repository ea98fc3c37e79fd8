"""Benchmark of `skeleton_kernels.penetration`: every pair of limbs of every body that share no joint.

python kernels/benchmarks/penetration.py [--device cpu|cuda] [--repeats 20] [--json FILE]
"""

from collections.abc import Iterator

import torch
from paths import Case, main
from torch import Tensor
from workloads import BODY, Workload, bodies

from skeleton_kernels import non_neighbouring_pairs, penetration

RADIUS = 0.06  # metres, so that limbs of a standing body overlap here and there


def cases(device: str) -> Iterator[Case]:
    """Bodies of 25 joints, 24 capsules and 247 pairs: a clip, a batch of clips, and a large one."""
    # A joint that is its own parent has no capsule.
    capsules = torch.tensor([(parent, joint) for joint, (*_, parent) in enumerate(BODY) if joint != parent])
    pairs = non_neighbouring_pairs(capsules).to(device)
    capsules = capsules.to(device)
    for frames in (12, 768, 12288):
        joints = bodies(Workload("penetration", clips=1, frames=frames, size=8, persons=1), device)["joints"][0, :, 0]
        radii = torch.full((len(capsules),), RADIUS, device=device)

        def call(backend: str, joints: Tensor, radii: Tensor) -> tuple[Tensor, ...]:
            return tuple(penetration(joints, capsules, radii, pairs, backend=backend))

        yield Case(f"{frames} bodies", call, [joints, radii])


if __name__ == "__main__":
    main(__doc__, cases)
