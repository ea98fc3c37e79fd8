"""Foreground patches only: a clip costs the cells of its frames that bodies touch, not whole pictures of black.

A cell is the square of patches that becomes one token of the language model. Cells that nobody touches, nor a margin
around them, are neither encoded nor read. Prompts are made for whole pictures, and the placeholders of what is left
out go before the language model sees them. The rest keeps its positions: to rotary embeddings a question stands as
far behind each frame as it would behind whole pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import ModuleType

import torch
from torch import nn
from torch.nn.functional import max_pool2d

from skeleton_kernels.constants import DEFAULT_CUTOFF
from skeletonllm.models.backbones import family_of, internvl_foreground
from skeletonllm.models.losses import IGNORED_LABEL
from skeletonllm.models.pixels import resized
from skeletonllm.skeleton.batch import ClipBatch

TOWERS: dict[str, ModuleType] = {"internvl": internvl_foreground}
"""Families whose towers take some patches, by model type: ``check_config``, ``prepare`` and ``features`` of each."""

# How packed rows, whose positions have gaps here, are kept apart: by a mask written out.
MASKED_ATTENTIONS = ("eager", "sdpa")


@dataclass(frozen=True)
class Foreground:
    """Which cells are kept.

    Args:
        margin: cells around those that are touched, diagonally too, that are kept as well.
        cutoff: of clips that are drawn, the optical depth at which a Gaussian ends; of frames that are drawn already,
            the brightness of a pixel above which its patch is touched.
    """

    margin: int = 0
    cutoff: float = DEFAULT_CUTOFF

    @classmethod
    def of(cls, settings: Mapping[str, float]) -> "Foreground":
        """From a configuration. Raises ValueError for an unknown key or a value out of range."""
        known = [field.name for field in fields(cls)]
        if unknown := set(settings) - set(known):
            raise ValueError(f"foreground has no {', '.join(sorted(unknown))}; it takes {', '.join(known)}")
        foreground = cls(**settings)
        if not isinstance(foreground.margin, int) or foreground.margin < 0:
            raise ValueError(f"foreground margin is {foreground.margin!r}, expected a number of cells")
        if not 0 < foreground.cutoff < 1:
            raise ValueError(f"foreground cutoff is {foreground.cutoff!r}, expected a number between 0 and 1")
        return foreground


def tower_of(model_type: str) -> ModuleType:
    """What knows a family's tower. Raises ValueError for a family that has to see whole pictures."""
    if model_type not in TOWERS:
        raise ValueError(f"foreground patches are for backbones of type {', '.join(TOWERS)}, not {model_type!r}")
    return TOWERS[model_type]


def kept_cells(touched: torch.Tensor, merge: int, margin: int) -> torch.Tensor:
    """Which cells are kept: patches (..., R, C) bool to cells (..., R / merge, C / merge) bool.

    In a frame where nobody is the cell in the middle counts as touched: no frame is without a token.
    """
    cells = touched.unflatten(-1, (-1, merge)).any(-1).unflatten(-2, (-1, merge)).any(-2)
    middle = torch.zeros_like(cells)
    middle[..., cells.shape[-2] // 2, cells.shape[-1] // 2] = True
    cells = cells | middle & ~cells.any(-1, keepdim=True).any(-2, keepdim=True)
    margin = min(margin, max(cells.shape[-2:]))
    near = max_pool2d(cells.flatten(0, -3).float(), 2 * margin + 1, stride=1, padding=margin)
    return near.bool().view(cells.shape)


def patches_of_clips(patches, index, shape, merge: int, margin: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches drawn alone to what is encoded.

    Args:
        patches: (M, 3, p, p) in [0, 1], of ``Renderer.render_patches``.
        index: (M, 4) int64, ascending: clip, frame, row and column of each.
        shape: (S, N, R, C) of all patches.
        merge: patches of the side of a cell.
        margin: cells.

    Returns:
        Every patch of the kept cells (K, 3, p, p), ascending, black where nothing was drawn; and the cells
        (S, N, R / merge, C / merge) bool.
    """
    touched = torch.zeros(shape, dtype=torch.bool, device=index.device).index_put(
        index.unbind(1), torch.tensor(True, device=index.device)
    )
    cells = kept_cells(touched, merge, margin)
    kept = cells.repeat_interleave(merge, -1).repeat_interleave(merge, -2)
    place = (kept.flatten().cumsum(0) - 1).view(shape)[index.unbind(1)]
    black = patches.new_zeros(int(kept.sum()), *patches.shape[1:])
    return black.index_copy(0, place, patches), cells


def patches_of_frames(
    frames: torch.Tensor, patch: int, merge: int, foreground: Foreground
) -> tuple[torch.Tensor, torch.Tensor]:
    """As ``patches_of_clips``, from whole frames (S, N, 3, H, W) in [0, 1]."""
    cut = frames.unflatten(4, (-1, patch)).unflatten(3, (-1, patch)).permute(0, 1, 3, 5, 2, 4, 6)
    touched = cut.detach().flatten(4).amax(-1) > foreground.cutoff
    cells = kept_cells(touched, merge, foreground.margin)
    return cut[cells.repeat_interleave(merge, -1).repeat_interleave(merge, -2)], cells


def without_dropped(
    rows: Mapping[str, torch.Tensor | None], cells: torch.Tensor, placeholder: int, padding: int
) -> dict[str, torch.Tensor | None]:
    """Rows of tokens without the placeholders of dropped cells, padded anew at the left.

    Args:
        rows: ``input_ids`` (B, L) and, of that shape, None or missing, ``attention_mask``, ``position_ids`` (by
            default the columns), ``labels`` and ``sample_ids``.
        cells: bool, as many as there are placeholders, in their order.
        placeholder: the token that stands for a cell.
        padding: a token for the places that become free.

    Returns:
        The same of (B, L') with L' <= L. If all is kept of rows that are padded at the left already, they are as they
        were.

    Raises:
        ValueError: the rows have another number of placeholders.
    """
    ids = rows["input_ids"]
    stands = ids == placeholder
    if int(stands.sum()) != cells.numel():
        raise ValueError(f"the prompts have {int(stands.sum())} placeholders, the frames {cells.numel()} cells")
    present = torch.ones_like(stands)
    if rows.get("attention_mask") is not None:
        present = rows["attention_mask"].bool()
    if rows.get("sample_ids") is not None:
        present = rows["sample_ids"] >= 0
    kept = present.masked_scatter(stands, cells.flatten()) & present
    length = int(kept.sum(1).max())
    order = kept.int().argsort(dim=1, stable=True)[:, -length:]
    kept = kept.gather(1, order)
    positions = rows.get("position_ids")
    if positions is None:
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    fillings = {"input_ids": padding, "position_ids": 0, "labels": IGNORED_LABEL, "sample_ids": -1}
    shorter = {"attention_mask": kept.long()}
    for name, values in {**rows, "position_ids": positions}.items():
        if name in fillings:
            shorter[name] = None if values is None else values.gather(1, order).masked_fill(~kept, fillings[name])
    return shorter


def separating_mask(sample_ids: torch.Tensor, attention: str, dtype: torch.dtype) -> torch.Tensor:
    """(B, 1, L, L): each token sees those of its own sample up to itself.

    Raises:
        ValueError: an attention that takes no such mask.
    """
    if attention not in MASKED_ATTENTIONS:
        raise ValueError(f"foreground patches in packed rows need {' or '.join(MASKED_ATTENTIONS)}, not {attention}")
    sees = (sample_ids[:, None, :, None] == sample_ids[:, None, None, :]).tril()
    if attention == "sdpa":
        return sees
    return torch.zeros(sees.shape, dtype=dtype, device=sees.device).masked_fill(~sees, torch.finfo(dtype).min)


def embedded(backbone: nn.Module, input_ids: torch.Tensor, placeholder: int, features: torch.Tensor) -> torch.Tensor:
    """(B, L, D): token embeddings, features (T, D) in place of the placeholders."""
    embeddings = backbone.get_input_embeddings()(input_ids)
    stands = (input_ids == placeholder)[..., None].expand_as(embeddings)
    return embeddings.masked_scatter(stands, features.to(embeddings.dtype))


def foreground_rows(
    model: nn.Module, rows: Mapping[str, torch.Tensor | None], clips: ClipBatch | None, frames: torch.Tensor | None
) -> dict[str, torch.Tensor | None]:
    """Rows as ``without_dropped`` makes them, and their ``inputs_embeds`` for the backbone.

    The attention mask of rows of several samples has four dimensions, see ``separating_mask``.

    Args:
        model: a ``SkeletonLLMForConditionalGeneration`` whose configuration has ``foreground``.
        rows: see ``without_dropped``.
        clips: S clips to draw, or
        frames: (S, N, 3, H, W) in [0, 1], drawn already.
    """
    config, backbone = model.config, model.backbone
    features, cells = _read_cells(model, clips, frames)
    rows = without_dropped(rows, cells, config.frame_token_id, _padding(model))
    embeddings = embedded(backbone, rows["input_ids"], config.frame_token_id, features)
    if rows.get("sample_ids") is not None:
        attention = backbone.config.get_text_config()._attn_implementation
        rows["attention_mask"] = separating_mask(rows["sample_ids"], attention, embeddings.dtype)
    return rows | {"inputs_embeds": embeddings}


def _read_cells(model, clips, frames) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (T, D) of the cells that are kept, and which they are: (S, N, R, C) bool."""
    config, renderer = model.config, model.renderer
    foreground, family = Foreground.of(config.foreground), family_of(config.backbone_config)
    patch, merge = family.cell_size(config.backbone_config)
    if frames is None:
        size = config.image_size
        drawn = renderer.render_patches(clips, image_size=size, patch_size=patch, cutoff=foreground.cutoff)
        shape = (*clips.joints.shape[:2], size // patch, size // patch)
        pixels, cells = patches_of_clips(*drawn, shape, merge, foreground.margin)
    else:
        pixels, cells = patches_of_frames(resized(frames.float(), config.image_size), patch, merge, foreground)
    normalize = config.normalize == "backbone"
    values = family.picture_inputs(pixels[None], config.backbone_config, config.frame_layout, normalize)["pixel_values"]
    tower = tower_of(config.backbone_config.model_type)
    return tower.features(model.backbone, values, cells.flatten(0, 1)), cells


def _padding(model) -> int:
    """A token that stands for no cell."""
    padding, end = model.generation_config.pad_token_id, model.generation_config.eos_token_id
    if padding is not None:
        return padding
    return end[0] if isinstance(end, list) else end or 0
