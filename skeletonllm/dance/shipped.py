"""The small generator that comes with the package: where it lies, and how a run of the recipe ``shipped`` becomes it.

``python -m skeletonllm.dance.shipped RUN [FOLDER]`` writes it; see ``docs/dance.md``.
"""

import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from skeletonllm.dance.denoiser import WEIGHTS
from skeletonllm.dance.generator import Generator
from skeletonllm.models.shipped import bytes_of, ship

SHIPPED_FOLDER = Path(__file__).parents[1] / "assets" / "tiny_generator"
# Bytes of all its files: it is part of every installation.
MOST_BYTES = 5_000_000
ABOUT = (
    "The small generator that comes with skeletonllm dances: it learnt from songs and dances that a program made. To "
    "dance with one of your own, name its folder."
)


def load_shipped() -> Generator:
    """The generator that comes with the package, computing in float32."""
    return Generator.load(SHIPPED_FOLDER)


def write_shipped(generator: Generator, folder: str | Path = SHIPPED_FOLDER) -> Path:
    """Write a generator with its denoiser rounded to float16, in place of what the folder held.

    Reading widens the weights to float32 again.

    Returns:
        The folder.

    Raises:
        ValueError: a weight is beyond float16, or the files are larger than ``MOST_BYTES``; nothing is replaced.
    """
    folder = Path(folder)
    draft = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    generator.save(draft)
    halves = {name: weight.half() for name, weight in load_file(draft / WEIGHTS).items()}
    save_file(halves, draft / WEIGHTS)
    beyond = [name for name, weight in halves.items() if not torch.isfinite(weight).all()]
    if beyond:
        shutil.rmtree(draft)
        raise ValueError(f"{', '.join(beyond)}: not finite, or beyond the range of float16")
    return ship(draft, folder, MOST_BYTES)


if __name__ == "__main__":
    written = write_shipped(Generator.load(sys.argv[1]), *sys.argv[2:3])
    print(f"{written}  {bytes_of(written) / 1e6:.2f} MB")
