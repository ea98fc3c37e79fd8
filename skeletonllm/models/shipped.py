"""The small model that comes with the package: where it lies, and how a run of the recipe ``tiny`` becomes it.

``python -m skeletonllm.models.shipped RUN [FOLDER]`` writes it; see ``docs/tiny_model.md``.
"""

import shutil
import sys
from pathlib import Path

import torch

from skeletonllm.models.trained import Trained, load_trained, save_facts

SHIPPED_FOLDER = Path(__file__).parents[1] / "assets" / "tiny_model"
# Bytes of all its files: it is part of every installation.
MOST_BYTES = 10_000_000


def load_shipped() -> Trained:
    """The model that comes with the package, computing in float32."""
    return load_trained(SHIPPED_FOLDER)


def write_shipped(trained: Trained, folder: str | Path = SHIPPED_FOLDER) -> Path:
    """Write a trained model with its backbone rounded to float16, in place of what the folder held.

    float16 keeps three more bits of such small weights than bfloat16 does. The files say float32, to which reading
    them widens the weights: CPUs compute slowly in half precision. The renderer is not rounded.

    Returns:
        The folder.

    Raises:
        ValueError: a weight is beyond float16, or the files are larger than ``MOST_BYTES``; nothing is replaced.
    """
    folder = Path(folder)
    weights = trained.model.state_dict()
    halves = {value.data_ptr(): value.half() for value in weights.values()}  # what is tied stays tied
    rounded = {n: halves[value.data_ptr()] if n.startswith("backbone.") else value for n, value in weights.items()}
    beyond = [name for name, value in rounded.items() if not torch.isfinite(value).all()]
    if beyond:
        raise ValueError(f"{', '.join(beyond)}: not finite, or beyond the range of float16")
    draft = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    trained.model.save_pretrained(draft, state_dict=rounded)
    save_facts(draft, trained)
    return ship(draft, folder, MOST_BYTES)


def ship(draft: Path, folder: Path, most: int) -> Path:
    """Put a draft in the place of a folder that comes with the package.

    Raises:
        ValueError: its files take more than ``most`` bytes; the draft is removed, and nothing is replaced.
    """
    size = bytes_of(draft)
    if size > most:
        shutil.rmtree(draft)
        raise ValueError(f"the model takes {size / 1e6:.1f} MB, at most {most / 1e6:.0f} are shipped")
    for path in draft.rglob("*"):  # whoever installs it may not be whoever wrote it
        if path.is_file():
            path.chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return folder


def bytes_of(folder: Path) -> int:
    """Of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    written = write_shipped(load_trained(sys.argv[1]), *sys.argv[2:3])
    print(f"{written}  {bytes_of(written) / 1e6:.2f} MB")
