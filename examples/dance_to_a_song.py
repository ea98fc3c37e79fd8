"""Make a dance to a song, write it as BVH for an animation program and as a film, and measure it.

    python examples/dance_to_a_song.py song.wav

Without a song the package plays one, and without a model of yours the small generator of the package dances.
"""

import argparse
from pathlib import Path

from skeletonllm.dance.files import write_dance
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.metrics import FORMS, evaluate_motions
from skeletonllm.dance.music import music_features
from skeletonllm.dance.shipped import load_shipped
from skeletonllm.dance.synthesis import embedded_song

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("song", nargs="?", type=Path)
parser.add_argument("--model", type=Path, help="a trained generator, or the run that made it")
parser.add_argument("-o", "--output", type=Path, default=Path("dances"), help="folder")
parser.add_argument("--seconds", type=float, default=10.0, help="of the song that the package plays")
parser.add_argument("--steps", type=int, default=50, help="of sampling")
arguments = parser.parse_args()

generator = Generator.load(arguments.model) if arguments.model else load_shipped()

if arguments.song:
    music = arguments.song
else:
    song = embedded_song(0, arguments.seconds)
    music = (song.samples, song.rate)
heard = music_features(music, generator.fps)
(dance,) = generator.dance(heard, seed=0, steps=arguments.steps)

for suffix in (".bvh", ".mp4"):
    written = write_dance(arguments.output / f"dance{suffix}", dance, generator.body, music=music, size=240)
    print(f"written to {written.path}")
report = evaluate_motions([dance], generator.body, [heard.beat_times])
for name in ("beat_alignment_music", "foot_ground_distance", "foot_skating", "penetration_rate"):
    forms = report["metrics"][name]
    raw, mended = ("none" if mean is None else f"{mean:.2f}" for mean in (forms[form]["mean"] for form in FORMS))
    print(f"{name}: {raw} as it was made, {mended} with the feet put on the floor")
