"""Every way of fine-tuning on the same budget: as many dances, from the same generator, beside each other.

    python benchmarks/dance_finetuning.py GENERATOR -o FOLDER [--only WAY...] [--seeds 3] [--iterations 30]

Fine-tunes GENERATOR, a folder of ``skeletonllm dance train``, by each of ``WAYS``, seed by seed, in FOLDER/WAY/seed-N;
then prints the command that measures them. What is finished is not done again, and what was stopped goes on, so that
several of these may share the work, each with other ways. One process, one core each.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from skeletonllm.dance.finetuning.recipe import load_finetune_recipe  # noqa: E402
from skeletonllm.dance.finetuning.run import finetune  # noqa: E402

# Four dances to the same music, learnt from by their likelihoods in half of the steps.
_LIKELIHOOD = ["rewards.preset=plausible", "objective.direct=[]", "objective.share_of_steps=0.5",
               "optimization.conditions=4", "optimization.samples=4", "optimization.learning_rate=5.0e-5"]  # fmt: skip
_GROUP = [*_LIKELIHOOD, "objective.baseline=group"]

WAYS: dict[str, list[str]] = {
    "direct": [],
    "direct, no anti-freezing": ["rewards.weights={anti_freezing: 0, exaggeration: 0}"],
    "REINFORCE": _LIKELIHOOD,
    "group": _GROUP,
    "PPO": [*_GROUP, "objective.method=ppo", "objective.updates=2", "objective.clip=1.0e-3"],
    "KL": [*_GROUP, "objective.kl=0.01"],
    "LoRA": [*_GROUP, "lora={rank: 8, alpha: 16, dropout: 0.0}", "optimization.learning_rate=3.0e-4"],
    "group, no anti-freezing": [*_GROUP, "rewards.weights={anti_freezing: 0, beat: 0}"],
    "paper's rewards": [*_LIKELIHOOD, "rewards.preset=paper"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=30)
    arguments = parser.parse_args()
    for seed in range(arguments.seeds):
        for way in arguments.only:
            folder = arguments.output / way.replace(" ", "_").replace(",", "").replace("'", "") / f"seed-{seed}"
            changes = [f"generator={arguments.generator}", f"optimization.seed={seed}", *WAYS[way]]
            updates = load_finetune_recipe("tiny", changes).objective.updates
            changes.append(f"optimization.steps={arguments.iterations * updates}")
            finetune(load_finetune_recipe("tiny", changes), folder, resume=folder.exists())
    rows = " ".join(f'"{folder.name}={folder}/seed-*"' for folder in sorted(arguments.output.iterdir()))
    print(f"\nskeletonllm dance report before={arguments.generator} {rows} --steps 10 -o {arguments.output}-report")


if __name__ == "__main__":
    main()
