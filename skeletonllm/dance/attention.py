"""The layers of the denoiser: attention that knows where frames stand, and layers that diffusion time modulates."""

import torch
from torch import Tensor, nn
from torch.nn import functional

ROTARY = ("heads", "inputs")
"""Where positions turn queries and keys: each head's own, so that attention depends on distances in time alone (Su et
al. 2021); or, as in EDGE as published, the vectors before they are projected, where it does not."""

_BASE = 10_000.0


def rotate(vectors: Tensor, positions: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021, section 3.2.2): neighbouring channels turned as a pair, each at its own speed.

    Args:
        vectors: (..., T, D) with D even.
        positions: (T,).
    """
    width = vectors.shape[-1]
    speeds = _BASE ** (-torch.arange(0, width, 2, device=vectors.device, dtype=torch.float32) / width)
    angles = positions.float()[:, None] * speeds
    cosine, sine = angles.cos().to(vectors.dtype), angles.sin().to(vectors.dtype)
    first, second = vectors[..., 0::2], vectors[..., 1::2]
    return torch.stack([first * cosine - second * sine, second * cosine + first * sine], -1).flatten(-2)


class Attention(nn.Module):
    """Attention of several heads with rotary positions.

    Args:
        width: of the vectors.
        heads: which share the width.
        dropout: of attention weights.
        rotary: one of ``ROTARY``.
    """

    def __init__(self, width: int, heads: int, dropout: float, rotary: str):
        super().__init__()
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.projection = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, asking: Tensor, asked: Tensor, positions: Tensor, asked_positions: Tensor) -> Tensor:
        """(B, T, D) from the vectors that ask (B, T, D) and those that are asked (B, S, D), at (T,) and (S,)."""
        inputs = self.rotary == "inputs"
        sources = (
            rotate(asking, positions) if inputs else asking,
            rotate(asked, asked_positions) if inputs else asked,
            asked,
        )
        weights, biases = self.projection.weight.chunk(3), self.projection.bias.chunk(3)
        queries, keys, values = (
            functional.linear(source, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for source, weight, bias in zip(sources, weights, biases, strict=True)
        )
        if not inputs:
            queries, keys = rotate(queries, positions), rotate(keys, asked_positions)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        return self.out(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, inner: int, dropout: float):
        super().__init__(
            nn.Linear(width, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, width), nn.Dropout(dropout)
        )


class Film(nn.Module):
    """Feature-wise modulation (Perez et al. 2018): scale and shift of every channel from a vector (B, D)."""

    def __init__(self, width: int):
        super().__init__()
        self.block = nn.Sequential(nn.Mish(), nn.Linear(width, 2 * width))

    def forward(self, vectors: Tensor, modulation: Tensor) -> Tensor:
        scale, shift = self.block(modulation)[:, None].chunk(2, -1)
        return (scale + 1) * vectors + shift


class MusicLayer(nn.Module):
    """A layer of the music encoder: attention among the frames of music, then a feed-forward network."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float, rotary: str):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width, heads, dropout, rotary)
        self.feed_forward = FeedForward(width, inner, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, music: Tensor, positions: Tensor) -> Tensor:
        normed = self.norms[0](music)
        music = music + self.dropout(self.attention(normed, normed, positions, positions))
        return music + self.feed_forward(self.norms[1](music))


class DanceLayer(nn.Module):
    """A layer of the decoder: attention among frames, attention to the music, a feed-forward network; what each of the
    three adds is modulated by diffusion time and the summary of the music."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float, rotary: str):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.films = nn.ModuleList(Film(width) for _ in range(3))
        self.attention = Attention(width, heads, dropout, rotary)
        self.hearing = Attention(width, heads, dropout, rotary)
        self.feed_forward = FeedForward(width, inner, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, frames: Tensor, music: Tensor, modulation: Tensor, positions: Tensor, music_positions: Tensor
    ) -> Tensor:
        normed = self.norms[0](frames)
        seen = self.dropout(self.attention(normed, normed, positions, positions))
        frames = frames + self.films[0](seen, modulation)
        heard = self.dropout(self.hearing(self.norms[1](frames), music, positions, music_positions))
        frames = frames + self.films[1](heard, modulation)
        return frames + self.films[2](self.feed_forward(self.norms[2](frames)), modulation)
