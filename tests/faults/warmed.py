"""Imported once by the process that runs are forked from, so that each of them starts at once."""

import gc

import deepspeed  # noqa: F401
import peft  # noqa: F401
from torch.utils import tensorboard  # noqa: F401

from skeletonllm.training import run  # noqa: F401
from skeletonllm.training.build import tiny_texts

tiny_texts(["walk"])  # rationales of the embedded actions, kept for later calls
gc.collect()
gc.freeze()
