"""Files for layouts to read, and how what was read is compared."""

import csv
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import KINECT_V2

# Coordinates are held as float32 to 4 m: 2e-7 m. What is written as text has 4 decimals of a centimetre: 1e-6 m.
EXACT = 2e-6


def wave(label="wave left hand", topology=KINECT_V2, **options):
    return synthesize(label, topology=topology, performer=0, noise=0, **({"yaw": 0} | options))


def write_csv(path: Path, header: list[str], rows, separator: str = ",") -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return path


def distances(joints: np.ndarray) -> np.ndarray:
    """(T, J, J) between the joints of the first person: the same wherever they are placed, but for mirroring."""
    return np.linalg.norm(joints[:, 0, :, None] - joints[:, 0, None], axis=-1)
