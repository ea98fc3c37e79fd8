"""What GPUs and the links between them can do, by their vendor's data sheets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hardware:
    """A kind of GPU in nodes of eight.

    Args:
        name: of the GPU.
        flops: bfloat16 products per second, dense.
        memory: bytes.
        memory_bandwidth: bytes per second.
        node_bandwidth: bytes per second from one GPU to the others of its node, one direction.
        network_bandwidth: bytes per second from one GPU to other nodes, one direction.
        source: where the figures are from.
        gpus_per_node: how many share a node.
    """

    name: str
    flops: float
    memory: float
    memory_bandwidth: float
    node_bandwidth: float
    network_bandwidth: float
    source: str
    gpus_per_node: int = 8


# Data sheets give products with structured sparsity (half of it is dense), NVLink with both directions added, and
# gigabytes, read here as 10^9, which is cautious. The network is that of the vendor's own systems.
HARDWARE = {
    "h200": Hardware(
        "H200 SXM 141 GB", 989.5e12, 141e9, 4.8e12, 450e9, 50e9,
        "NVIDIA H200 data sheet (1,979 TFLOPS sparse, 900 GB/s NVLink); DGX H200: ConnectX-7, 400 Gb/s per GPU",
    ),
    "h100": Hardware(
        "H100 SXM 80 GB", 989.5e12, 80e9, 3.35e12, 450e9, 50e9,
        "NVIDIA H100 data sheet (1,979 TFLOPS sparse, 900 GB/s NVLink); DGX H100: ConnectX-7, 400 Gb/s per GPU",
    ),
    "a100": Hardware(
        "A100 SXM 80 GB", 312e12, 80e9, 2.039e12, 300e9, 25e9,
        "NVIDIA A100 data sheet (312 TFLOPS dense, 600 GB/s NVLink); DGX A100: ConnectX-6, 200 Gb/s per GPU",
    ),
}  # fmt: skip


def hardware(name: str) -> Hardware:
    """By name. Raises ValueError that lists the known ones."""
    if name.lower() not in HARDWARE:
        raise ValueError(f"unknown hardware {name!r}, expected one of {', '.join(HARDWARE)}")
    return HARDWARE[name.lower()]
