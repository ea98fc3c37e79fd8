"""What foreground patches save, and what they cost in accuracy, on real clips.

    python benchmarks/foreground.py --data FOLDER [--source nw_ucla] [--clips 100] [--steps 160] [--seeds 3]

Three tables in Markdown for docs/foreground.md. The first counts the tokens and operations of InternVL3-8B with 12
frames of 448 x 448 on clips of the data set: no weights are needed for that. The second times a tiny model in seconds
of one processor. The third is the accuracy, on the test split, of a tiny vision tower under a linear layer after short
trainings from scratch: whole pictures and foreground from the same starts on the same batches.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402

from skeletonllm.data.recordings import Recording, read_all, select  # noqa: E402
from skeletonllm.data.sources import load_source  # noqa: E402
from skeletonllm.evaluation.intervals import clustered_interval  # noqa: E402
from skeletonllm.models.backbones import internvl_foreground  # noqa: E402
from skeletonllm.models.foreground import Foreground, kept_cells, patches_of_clips  # noqa: E402
from skeletonllm.models.tiny import build_tiny  # noqa: E402
from skeletonllm.rendering.draction import DrAction  # noqa: E402
from skeletonllm.skeleton.sequence import SkeletonSequence, sample_clip  # noqa: E402
from skeletonllm.training.planning.shape import (  # noqa: E402
    Shape,
    build_without_weights,
    load_backbone_config,
    shape_of,
)

BACKBONE, FRAMES, SIZE, TEXT = "InternVL3-8B-hf", 12, 448, 120
SETTINGS: tuple[dict | None, ...] = (None, {"margin": 0}, {"margin": 1}, {"margin": 0, "cutoff": 1 / 32})
PROMPT = "Which action is this?"
TINY = dict(
    num_frames=4, image_size=64, patch_size=8, vision_hidden_size=64, vision_layers=2, hidden_size=64, layers=2,
    normalize="none", face_camera=True, renderer=dict(modulator="mlp", samples_per_bone=4, follow=True),
)  # fmt: skip
TIMED_SIZE, TIMED_BATCH = 128, 4
BATCH, LEARNING_RATE, WARM_UP = 16, 3e-3, 20

Data = Sequence[tuple[Recording, SkeletonSequence]]
Drawn = tuple[torch.Tensor, torch.Tensor]
"""Of one clip: patches (k, 3, p, p) and cells (N, R, C) that are kept."""


def forward_operations(shape: Shape, patches: torch.Tensor, text: int = TEXT) -> tuple[float, float]:
    """Operations of reading a prompt, of the vision tower and of projector and language model. A multiply-add is two.

    A tower's layer costs 2 m for each patch and each class token, m being the multiply-adds of its linear layers, and
    4 n^2 d for the attention of n of them of width d within a frame; the language model the same, but half of the
    attention, which is causal, and over the whole prompt. Padding of short frames is not counted.

    Args:
        shape: of the model.
        patches: (N,) of each frame that the tower reads.
        text: tokens of the prompt that are not pictures.
    """
    read, vision, language = patches.double() + 1, shape.vision, shape.language
    tower = 2 * shape.patch_multiply_adds * float(patches.sum()) + 2 * vision.multiply_adds * float(read.sum())
    tower += 4 * float(read.square().sum()) * vision.attention_width * vision.layers
    visual = float(patches.sum()) / shape.merge**2
    tokens = visual + text
    rest = 2 * shape.projector_multiply_adds * visual + 2 * language.multiply_adds * tokens
    return tower, rest + 2 * tokens**2 * language.attention_width * language.layers


@torch.no_grad()
def touched_patches(data: Data, renderer: DrAction, patch: int, cutoff: float) -> torch.Tensor:
    """(clips, N, R, C) bool."""
    side = SIZE // patch
    touched = torch.zeros(len(data), FRAMES, side, side, dtype=torch.bool)
    for row, (_, sequence) in zip(touched, data, strict=True):
        clip = sample_clip(sequence, FRAMES)
        _, index = renderer.render_patches(clip, image_size=SIZE, patch_size=patch, cutoff=cutoff)
        row[index[:, 1:].unbind(1)] = True
    return touched


def count(data: Data) -> None:
    """Print tokens and operations of the large model."""
    shape = shape_of(build_without_weights(load_backbone_config(BACKBONE)))
    print(f"\n{BACKBONE}, {FRAMES} frames of {SIZE} x {SIZE}, {TEXT} tokens of text, {len(data)} clips\n")
    print(
        "| camera | read | visual tokens | 5 % to 95 % of clips | share | patches | tower | language model | padded |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for follow in (False, True):
        torch.manual_seed(0)
        renderer = DrAction(follow=follow)
        touched = {
            cutoff: touched_patches(data, renderer, shape.patch_size, cutoff)
            for cutoff in {Foreground.of(settings or {}).cutoff for settings in SETTINGS}
        }
        for settings in SETTINGS:
            foreground = Foreground.of(settings or {"margin": SIZE})
            cells = kept_cells(touched[foreground.cutoff], shape.merge, foreground.margin)
            by_frame = cells.flatten(2).sum(2)
            tokens = by_frame.sum(1).double()
            low, high = tokens.quantile(torch.tensor([0.05, 0.95], dtype=torch.double)).tolist()
            costs = torch.tensor([forward_operations(shape, frames * shape.merge**2) for frames in by_frame]).mean(0)
            # What padding each frame of a clip to its longest would make of the tower's tokens.
            padded = float((by_frame.amax(1) * FRAMES / tokens).mean())
            print(
                f"| {'follows' if follow else 'stands'} | {name(settings)} | {tokens.mean():,.0f} | {low:,.0f} to "
                f"{high:,.0f} | {tokens.mean() / cells[0].numel():.1%} | {tokens.mean() * shape.merge**2:,.0f} | "
                f"{costs[0] / 1e12:.2f} TFLOP | {costs[1] / 1e12:.2f} TFLOP | {padded:.2f} |"
            )


def name(settings: dict | None) -> str:
    if settings is None:
        return "whole pictures"
    return f"margin {settings['margin']}" + (
        f", cut-off 1/{1 / settings['cutoff']:.0f}" if "cutoff" in settings else ""
    )


def batch_of(processor, data: Data, places: Sequence[int]) -> dict:
    clips = [processor.sample(data[place][1]) for place in places]
    return processor(clips, [PROMPT] * len(places), [data[place][0].label for place in places])


def timings(data: Data, labels: Sequence[str], rounds: int = 5) -> None:
    """Print samples per second of training steps and of reading prompts, settings taking turns."""
    rows = []
    for settings in SETTINGS[:3]:
        model, processor = build_tiny([PROMPT, *labels], foreground=settings, **{**TINY, "image_size": TIMED_SIZE})
        batch = batch_of(processor, data, range(TIMED_BATCH))
        read = []
        model.backbone.model.language_model.register_forward_pre_hook(
            lambda module, args, kwargs, read=read: read.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
        )
        rows.append((settings, model, torch.optim.AdamW(model.parameters()), batch, read, [], []))
    for turn in range(rounds + 2):
        for _, model, optimizer, batch, _, steps, passes in rows:
            start = time.process_time()
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            middle = time.process_time()
            with torch.no_grad():
                model(**batch)
            if turn >= 2:
                steps.append(middle - start)
                passes.append(time.process_time() - middle)
    print(f"\nTiny model, {TIMED_SIZE} pixels, batch {TIMED_BATCH}, by the processor's time, medians of {rounds}\n")
    print("| read | longest prompt | training, samples/s | inference, samples/s |\n|---|---|---|---|")
    for settings, *_, read, steps, passes in rows:
        speeds = [TIMED_BATCH / statistics.median(seconds) for seconds in (steps, passes)]
        print(f"| {name(settings)} | {read[0]} tokens | {speeds[0]:.1f} | {speeds[1]:.1f} |", flush=True)


class Reader(torch.nn.Module):
    """A linear layer on the mean feature of each frame: what a vision tower hands to the language model, judged.

    From scratch, a language model needs thousands of steps before it looks at pictures at all; this learns in hundreds.
    """

    def __init__(self, labels: Sequence[str], seed: int):
        super().__init__()
        backbone = build_tiny([PROMPT, *labels], seed=seed, **TINY)[0].backbone
        internvl_foreground.prepare(backbone)
        backbone.model.language_model = backbone.lm_head = None
        self.backbone = backbone
        self.head = torch.nn.Linear(TINY["num_frames"] * TINY["hidden_size"], len(labels))
        torch.nn.init.zeros_(self.head.weight)

    def forward(self, clips: Sequence[Drawn]) -> torch.Tensor:
        """(B, labels) logits."""
        pixels, cells = torch.cat([clip[0] for clip in clips]), torch.cat([clip[1] for clip in clips])
        features = internvl_foreground.features(self.backbone, pixels, cells)
        frame = cells.nonzero()[:, 0]
        sums = features.new_zeros(len(cells), features.shape[1]).index_add(0, frame, features)
        return self.head((sums / cells.flatten(1).sum(1)[:, None]).view(len(clips), -1))


@torch.no_grad()
def drawn(data: Data, processor, renderer: DrAction, margin: int) -> list[Drawn]:
    """Patches and cells of each clip."""
    clips = [processor.sample(sequence) for _, sequence in data]
    size, patch = TINY["image_size"], TINY["patch_size"]
    found = []
    for clip in clips:
        patches, index = renderer.render_patches(clip, image_size=size, patch_size=patch)
        shape = (1, TINY["num_frames"], size // patch, size // patch)
        pixels, cells = patches_of_clips(patches, index, shape, 2, margin)
        found.append((pixels, cells[0]))
    return found


def trained(clips: Sequence[Drawn], targets: torch.Tensor, labels: Sequence[str], steps: int, seed: int) -> Reader:
    """A reader after a short training; the seed fixes its start and its batches."""
    reader, generator = Reader(labels, seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, (steps - step) / max(1, steps - WARM_UP))
    )
    for _ in range(steps):
        places = torch.randint(len(clips), (BATCH,), generator=generator)
        loss = torch.nn.functional.cross_entropy(reader([clips[place] for place in places]), targets[places])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return reader


@torch.no_grad()
def hits(reader: Reader, clips: Sequence[Drawn], targets: torch.Tensor) -> list[bool]:
    """For each clip whether its label has the largest logit."""
    parts = zip(range(0, len(clips), BATCH), targets.split(BATCH), strict=True)
    right = [reader(clips[start : start + BATCH]).argmax(1) == part for start, part in parts]
    return torch.cat(right).tolist()


def accuracies(train: Data, test: Data, labels: Sequence[str], steps: int, seeds: int) -> None:
    """Print accuracies, and their differences from whole pictures, with intervals by recording."""
    processor = build_tiny([PROMPT, *labels], **TINY)[1]
    torch.manual_seed(0)
    renderer = DrAction(**TINY["renderer"])
    targets = [torch.tensor([labels.index(recording.label) for recording, _ in data]) for data in (train, test)]
    print(f"\nTiny tower after {steps} steps of {BATCH}, {len(train)} training and {len(test)} test clips\n")
    print("| read | tokens | accuracy by seed | mean | 95 % | against whole pictures, points | 95 % |")
    print("|---|---|---|---|---|---|---|")
    clusters = [recording.id for recording, _ in test] * seeds
    whole: list[bool] = []
    for settings in SETTINGS[:3]:
        margin = TINY["image_size"] if settings is None else settings["margin"]
        seen, unseen = (drawn(data, processor, renderer, margin) for data in (train, test))
        found = []
        for seed in range(seeds):
            reader = trained(seen, targets[0], labels, steps, seed)
            found.append(hits(reader, unseen, targets[1]))
        flat = [hit for row in found for hit in row]
        whole = whole or flat
        gain = [hit - other for hit, other in zip(flat, whole, strict=True)]
        low, high = clustered_interval(flat, clusters)
        less, more = clustered_interval(gain, clusters)
        tokens = statistics.mean(int(cells.sum()) for _, cells in unseen)
        print(
            f"| {name(settings)} | {tokens:.0f} | {', '.join(f'{statistics.mean(row):.1%}' for row in found)} | "
            f"{statistics.mean(flat):.1%} | {low:.1%} to {high:.1%} | {100 * statistics.mean(gain):+.1f} | "
            f"{100 * less:+.1f} to {100 * more:+.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--source", default="nw_ucla", help="a data source with a train and a test split")
    parser.add_argument("--clips", type=int, default=100, help="test clips that tokens are counted on")
    parser.add_argument("--steps", type=int, default=160, help="of each training; 0 for none")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recordings = load_source(options.source, options.data)
    train, test = (read_all(select(recordings, split)) for split in ("train", "test"))
    labels = sorted({recording.label for recording in recordings})
    count(test[:: max(1, len(test) // options.clips)][: options.clips])
    timings(train, labels)
    if options.steps:
        accuracies(train, test, labels, options.steps, options.seeds)


if __name__ == "__main__":
    main()
