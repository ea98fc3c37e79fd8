"""Train a model on a folder of your own recordings, one sub-folder per label, and ask it about one of them.

    python examples/train_on_a_folder.py recordings/ -o runs/mine

    recordings/bow/anna-1.bvh  recordings/bow/ben-1.bvh  recordings/jump/anna-1.bvh  ...

It goes on from the small model that comes with the package, so minutes on a CPU are enough to begin with; every fifth
recording of a label is kept for `skeletonllm evaluate runs/mine`. Without a folder one is made up.
"""

import argparse
from pathlib import Path

from skeletonllm import read_skeleton
from skeletonllm.models.shipped import SHIPPED_FOLDER
from skeletonllm.models.trained import load_trained
from skeletonllm.serving.asking import rank
from skeletonllm.skeleton.formats.npz import write_npz
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.arguments import load_recipe
from skeletonllm.training.run import train

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path)
parser.add_argument("-o", "--output", type=Path, default=Path("runs/mine"))
parser.add_argument("--epochs", type=int, default=10)
arguments = parser.parse_args()

folder = arguments.folder or arguments.output.with_name("made_up_recordings")
if arguments.folder is None:
    for label in ("bow", "clap", "squat"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for performer in range(10):
            write_npz(synthesize(label, performer=performer), folder / label / f"performer-{performer}.npz")

# What `skeletonllm train --recipe synthetic KEY=VALUE...` does; any key of `--print-config` may be changed.
changes = ["data.source=folder", f"data.root={folder}", "data.options={}", f"model.backbone={SHIPPED_FOLDER}",
           "model.num_frames=12", "optimization.batch_size=8", f"stages.scratch.epochs={arguments.epochs}"]  # fmt: skip
model = train(load_recipe("synthetic", changes), arguments.output)

trained = load_trained(model)
file = next(path for path in sorted(folder.glob("*/*")) if path.is_file())
shares = rank(trained, read_skeleton(file), build_prompt(trained.labels, trained.listed), trained.labels)
print(f"{file}:", ", ".join(f"{label} {share:.0%}" for label, share in shares.items()))
