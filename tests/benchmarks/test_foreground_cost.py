"""The operations that the benchmark of foreground patches counts are those of the planner, where all is kept."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import foreground

from skeletonllm.models.tiny import build_tiny
from skeletonllm.training.planning.flops import Sample, count_flops
from skeletonllm.training.planning.shape import shape_of


@pytest.fixture(scope="module")
def shape():
    return shape_of(build_tiny(["clap", "wave"], image_size=128, patch_size=16)[0])


def test_whole_pictures_cost_what_the_planner_says(shape):
    planned = count_flops(shape, Sample(frames=5, image_size=128, text_tokens=30, answer_tokens=10), ())
    tower, rest = foreground.forward_operations(shape, torch.full((5,), 64), text=40)
    assert tower == pytest.approx(planned["vision"].forward)
    assert rest == pytest.approx(planned["projector"].forward + planned["language"].forward)


def test_fewer_patches_save_more_than_their_share_of_attention_and_none_of_the_text(shape):
    whole = foreground.forward_operations(shape, torch.full((5,), 64))
    half = foreground.forward_operations(shape, torch.tensor([64, 0, 64, 0, 32]))
    even = foreground.forward_operations(shape, torch.full((5,), 32))
    assert even[0] < half[0] < whole[0]  # attention is within frames: uneven ones cost more
    assert even[1] == half[1] > whole[1] / 2
