"""What an answer costs: parameters, operations, tokens, time and memory of each part, all measured on one recording.

Each part is measured within an answer as users get it, not by itself: ``generate`` runs as it is, and a mark is set
where the renderer begins and ends and where the language model begins its passes. What is between two marks is a part:

- ``render``: clip to pictures (with foreground patches, to patches);
- ``vision``: from there to the first pass of the language model: hand-over, tower, projector, putting together;
- ``prefill``: the first pass of the language model, up to the second;
- ``decode``: each further pass, an answer token each.

Before them are ``parse``, a file to a sequence, and ``prepare``, a sequence to a clip and tokens.
"""

import tracemalloc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from skeletonllm.evaluation.marks import LiveTensors, differences, marked
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.trained import Trained
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.tasks.recognition import OPEN_QUESTION, build_prompt

PARTS = ("parse", "prepare", "render", "vision", "prefill", "decode")
# Within an answer; ``parse`` and ``prepare`` come before it.
MARKED = ("render", "vision", "prefill", "decode")
# torch counts fused attention of GPUs alone.
_ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *a, **b: sdpa_flop_count(q, k, v)
}


@dataclass(frozen=True)
class Question:
    """What is measured: a recording, and what is asked about it.

    Args:
        file: of the recording.
        prompt: the question.
        tokens: of the answer, no fewer and no more, whatever the model says.
    """

    file: Path
    prompt: str
    tokens: int


def usual_question(trained: Trained, file: Path, tokens: int) -> Question:
    """The question of recognition, as the model was taught it.

    Raises:
        ValueError: an answer of fewer than two tokens, in which there is no pass to be timed behind the first.
    """
    if tokens < 2:
        raise ValueError(f"an answer of {tokens} tokens, expected at least 2")
    return Question(file, build_prompt(trained.labels) if trained.listed else OPEN_QUESTION, tokens)


def count_parameters(model: SkeletonLLMForConditionalGeneration) -> dict[str, int]:
    """Of the renderer, of the language model (its word embeddings and head with it), of tower and projector, and all.

    What two modules share counts once.
    """
    decoder, backbone = model.backbone.get_decoder(), model.backbone
    of_language = {*decoder.parameters()}
    if (head := backbone.get_output_embeddings()) is not None:
        of_language |= {*head.parameters()}
    parts = {"renderer": {*model.renderer.parameters()}, "language": of_language}
    parts["vision"] = {*backbone.parameters()} - of_language
    counts = {name: sum(each.numel() for each in parts[name]) for name in ("renderer", "vision", "language")}
    return {**counts, "all": sum(counts.values())}


def measure(trained: Trained, question: Question, repeats: int, device: str) -> dict:
    """An answer, many times over on one device.

    Args:
        trained: is moved to the device.
        question: what is asked.
        repeats: answers that are timed, after two that are not.
        device: ``cpu`` or ``cuda``.

    Returns:
        ``tokens``: ``visual`` and ``text`` that the language model reads, ``answer``. ``parts``: name of ``PARTS``
        and ``whole``, the file to the last token -> ``seconds_p50``, ``seconds_p95`` (of ``decode`` for a token),
        ``cpu_seconds_p50``, what the process computed meanwhile, which other programs on the machine hardly change,
        ``flops``, those of matrix products, convolutions and attention (of ``decode`` for a token, the mean; None
        where nothing of torch runs), and ``peak_bytes`` beyond what was there when the part began. ``dtype``,
        ``device`` and ``threads``.

    Raises:
        ValueError: no repeats; as of ``read_skeleton``.
    """
    if repeats < 1:
        raise ValueError(f"{repeats} repeats, expected at least 1")
    model = trained.model.to(device).eval()
    inputs, times = None, defaultdict(list)
    for turn in range(repeats + 2):
        begin = _clocks(device)
        sequence = read_skeleton(question.file)
        parsed = _clocks(device)
        inputs = _prepared(trained, sequence, question.prompt, device)
        prepared = _clocks(device)
        marks = marked(model, inputs, question.tokens, lambda: _clocks(device))
        if turn < 2:  # the first ones load, and on a GPU compile
            continue
        before = [("parse", begin), ("prepare", parsed), ("end", prepared)]
        for part, spent in (*differences(before), *differences(marks), ("whole", marks[-1][1] - begin)):
            times[part].append(spent)
    with FlopCounterMode(display=False, custom_mapping=_ON_CPU) as counter:
        operations = differences(marked(model, inputs, question.tokens, counter.get_total_flops))
    flops = {part: _mean(count for name, count in operations if name == part) for part in MARKED}
    peaks = _peaks(trained, question, device) | _peaks_of_answer(model, inputs, question.tokens, device)
    return dict(
        tokens=_tokens(model, inputs, question.tokens),
        parts={
            part: dict(**_percentiles(times[part]), flops=flops.get(part), peak_bytes=peaks.get(part))
            for part in (*PARTS, "whole")
        },
        repeats=repeats, dtype=str(model.backbone.dtype).removeprefix("torch."), threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
    )  # fmt: skip


def compare_rendering(trained: Trained, question: Question, repeats: int, device: str) -> dict | None:
    """The renderer alone against the same by the dense reference: ``ours`` and ``reference``, with their times.

    ``largest_difference`` is that of their pictures, of 1. None for renderers without such a reference.
    """
    renderer = trained.model.to(device).renderer.eval()
    if not isinstance(renderer, DrAction):
        return None
    clips = trained.processor([trained.processor.sample(read_skeleton(question.file))], [question.prompt])["clips"]
    drawn, found = {}, {}
    for name, backend in (("ours", "auto"), ("reference", "reference")):
        times = []
        for turn in range(repeats + 1):
            begin = _clocks(device)
            with torch.no_grad():
                drawn[name] = renderer.render(clips, image_size=trained.model.config.image_size, backend=backend)
            times += [_clocks(device) - begin] if turn else []
        found[name] = _percentiles(times)
    return dict(**found, repeats=repeats, largest_difference=float((drawn["ours"] - drawn["reference"]).abs().max()))


@contextmanager
def whole_pictures(trained: Trained) -> Iterator[None]:
    """Within, a model that reads foreground patches reads whole pictures."""
    config = trained.model.config
    before, config.foreground = config.foreground, None
    try:
        yield
    finally:
        config.foreground = before


def _prepared(trained: Trained, sequence, prompt: str, device: str) -> dict:
    inputs = trained.processor([trained.processor.sample(sequence)], [prompt])
    return {name: value.to(device) for name, value in inputs.items()}


def _tokens(model: SkeletonLLMForConditionalGeneration, inputs: dict, tokens: int) -> dict[str, int]:
    """What the language model reads; with foreground patches fewer pictures' tokens than the prompt has."""
    lengths = []

    def before_pass(module, args, kwargs):
        given = kwargs.get("inputs_embeds")
        lengths.append((kwargs.get("input_ids", None) if given is None else given).shape[1])

    handle = model.backbone.get_decoder().register_forward_pre_hook(before_pass, with_kwargs=True)
    try:
        model.generate(**inputs, max_new_tokens=1, do_sample=False)
    finally:
        handle.remove()
    text = int((inputs["input_ids"] != model.config.frame_token_id).sum())
    return dict(visual=lengths[0] - text, text=text, answer=tokens)


def _peaks(trained: Trained, question: Question, device: str) -> dict[str, int]:
    """Of what comes before the model, by Python's own count, which numpy takes part in."""
    peaks = {}
    tracemalloc.start()
    try:
        sequence = read_skeleton(question.file)
        peaks["parse"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        _prepared(trained, sequence, question.prompt, device)
        peaks["prepare"] = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return peaks


def _peaks_of_answer(model, inputs: dict, tokens: int, device: str) -> dict[str, int]:
    live = LiveTensors()
    allocator = torch.cuda if device == "cuda" else None

    def read() -> tuple[int, int]:
        """(there now, most since the last mark)"""
        if allocator is not None:
            there, most = allocator.memory_allocated(), allocator.max_memory_allocated()
            allocator.reset_peak_memory_stats()
        else:
            there, most, live.peak = live.live, live.peak, live.live
        return there, most

    with nullcontext() if allocator is not None else live:
        marks = marked(model, inputs, tokens, read)
    peaks: dict[str, int] = {}
    for (part, (before, _)), (_, (_, most)) in zip(marks, marks[1:], strict=False):
        peaks[part] = max(peaks.get(part, 0), most - before)
    return peaks


def _percentiles(times: Sequence[np.ndarray]) -> dict[str, float]:
    wall, computing = np.stack(times).T
    low, high = np.percentile(wall, [50, 95])
    return dict(seconds_p50=float(low), seconds_p95=float(high), cpu_seconds_p50=float(np.median(computing)))


def _clocks(device: str) -> np.ndarray:
    """Seconds on the wall, and seconds that this process has computed on all its processors."""
    _finish(device)
    return np.array([perf_counter(), process_time()])


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def efficiency_rows(found: dict) -> list[list[str]]:
    """A table of the parts of what ``measure`` returns, its first row the head."""
    rows = [["part", "p50, ms", "p95, ms", "CPU p50, ms", "MFLOP", "peak, MB"]]
    for part, of in found["parts"].items():
        times = [f"{1000 * of[name]:.2f}" for name in ("seconds_p50", "seconds_p95", "cpu_seconds_p50")]
        sizes = ["" if of[name] is None else f"{of[name] / 1e6:.2f}" for name in ("flops", "peak_bytes")]
        rows.append([f"{part}, a token" if part == "decode" else part, *times, *sizes])
    return rows


def _mean(values) -> float | None:
    values = list(values)
    return sum(values) / len(values) if values else None
