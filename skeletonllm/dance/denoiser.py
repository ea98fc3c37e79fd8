"""The network of the generator: from a noisy dance, the diffusion time and music to the dance without noise.

The transformer decoder of EDGE (Tseng et al. 2023, "EDGE: Editable Dance Generation From Music").
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from skeletonllm.dance.attention import ROTARY, DanceLayer, MusicLayer
from skeletonllm.dance.motion import FRAMES, VECTOR_SIZE

WEIGHTS, CONFIG = "denoiser.safetensors", "denoiser.json"

_TIME_TOKENS = 2
_LONGEST_PERIOD = 10_000.0


@dataclass(frozen=True)
class DenoiserConfig:
    """The sizes of a denoiser; by default those of EDGE.

    Args:
        width: of the vectors; divisible by 2 * heads.
        layers, music_layers: of the decoder and of the music encoder.
        heads: of every attention.
        feed_forward: inner width.
        music_features: numbers per frame of music: 35, or 4800 of Jukebox.
        frames: of a window, the most that can be made at once.
        channels: numbers per frame of dance.
        dropout: while training.
        rotary: see ``attention.ROTARY``.
        aligned: whether each frame of dance is also given the music of its own frame, beside attending to all of it.
            EDGE is not; small denoisers learn the beat much sooner so.

    Raises:
        ValueError: a size that is not positive, a width that the heads cannot share, or an unknown ``rotary``.
    """

    width: int = 512
    layers: int = 8
    music_layers: int = 2
    heads: int = 8
    feed_forward: int = 1024
    music_features: int = 35
    frames: int = FRAMES
    channels: int = VECTOR_SIZE
    dropout: float = 0.1
    rotary: str = "heads"
    aligned: bool = False

    def __post_init__(self):
        for name, value in asdict(self).items():
            if type(value) is int and value < 1:
                raise ValueError(f"{name} of a denoiser is {value}, expected a positive number")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} of a denoiser is not divisible by twice its {self.heads} heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout of a denoiser is {self.dropout}, expected from 0 to below 1")
        if self.rotary not in ROTARY:
            raise ValueError(f"rotary of a denoiser is {self.rotary!r}, expected one of {', '.join(ROTARY)}")


PRESETS = {
    "tiny": DenoiserConfig(width=128, layers=4, heads=4, feed_forward=256, dropout=0.0, aligned=True),
    "edge": DenoiserConfig(),
}
"""``tiny`` (1.8 million parameters with 35 music features) trains on a CPU; ``edge`` (47.0) is the published size."""


class Condition(NamedTuple):
    """What a dance is made to: ``tokens`` (B, T, D), one per frame, and ``summary`` (B, D) of all of them."""

    tokens: Tensor
    summary: Tensor


class Denoiser(nn.Module):
    """Predicts a dance without noise, normalised as by ``Normalizer``, from one with noise."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = config
        width = config.width
        sizes = (width, config.heads, config.feed_forward, config.dropout, config.rotary)
        self.motion_in = nn.Linear(config.channels, width)
        self.beside = nn.Linear(width, width) if config.aligned else None
        self.music_in = nn.Linear(config.music_features, width)
        self.music_layers = nn.ModuleList(MusicLayer(*sizes) for _ in range(config.music_layers))
        self.summary = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        # What stands for no music, for classifier-free guidance (Ho and Salimans 2022).
        self.null_tokens = nn.Parameter(torch.randn(1, config.frames, width))
        self.null_summary = nn.Parameter(torch.randn(1, width))
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.Mish())
        self.time_modulation = nn.Linear(4 * width, width)
        self.time_tokens = nn.Linear(4 * width, _TIME_TOKENS * width)
        self.memory_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(DanceLayer(*sizes) for _ in range(config.layers))
        self.motion_out = nn.Linear(width, config.channels)

    @classmethod
    def from_preset(cls, name: str, **changes) -> "Denoiser":
        """A denoiser with new weights: one of ``PRESETS``, with some sizes changed."""
        if name not in PRESETS:
            raise ValueError(f"unknown preset {name!r}, expected one of {', '.join(PRESETS)}")
        return cls(replace(PRESETS[name], **changes))

    def listen(self, music: Tensor, keep: Tensor | None = None) -> Condition:
        """What the decoder hears: made once for all steps of sampling.

        Args:
            music: (B, T, F) features of the frames, T at most ``config.frames``.
            keep: (B,) bool; where False the music is replaced by no music. Default: all is heard.

        Raises:
            ValueError: another shape.
        """
        batch, frames = self._check("music", music, self.config.music_features)
        positions = torch.arange(frames, device=music.device)
        tokens = self.music_in(music)
        for layer in self.music_layers:
            tokens = layer(tokens, positions)
        heard = Condition(tokens, self.summary(tokens.mean(1)))
        if keep is None:
            return heard
        nothing = self.no_music(batch, frames)
        keep = keep[:, None]
        return Condition(
            torch.where(keep[..., None], heard.tokens, nothing.tokens.to(tokens.dtype)),
            torch.where(keep, heard.summary, nothing.summary.to(tokens.dtype)),
        )

    def no_music(self, batch: int, frames: int) -> Condition:
        """What stands for no music, learnt."""
        return Condition(self.null_tokens[:, :frames].expand(batch, -1, -1), self.null_summary.expand(batch, -1))

    def forward(self, motion: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """The dance without noise, (B, T, C).

        Args:
            motion: (B, T, C) with noise.
            times: (B,) diffusion times, 0 for nearly no noise.
            condition: of as many clips and frames.

        Raises:
            ValueError: shapes that do not fit.
        """
        batch, frames = self._check("motion", motion, self.config.channels)
        if condition.tokens.shape[:2] != (batch, frames):
            found = tuple(condition.tokens.shape[:2])
            raise ValueError(f"music has {found} clips and frames, the motion {(batch, frames)}")
        time = self.time(_sinusoids(times, self.config.width).to(motion.dtype))
        modulation = self.time_modulation(time) + condition.summary
        time_tokens = self.time_tokens(time).unflatten(-1, (_TIME_TOKENS, -1))
        memory = self.memory_norm(torch.cat([condition.tokens, time_tokens], 1))
        positions = torch.arange(memory.shape[1], device=motion.device)
        vectors = self.motion_in(motion)
        if self.beside is not None:
            vectors = vectors + self.beside(condition.tokens)
        for layer in self.layers:
            vectors = layer(vectors, memory, modulation, positions[:frames], positions)
        return self.motion_out(vectors)

    def save(self, folder: str | Path) -> None:
        """Write weights (safetensors) and sizes (JSON) into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Denoiser":
        """Read what ``save`` wrote, ready to generate.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file holds something else, or the two do not fit.
        """
        weights, config = Path(folder) / WEIGHTS, Path(folder) / CONFIG
        for path in (weights, config):
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; expected a dance model")
        try:
            denoiser = cls(DenoiserConfig(**json.loads(config.read_text(encoding="utf-8"))))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{config}: not the sizes of a denoiser: {error}") from error
        try:
            denoiser.load_state_dict(load_file(weights))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"{weights}: not the weights of the denoiser of {config.name}: {error}") from error
        return denoiser.eval()

    def _check(self, name: str, values: Tensor, channels: int) -> tuple[int, int]:
        if values.ndim != 3 or values.shape[2] != channels:
            raise ValueError(f"{name} has shape {tuple(values.shape)}, expected (B, T, {channels})")
        if not 0 < values.shape[1] <= self.config.frames:
            raise ValueError(
                f"{name} has {values.shape[1]} frames, a window from 1 to {self.config.frames}; "
                "longer dances are made by overlapping windows (sample_long)"
            )
        return values.shape[0], values.shape[1]


def _sinusoids(times: Tensor, width: int) -> Tensor:
    """(B, width) float32: sines and cosines of times (B,), with periods from 2 pi to 2 pi * 10,000."""
    half = width // 2
    speeds = torch.exp(-math.log(_LONGEST_PERIOD) / (half - 1) * torch.arange(half, device=times.device))
    angles = times.float()[:, None] * speeds
    return torch.cat([angles.sin(), angles.cos()], -1)
