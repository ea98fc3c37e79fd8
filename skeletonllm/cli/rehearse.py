"""skeletonllm rehearse: a run on many GPUs, gone through on one processor before anyone waits for a cluster."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skeletonllm.training.rehearsal import Circumstances, Rehearsal

GIGA, MEGA = 1e9, 1e6


def rehearse(
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe: optimization.batch_size=512"),
    ] = None,
    recipe: Annotated[str, typer.Option(help="A shipped recipe, or the path of a .yaml file.")] = "four_stages",
    stage: Annotated[str, typer.Option(help="Of the recipe.")] = "distill",
    ranks: Annotated[list[int] | None, typer.Option(help="GPUs of all nodes; several times: compared.")] = None,
    backbone: Annotated[
        str, typer.Option(help="A shipped shape, or the folder or config.json of a model. Nothing is downloaded.")
    ] = "OpenGVLab/InternVL3-8B-hf",
    zero: Annotated[int, typer.Option(help="ZeRO stage, 1 to 3.")] = 2,
    steps: Annotated[int, typer.Option(help="That are stopped twice and resumed on other numbers of ranks.")] = 50,
    hardware: Annotated[str, typer.Option(help="h200, h100 or a100.")] = "h200",
    utilisation: Annotated[float, typer.Option(help="Share of the peak that products are assumed to reach.")] = 0.4,
    disk_folder: Annotated[
        Path | None, typer.Option(help="Measure the disk there, instead of assuming its speed.")
    ] = None,
    disk_write: Annotated[float, typer.Option(help="GB/s that one process is assumed to write.")] = 1.0,
    disk_read: Annotated[float, typer.Option(help="GB/s that all nodes together are assumed to read.")] = 10.0,
    gpu_hours_per_failure: Annotated[
        float | None, typer.Option(help="Hours of work of a GPU per failure. Default: those of Llama 3's training.")
    ] = None,
    start_seconds: Annotated[float, typer.Option(help="From a failure to processes that begin to read.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Rehearse a run on 64 or 512 GPUs without one: order, shards, checkpoints, failures and the bottleneck."""
    from skeletonllm.training import rehearsal
    from skeletonllm.training.arguments import load_recipe
    from skeletonllm.training.planning.failures import GPU_HOURS_PER_FAILURE
    from skeletonllm.training.planning.hardware import hardware as find_hardware
    from skeletonllm.training.planning.storage import assumed_disk, measured_disk

    circumstances = rehearsal.Circumstances(
        zero,
        find_hardware(hardware),
        utilisation,
        assumed_disk(disk_write * GIGA, disk_read * GIGA) if disk_folder is None else measured_disk(disk_folder),
        GPU_HOURS_PER_FAILURE if gpu_hours_per_failure is None else gpu_hours_per_failure,
        start_seconds,
    )
    world_sizes = ranks or [64, 512]
    found = rehearsal.rehearse(load_recipe(recipe, changes or []), backbone, stage, world_sizes, circumstances, steps)
    if as_json:
        content = dict(asdict(found), circumstances=asdict(circumstances))
        for cluster, plain in zip(found.clusters, content["clusters"], strict=True):
            plain |= dict(bottleneck=cluster.bottleneck, step_seconds=cluster.step_seconds)
        print(json.dumps(content, indent=2))
        return
    print(f"Rehearsal of stage {stage} of {recipe} with {backbone}, ZeRO-{zero}; no GPU took part.")
    _print_checks(found)
    _print_costs(found)
    print("Assumed, measured here, and estimated:")
    for line in assumptions(found, circumstances):
        print(f"- {line}")


def assumptions(found: "Rehearsal", circumstances: "Circumstances") -> list[str]:
    """What the figures rest on, for people."""
    from skeletonllm.cli.plan import assumptions as of_the_plan

    disk, preparation = circumstances.disk, found.preparation
    lines = [
        f"disk {disk.source}; a processor hashes {disk.hashing / GIGA:.2f} GB/s, measured here",
        f"failures: one in {circumstances.gpu_hours_per_failure:,.0f} hours of a GPU, assumed; by default as in the "
        "training of Llama 3 (arXiv 2407.21783: 419 in 54 days on 16,384 GPUs); the interval after Daly (2006)",
        f"{circumstances.start_seconds:g} s from a failure to processes that begin to read, assumed",
        f"a sample takes {1000 * preparation.seconds_per_sample:.2f} ms and its words "
        f"{1000 * found.order.seconds_per_question:.3f} ms of one processor, measured here; every rank words the whole "
        "batch; one thread prepares samples while the GPU computes",
    ]
    if preparation.frame_bytes:
        lines.append(
            f"frames of a sample take {preparation.frame_bytes / MEGA:.2f} MB in the cache, counted on one clip"
        )
    return lines + of_the_plan(found.clusters[0].plan)


def _print_checks(found: "Rehearsal") -> None:
    order, size = found.order, found.checkpoint
    legs = ", ".join(f"{first} to {last} on {ranks}" for first, last, ranks in order.legs)
    print("Counted, on every rank, with the code that training uses:")
    print(
        f"- {order.steps} steps of {found.recordings} recordings, {order.steps_per_epoch} steps an epoch: shares are "
        f"disjoint, complete, and one process's order; {order.left_out} recordings of each epoch fill no batch"
    )
    print(f"- stopped and resumed, steps {legs}: the very questions of a run that is not")
    for cluster in found.clusters:
        for what, balance in (("weights that learn", cluster.moments), ("all weights", cluster.weights)):
            if balance:
                print(
                    f"- {cluster.world_size} ranks: shards of {what} are disjoint and complete, {balance.least:,} to "
                    f"{balance.most:,} elements a rank, {balance.padding:,} of padding in all"
                )
    print(
        f"- a checkpoint: {size.total:,} bytes, {size.model:,} of weights and {size.optimizer:,} of moments, on any "
        "number of ranks"
    )


def _print_costs(found: "Rehearsal") -> None:
    from skeletonllm.cli.evaluate import print_table

    first = found.clusters[0]
    per_node = first.plan.setting.hardware.gpus_per_node
    rows = {
        "samples per GPU and step": lambda c: f"{c.plan.setting.samples_per_step // c.world_size}",
        "GB of memory per GPU": lambda c: f"{c.plan.memory.total / GIGA:.1f}" + ("" if c.plan.fits else ", too much"),
        "GB of recordings in a node's memory": lambda c: (
            f"{min(per_node, c.world_size) * found.preparation.bytes_in_memory / GIGA:.2f}"
        ),
        "MB sent per GPU and step in its node": lambda c: _sent(c.plan, "inside"),
        "MB sent per GPU and step between nodes": lambda c: _sent(c.plan, "between"),
        **{f"ms of a step: {key}": lambda c, key=key: f"{1000 * c.seconds[key]:,.1f}" for key in first.seconds},
        "ms of a step": lambda c: f"{1000 * c.step_seconds:,.1f}",
        "bottleneck": lambda c: c.bottleneck,
        "s that a save holds the run up": lambda c: f"{c.save_seconds:.2f}",
        "s to verify it, beside the work": lambda c: f"{c.verify_seconds:.2f}",
        "hours between failures": lambda c: f"{c.seconds_per_failure / 3600:,.0f}",
        **{
            f"s of a restart: {key}": lambda c, key=key: f"{c.restart_seconds[key]:,.1f}"
            for key in first.restart_seconds
        },
        "minutes lost per failure": lambda c: f"{c.lost_per_failure / 60:.1f}",
        "steps between saves, lost": lambda c: f"{c.save_every:,}, {c.lost:.2%}",
        "steps between saves at best, lost": lambda c: f"{c.best_save_every:,}, {c.least_lost:.2%}",
    }
    print("Estimated:")
    head = ["", *(f"{cluster.world_size} ranks" for cluster in found.clusters)]
    print_table([head, *([name, *map(tell, found.clusters)] for name, tell in rows.items())])


def _sent(plan, level: str) -> str:
    return f"{sum(getattr(sent, level) for sent in plan.traffic.values()) / MEGA:,.1f}"
