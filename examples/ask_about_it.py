"""Ask the small model that comes with the package about a recording: in words, and by comparing answers.

    python examples/ask_about_it.py walk.bvh "what is this person doing?" --candidate walk --candidate jump

It knows 16 actions from synthetic motions alone. A model of your own is asked the same way: --model runs/first.
Without a file somebody made up waves.
"""

import argparse
from pathlib import Path

from skeletonllm import read_skeleton
from skeletonllm.models.shipped import load_shipped
from skeletonllm.models.trained import load_trained
from skeletonllm.serving.answering import carry_out, plan, plan_small
from skeletonllm.serving.plans import Question
from skeletonllm.skeleton.synthesis import synthesize

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", nargs="?", type=Path)
parser.add_argument("question", nargs="?", default="What is this person doing?")
parser.add_argument("--candidate", action="append", help="an answer to compare with others; may be repeated")
parser.add_argument("--model", type=Path, help="a trained model, or the run that made it")
arguments = parser.parse_args()

trained = load_trained(arguments.model) if arguments.model else load_shipped()
sequence = read_skeleton(arguments.file) if arguments.file else synthesize("wave left hand", performer=1)


def answer(question: Question):
    """The small model is asked in the words of the nearest task that it was taught."""
    planned = plan if arguments.model else plan_small
    return carry_out(trained, question, planned(trained, question))


print(f"{arguments.question}\n{answer(Question(sequence, arguments.question)).text}\n")
candidates = tuple(arguments.candidate or trained.labels)
print(f"Which of {len(candidates)}?")
for label, share in list(answer(Question(sequence, candidates=candidates)).shares.items())[:5]:
    print(f"{share:6.1%}  {label}")
