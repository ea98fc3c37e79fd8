"""What PPO teaches a policy in minutes: to dance on servos that are set wrongly, each by 0.1 rad.

So there is something to learn, and how much of it could be learnt is known: level 0 on servos that are set rightly. Of
each seed, a policy learns from a few embedded dances, and is tried on these and on dances that it never saw, from
beginnings all over them.

    PYTHONPATH=.:kernels python benchmarks/dance_imitation.py --seeds 3 --updates 100 -o imitation.json
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np

from skeletonllm.dance.body import default_body
from skeletonllm.dance.imitation import prepare
from skeletonllm.dance.imitation.policy import ACTION_SIZE, ImitationEnvironment
from skeletonllm.dance.imitation.policy.recipe import ImitationOptimization, ImitationRecipe
from skeletonllm.dance.imitation.policy.training import Learner
from skeletonllm.dance.physics import WRENCH, Physics, Reference
from skeletonllm.dance.synthesis import embedded_pairs
from skeletonllm.evaluation.provenance import provenance

HINGES = slice(0, ACTION_SIZE - len(WRENCH))
SETTINGS = dict(
    bodies=32, horizon=16, batch_size=256, epochs=6, learning_rate=2e-3, discount=0.3, deviation=0.4, hidden=[16]
)
BODIES, FRAMES = 32, 30
WRONG = 0.1


def set_wrongly(reference: Reference) -> Reference:
    """The same, the servos of its hinges aimed beside what they should be."""
    control = reference.control.copy()
    control[:, HINGES] += WRONG
    return dataclasses.replace(reference, control=control)


def reward(references: list[Reference], physics: Physics, act) -> float:
    """Of a frame, up to 1.1: mean over bodies that begin anywhere in the references."""
    environment = ImitationEnvironment(references, physics, BODIES, seed=1)
    seen, found = environment.reset(), []
    for _ in range(FRAMES):
        outcome = environment.step(act(seen))
        seen = outcome.observations
        found.append(outcome.rewards.mean())
    return float(np.mean(found))


def still(seen: np.ndarray) -> np.ndarray:
    return np.zeros((len(seen), ACTION_SIZE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--songs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    body, physics = default_body(), Physics()
    right = {
        split: [prepare(pair.motion, body) for pair in embedded_pairs(given.songs, 0, given.seconds, split=split)]
        for split in ("train", "test")
    }
    wrong = {split: [set_wrongly(each) for each in references] for split, references in right.items()}
    rows = []
    for split in right:
        rows.append(dict(who="set rightly, level 0", split=split, reward=reward(right[split], physics, still)))
        rows.append(dict(who="set wrongly, level 0", split=split, reward=reward(wrong[split], physics, still)))
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        begin = time.process_time()
        recipe = ImitationRecipe(optimization=ImitationOptimization(seed=seed, **SETTINGS))
        learner = Learner(recipe, wrong["train"])
        for update in range(given.updates):
            learned = learner.learn()
            if update % 10 == 9:
                print(f"seed {seed} update {update + 1}: {learned['reward']:.3f} while trying", flush=True)
        seconds = time.process_time() - begin
        for split in right:
            found = reward(wrong[split], physics, learner.policy().act)
            rows.append(dict(who=f"set wrongly, policy of seed {seed}", split=split, reward=found, seconds=seconds))
    for row in rows:
        print(f"{row['who']:36} {row['split']:6} {row['reward']:.3f} {row.get('seconds', 0):6.0f} s")
    if given.output:
        given.output.write_text(json.dumps({"rows": rows, "settings": SETTINGS, **provenance()}, indent=1))


if __name__ == "__main__":
    main()
