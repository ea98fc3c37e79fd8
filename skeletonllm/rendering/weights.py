"""Reading the published renderer's weight files (format tag ``skeletonllm-draction-v1``)."""

from pathlib import Path

import torch

PUBLISHED_FORMAT = "skeletonllm-draction-v1"
# Trained values of the released files stay below 20. One of them carries 123 numbers up to 1.7e34 that were never
# initialised; a renderer with them draws, but not what was trained.
LARGEST_PLAUSIBLE = 1e3

_ALWAYS = (
    "canonical_joints", "canonical_means", "canonical_scales", "lbs_weights_logits", "canonical_features",
    "appearance_head.0.weight", "appearance_head.0.bias", "appearance_head.2.weight", "appearance_head.2.bias",
    "depth_mix_logit",
)  # fmt: skip


def load_published_tensors(path: str | Path, check: bool = True) -> dict[str, torch.Tensor]:
    """The tensors of a published weight file, as float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not safetensors, not of the published format, or (with ``check``) values that are not finite or
            larger than any training leaves. The message names the file, the tensor and what was found.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no renderer weights at {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            tag = (file.metadata() or {}).get("format")
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file: {error}") from error
    if tag != PUBLISHED_FORMAT:
        raise ValueError(f"{path}: format tag {tag!r}, expected {PUBLISHED_FORMAT!r}")
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
