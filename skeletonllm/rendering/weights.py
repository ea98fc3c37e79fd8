"""Weight files of renderers: reading and writing our own, and the published ones (``skeletonllm-draction-v1``)."""

import hashlib
import json
from pathlib import Path

import torch

PUBLISHED_FORMAT = "skeletonllm-draction-v1"
RENDERER_FORMAT = "skeletonllm-renderer-v1"
RENDERER_FILE = "renderer.safetensors"  # its name in the folder of an export
# Trained values of the released files stay below 20. One of them carries 123 numbers up to 1.7e34 that were never
# initialised; a renderer with them draws, but not what was trained.
LARGEST_PLAUSIBLE = 1e3

_ALWAYS = (
    "canonical_joints", "canonical_means", "canonical_scales", "lbs_weights_logits", "canonical_features",
    "appearance_head.0.weight", "appearance_head.0.bias", "appearance_head.2.weight", "appearance_head.2.bias",
    "depth_mix_logit",
)  # fmt: skip


def load_tensors(path: str | Path, formats: tuple[str, ...]) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """The header's metadata and the tensors, as float32, of a weight file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not safetensors, or of none of these formats.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no renderer weights at {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file: {error}") from error
    if metadata.get("format") not in formats:
        expected = " or ".join(map(repr, formats))
        raise ValueError(f"{path}: format tag {metadata.get('format')!r}, expected {expected}")
    return metadata, tensors


def load_published_tensors(path: str | Path, check: bool = True) -> dict[str, torch.Tensor]:
    """The tensors of a published weight file, as float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not safetensors, not of the published format, or (with ``check``) values that are not finite or
            larger than any training leaves. The message names the file, the tensor and what was found.
    """
    _, tensors = load_tensors(path, (PUBLISHED_FORMAT,))
    missing = [key for key in _ALWAYS if key not in tensors]
    if missing:
        raise ValueError(f"{path}: missing tensors {missing}")
    gaussians, joints = tensors["lbs_weights_logits"].shape
    for key, shape in {"canonical_joints": (joints, 3), "canonical_means": (gaussians, 3)}.items():
        if tensors[key].shape != shape:
            raise ValueError(f"{path}: {key} has shape {tuple(tensors[key].shape)}, expected {shape}")
    if check:
        for key, tensor in tensors.items():
            implausible = ~(tensor.abs() <= LARGEST_PLAUSIBLE)
            if implausible.any():
                raise ValueError(
                    f"{path}: damaged weights: {int(implausible.sum())} of {tensor.numel()} values of {key} are not "
                    f"finite or exceed {LARGEST_PLAUSIBLE:g} (largest {tensor.abs().max():.3g}); "
                    "pass check=False to load them all the same"
                )
    return tensors


def save_published_tensors(
    path: Path,
    tensors: dict[str, torch.Tensor],
    *,
    name: str,
    description: str,
    source_checkpoint: str,
    num_line_samples: int,
    render_frames: int,
    render_size: int,
) -> None:
    """Write ``path`` in the published format, and the manifest that goes with it beside, with the suffix ``.json``.

    Args:
        path: of the safetensors file.
        tensors: float32, with the names and shapes of the released files.
        name, description, source_checkpoint: for people.
        num_line_samples: Gaussians along each bone.
        render_frames, render_size: frames per clip and pixels of a side that the renderer was trained with.
    """
    from safetensors.torch import save_file

    gaussians, joints = tensors["lbs_weights_logits"].shape
    facts = dict(
        format=PUBLISHED_FORMAT,
        name=name,
        description=description,
        num_line_samples=num_line_samples,
        render_frames=render_frames,
        render_size=render_size,
        enable_nfm="nfm.0.weight" in tensors,
    )
    if "temporal_gru.weight_ih_l0" in tensors:  # the key came with the second release, whose weights have one
        facts["use_temporal_gru"] = True
    header = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    # No accuracy belongs to a renderer before somebody measures it; readers of the format expect the key.
    save_file(tensors, path, metadata={**header, "metric": "not measured"})
    shapes = {key: list(tensor.shape) for key, tensor in sorted(tensors.items())}
    manifest = {
        **facts,
        "source_checkpoint": source_checkpoint,
        "num_joints": joints,
        "num_gaussians": gaussians,
        "feature_dim": tensors["canonical_features"].shape[1],
        "tensor_count": len(tensors),
        "tensors": shapes,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n")


def save_renderer_tensors(path: Path, tensors: dict[str, torch.Tensor], settings: dict, **facts) -> None:
    """Write ``path`` in our own format, whose header holds the settings, and for people a JSON file beside it.

    Args:
        path: of the safetensors file.
        tensors: the renderer's ``state_dict``.
        settings: of the renderer.
        facts: JSON-able values that the JSON file holds as well.
    """
    from safetensors.torch import save_file

    header = {"format": RENDERER_FORMAT, "settings": json.dumps(settings)}
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, path, metadata=header)
    content = {"format": RENDERER_FORMAT, "settings": settings, **facts}
    path.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n")
