"""Files of renderers: what is written is what is read, and what is damaged is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.published import PublishedDrAction
from skeletonllm.rendering.weights import RENDERER_FORMAT
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize


def scattered(renderer: DrAction) -> DrAction:
    """The renderer with other weights than it starts with."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return renderer


@pytest.mark.parametrize(
    "make",
    [
        DrAction,
        lambda: DrAction(modulator="none", samples_per_bone=3, feature_dim=5, follow=True),
        lambda: PublishedDrAction("gru"),
        lambda: PublishedDrAction("none"),
    ],
    ids=["default", "all settings", "published gru", "published without modulator"],
)
def test_a_saved_renderer_draws_the_same_pictures(make, tmp_path):
    renderer = scattered(make())
    renderer.save(tmp_path / "mine.safetensors")
    read = DrAction.from_file(tmp_path / "mine.safetensors")
    assert type(read) is type(renderer) and read.settings == renderer.settings
    clip = sample_clip(synthesize("walk", topology="kinect_v2", performer=1), 3)
    with torch.no_grad():
        assert torch.equal(read.render(clip, image_size=48), renderer.render(clip, image_size=48))


def test_the_settings_stand_beside_it_for_people(tmp_path):
    DrAction(samples_per_bone=3).save(tmp_path / "mine.safetensors", num_frames=7)
    described = json.loads((tmp_path / "mine.json").read_text())
    assert described["settings"]["samples_per_bone"] == 3 and described["num_frames"] == 7


@pytest.mark.parametrize("change", ["settings", "no settings", "tensor", "key"])
def test_a_file_that_does_not_fit_its_settings_is_named(tmp_path, change):
    path = tmp_path / "mine.safetensors"
    DrAction().save(path)
    tensors = load_file(path)
    header = {"format": RENDERER_FORMAT, "settings": json.dumps(DrAction().settings)}
    if change == "settings":
        header["settings"] = '{"colour": "red"}'
    elif change == "no settings":
        del header["settings"]
    elif change == "tensor":
        tensors["palette"] = tensors["palette"][:-1].contiguous()
    else:
        del tensors["palette"]
    save_file(tensors, path, metadata=header)
    with pytest.raises(ValueError, match=r"mine\.safetensors: damaged renderer"):
        DrAction.from_file(path)


def test_another_safetensors_file_is_no_renderer(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=f"format tag None, expected '{RENDERER_FORMAT}' or 'skeletonllm-draction-v1'"):
        DrAction.from_file(tmp_path / "other.safetensors")
