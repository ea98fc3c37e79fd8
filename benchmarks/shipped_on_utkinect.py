"""When real people do what the shipped model learnt from synthetic motions: UTKinect's whole recordings, in windows.

    python benchmarks/shipped_on_utkinect.py FOLDER [--window 2.0]

FOLDER holds ``joints_sXX_eXX.txt`` and ``actionLabel.txt``. Of each recording the model is asked for the actions that
both know, as ``skeletonllm ask`` asks; the answer is the segment that it is surest of. The table is Markdown for
docs/long.md.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]

import numpy as np  # noqa: E402
from run import git  # noqa: E402

from skeletonllm.evaluation.timeline import find_segments, watch  # noqa: E402
from skeletonllm.models.shipped import load_shipped  # noqa: E402
from skeletonllm.serving.windows import OVERLAP, WINDOW  # noqa: E402
from skeletonllm.skeleton.formats.utkinect import read_with_segments  # noqa: E402
from skeletonllm.tasks.localization import boundary_error, temporal_iou  # noqa: E402
from skeletonllm.tasks.recognition import build_prompt  # noqa: E402

# UTKinect's label -> the model's.
ACTIONS = {"walk": "walk", "sit down": "sit down", "stand up": "stand up", "clap hands": "clap"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window", type=float, default=WINDOW, help="seconds")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("joints_*.txt"))
    if not files:
        raise SystemExit(f"{arguments.folder}: no joints_sXX_eXX.txt")
    shipped = load_shipped()
    model, processor, labels = shipped.model, shipped.processor, shipped.labels
    found = defaultdict(list)
    for path in files:
        sequence, segments = read_with_segments(path)
        seconds = arguments.window
        spans, shares = watch(model, processor, sequence, build_prompt(labels), labels, seconds, seconds / OVERLAP)
        for true in segments:
            if true.label in ACTIONS:
                best = find_segments(true.label, spans, shares[:, labels.index(ACTIONS[true.label])])[0].segment
                pair = (best.start, best.stop), (true.start, true.stop)
                found[true.label].append((temporal_iou(*pair), boundary_error(*pair)))
    everything = [pair for pairs in found.values() for pair in pairs]
    print("| action | asked | mean overlap | overlap of at least one half | median error |\n|---|---|---|---|---|")
    for label, pairs in [*found.items(), ("all", everything)]:
        overlaps, errors = np.array(pairs).T
        half = (overlaps >= 0.5).mean()
        print(f"| {label} | {len(pairs)} | {overlaps.mean():.2f} | {half:.0%} | {np.median(errors):.2f} s |")
    print(f"\n{len(files)} recordings, windows of {arguments.window:g} s; commit {git('rev-parse', '--short', 'HEAD')}")


if __name__ == "__main__":
    main()
