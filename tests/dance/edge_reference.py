"""The denoiser of EDGE as the paper and its released code describe it, with that code's names of tensors, built of
torch's own attention: to compare ours with."""

import math

import torch
from torch import nn


class Checkpointed(nn.Module):
    """Names of parameters as in a checkpoint; ``forward`` follows section 3 of the paper and its code's order."""

    def __init__(self, width=32, inner=48, layers=2, music_features=5, frames=12, channels=151, heads=8):
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(width, 4 * width), nn.Mish())
        self.to_time_cond = nn.Sequential(nn.Linear(4 * width, width))
        self.to_time_tokens = nn.Sequential(nn.Linear(4 * width, 2 * width))
        self.null_cond_embed = nn.Parameter(torch.randn(1, frames, width))
        self.null_cond_hidden = nn.Parameter(torch.randn(1, width))
        self.norm_cond = nn.LayerNorm(width)
        self.input_projection = nn.Linear(channels, width)
        self.cond_encoder = nn.Sequential(*(Layer(width, inner, heads, 2) for _ in range(2)))
        self.cond_projection = nn.Linear(music_features, width)
        self.non_attn_cond_projection = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.seqTransDecoder = nn.Module()
        self.seqTransDecoder.stack = nn.ModuleList(Layer(width, inner, heads, 3) for _ in range(layers))
        self.final_layer = nn.Linear(width, channels)
        # Biases and norms begin at zero and one, which would hide a wrong name.
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3)

    def forward(self, x, music, times, keep):
        tokens = self.cond_projection(music)
        for layer in self.cond_encoder:
            tokens = layer(tokens)
        tokens = tokens if keep else self.null_cond_embed[:, : x.shape[1]].expand_as(tokens)
        summary = self.non_attn_cond_projection(tokens.mean(1)) if keep else self.null_cond_hidden
        width = tokens.shape[-1]
        periods = torch.logspace(0, -4, width // 2)
        angles = times[:, None] * periods
        time = self.time_mlp(torch.cat([angles.sin(), angles.cos()], -1))
        heard = self.norm_cond(torch.cat([tokens, self.to_time_tokens(time).reshape(len(x), 2, width)], 1))
        modulation = self.to_time_cond(time) + summary
        frames = self.input_projection(x)
        for layer in self.seqTransDecoder.stack:
            frames = layer(frames, heard, modulation)
        return self.final_layer(frames)

    def checkpoint_state(self):
        """As saved by several GPUs, with the speeds of positions that are no weights."""
        state = {f"module.{name}": value for name, value in self.state_dict().items()}
        return state | {"module.rotary.freqs": torch.ones(16), "module.cond_encoder.0.rotary.freqs": torch.ones(16)}


class Layer(nn.Module):
    """Of the music encoder with two parts, of the decoder with three."""

    def __init__(self, width, inner, heads, parts):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, inner), nn.Linear(inner, width)
        for part in range(1, parts + 1):
            setattr(self, f"norm{part}", nn.LayerNorm(width))
        if parts == 3:
            self.multihead_attn = nn.MultiheadAttention(width, heads, batch_first=True)
            for part in range(1, 4):
                film = nn.Module()
                film.block = nn.Sequential(nn.Mish(), nn.Linear(width, 2 * width))
                setattr(self, f"film{part}", film)

    def forward(self, x, heard=None, modulation=None):
        def film(part, values):
            if modulation is None:
                return values
            scale, shift = getattr(self, f"film{part}").block(modulation).unsqueeze(1).chunk(2, -1)
            return values * (1 + scale) + shift

        normed = self.norm1(x)
        x = x + film(1, self.self_attn(turned(normed), turned(normed), normed)[0])
        last = self.norm2
        if heard is not None:
            x = x + film(2, self.multihead_attn(turned(self.norm2(x)), turned(heard), heard)[0])
            last = self.norm3
        return x + film(3, self.linear2(nn.functional.gelu(self.linear1(last(x)))))


def turned(vectors):
    """Channels 2 k and 2 k + 1 of frame n as a complex number, turned by n / 10000^(2 k / D)."""
    frames, width = vectors.shape[-2:]
    speeds = torch.tensor([10_000 ** (-2 * pair / width) for pair in range(width // 2)])
    angles = torch.arange(frames)[:, None] * speeds
    numbers = torch.view_as_complex(vectors.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(numbers * torch.polar(torch.ones_like(angles), angles % (2 * math.pi))).flatten(-2)
