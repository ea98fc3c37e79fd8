"""InternViT on some patches of each frame: the positions of the others are left out, not moved together.

Modules of a built backbone change their class, not their parameters or their results on whole pictures. Everything is
reached through modules that are called, so that parameters which a library gathers on the call (ZeRO-3) are there.
"""

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import InternVLConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.internvl.modeling_internvl import InternVLVisionEmbeddings, InternVLVisionLayer


class SomePatchesEmbeddings(InternVLVisionEmbeddings):
    """Embeddings that also take some patches of each frame."""

    def forward(self, pixel_values, bool_masked_pos=None, kept: torch.Tensor | None = None) -> torch.Tensor:
        """As the library's, or with ``kept`` (F, R, C) bool: (K, 3, p, p) patches to padded frames (F, 1 + n, D).

        Each frame is its class token and its patches in reading order, n being the most that a frame has.
        """
        if kept is None:
            return super().forward(pixel_values, bool_masked_pos)
        embedded = self.patch_embeddings(pixel_values)[:, 0]
        frame, row, column = kept.nonzero(as_tuple=True)
        start = self.cls_token[0, 0]
        if self.position_embeddings is not None:
            height, width = (count * side for count, side in zip(kept.shape[1:], self.patch_size, strict=True))
            places = embedded.new_empty(1, 1, 1).expand(1, 1 + kept[0].numel(), embedded.shape[1])
            positions = self.interpolate_pos_encoding(places, height, width)[0]
            embedded = embedded + positions[1 + row * kept.shape[2] + column]
            start = start + positions[0]
        counts = kept.flatten(1).sum(1)
        body = embedded.new_zeros(len(kept), int(counts.max()), embedded.shape[1])
        body = body.index_put((frame, places_in_frames(kept)), embedded)
        return self.dropout(torch.cat([start.to(body.dtype).expand(len(kept), 1, -1), body], dim=1))


class MaskedVisionLayer(InternVLVisionLayer):
    """A layer that also takes an attention mask, for frames that are padded."""

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        attended, _ = self.attention(self.layernorm_before(hidden_states), attention_mask=attention_mask)
        hidden_states = self.lambda_1 * attended + hidden_states
        changed = self.dropout(self.mlp(self.layernorm_after(hidden_states)))
        return self.lambda_2 * changed + hidden_states


def check_config(config: InternVLConfig) -> None:
    """Raises ValueError for a tower of which other features are read than those of the last layer's patches."""
    if config.vision_feature_layer != -1 or config.vision_feature_select_strategy != "default":
        raise ValueError("foreground patches need vision_feature_layer -1 and vision_feature_select_strategy 'default'")


def prepare(backbone: nn.Module) -> None:
    """Change the classes of a backbone's vision tower."""
    tower = backbone.model.vision_tower
    tower.embeddings.__class__ = SomePatchesEmbeddings
    for layer in tower.encoder.layer:
        layer.__class__ = MaskedVisionLayer


def features(backbone: nn.Module, pixel_values: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Features of the tokens of some cells: (T, D) in reading order.

    Attention is within a frame only, as on whole pictures.

    Args:
        backbone: after ``prepare``.
        pixel_values: (K, 3, p, p), every patch of the cells that are kept, by frame and in reading order.
        cells: (F, R, C) bool, T of them true and at least one in each frame: the squares of patches that become one
            token.
    """
    tower = backbone.model.vision_tower
    merge = int(1 / backbone.config.downsample_ratio)
    kept = cells.repeat_interleave(merge, 1).repeat_interleave(merge, 2)
    hidden = tower.embeddings(pixel_values.to(backbone.model.dtype), kept=kept)
    counts = kept.flatten(1).sum(1)
    mask = None
    if not (counts == counts[0]).all():
        present = torch.arange(hidden.shape[1], device=kept.device) <= counts[:, None]
        mask = create_bidirectional_mask(tower.config, hidden, present)
    for layer in tower.encoder.layer:
        hidden = layer(hidden, attention_mask=mask)
    hidden = tower.layernorm(hidden)
    frame, row, column = kept.nonzero(as_tuple=True)
    patches = hidden[frame, 1 + places_in_frames(kept)]
    # The pixel shuffle: a cell's patches in reading order behind one another.
    token = (cells.flatten().cumsum(0) - 1).view(cells.shape)[frame, row // merge, column // merge]
    order = (token * merge**2 + row % merge * merge + column % merge).argsort()
    return backbone.model.multi_modal_projector(patches[order].reshape(-1, merge**2 * patches.shape[1]))


def places_in_frames(kept: torch.Tensor) -> torch.Tensor:
    """(F, R, C) bool to the number, within its frame, of each patch that is kept: (K,)."""
    counts = kept.flatten(1).sum(1)
    first = pad(counts.cumsum(0), (1, -1))
    return torch.arange(int(counts.sum()), device=kept.device) - first.repeat_interleave(counts)
