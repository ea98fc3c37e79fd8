"""Which Gaussians a topology is drawn with: where each sits, how wide it is, which body region it shows.

K = J + n * bones: one Gaussian per joint and n evenly spaced along each bone (SkeletonLLM, section 3.1). The tables
depend on the topology alone; every topology indexes the same regions, so one set of features serves them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from skeletonllm.rendering.completion import FACE
from skeletonllm.skeleton.topology import Topology

# Body part and side: what the renderer's features are indexed by.
REGIONS: tuple[tuple[str, str], ...] = (
    ("torso", "centre"), ("torso", "left"), ("torso", "right"), ("head", "centre"),
    *((part, side) for side in ("left", "right") for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")),
)  # fmt: skip

# Standard deviations in metres, about half the radius of a real limb so that two of them reach its surface.
PART_SCALE = {
    "torso": 0.050, "head": 0.050, "upper_arm": 0.036, "forearm": 0.030,
    "hand": 0.030, "thigh": 0.050, "shin": 0.040, "foot": 0.034,
}  # fmt: skip
SKULL_SCALE = 0.075  # the joint that stands for the whole skull
SKULLS = ("head", "nose")  # the first of them that there is
FACE_SCALE = 0.012  # eyes, ears and mouth, where a topology has them, and what leads to them
NOSE_SCALE = 0.030  # beside a skull
EDGE_SCALE = 0.022  # knuckles, heel and small toe: the edges of a hand or a foot
EDGES = ("_index", "_pinky", "_heel", "_small_toe")


@dataclass(frozen=True)
class GaussianTable:
    """K Gaussians of one topology.

    Args:
        skin_index: (K, 2) int64, the two joints each one follows.
        skin_weight: (K, 2) float32, how much of each; the rows sum to one.
        scales: (K,) float32 isotropic standard deviations in metres.
        region: (K,) int64 index into ``REGIONS``.
        along: (K,) float32, 0 at the proximal and 1 at the distal end of its bone; a joint is its own distal end.
    """

    skin_index: torch.Tensor
    skin_weight: torch.Tensor
    scales: torch.Tensor
    region: torch.Tensor
    along: torch.Tensor

    def __len__(self) -> int:
        return self.scales.shape[0]


def region_of(topology: Topology, joint: int) -> int:
    """The region that ends at a joint. The head has no sides: an ear and a head joint look alike."""
    part, side = topology.parts[joint], topology.sides[joint]
    if part == "head":
        side = "centre"
    elif part != "torso" and side == "centre":
        raise ValueError(f"topology {topology.name}: joint {topology.joints[joint]} ends a {part} of no side")
    return REGIONS.index((part, side))


def _scale(topology: Topology, joint: int) -> float:
    if topology.joints[joint].endswith(FACE):
        return FACE_SCALE
    if topology.joints[joint].endswith(EDGES):
        return EDGE_SCALE
    return PART_SCALE[topology.parts[joint]]


@lru_cache(maxsize=64)
def gaussian_table(topology: Topology, samples_per_bone: int) -> GaussianTable:
    """The Gaussians of a topology, joints first, then bone by bone."""
    rows = [((joint, joint), 0.0, joint, 1.0) for joint in range(topology.num_joints)]
    for (a, b), (_, distal) in zip(topology.bones, topology.oriented_bones, strict=True):
        for sample in range(1, samples_per_bone + 1):
            fraction = sample / (samples_per_bone + 1)
            rows.append(((a, b), fraction, distal, fraction if distal == b else 1.0 - fraction))
    scales = [_scale(topology, distal) for _, _, distal, _ in rows]
    nose, skull = topology.find("nose"), topology.find(*SKULLS)
    if nose is not None:
        scales[nose] = NOSE_SCALE
    if skull is not None:
        scales[skull] = SKULL_SCALE
    fraction = torch.tensor([fraction for _, fraction, _, _ in rows])
    return GaussianTable(
        skin_index=torch.tensor([pair for pair, _, _, _ in rows]),
        skin_weight=torch.stack([1.0 - fraction, fraction], dim=-1),
        scales=torch.tensor(scales),
        region=torch.tensor([region_of(topology, joint) for _, _, joint, _ in rows]),
        along=torch.tensor([along for _, _, _, along in rows]),
    )


def stack_tables(tables: Sequence[GaussianTable], device: torch.device) -> tuple[GaussianTable, torch.Tensor]:
    """Tables of B clips padded to one: every field gains a leading B.

    Returns the (B, K) bool mask of entries that are not padding.
    """
    longest = max(len(table) for table in tables)

    def pad(field: str) -> torch.Tensor:
        rows = [getattr(table, field) for table in tables]
        return torch.stack([torch.cat([r, r.new_zeros(longest - len(r), *r.shape[1:])]) for r in rows]).to(device)

    counts = torch.tensor([len(table) for table in tables], device=device)
    present = torch.arange(longest, device=device) < counts[:, None]
    return GaussianTable(*(pad(field) for field in GaussianTable.__dataclass_fields__)), present
