import pytest
import torch
from transformers import InternVLConfig

from skeletonllm.models.backbones import family_of
from skeletonllm.models.backbones.internvl import IMAGENET_MEAN, IMAGENET_STD
from skeletonllm.models.pixels import frames_to_inputs

CONFIG = InternVLConfig()


def _pictures(size: int) -> torch.Tensor:
    """(2, 3, 3, size, size) uint8: smooth shapes on black, as the renderer draws them, plus noise at one corner."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.linspace(-1, 1, size)
    blob = torch.exp(-4 * (rows[:, None] ** 2 + (rows[None] - 0.2) ** 2))
    colors = torch.rand(2, 3, 3, 1, 1, generator=generator)
    pictures = blob * colors * 255
    pictures[..., : size // 4, : size // 4] = 255 * torch.rand(2, 3, 3, size // 4, size // 4, generator=generator)
    return pictures.round().to(torch.uint8)


def _by_backbone_processor(pictures: torch.Tensor, size: int) -> torch.Tensor:
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    processor = GotOcr2ImageProcessorPil(
        size={"height": size, "width": size}, image_mean=list(IMAGENET_MEAN), image_std=list(IMAGENET_STD)
    )
    pictures = [picture.permute(1, 2, 0).numpy() for picture in pictures.flatten(0, 1)]
    return processor(pictures, return_tensors="pt")["pixel_values"]


def test_pixel_values_are_those_of_the_backbones_own_image_processor():
    pictures = _pictures(56)
    ours = frames_to_inputs(pictures / 255, CONFIG, 56)["pixel_values"]
    wanted = _by_backbone_processor(pictures, 56)
    assert ours.shape == wanted.shape == (6, 3, 56, 56)
    # Same arithmetic in another order: a few units in the last place of values up to 2.7.
    torch.testing.assert_close(ours, wanted, atol=1e-6, rtol=0)


def test_resized_pixel_values_are_close_to_the_image_processors():
    pictures = _pictures(112) // 2 + 64  # away from black and white, where Pillow also cuts between its two passes
    ours = frames_to_inputs(pictures / 255, CONFIG, 56)["pixel_values"]
    # Pillow rounds to 8 bits after each pass: up to 1.5 levels together, over the smallest deviation.
    torch.testing.assert_close(ours, _by_backbone_processor(pictures, 56), atol=1.5 / 255 / 0.224, rtol=0)


def test_frames_of_all_rows_are_stacked_row_by_row():
    frames = torch.arange(6.0).view(2, 3, 1, 1, 1).expand(2, 3, 3, 28, 28) / 6
    stacked = frames_to_inputs(frames, CONFIG, 28, normalize="none")["pixel_values"]
    torch.testing.assert_close(stacked[:, 0, 0, 0], torch.arange(6.0) / 6)


def test_raw_pixels_pass_unchanged_as_in_the_published_release():
    frames = torch.rand(1, 2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(frames_to_inputs(frames, CONFIG, 28, normalize="none")["pixel_values"], frames[0])


@pytest.mark.parametrize("size", [28, 40])
def test_every_pixel_receives_a_gradient(size):
    frames = torch.full((1, 2, 3, size, size), 0.5, requires_grad=True)
    frames_to_inputs(frames, CONFIG, 28)["pixel_values"].square().sum().backward()
    assert frames.grad.isfinite().all() and (frames.grad != 0).all()


@pytest.mark.parametrize(("size", "tokens"), [(448, 256), (224, 64), (28, 1)])
def test_internvl_token_counts(size, tokens):
    assert family_of(CONFIG).tokens_per_frame(CONFIG, size) == tokens


def test_an_image_size_that_cuts_patches_is_refused():
    with pytest.raises(ValueError, match="no multiple of 28"):
        family_of(CONFIG).tokens_per_frame(CONFIG, 100)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"\(B, N, 3, H, W\)"):
        frames_to_inputs(torch.zeros(2, 3, 28, 28), CONFIG, 28)
    with pytest.raises(ValueError, match="unknown normalize 'imagenet'"):
        frames_to_inputs(torch.zeros(1, 2, 3, 28, 28), CONFIG, 28, normalize="imagenet")
    with pytest.raises(ValueError, match="'qwen2'; known: internvl"):
        family_of(CONFIG.text_config)
