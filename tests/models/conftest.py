"""A small model with small pictures, clips for it, and questions of different lengths."""

import numpy as np
import pytest
import torch

from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.tasks.recognition import build_prompt

LABELS = ("throw", "throw ball", "wave left", "sit down", "clap")
SIZES = dict(image_size=64, patch_size=16, vision_hidden_size=32, vision_layers=2, hidden_size=48, layers=2)
FRAMES = 3


@pytest.fixture
def labels() -> tuple[str, ...]:
    return LABELS


@pytest.fixture
def build():
    """A new small model and its processor, with a few keyword arguments changed."""
    from skeletonllm.models.tiny import build_tiny

    def builder(**changes):
        torch.manual_seed(11)
        model, processor = build_tiny([build_prompt(LABELS), *LABELS], num_frames=FRAMES, **{**SIZES, **changes})
        with torch.no_grad():
            # An untrained model is nearly indifferent; larger weights make its answers depend on what it reads.
            for parameter in model.backbone.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(2.5)
        return model.eval(), processor

    return builder


@pytest.fixture
def clips(build):
    """Three clips of three topologies, one of them with two persons."""
    generator = np.random.default_rng(5)
    _, processor = build()
    made = []
    for topology, persons in (("kinect_v2", 2), ("smpl_22", 1), ("coco_17", 1)):
        joints = generator.normal(0, 0.35, (9, persons, get_topology(topology).num_joints, 3))
        joints[..., 2] += 3.0
        joints[:, 1:, :, 0] += 1.0
        made.append(processor.sample(SkeletonSequence(joints, 30.0, topology)))
    return made


@pytest.fixture
def prompts():
    """Questions of three lengths, so that rows need different padding."""
    return [build_prompt(LABELS), build_prompt(LABELS[:2]), "What happens here?"]
