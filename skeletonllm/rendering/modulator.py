"""The Neural Feature Modulator: how motion changes the look of each Gaussian (SkeletonLLM, section 3.2)."""

import torch
from torch import nn

MODULATORS = ("gru", "mlp", "none")
INPUTS = 10  # blended position 3, blended velocity 3, the Gaussian's own logits 4
OUTPUTS = 5  # change of red, green, blue; change of opacity; gate
HIDDEN = 64


class Modulator(nn.Module):
    """An MLP per Gaussian and frame, behind a GRU over the frames of the clip if ``recurrent``.

    Each Gaussian of each person has a hidden state of its own that starts at zero; the GRU's output replaces the
    MLP's input, as in the published code. The last layer starts near zero, so that an untrained modulator leaves the
    base appearance as it is.
    """

    def __init__(self, recurrent: bool):
        super().__init__()
        self.gru = nn.GRU(INPUTS, INPUTS, batch_first=True) if recurrent else None
        self.mlp = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUTPUTS))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start values of every layer."""
        for layer in (self.gru, self.mlp[0]):
            if layer is not None:
                layer.reset_parameters()
        nn.init.normal_(self.mlp[2].weight, std=0.01)
        nn.init.zeros_(self.mlp[2].bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(S, N, 10) inputs of S Gaussians over N frames to (S, N, 5) changes; a change that is not finite is zero."""
        if self.gru is not None:
            inputs = self.gru(inputs)[0]
        return torch.nan_to_num(self.mlp(inputs), nan=0.0, posinf=0.0, neginf=0.0)
