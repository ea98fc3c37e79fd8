"""A generator for commands that need one, whatever it dances."""

from pathlib import Path

import numpy as np
import torch

from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.music import MFCC, NUM_FEATURES
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song


def write_generator(folder: Path) -> Path:
    """One that learnt nothing but how far poses go. Gives its folder."""
    torch.manual_seed(0)
    sizes = DenoiserConfig(width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=NUM_FEATURES)
    motion = Normalizer.fit([make_dance(make_song(0, 10, 120), 0).to_vector()])
    low, high = np.zeros(NUM_FEATURES), np.ones(NUM_FEATURES)
    low[MFCC], high[MFCC] = -500, 200
    Generator(Denoiser(sizes), motion, Normalizer(low, high)).save(folder)
    return folder
