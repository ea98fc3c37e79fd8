"""ST-GCN: convolutions over the bones of a skeleton and over time (Yan, Xiong and Lin 2018, arXiv 1801.07455).

As published: the spatial partition of neighbours with learnt edge weights, temporal convolutions over nine frames,
residual connections, batch normalization of the joints, the mean over persons, joints and frames before the
classifier. Other than published: fewer and narrower blocks, so that a CPU trains one in minutes; velocities and what is
known of each joint beside its place; bodies turned to the camera.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence, sample_clip
from skeletonllm.skeleton.topology import Topology, describe_topology, read_topology
from skeletonllm.skeleton.transforms import face_camera

# Of each joint: place and velocity, three numbers each, and whether it is known.
INPUT_CHANNELS = 7
# A neighbour as near to the root as the joint itself, such as itself; a nearer one; one further away.
PARTITIONS = 3
MOST_PERSONS = 2
_FACTS = "st_gcn"


@dataclass(frozen=True)
class Sizes:
    """Of a network.

    Args:
        num_frames: that a recording is cut to.
        channels: of each block; a block with more than the one before it halves the frames, except the first.
        temporal_kernel: frames that a temporal convolution sees, odd.
        dropout: share of the pooled features hidden in training.
    """

    num_frames: int = 32
    channels: tuple[int, ...] = (32, 48, 48, 64, 64)
    temporal_kernel: int = 9
    dropout: float = 0.3


def partitioned_adjacency(topology: Topology) -> torch.Tensor:
    """(PARTITIONS, J, J) float32: how much joint j (last) gives to joint i, by the partition that j is of for i.

    A joint's neighbours are itself and those that a bone joins it to. Each gives one over their number, so that the
    sum over partitions and j is one (the column-wise normalization of the published code). Nearness is counted in
    steps of the body's tree to its root.
    """
    count = topology.num_joints
    adjacency = torch.eye(count)
    for first, second in topology.bones:
        adjacency[first, second] = adjacency[second, first] = 1.0
    adjacency = adjacency / adjacency.sum(1, keepdim=True)
    depth = torch.tensor(topology.depths)
    step = depth[None, :] - depth[:, None]
    return torch.stack([adjacency * (step == 0), adjacency * (step < 0), adjacency * (step > 0)])


class GraphConvolution(nn.Module):
    """(M, C, N, J) to (M, D, N, J): a linear map for each partition, added up over a joint's neighbours."""

    def __init__(self, width: int, out: int, adjacency: torch.Tensor):
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        self.mapped = nn.Conv2d(width, out * len(adjacency), 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mapped = self.mapped(features).unflatten(1, (len(self.adjacency), -1))
        return torch.einsum("mkcnj,kij->mcni", mapped, self.adjacency * self.importance)


class Block(nn.Module):
    """A graph convolution, then a temporal one, around which a residual goes."""

    def __init__(self, width: int, out: int, stride: int, sizes: Sizes, adjacency: torch.Tensor):
        super().__init__()
        kernel = sizes.temporal_kernel
        self.layers = nn.Sequential(
            GraphConvolution(width, out, adjacency),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, (kernel, 1), (stride, 1), (kernel // 2, 0)),
            nn.BatchNorm2d(out),
        )
        same = width == out and stride == 1
        self.residual = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(width, out, 1, (stride, 1)), nn.BatchNorm2d(out))
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (self.layers(features) + self.residual(features)).relu()


class StGcn(nn.Module):
    """Names what one or two persons do.

    Args:
        topology: of every recording that it sees.
        labels: L actions.
        sizes: of its layers.
    """

    def __init__(self, topology: Topology, labels: Sequence[str], sizes: Sizes | None = None):
        super().__init__()
        self.topology, self.labels, self.sizes = topology, tuple(labels), sizes or Sizes()
        adjacency = partitioned_adjacency(topology)
        self.normalized = nn.BatchNorm1d(INPUT_CHANNELS * topology.num_joints)
        blocks, width = [], INPUT_CHANNELS
        for number, out in enumerate(self.sizes.channels):
            stride = 2 if number and out > width else 1
            blocks.append(Block(width, out, stride, self.sizes, adjacency))
            width = out
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(self.sizes.dropout)
        self.classifier = nn.Linear(width, len(self.labels))

    def sample(self, sequence: SkeletonSequence, generator: torch.Generator | None = None) -> Clip:
        """The frames of a sequence that are looked at, in which the first person faces the camera.

        Raises:
            ValueError: another topology.
        """
        if sequence.topology != self.topology:
            raise ValueError(
                f"{sequence.source or 'sequence'}: topology {sequence.topology.name}, expected {self.topology.name}, "
                "which the network's graph is"
            )
        return face_camera(
            sample_clip(sequence.first_persons(MOST_PERSONS), self.sizes.num_frames, generator=generator)
        )

    def forward(self, clips: Sequence[Clip]) -> torch.Tensor:
        """(B, L) logits of B clips of ``sample``."""
        features, owners = body_features(clips)
        features, owners = features.to(self.classifier.weight.device), owners.to(self.classifier.weight.device)
        persons, channels, frames, joints = features.shape
        flat = self.normalized(features.transpose(2, 3).reshape(persons, channels * joints, frames))
        features = flat.reshape(persons, channels, joints, frames).transpose(2, 3).contiguous()
        pooled = self.blocks(features).mean((2, 3))
        total = pooled.new_zeros(len(clips), pooled.shape[1]).index_add(0, owners, pooled)
        return self.classifier(self.dropout(total / torch.bincount(owners, minlength=len(clips))[:, None]))


def body_features(clips: Sequence[Clip]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network sees of clips of one topology.

    Places are relative to the middle of all trunks in the same frame, in metres; velocities, in m/s, tell where the
    bodies go. Both are zero where a joint is unknown. Persons who are in no frame are left out; a clip without
    anybody keeps its first person.

    Returns:
        (M, INPUT_CHANNELS, N, J) float32, one row per person, and (M,) int64: whose clip it is.
    """
    batch = ClipBatch.from_clips(clips)
    trunk = torch.tensor([part == "torso" for part in clips[0].topology.parts])
    known = batch.valid & trunk
    # Where no joint of a trunk is known, all joints are its substitute.
    known = torch.where(known.any((2, 3), keepdim=True), known, batch.valid)[..., None]
    middle = (batch.joints * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    valid = batch.valid[..., None].float()
    features = torch.cat([(batch.joints - middle) * valid, batch.velocities * valid, valid], -1)
    present = batch.valid.any((1, 3))
    present[:, 0] |= ~present.any(1)
    return features.permute(0, 2, 4, 1, 3)[present], present.nonzero()[:, 0]


def count_parameters(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def save_st_gcn(network: StGcn, path: Path) -> None:
    """Write weights, with topology, labels and sizes in the file's header."""
    facts = dict(topology=describe_topology(network.topology), labels=network.labels, sizes=asdict(network.sizes))
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, {_FACTS: json.dumps(facts)})


def load_st_gcn(path: Path) -> StGcn:
    """The network of a file that ``save_st_gcn`` wrote, ready to be asked.

    Raises:
        OSError: there is no such file.
        ValueError: it is something else.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
            sizes = {**facts["sizes"], "channels": tuple(facts["sizes"]["channels"])}
            network = StGcn(read_topology(facts["topology"]), facts["labels"], Sizes(**sizes))
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118, no dict
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: not an ST-GCN of this project: {error}") from error
    return network.eval()
