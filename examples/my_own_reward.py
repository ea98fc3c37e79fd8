"""Write a reward of your own, judge dances by it, and fine-tune a generator to want more of it.

    python examples/my_own_reward.py skeletonllm/assets/tiny_generator -o runs/hands_up
    skeletonllm dance report before=skeletonllm/assets/tiny_generator after=runs/hands_up -o seen

Any command takes such a file: `skeletonllm dance generate --rewards examples/my_own_reward.py --guide hands_up ...`
"""

import argparse
from pathlib import Path

import torch

from skeletonllm.dance.rewards import Dances, find_rewards, reward


@reward(differentiable=True)
def hands_up(dances: Dances):
    """(B, T): how high the wrists are above the head, metres; more is better."""
    heights = dances.joints[..., 2]
    left, right, head = (dances.body.names.index(name) for name in ("left_wrist", "right_wrist", "head"))
    return (heights[..., left] + heights[..., right]) / 2 - heights[..., head]


def main() -> None:
    """Judge the embedded dances, then fine-tune if there is a generator."""
    from skeletonllm.dance.body import default_body
    from skeletonllm.dance.finetuning.recipe import load_finetune_recipe
    from skeletonllm.dance.finetuning.run import finetune
    from skeletonllm.dance.synthesis import embedded_pairs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", nargs="?", type=Path, help="a generator or its run; none: only judge")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/hands_up"))
    parser.add_argument("--steps", type=int, default=30, help="of fine-tuning")
    parser.add_argument("--change", action="append", default=[], help="to the recipe tiny: KEY=VALUE; may be repeated")
    arguments = parser.parse_args()

    wish = find_rewards(["hands_up"])["hands_up"]
    for song, motion in embedded_pairs(4, seconds=6):
        vector = torch.as_tensor(motion.to_vector(), dtype=torch.float32)[None]
        print(f"{song.name}: {wish(Dances(vector, default_body(), motion.fps)).mean():.2f} m")
    if arguments.generator is not None:
        steps = f"optimization.steps={arguments.steps}"
        changes = [f"generator={arguments.generator}", "rewards.weights.hands_up=1", steps, *arguments.change]
        print(f"fine-tuned: {finetune(load_finetune_recipe('tiny', changes), arguments.output)}")


if __name__ == "__main__":
    main()
