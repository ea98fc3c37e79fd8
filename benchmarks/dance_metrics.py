"""How long the metrics of many dances take, and the penetration of capsules beside a plain loop in torch.

    python benchmarks/dance_metrics.py [--clips 1000] [--loop-clips 5]

Clips are five seconds of embedded dances, in one process on one core. The baseline, "pair after pair", measures the
capsules of a clip as one would write it down: a loop over the pairs that may collide, each over all frames in torch,
without leaving out those that are far from one another. Seconds are those that the process computed, so that others on
the machine do not count.
"""

import argparse
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402

from skeletonllm.dance.body import capsule_ends, collision_pairs, default_body  # noqa: E402
from skeletonllm.dance.metrics import Performance, evaluate_motions  # noqa: E402
from skeletonllm.dance.metrics.penetration import overlaps  # noqa: E402
from skeletonllm.dance.motion import FRAMES, Motion  # noqa: E402
from skeletonllm.dance.synthesis import make_dance, make_song  # noqa: E402

BODY = default_body()
GOAL = 60.0
# Seconds of one embedded dance, which is cut into clips.
_LENGTH = 60


def clips(count: int) -> tuple[list[Motion], list[np.ndarray]]:
    """So many clips of five seconds, and the beats of their music."""
    motions, beats, seed = [], [], 0
    while len(motions) < count:
        song = make_song(seed, _LENGTH, 90 + 10 * (seed % 6))
        dance = make_dance(song, seed)
        for start in range(0, dance.num_frames - FRAMES + 1, FRAMES):
            motions.append(dance.slice(start, start + FRAMES))
            within = (song.beats * dance.fps >= start) & (song.beats * dance.fps < start + FRAMES)
            beats.append(song.beats[within] - start / dance.fps)
        seed += 1
    return motions[:count], beats[:count]


def pair_after_pair(performance: Performance) -> np.ndarray:
    """(T, M) metres: the baseline."""
    ends = torch.from_numpy(capsule_ends(BODY, performance.frames, performance.joints))
    depths = []
    for one, other in collision_pairs(BODY).tolist():
        start, along = ends[:, one, 0], ends[:, one, 1] - ends[:, one, 0]
        other_start, other_along = ends[:, other, 0], ends[:, other, 1] - ends[:, other, 0]
        between = start - other_start
        a, b, c = (along * along).sum(-1), (along * other_along).sum(-1), (other_along * other_along).sum(-1)
        d, e = (along * between).sum(-1), (other_along * between).sum(-1)
        determinant = (a * c - b * b).clamp_min(1e-12)
        s = ((b * e - c * d) / determinant).clamp(0, 1)
        t = ((b * s + e) / c.clamp_min(1e-12)).clamp(0, 1)
        s = ((b * t - d) / a.clamp_min(1e-12)).clamp(0, 1)
        distance = (between + s[:, None] * along - t[:, None] * other_along).norm(dim=-1)
        depths.append((BODY.capsules.radii[one] + BODY.capsules.radii[other] - distance).relu())
    return torch.stack(depths, 1).numpy()


def seconds(call) -> float:
    """That this process computes for a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--loop-clips", type=int, default=5, help="clips that the baseline measures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    motions, beats = clips(arguments.clips)
    evaluate_motions(motions[:1], BODY, beats[:1])  # imports and caches
    wall = time.perf_counter()
    all_of_it = seconds(lambda: evaluate_motions(motions, BODY, beats))
    wall = time.perf_counter() - wall
    per_thousand = 1000 * all_of_it / len(motions)
    print(f"{len(motions)} clips of {FRAMES} frames, raw and post-processed: {all_of_it:.1f} s computed, {wall:.1f} s")
    print(f"1000 clips: {per_thousand:.1f} s computed on one core (goal: under {GOAL:.0f} s on two)")
    chosen = [Performance(motion, BODY) for motion in motions[: arguments.loop_clips]]
    for performance in chosen:
        performance.joints  # noqa: B018  kinematics belong to neither
    loop = seconds(lambda: [pair_after_pair(performance) for performance in chosen])
    ours = seconds(lambda: [overlaps(performance) for performance in chosen])
    off = max(float(np.abs(pair_after_pair(one) - overlaps(one)).max()) for one in chosen)
    print(f"penetration of {len(chosen)} clips: {ours:.3f} s, pair after pair {loop:.3f} s: {loop / ours:.1f} times")
    print(f"the two differ by {1000 * off:.4f} mm at most")


if __name__ == "__main__":
    main()
