"""What each format of skeleton files teaches the one renderer: the norms of its gradients, format by format.

    python benchmarks/format_gradients.py ROOT... [--model FOLDER] [--clips 16] [--seed 0]

A root is a folder of files, which are grouped by format, or one that ``skeletonllm pack`` wrote, which is a group of
its own. From each group some clips, evenly spaced in its list, are drawn and asked about as in training; the loss of
this batch alone is led back to the renderer. Without ``--model`` renderer and language model are untrained. The table
is Markdown for docs/data.md; a parameter of the renderer whose gradient is zero, or no number, ends the run.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from run import git  # noqa: E402

from skeletonllm.data.shards import MANIFEST  # noqa: E402
from skeletonllm.data.sources import load_source  # noqa: E402
from skeletonllm.data.walk import walk  # noqa: E402
from skeletonllm.models.processing import SkeletonLLMProcessor  # noqa: E402
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration  # noqa: E402
from skeletonllm.models.tiny import build_tiny  # noqa: E402
from skeletonllm.models.trained import load_trained  # noqa: E402
from skeletonllm.skeleton.sequence import SkeletonSequence  # noqa: E402
from skeletonllm.tasks.recognition import build_prompt, normalize_label  # noqa: E402
from skeletonllm.training.build import tiny_texts  # noqa: E402

Labelled = tuple[str, SkeletonSequence]


@dataclass(frozen=True)
class Pull:
    """What a batch of one format does to the renderer.

    Args:
        topologies: names, sorted.
        clips: how many.
        loss: mean cross-entropy of the answers in nats.
        norms: Euclidean norm of the gradient of each parameter.
        touched: share of the features, one per region of the body and place along it, that get a gradient.
    """

    topologies: tuple[str, ...]
    clips: int
    loss: float
    norms: dict[str, float]
    touched: float

    @property
    def total(self) -> float:
        return sum(norm**2 for norm in self.norms.values()) ** 0.5

    def part(self, name: str) -> float:
        """Norm over the parameters of a part of the renderer, such as ``modulator``."""
        return sum(norm**2 for key, norm in self.norms.items() if key.split(".")[0] == name) ** 0.5


def groups_of(root: Path, count: int) -> dict[str, list[Labelled]]:
    """Up to ``count`` recordings with their labels of each format below a folder, or of packed shards."""
    if (root / MANIFEST).is_file():
        recordings = load_source("packed", root)
        return {root.resolve().name: [(one.label, one.read()) for one in evenly(recordings, count)]}
    entries = defaultdict(list)
    for entry in walk(root).entries:
        entries[entry.format].append(entry)
    entries.pop(None, None)  # of no format
    return {
        name: [(sequence.label or entry.path.parent.name, sequence) for entry, sequence in _read(evenly(some, count))]
        for name, some in entries.items()
    }


def _read(entries):
    return ((entry, entry.read()) for entry in entries)


def evenly(items: Sequence, count: int) -> list:
    """``count`` of the items, or all if there are fewer, from the first to the last."""
    last = min(count, len(items)) - 1
    return [items[round(place * (len(items) - 1) / max(last, 1))] for place in range(last + 1)]


def pull(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    recordings: Sequence[Labelled],
    labels: Sequence[str],
) -> Pull:
    """Ask about recordings as in training, and lead the loss of the answers back to the renderer.

    Args:
        labels: offered in the question; those of the recordings are among them after normalisation.
    """
    offered = {normalize_label(label): label for label in labels}
    clips = [processor.sample(sequence) for _, sequence in recordings]
    answers = [offered[normalize_label(label)] for label, _ in recordings]
    inputs = processor(clips, [build_prompt(list(offered.values()))] * len(clips), answers)
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.renderer.named_parameters()}
    norms = {name: 0.0 if grad is None else float(grad.norm()) for name, grad in gradients.items()}
    features = gradients["features"]
    touched = 0.0 if features is None else float(features.ne(0).any(-1).float().mean())
    topologies = tuple(sorted({clip.topology.name for clip in clips}))
    return Pull(topologies, len(clips), float(loss.detach()), norms, touched)


def check(name: str, pulled: Pull) -> None:
    """Raise SystemExit if a parameter of the renderer learns nothing from a format."""
    if idle := [key for key, norm in pulled.norms.items() if not 0 < norm < float("inf")]:
        raise SystemExit(f"{name}: gradient norm of the renderer's {idle[0]} is {pulled.norms[idle[0]]}")


def table(pulls: dict[str, Pull]) -> list[str]:
    """Markdown, a line per format."""
    parts = list(dict.fromkeys(key.split(".")[0] for pulled in pulls.values() for key in pulled.norms))
    head = ["group", "topologies", "clips", "loss", "gradient norm", *parts, "region features touched"]
    rows = [
        [
            name, ", ".join(pulled.topologies), str(pulled.clips), f"{pulled.loss:.2f}", f"{pulled.total:.1e}",
            *(f"{pulled.part(part):.1e}" for part in parts), f"{pulled.touched:.0%}",
        ]
        for name, pulled in pulls.items()
    ]  # fmt: skip
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", type=Path, metavar="ROOT", help="folder of files, or packed shards")
    parser.add_argument("--model", type=Path, help="folder of a trained model; default: an untrained tiny one")
    parser.add_argument("--clips", type=int, default=16, help="of each format at most")
    parser.add_argument("--seed", type=int, default=0, help="of an untrained model")
    options = parser.parse_args()
    if missing := [root for root in options.roots if not root.is_dir()]:
        parser.error(f"{missing[0]} is no folder")
    if options.clips < 1:
        parser.error(f"--clips {options.clips}, expected at least 1")
    groups: dict[str, list[Labelled]] = defaultdict(list)
    for root in options.roots:
        for name, recordings in groups_of(root, options.clips).items():
            groups[name] += recordings
    if not groups:
        parser.error(f"nothing that can be read in {', '.join(map(str, options.roots))}")
    labels = sorted({label for recordings in groups.values() for label, _ in recordings})
    if options.model:
        trained = load_trained(options.model)
        model, processor = trained.model, trained.processor
        labels = sorted({*trained.labels, *labels})
    else:
        model, processor = build_tiny(tiny_texts(labels), seed=options.seed)
    model.eval()
    pulls = {}
    for name, recordings in sorted(groups.items()):
        pulls[name] = pull(model, processor, evenly(recordings, options.clips), labels)
        check(name, pulls[name])
    print("\n".join(table(pulls)))
    parameters = sum(parameter.numel() for parameter in model.renderer.parameters())
    kinds = len({topology for pulled in pulls.values() for topology in pulled.topologies})
    model_kind = "trained" if options.model else "untrained"
    print(f"\n{len(pulls)} groups, {kinds} topologies, one set of {parameters:,} parameters, {model_kind} model.")
    print(f"torch {torch.__version__}, commit {git('rev-parse', '--short', 'HEAD')}")


if __name__ == "__main__":
    main()
