"""skeletonllm export: what a run trained, as files for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    merged = "merged"
    adapter = "adapter"
    renderer = "renderer"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder (its newest whole checkpoint), or a step-N.")],
    to: Annotated[
        Kind,
        typer.Option(help="The whole model; what was trained alone, for PEFT on the backbone; or the renderer alone."),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: RUN/export/KIND.")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="The renderer in the format of the released weights.")
    ] = False,
) -> None:
    """Write what a run trained as safetensors: a model for from_pretrained, adapters for PEFT, or the renderer."""
    from skeletonllm.training.checkpoint import load_checkpoint
    from skeletonllm.training.export import export as write

    folder = write(load_checkpoint(checkpoint), to.value, output, published)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}  {size / 1e6:.2f} MB")
