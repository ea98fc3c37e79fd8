"""What blocks of Python take as given, and what is made small or local in them.

Blocks of a page share their names, as a reader who follows the page has them. What the page says in words only, such as
"your motions", is made here just before the block that needs it.
"""

# Page, a text in the block, and code that runs before it.
GIVEN = (
    (
        "kernels/README.md",
        "splat_bones(",
        """
import torch

intrinsics = torch.tensor([[388.0, 0.0, 224.0], [0.0, 388.0, 224.0], [0.0, 0.0, 1.0]])
means, scales = torch.rand(4, 3) + torch.tensor([-0.5, -0.5, 2.5]), torch.full((4,), 0.05)
colors, opacities = torch.rand(4, 3), torch.ones(4)
joints = torch.rand(1, 2, 1, 5, 3) + torch.tensor([-0.5, -0.5, 2.5])
velocities = torch.zeros_like(joints)
skin_index, skin_weight = torch.tensor([[[0, 1], [1, 2], [2, 3], [3, 4]]]), torch.full((1, 4, 2), 0.5)
offsets, sizes = torch.zeros(1, 4, 3), torch.full((1, 4), 0.05)
shades, densities = torch.rand(1, 2, 1, 4, 3), torch.ones(1, 2, 1, 4)
middle, span = torch.tensor([3.0]), 2.0
""",
    ),
    (
        "kernels/README.md",
        "penetration(joints",
        """
from skeletonllm.skeleton.topologies import get_topology

topology = get_topology("kinect_v1")
joints = torch.rand(6, topology.num_joints, 3)
capsules, radii = torch.tensor(topology.bones), torch.full((len(topology.bones),), 0.05)
valid = torch.ones(6, topology.num_joints, dtype=torch.bool)
""",
    ),
    (
        "docs/dance.md",
        "forward_kinematics(body, root, rotations)",
        """
import torch

root, rotations = torch.zeros(5, 3), torch.eye(3).expand(5, 24, 3, 3)
""",
    ),
    (
        "docs/dance.md",
        "diffusion.training_losses(",
        """
import torch
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song

vectors = torch.as_tensor(make_dance(make_song(0, 6, 120), 0).to_vector()[:150], dtype=torch.float32)[None]
normalizer = Normalizer.fit([vectors[0].numpy()])
dances = vectors = normalizer.normalize(vectors)
music, whole_song = torch.rand(1, 150, 35), torch.rand(300, 35)
""",
    ),
    (
        "docs/dance.md",
        "draw_dance(before",
        """
motion = make_dance(make_song(0, 6, 120), 0).slice(0, 20)
before = after = motion
""",
    ),
    (
        "docs/dance.md",
        "evaluate_motions(motions",
        """
motions = real_motions = [make_dance(make_song(seed, 6, 120), seed) for seed in range(2)]
songs = [music_features("song.wav")] * 2
""",
    ),
    (
        "docs/finetuning.md",
        "generator.dance(music",
        """
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.music import music_features

generator, music = Generator.load("runs/dance_tiny"), music_features("song.wav")
""",
    ),
    (
        "docs/finetuning.md",
        "measure_all(rows",
        """
from pathlib import Path

tuned, folder = [Path("runs/tuned")], Path("compared")
""",
    ),
    (
        "docs/foreground.md",
        "from_backbone(",
        """
from skeletonllm import SkeletonLLMForConditionalGeneration
""",
    ),
    (
        "docs/physics.md",
        "judge(motions)",
        """
from skeletonllm.dance.body import default_body
from skeletonllm.dance.synthesis import make_dance, make_song

motions, bodies = [make_dance(make_song(0, 6, 120), 0).slice(0, 30)], [default_body(stature=1.8)]
""",
    ),
    (
        "docs/renderers.md",
        "renderer.render(clip",
        """
from skeletonllm import read_skeleton, sample_clip

clip = sample_clip(read_skeleton("walk.skeleton"), 2)
""",
    ),
)
# A text, and what stands there instead: a device, a model or an address that every machine has, or something shorter.
INSTEAD = (
    ('"cuda"', '"cpu"'),
    ("http://127.0.0.1:7860", "{server}"),
    ("OpenGVLab/InternVL3-8B-hf", "{backbone}"),
    ("embedded_pairs(100,", "embedded_pairs(1,"),
    ("embedded_songs(12, 20.0)", "embedded_songs(1, 2.0)"),
    ("steps=50", "steps=3"),
)
