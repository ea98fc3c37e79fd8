"""Run by a test in a process of its own: peak memory after a minute of recording, and after ten more."""

import resource

import numpy as np
import torch

from skeletonllm.data.windows import cut_windows, window_clips
from skeletonllm.models.long import encode_clips
from skeletonllm.models.tiny import build_tiny
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize

SIZES = dict(image_size=64, patch_size=16, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)


def recording(minutes: int) -> SkeletonSequence:
    """One action over and over, 30 frames per second."""
    once = synthesize("walk", topology="coco_17", performer=0, noise=0)
    times = -(-minutes * 1800 // once.num_frames)
    return once.replace(
        joints=np.tile(once.joints, (times, 1, 1, 1))[: minutes * 1800],
        valid=np.tile(once.valid, (times, 1, 1))[: minutes * 1800],
    )


def main() -> None:
    torch.set_num_threads(1)
    model, processor = build_tiny(["a"], num_frames=8, renderer=dict(samples_per_bone=2, modulator="none"), **SIZES)
    for minutes in (1, 10):
        sequence = recording(minutes)
        windows = cut_windows(sequence.num_frames, sequence.fps, 4.0, 2.0)
        spans = [window.span for window in windows]
        encoded = encode_clips(model, window_clips(sequence, windows, processor), spans, tokens_per_frame=1)
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(minutes, len(encoded), kilobytes * 1024)


if __name__ == "__main__":
    main()
