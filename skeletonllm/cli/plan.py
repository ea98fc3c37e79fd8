"""skeletonllm plan: what training would need and how fast it would be, without a GPU and without weights."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from skeletonllm.training.plan import Plan

GIGA, TERA, MEGA = 1e9, 1e12, 1e6
FREE_DATA = "loading data takes no time; skeletonllm rehearse measures it"


def plan(
    backbone: Annotated[
        str, typer.Option(help="A shipped shape, or the folder or config.json of a model. Nothing is downloaded.")
    ] = "OpenGVLab/InternVL3-8B-hf",
    stage: Annotated[str, typer.Option(help="warmup, discriminate, distill or refine.")] = "distill",
    gpus: Annotated[int, typer.Option(help="Of all nodes.")] = 1,
    zero: Annotated[int, typer.Option(help="ZeRO stage, 0 to 3.")] = 2,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples per step of all GPUs. Default: one micro-batch each.")
    ] = None,
    micro_batch_size: Annotated[int, typer.Option(help="Samples that a GPU computes at once.")] = 1,
    frames: Annotated[int, typer.Option(help="Per clip.")] = 12,
    image_size: Annotated[int | None, typer.Option(help="Pixels. Default: what the backbone was made for.")] = None,
    persons: Annotated[int, typer.Option(help="Per clip.")] = 1,
    text_tokens: Annotated[
        int | None, typer.Option(help="Of the prompt without pictures. Default: estimated by stage.")
    ] = None,
    answer_tokens: Annotated[int | None, typer.Option(help="Of the answer. Default: estimated by stage.")] = None,
    activation_checkpointing: Annotated[bool, typer.Option(help="Compute layers again in the backward pass.")] = True,
    lora_rank: Annotated[int, typer.Option(help="Of the adapters, in stages that train them.")] = 32,
    hardware: Annotated[str, typer.Option(help="h200, h100 or a100.")] = "h200",
    utilisation: Annotated[float, typer.Option(help="Share of the peak that products are assumed to reach.")] = 0.4,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Estimate memory, arithmetic, communication and speed of a training run."""
    from skeletonllm.training.plan import Setting, make_plan, stage_sample
    from skeletonllm.training.planning.hardware import hardware as find_hardware
    from skeletonllm.training.planning.shape import build_without_weights, load_backbone_config, shape_of
    from skeletonllm.training.stages import STAGES

    gpu = find_hardware(hardware)
    model = build_without_weights(load_backbone_config(backbone))
    size = model.config.image_size if image_size is None else image_size
    sample = stage_sample(stage, frames, size, persons, text_tokens, answer_tokens)
    trained = STAGES[stage]
    shape = shape_of(model, lora_rank if "lora" in trained.train else 0)
    made = make_plan(
        shape,
        Setting(
            trainable=tuple(trained.train), sample=sample, gpus=gpus, zero=zero, micro_batch_size=micro_batch_size,
            batch_size=batch_size, checkpointing=activation_checkpointing, cached_frames=trained.variants > 0,
            hardware=gpu, utilisation=utilisation,
        ),
    )  # fmt: skip
    if as_json:
        print(json.dumps(_as_dict(made), indent=2))
        return
    from rich.console import Console

    console = Console()
    console.print(f"Plan for {backbone}, stage {stage}, {gpus} x {gpu.name}, ZeRO-{zero}", style="bold", markup=False)
    for table in (_parameters(made), _memory(made), _arithmetic(made), _traffic(made), _speed(made)):
        console.print(table)
    console.print("Assumptions: all but the numbers of parameters are estimates", style="bold")
    for line in [*assumptions(made), FREE_DATA]:
        console.print(f"- {line}", markup=False, highlight=False)


def assumptions(made: "Plan") -> list[str]:
    """What the estimates rest on, for people."""
    setting, sample = made.setting, made.setting.sample
    lines = [
        f"a sample: {sample.frames} frames of {sample.image_size} x {sample.image_size}, {sample.text_tokens} tokens "
        f"of prompt, {sample.answer_tokens} of answer, {sample.persons} person(s); rows without padding",
        f"products reach {setting.utilisation:.0%} of the peak, links {setting.link_utilisation:.0%} of their "
        "bandwidth",
        f"hardware: {setting.hardware.source}",
        f"GPUs in nodes of {setting.hardware.gpus_per_node}; collectives work inside nodes first, then between them",
        "what rests is in bfloat16, what learns in float32 with a bfloat16 copy; AdamW; fused causal attention",
        "logits for the answer's tokens only; GB are 10^9 bytes; 2.1 GB for CUDA and 5 % for the allocator",
        "the renderer: operations per Gaussian, and per pixel that one reaches, as counted on one clip",
    ]
    if setting.zero:
        lines.append("gradient buckets for all parameters that learn, at most 500 million numbers")
    if setting.cached_frames:
        lines.append("the renderer rests: frames come from the cache, nothing below the projector has a backward pass")
    if "lora" in setting.trainable:
        lines.append("adapters have dropout, for which each keeps its input and a mask")
    return lines


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _parameters(made: "Plan") -> "Table":
    table = _table("Parameters (exact)", "part", "parameters", "")
    for part, count in made.shape.parameters.items():
        if count:
            table.add_row(part, f"{count:,}", "learns" if part in made.setting.trainable else "frozen")
    learning = sum(made.shape.parameters[part] for part in made.setting.trainable)
    total = made.shape.total_parameters
    table.add_row("total", f"{total:,}", f"{learning / total:.2%} learn", style="bold")
    return table


def _memory(made: "Plan") -> "Table":
    memory, limit = made.memory, made.setting.hardware.memory
    table = _table("Memory per GPU in GB (estimate)", "", "weights", "gradients", "optimiser", "activations", "total")
    for part, bytes_ in memory.parts.items():
        columns = (bytes_.weights, bytes_.gradients, bytes_.optimizer, bytes_.activations, bytes_.total)
        if bytes_.total:
            table.add_row(part, *(f"{column / GIGA:.3f}" for column in columns))
    others = {
        "bfloat16 copies": memory.copies,
        "logits and loss": memory.logits,
        "layer at work": memory.working,
        "gradient buckets": memory.buckets,
        "gathered layers": memory.gathered,
        "CUDA, allocator": memory.context,
    }
    for name, bytes_ in others.items():
        if bytes_:
            table.add_row(name, "", "", "", "", f"{bytes_ / GIGA:.3f}")
    table.add_row("total", "", "", "", "", f"{memory.total / GIGA:.3f}", style="bold")
    table.caption = f"{'fits' if made.fits else 'does not fit'} in {limit / GIGA:.0f} GB"
    return table


def _arithmetic(made: "Plan") -> "Table":
    from skeletonllm.training.planning.flops import total_flops

    columns = ("forward", "backward", "again", "total")
    table = _table("Arithmetic per sample in TFLOP (estimate)", "", *columns)
    for part, flops in {**made.flops, "total": total_flops(made.flops)}.items():
        if flops.total:
            values = (flops.forward, flops.backward, flops.recomputed, flops.total)
            style = "bold" if part == "total" else None
            table.add_row(part, *(f"{value / TERA:.3f}" for value in values), style=style)
    return table


def _traffic(made: "Plan") -> "Table":
    table = _table("Sent per GPU and step in MB (estimate)", "", "inside the node", "between nodes")
    for purpose, sent in made.traffic.items():
        table.add_row(purpose, f"{sent.inside / MEGA:,.1f}", f"{sent.between / MEGA:,.1f}")
    return table


def _speed(made: "Plan") -> "Table":
    setting = made.setting
    table = _table("Speed (estimate)", "", "")
    table.add_row("samples per step", f"{setting.samples_per_step}")
    table.add_row("micro-batches per GPU and step", f"{setting.accumulation}")
    for purpose, seconds in made.seconds.items():
        table.add_row(f"milliseconds for {purpose}", f"{1000 * seconds:,.2f}")
    slow, fast = made.samples_per_second
    tokens = setting.sample.tokens(made.shape)
    table.add_row("samples/s, nothing overlaps", f"{slow:,.2f}", style="bold")
    table.add_row("samples/s, all hides behind the longest", f"{fast:,.2f}")
    table.add_row("tokens/s, nothing overlaps", f"{slow * tokens:,.0f}")
    table.add_row("model FLOPs utilisation (MFU)", f"{made.model_utilisation:.1%}")
    table.add_row("bottleneck", made.bottleneck, style="bold")
    return table


def _as_dict(made: "Plan") -> dict:
    slow, fast = made.samples_per_second
    return {
        **asdict(made),
        "memory_total": made.memory.total,
        "fits": made.fits,
        "bottleneck": made.bottleneck,
        "samples_per_second": {"nothing overlaps": slow, "everything overlaps": fast},
        "model_utilisation": made.model_utilisation,
        "visual_tokens": made.setting.sample.visual_tokens(made.shape),
        "tokens": made.setting.sample.tokens(made.shape),
        "assumptions": [*assumptions(made), FREE_DATA],
    }
