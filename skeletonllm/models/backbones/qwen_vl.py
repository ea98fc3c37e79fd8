"""What the vision-language models of the Qwen family have in common: patches of two frames, and positions in 3-D."""

import torch
from torch.nn import functional
from transformers import PretrainedConfig

from skeletonllm.models.backbones.base import BackboneFamily, TinySizes
from skeletonllm.models.backbones.chat import CHATML, CHATML_TOKENS

VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
IMAGE_TOKEN, VIDEO_TOKEN = "<|image_pad|>", "<|video_pad|>"
# Frames that a patch reaches over; a single picture is shown twice.
FRAMES_PER_PATCH = 2


class QwenVL(BackboneFamily):
    """See the module. Towers take every multiple of a cell, so the size of pictures is a matter of cost."""

    frame_start, frame_end = VISION_START, VISION_END
    placeholders = {"images": IMAGE_TOKEN, "video": VIDEO_TOKEN}
    chat_template, turn_tokens = CHATML, CHATML_TOKENS
    named_tokens = {
        "vision_start_token": VISION_START,
        "vision_end_token": VISION_END,
        "image_token": IMAGE_TOKEN,
        "video_token": VIDEO_TOKEN,
    }
    own_positions = True
    vision, projector, language = "visual", ("visual.merger", "visual.deepstack_merger_list"), "language_model"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def native_image_size(self, config: PretrainedConfig) -> int:
        """448, as InternVL's, or the nearest multiple of a cell below: no size is more native than another."""
        patch, merge = self.cell_size(config)
        return max(448 // (patch * merge), 1) * patch * merge

    def cell_size(self, config: PretrainedConfig) -> tuple[int, int]:
        return config.vision_config.patch_size, config.vision_config.spatial_merge_size

    def picture_inputs(
        self, frames: torch.Tensor, config: PretrainedConfig, layout: str, normalize: bool
    ) -> dict[str, torch.Tensor]:
        """Flattened patches of all rows in order, cells together, and the grid of each picture or video.

        Patches are (G h w, 3 * 2 * p * p) for G pictures, or pairs of frames of a video, whose last frame is repeated
        if it has no partner; grids are (B * N, 3) or (B, 3) int64, time, height and width in patches.
        """
        if normalize:
            mean = frames.new_tensor(self.mean)[:, None, None]
            std = frames.new_tensor(self.std)[:, None, None]
            frames = (frames - mean) / std
        batch, count, channels, size, _ = frames.shape
        if layout == "images":
            groups = frames.flatten(0, 1)[:, None].expand(-1, FRAMES_PER_PATCH, -1, -1, -1)
            videos, length = batch * count, 1
        else:
            missing = -count % FRAMES_PER_PATCH
            frames = torch.cat([frames, frames[:, -1:].expand(-1, missing, -1, -1, -1)], dim=1)
            groups = frames.unflatten(1, (-1, FRAMES_PER_PATCH)).flatten(0, 1)
            videos, length = batch, (count + missing) // FRAMES_PER_PATCH
        patch, merge = self.cell_size(config)
        side = size // patch
        cells = groups.reshape(
            videos * length, FRAMES_PER_PATCH, channels, side // merge, merge, patch, side // merge, merge, patch
        )
        # To (groups, rows of cells, columns, rows in a cell, columns, channels, frames, rows in a patch, columns).
        patches = cells.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(videos * length * side * side, -1)
        grid = torch.tensor([[length, side, side]], device=frames.device).expand(videos, 3)
        if layout == "images":
            return {"pixel_values": patches, "image_grid_thw": grid}
        return {"pixel_values_videos": patches, "video_grid_thw": grid}

    def position_ids(
        self,
        input_ids: torch.Tensor,
        config: PretrainedConfig,
        image_size: int,
        layout: str,
        sample_ids: torch.Tensor,
        text_positions: torch.Tensor | None = None,
        frame_seconds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Positions in time, height and width (M-RoPE, arXiv 2409.12191): (3, B, L) int64.

        Text advances all three by one. The tokens of a picture or video stand in a box that begins where the text
        ends, and what follows begins one behind the largest position in it. That is what the models were trained
        with; releases 5.x of transformers let text begin within the box of a video that is longer than wide, and
        before 5.18 cut times between frames to whole seconds. With ``text_positions`` they are put in front:
        (4, B, L), from which the samples of a row are told apart.
        """
        patch, merge = self.cell_size(config)
        side = image_size // (patch * merge)
        pictured = (input_ids == self.placeholder_id(config, layout)) & (sample_ids >= 0)
        index = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        begins = pictured & ~functional.pad(pictured[:, :-1], (1, 0))
        ends = pictured & ~functional.pad(pictured[:, 1:], (0, 1))
        offset = index - torch.where(begins, index, 0).cummax(1).values
        time = offset // side**2
        if layout in self.spaced_layouts:
            interval = FRAMES_PER_PATCH * frame_seconds * config.vision_config.tokens_per_second
            time = (time * interval[sample_ids.clamp_min(0)]).long()
        advance = torch.where(pictured, torch.where(ends, (time + 1).clamp_min(side), 0), (sample_ids >= 0).long())
        before = advance.cumsum(1) - advance
        # Counted anew from the first token of each sample.
        first = sample_ids != functional.pad(sample_ids[:, :-1], (1, 0), value=-2)
        before = before - torch.where(first, before, 0).cummax(1).values
        box = torch.stack([time, offset // side % side, offset % side])
        positions = before + torch.where(pictured, box, 0)
        return positions if text_positions is None else torch.cat([text_positions[None], positions])


def mrope_section(sizes: TinySizes) -> list[int]:
    """How a head of a tiny model shares its angles among time, height and width.

    Raises:
        ValueError: heads of the tower or of the language model that angles in two or three directions do not fit.
    """
    if sizes.vision_hidden_size % (4 * sizes.heads) or sizes.hidden_size % (2 * sizes.heads):
        raise ValueError(
            f"{sizes.heads} heads do not fit: rotary positions want a vision_hidden_size of a multiple of 4 per head "
            f"and a hidden_size of a multiple of 2, found {sizes.vision_hidden_size} and {sizes.hidden_size}"
        )
    angles = sizes.hidden_size // sizes.heads // 2
    return [angles - 2 * (angles // 3), angles // 3, angles // 3]
