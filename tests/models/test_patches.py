"""Patch embeddings as matrix products give what the convolution gives."""

import pytest
import torch
from torch import nn

from skeletonllm.models.patches import PatchConv2d, use_patch_products


@pytest.mark.parametrize("size", [(16, 24), (17, 27)])
def test_values_and_gradients_are_those_of_the_convolution(size):
    convolution = nn.Conv2d(3, 5, kernel_size=(4, 6), stride=(4, 6))
    pictures = torch.randn(2, 3, *size, requires_grad=True)
    wanted = convolution(pictures)
    cotangent = torch.randn_like(wanted)
    wanted_gradients = torch.autograd.grad(wanted, [pictures, *convolution.parameters()], cotangent)
    assert use_patch_products(convolution) == 1
    found = convolution(pictures)
    found_gradients = torch.autograd.grad(found, [pictures, *convolution.parameters()], cotangent)
    # The order of the sums differs: a few float32 roundings of values near one.
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    for one, other in zip(found_gradients, wanted_gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", [dict(stride=2), dict(stride=4, padding=1), dict(stride=4, dilation=2)])
def test_convolutions_that_overlap_or_pad_stay(settings):
    model = nn.Sequential(nn.Conv2d(3, 4, kernel_size=4, **settings))
    assert use_patch_products(model) == 0
    assert not isinstance(model[0], PatchConv2d)
