"""A checkpoint of EDGE as its authors' code saves it, for those who have one; nothing of it is run.

The names of its tensors are those of the released code (Stanford-TML/EDGE, ``model/model.py``).
"""

import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.normalizer import Normalizer

_STATES = {True: "ema_state_dict", False: "model_state_dict"}
# Wrapped for several GPUs, names have this in front. The speeds of rotary positions are no weights.
_WRAPPED, _NO_WEIGHTS = "module.", "rotary.freqs"
# Cannot be told from the shapes.
_HEADS = 8
# What it says, and what it is here.
_NAMES = (
    (r"input_projection\.", "motion_in."),
    (r"cond_projection\.", "music_in."),
    (r"cond_encoder\.", "music_layers."),
    (r"non_attn_cond_projection\.", "summary."),
    (r"null_cond_embed$", "null_tokens"),
    (r"null_cond_hidden$", "null_summary"),
    (r"time_mlp\.1\.", "time.0."),
    (r"to_time_cond\.0\.", "time_modulation."),
    (r"to_time_tokens\.0\.", "time_tokens."),
    (r"norm_cond\.", "memory_norm."),
    (r"seqTransDecoder\.stack\.", "layers."),
    (r"final_layer\.", "motion_out."),
)
_NAMES_IN_LAYERS = (
    (r"\.self_attn\.", ".attention."),
    (r"\.multihead_attn\.", ".hearing."),
    (r"\.in_proj_", ".projection."),
    (r"\.out_proj\.", ".out."),
    (r"\.linear1\.", ".feed_forward.0."),
    (r"\.linear2\.", ".feed_forward.3."),
    (r"\.norm(\d)\.", lambda match: f".norms.{int(match[1]) - 1}."),
    (r"\.film(\d)\.", lambda match: f".films.{int(match[1]) - 1}."),
)


class EdgeCheckpoint(NamedTuple):
    """A denoiser of EDGE and what brings its numbers to metres: vectors for ``codecs.edge.from_edge``, not of ours."""

    denoiser: Denoiser
    normalizer: Normalizer


class _Normalizer:
    """Stands in for the class of that name: holds its values, has none of its code."""


class _Scaler:
    """As ``_Normalizer``."""


_STAND_INS = [(_Normalizer, "dataset.preprocess.Normalizer"), (_Scaler, "dataset.scaler.MinMaxScaler")]


def load_edge_checkpoint(path: str | Path, *, ema: bool = True) -> EdgeCheckpoint:
    """The denoiser of a checkpoint, ready to generate, with its positions as published (``rotary="inputs"``).

    Args:
        path: what EDGE's training saved with ``torch.save``.
        ema: the averaged weights, which EDGE generates with; otherwise the last ones.

    Raises:
        OSError: there is no such file.
        ValueError: something else.
    """
    saved = _read(Path(path))
    wanted = {_STATES[ema], "normalizer"}
    if not isinstance(saved, dict) or not wanted <= saved.keys():
        found = sorted(map(str, saved)) if isinstance(saved, dict) else type(saved).__name__
        raise ValueError(f"{path}: holds {found}, expected {sorted(wanted)} of a checkpoint of EDGE")
    state = saved[_STATES[ema]]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path}: {_STATES[ema]} is no dictionary of tensors")
    tensors = {
        _translate(name.removeprefix(_WRAPPED)): value
        for name, value in state.items()
        if not name.endswith(_NO_WEIGHTS)
    }
    denoiser = Denoiser(_config(path, tensors))
    try:
        denoiser.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{path}: {_STATES[ema]} is not that of EDGE's denoiser: {error}") from error
    return EdgeCheckpoint(denoiser.eval(), _normalizer(path, saved["normalizer"], denoiser.config.channels))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a checkpoint of EDGE")
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        told = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
        found = f"it names {told[1]}" if told else str(error).splitlines()[0]
        raise ValueError(f"{path}: not a checkpoint of EDGE that can be read without running code: {found}") from error


def _config(path: str | Path, tensors: dict[str, Tensor]) -> DenoiserConfig:
    """Sizes from the shapes of translated tensors."""
    shaped = ("motion_in.weight", "music_in.weight", "null_tokens", "layers.0.feed_forward.0.weight")
    missing = [name for name in shaped if name not in tensors]
    if missing:
        raise ValueError(
            f"{path}: no such tensors as EDGE's denoiser has: what is here {', '.join(missing)} is missing"
        )
    motion, music, null, inner = (tensors[name].shape for name in shaped)
    if [len(motion), len(music), len(null), len(inner)] != [2, 2, 3, 2] or motion[0] % (2 * _HEADS):
        found = ", ".join(str(tuple(shape)) for shape in (motion, music, null, inner))
        raise ValueError(f"{path}: what is here {', '.join(shaped)} has shapes {found}, not those of EDGE's denoiser")
    return DenoiserConfig(
        width=motion[0],
        layers=_count(tensors, "layers"),
        music_layers=_count(tensors, "music_layers"),
        heads=_HEADS,
        feed_forward=inner[0],
        music_features=music[1],
        frames=null[1],
        channels=motion[1],
        rotary="inputs",
    )


def _count(tensors: dict[str, Tensor], stack: str) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith(f"{stack}.")})


def _translate(name: str) -> str:
    for old, new in _NAMES:
        name = re.sub(f"^{old}", new, name)
    for old, new in _NAMES_IN_LAYERS:
        name = re.sub(old, new, name)
    return name


def _normalizer(path: str | Path, saved: Any, channels: int) -> Normalizer:
    """Theirs is x * scale + min, which is one from [low, low + 2 / scale] to [-1, 1]."""
    scaler = getattr(saved, "scaler", None)
    scale, smallest = (getattr(scaler, name, None) for name in ("scale_", "data_min_"))
    if not all(isinstance(values, Tensor) and values.shape == (channels,) for values in (scale, smallest)):
        raise ValueError(f"{path}: the normalizer holds no scale and minimum of {channels} channels")
    low = smallest.double()
    return Normalizer(low.numpy(), (low + 2 / scale.double()).numpy())
