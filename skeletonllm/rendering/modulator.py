"""The Neural Feature Modulator: how motion changes the look of each Gaussian (SkeletonLLM, section 3.2)."""

import torch
from torch import nn

MODULATORS = ("gru", "mlp", "none")
INPUTS = 10  # blended position 3, blended velocity 3, the Gaussian's own logits 4
OUTPUTS = 5  # change of red, green, blue; change of opacity; gate
HIDDEN = 64
_VELOCITY = slice(3, 6)  # of the inputs
# Where training starts: how much 1 m/s along an axis raises the logits of all three colours, and how much more that of
# the axis' own colour, or less if it moves the other way.
_SPEED, _DIRECTION = 1.0, 0.7
# A GRU starts by passing on what it is given now, up to this share (as a logit) of what it remembers.
_MEMORY = -2.0


class Modulator(nn.Module):
    """An MLP per Gaussian and frame, behind a GRU over the frames of the clip if ``recurrent``.

    Each Gaussian of each person has a hidden state of its own that starts at zero; the GRU's output replaces the
    MLP's input, as in the published code. An untrained modulator already shows motion, fast limbs bright and tinted by
    where they go, as stick figures coloured by speed do. Else its last layer starts near zero.
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
        self._show_motion()

    @torch.no_grad()
    def _show_motion(self) -> None:
        """Two hidden units for each axis, one for either way along it."""
        first, last = self.mlp[0], self.mlp[2]
        for axis, source in enumerate(range(INPUTS)[_VELOCITY]):
            for unit, sign in ((2 * axis, 1.0), (2 * axis + 1, -1.0)):
                first.weight[unit], first.bias[unit] = 0.0, 0.0
                first.weight[unit, source] = sign
                last.weight[:3, unit] += _SPEED
                last.weight[axis, unit] += sign * _DIRECTION
        if self.gru is not None:
            velocity = torch.arange(INPUTS)[_VELOCITY]
            update, new = INPUTS + velocity, 2 * INPUTS + velocity  # rows of torch's GRU: reset, update, new
            for parameter in self.gru.parameters():
                parameter[torch.cat([update, new])] = 0.0
            self.gru.bias_ih_l0[update] = _MEMORY
            self.gru.weight_ih_l0[new, velocity] = 1.0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(S, N, 10) inputs of S Gaussians over N frames to (S, N, 5) changes; a change that is not finite is zero."""
        if self.gru is not None:
            inputs = self.gru(inputs)[0]
        return torch.nan_to_num(self.mlp(inputs), nan=0.0, posinf=0.0, neginf=0.0)
