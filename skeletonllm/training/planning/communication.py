"""What each GPU sends in a step, in bytes, by ZeRO stage; inside its node and between nodes.

Collectives are hierarchical. To reduce and scatter V bytes over M nodes of G GPUs, the GPUs of a node exchange
(G - 1) / G V, then each exchanges its V / G with its peers of the other nodes, (M - 1) / M of it. Gathering is the same
the other way round, and a sum that all receive is both. Together the levels send (N - 1) / N V for N = G M, as a ring.
"""

from collections.abc import Collection
from dataclasses import dataclass

from skeletonllm.training.planning.memory import BFLOAT16, FLOAT32
from skeletonllm.training.planning.shape import Shape


@dataclass(frozen=True)
class Traffic:
    """Bytes that a GPU sends: to its node, and to other nodes."""

    inside: float = 0.0
    between: float = 0.0

    @property
    def total(self) -> float:
        return self.inside + self.between

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.inside + other.inside, self.between + other.between)

    def times(self, count: float) -> "Traffic":
        return Traffic(count * self.inside, count * self.between)


def scatter_traffic(size: float, gpus: int, gpus_per_node: int) -> Traffic:
    """To reduce and scatter, or to gather, ``size`` bytes.

    Raises:
        ValueError: GPUs that do not fill their nodes.
    """
    if gpus < 1 or (gpus > gpus_per_node and gpus % gpus_per_node):
        raise ValueError(f"{gpus} GPUs: expected up to {gpus_per_node}, or a multiple of it, as nodes have so many")
    local = min(gpus, gpus_per_node)
    nodes = gpus // local
    return Traffic((local - 1) / local * size, (nodes - 1) / nodes * size / local)


def step_traffic(
    shape: Shape, trainable: Collection[str], gpus: int, gpus_per_node: int, zero: int, accumulation: int
) -> dict[str, Traffic]:
    """Of one step, by purpose.

    Args:
        shape: of the model.
        trainable: the parts that learn.
        gpus, gpus_per_node: how many, in all and per node.
        zero: the stage. Stages 2 and 3 send gradients after every micro-batch, 0 and 1 once per step.
        accumulation: micro-batches per step and GPU.

    Raises:
        ValueError: GPUs that do not fill their nodes.
    """
    learning = sum(count for part, count in shape.parameters.items() if part in trainable)

    def moved(size: float) -> Traffic:
        return scatter_traffic(size, gpus, gpus_per_node)

    if zero == 0:
        return {"gradients, summed": moved(learning * FLOAT32).times(2)}
    # In float32 also under autocast, see zero.resolve.
    gradients = moved(learning * FLOAT32).times(accumulation if zero >= 2 else 1)
    if zero < 3:
        return {"gradients, reduced": gradients, "weights, gathered": moved(learning * FLOAT32)}
    frozen = sum(count for part, count in shape.parameters.items() if part not in trainable)
    weights = learning * FLOAT32 + frozen * BFLOAT16
    # What the backward pass does not reach is gathered for the forward pass alone.
    unreached = 0 if {"renderer", "vision"} & set(trainable) else shape.parameters["vision"] * BFLOAT16
    passes = moved(weights) + moved(weights - unreached)
    return {"gradients, reduced": gradients, "weights, gathered in both passes": passes.times(accumulation)}
