"""The critic: what a SkeletonLLM says of dances and of those who only pretend, and how it is talked into things.

    python benchmarks/dance_critic.py --recordings FOLDER      # what one's own critic learns from: a folder per text
    python benchmarks/dance_critic.py [--critic RUN] [--dances 16] [--attack]

The first writes 2.5-second pieces of embedded dances of the training split, and of impostors made of them, each in the
folder of its text. The second prints what pieces of five seconds of the test split earn, by the model that comes with
the package or by the one in RUN, which was taught those texts; the share of pairs of a dance and an impostor of which
the dance earns more (one half is chance); and how long that takes. With ``--attack`` somebody who stands still is
changed until the critic is content, by its gradient and by chance, with the guard and without. One process, one core.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from skeletonllm.dance.body import default_body  # noqa: E402
from skeletonllm.dance.metrics import METRICS, Performance  # noqa: E402
from skeletonllm.dance.motion import FRAMES, Motion  # noqa: E402
from skeletonllm.dance.motion import ROOT as PELVIS  # noqa: E402
from skeletonllm.dance.rewards import Dances  # noqa: E402
from skeletonllm.dance.rewards.critic import ENERGETIC, OTHERS, make_critic, spoken_of  # noqa: E402
from skeletonllm.dance.rewards.human_limits import beyond_human  # noqa: E402
from skeletonllm.dance.rewards.impostors import IMPOSTORS  # noqa: E402
from skeletonllm.dance.synthesis import embedded_pairs  # noqa: E402
from skeletonllm.models.shipped import SHIPPED_FOLDER  # noqa: E402
from skeletonllm.models.trained import load_trained  # noqa: E402
from skeletonllm.skeleton.formats.writers import write_skeleton  # noqa: E402

BODY = default_body()
DANCING = "a person dances energetically"
# Frames of a piece to learn from, and how many are cut from a dance of 20 seconds.
PIECE, PIECES = 75, 8


def write_recordings(folder: Path, dances: int = 8) -> None:
    """Recordings to learn from, each in the folder of its text."""
    rng, number = np.random.default_rng(0), 0
    for pair in embedded_pairs(dances, body=BODY):
        for start in range(0, PIECES * PIECE, PIECE):
            piece = pair.motion.slice(start, start + PIECE)
            seen = {DANCING: piece, **{one.text: one.make(piece, rng) for one in IMPOSTORS.values()}}
            for text, motion in seen.items():
                path = folder / text / f"{number:04}.npz"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_skeleton(motion.to_sequence(BODY), path)
            number += 1


def stage(motions: list[Motion]) -> Dances:
    return Dances(torch.from_numpy(np.stack([motion.to_vector() for motion in motions])), BODY)


def pieces(count: int) -> list[Motion]:
    """Five seconds each of so many dances that nobody learnt from."""
    rng = np.random.default_rng(1)
    found = []
    for pair in embedded_pairs(count, split="test", body=BODY):
        start = int(rng.integers(pair.motion.num_frames - FRAMES))
        found.append(pair.motion.slice(start, start + FRAMES))
    return found


def compare(measure: Callable[[Dances], Tensor], count: int) -> None:
    """Print what dances and impostors earn."""
    dances, rng = pieces(count), np.random.default_rng(2)
    shown = {"dance": dances, **{name: [one.make(d, rng) for d in dances] for name, one in IMPOSTORS.items()}}
    measure(stage(dances[:1]))  # reads the model
    print("| seen | earns, mean (least to most) | beyond human, mean | dance earns more |\n|---|---|---|---|")
    began, of_dances = time.process_time(), None
    for name, motions in shown.items():
        on_stage = stage(motions)
        earned = measure(on_stage)
        of_dances = earned if of_dances is None else of_dances
        ahead = (of_dances[:, None] > earned).float().mean() + (of_dances[:, None] == earned).float().mean() / 2
        said = f"{earned.mean():.2f} ({earned.min():.2f} to {earned.max():.2f})"
        share = "" if name == "dance" else f"{ahead:.0%}"
        print(f"| {name} | {said} | {beyond_human(on_stage).mean():.3g} | {share} |", flush=True)
    spent = (time.process_time() - began) / sum(map(len, shown.values()))
    print(f"\n{1000 * spent:.0f} ms of one core for a dance of five seconds")


def attack(measure: Callable[[Dances], Tensor], name: str, steps: int) -> None:
    """Print what somebody becomes who begins as a still person of 2.5 seconds and is changed to earn more."""
    start = IMPOSTORS["still"].make(pieces(1)[0].slice(0, PIECE), np.random.default_rng(3))
    vector = stage([start]).vectors
    for way, found in (("gradient", climb(measure, vector, steps)), ("chance", wander(measure, vector, steps))):
        dances = Dances(found, BODY)
        motion = dances.motions[0]
        moved = METRICS["motion_magnitude"].measure(Performance(motion, BODY), False)
        with torch.no_grad():
            before, after = float(measure(Dances(vector, BODY))), float(measure(dances))
        speed = float((dances.joints.diff(dim=1) * dances.fps).norm(dim=-1).mean())
        print(
            f"| {name} | {way} | {before:.2f} | {after:.2f} | {float(beyond_human(dances)):.3g} | {moved:.2f} "
            f"| {speed:.2f} |",
            flush=True,
        )


def climb(measure: Callable[[Dances], Tensor], vector: Tensor, steps: int) -> Tensor:
    """Up the gradient, by Adam, on all numbers but the contacts."""
    moving = vector[..., PELVIS.start :].clone().requires_grad_()
    optimizer = torch.optim.Adam([moving], lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        (-measure(Dances(torch.cat([vector[..., : PELVIS.start], moving], -1), BODY)).sum()).backward()
        optimizer.step()
    return torch.cat([vector[..., : PELVIS.start], moving.detach()], -1)


@torch.no_grad()
def wander(measure: Callable[[Dances], Tensor], vector: Tensor, steps: int, tried: int = 4) -> Tensor:
    """The best of a few smooth changes at a time, as many times."""
    generator = torch.Generator().manual_seed(0)
    best, earned = vector, float(measure(Dances(vector, BODY)))
    for _ in range(steps):
        knots = 0.1 * torch.randn(tried, vector.shape[-1] - PELVIS.start, 6, generator=generator)
        change = torch.nn.functional.interpolate(knots, vector.shape[1], mode="linear", align_corners=True).mT
        others = best.repeat(tried, 1, 1)
        others[..., PELVIS.start :] += change
        found = measure(Dances(others, BODY))
        if float(found.max()) > earned:
            best, earned = others[found.argmax()][None], float(found.max())
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, help="write what a critic learns from, and nothing else")
    parser.add_argument("--critic", type=Path, help="a run that learnt from them")
    parser.add_argument("--dances", type=int, default=16)
    parser.add_argument("--attack", action="store_true")
    parser.add_argument("--steps", type=int, default=100, help="of an attack")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.recordings:
        write_recordings(args.recordings)
        return
    folder, texts, against = SHIPPED_FOLDER, ENERGETIC, OTHERS
    if args.critic:
        folder, texts, against = args.critic, [DANCING], [one.text for one in IMPOSTORS.values()]
    guarded = make_critic(folder, texts, against)
    if not args.attack:
        compare(guarded, args.dances)
        return
    trained = load_trained(folder)
    trained.model.requires_grad_(False)
    print("| guard | climbs by | still | at the end | beyond human | motion magnitude, 1/s | joints, m/s |")
    print("|---|---|---|---|---|---|---|")
    attack(guarded, "with", args.steps)
    attack(lambda dances: spoken_of(dances, trained, texts, against), "without", args.steps)


if __name__ == "__main__":
    main()
