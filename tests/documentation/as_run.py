"""How a command of the documentation becomes one that a test can run: placeholders are filled in, and it is made small.

What a command names otherwise is a file or a folder of the stage.
"""

import re
import shlex

from fenced_blocks import Command
from stage import Stage
from stage_runs import FEW_RECORDINGS, SMALL_IMITATION, SMALL_MODEL, SMALL_STAGE, SMALL_STEPS

# A pattern in the command, and what stands there instead; in braces what the stage knows.
PLACEHOLDERS = (
    (r"\bURL\b", "{endpoint}"),
    (r"https://api\.openai\.com/v1\b", "{endpoint}"),
    (r"http://127\.0\.0\.1:7860\b", "{server}"),
    (r"(?<= )NAME\b", "teacher"),
    (r"\bRECIPE\b", "nw_ucla"),
    (r"\bHOST0\b", "127.0.0.1"),
    (r"FILE\.\.\.", "FILE"),
    # What the server refuses is a failure here.
    (r"^curl ", "curl --fail-with-body --silent --show-error "),
    # All data sets of a folder, and a file beside a page.
    (r"packed/\*", "packed/nw_ucla"),
    (r"docs/topologies\.png", "topologies.png"),
    # Where an installation would be.
    (r"^\.venv/bin/", ""),
    # The rest of a command that stands whole elsewhere.
    (r"(study \S+ .*) \.\.\.", r"\1 --root nw_ucla=NW_UCLA --root utd_mhad=UTD --root utkinect=UTK --root jhmdb=JHMDB"),
    (r" \.\.\.(?= |$)", ""),
    # A shipped study with smaller models.
    (r"study (\w+)(?!.*(--list|--table))", r"study small/\1.yaml"),
    # What one machine of two cores can bear, where others may use the same ports.
    (r"--nnodes=2", "--nnodes=1"),
    (r"--nproc-per-node[ =]\d+", "--nproc-per-node=2"),
    (r"--master-port=\d+", "--master-port={port}"),
    (r"^torchrun (?!.*--master-port)", "torchrun --master-port={port} "),
    (r"^deepspeed ", "deepspeed --num_gpus 2 --master_addr 127.0.0.1 --master_port {port} "),
)

_TINY_DANCES = ["data.songs=2", "data.seconds=6"]
_ONE_LESSON = ["optimization.steps=1", "optimization.conditions=2", "optimization.samples=2",
               "optimization.micro_batch_size=2"]  # fmt: skip
_SHORT_REPORT = ["--songs", "1", "--seconds", "2", "--steps", "4", "--device", "cpu"]
# A pattern in the command, and what is put behind it so that it ends in seconds. All that fit are put there.
SMALL: tuple[tuple[str, list[str]], ...] = (
    # Recipes: few recordings, a tiny model, no backbone from elsewhere.
    (r"train\S* .*--recipe (synthetic|four_stages|internvl3_8b)(?!.*data\.(source|root|options))", FEW_RECORDINGS),
    (r"train\S* .*--recipe (synthetic|four_stages|internvl3_8b|nw_ucla)(?!.*model\.backbone)", SMALL_MODEL),
    (r"train\S* .*--recipe (synthetic|four_stages|internvl3_8b|nw_ucla)", SMALL_STEPS),
    (r"train\S* .*--recipe (four_stages|internvl3_8b)", ["model.backbone=tiny", "optimization.micro_batch_size=0"]),
    (r"train\S* .*--recipe (synthetic|nw_ucla)", SMALL_STAGE),
    (r"train .*--recipe studio\.yaml", ["stages.studio.epochs=1"]),
    (r"dance train", ["optimization.steps=2", "optimization.batch_size=2"]),
    (r"dance train(?! .*--recipe)", _TINY_DANCES),
    (r"dance train .*--recipe edge", ["model.preset=tiny"]),
    (r"dance finetune", [*_TINY_DANCES, "music=2", *_ONE_LESSON]),
    (r"dance imitate", SMALL_IMITATION),
    # Dances: short songs, few steps from the noise.
    (r"dance generate", ["--steps", "3"]),
    (r"dance generate .*song\.wav", ["--seconds", "2"]),
    (r"dance report", _SHORT_REPORT),
    (r"skeletonllm robustness (?!.*--corruption)", ["--corruption", "noise"]),
    (r"evaluate .*performers=80", ["--option", "performers=1", "--option", "test_performers=1"]),
    (r"study small/", ["--seeds", "1"]),
    (r"skeletonllm serve", ["--port", "0"]),
    (r"skeletonllm efficiency", ["--repeats", "1"]),
    # Measurements.
    (r"python benchmarks/foreground\.py", ["--clips", "1", "--steps", "0", "--seeds", "1"]),
    (r"python benchmarks/real_data\.py", ["--steps", "1", "--seeds", "2", "--frames", "2", "--asked", "2"]),
    (r"python benchmarks/dance_finetuning\.py", ["--only", "direct", "--seeds", "1", "--iterations", "1"]),
    (r"python benchmarks/dance_critic\.py .*--critic", ["--dances", "1", "--steps", "1"]),
    (r"python benchmarks/checkpoint_cost\.py", ["--repeats", "1", "--backbones"]),
    (r"python benchmarks/train_step\.py", ["--batch-sizes", "1", "--steps", "1"]),
    (r"python benchmarks/format_gradients\.py", ["--clips", "1"]),
    (r"python benchmarks/data_reading\.py", ["--repeats", "1"]),
    (r"python benchmarks/data_loading\.py", ["--clips", "64", "--recordings", "100"]),
    (r"python benchmarks/dance_physics\.py speed", ["--motions", "1"]),
    (r"python benchmarks/serving\.py", ["--clients", "1", "--requests", "2"]),
    (r"skeletonllm rehearse", ["--steps", "6"]),
    (r"skeletonllm baseline", ["--epochs", "1"]),
)


def filled(text: str, stage: Stage) -> str:
    """A text with addresses of the stage in the place of their names in braces."""
    for name in ("endpoint", "server", "backbone", "port"):
        if f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", str(getattr(stage, name)))
    return text


def as_run(command: Command, stage: Stage) -> str:
    """The command line that is run in its place."""
    line = re.split(r"\s#\s", command.text)[0].strip()
    for pattern, instead in PLACEHOLDERS:
        if re.search(pattern, line):
            line = re.sub(pattern, filled(instead, stage), line)
    added = [word for pattern, words in SMALL if re.search(pattern, line) for word in words]
    return " ".join([line, *map(shlex.quote, added)])
