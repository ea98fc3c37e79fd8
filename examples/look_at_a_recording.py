"""Read a recording, tell what was understood of it, and draw it as the model is shown it.

    python examples/look_at_a_recording.py walk.bvh -o walk.png

Any format that `skeletonllm formats` lists is read. Without a file somebody made up waves at a depth camera.
"""

import argparse
from pathlib import Path

import torch

from skeletonllm import DrAction, read_skeleton, sample_clip
from skeletonllm.rendering.recording import sheet
from skeletonllm.rendering.video import write_png
from skeletonllm.skeleton.synthesis import synthesize

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", nargs="?", type=Path)
parser.add_argument("-o", "--output", type=Path, default=Path("recording.png"))
parser.add_argument("--size", type=int, default=224, help="side of a frame in pixels")
arguments = parser.parse_args()

sequence = read_skeleton(arguments.file) if arguments.file else synthesize("wave left hand", performer=1)
print(f"{sequence.topology.name}, {sequence.num_persons} person(s)")
print(f"{sequence.num_frames} frames at {sequence.fps:g} per second: {sequence.duration:.1f} s")
print(f"{1 - sequence.valid.mean():.1%} of the joints are missing")
for note in sequence.notes:  # what the reader had to assume
    print(f"- {note}")

# Untrained, the renderer draws left limbs blue and green, right ones red and orange; by its seed always the same.
torch.manual_seed(0)
clip = sample_clip(sequence, 12)
with torch.no_grad():
    frames = DrAction().render(clip, image_size=arguments.size)[0]  # (12, 3, H, W) in [0, 1]
write_png(arguments.output, sheet(frames, clip, arguments.file.name if arguments.file else "made up"))
print(f"written to {arguments.output}")
