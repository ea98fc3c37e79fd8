"""skeletonllm checkpoint: what checkpoints a run has, whether they are whole, and what two of them differ in."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Look at the checkpoints of runs.", no_args_is_help=True, pretty_exceptions_enable=False)

Folders = Annotated[
    list[Path], typer.Argument(metavar="FOLDER...", help="Runs, or checkpoints: RUN or RUN/checkpoints/step-000100.")
]
Checkpoint = Annotated[Path, typer.Argument(help="A checkpoint, or a run, whose newest whole one is meant.")]


@app.command("list")
def list_(folders: Folders) -> None:
    """Steps, stages and sizes of checkpoints, the processes that wrote them, and whether they are whole."""
    from skeletonllm.cli.evaluate import print_table
    from skeletonllm.training.checkpoint import find_damage

    rows = [["checkpoint", "step", "stage", "MB", "processes", "state"]]
    for path in _found(folders):
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        damage = find_damage(path)
        state = {} if damage else json.loads((path / "state.json").read_text())
        step = str(int(path.name.removeprefix("step-")))
        facts = [str(state.get(key, "?")) for key in ("stage", "world_size")]
        rows.append([str(path), step, facts[0], f"{size / 1e6:.2f}", facts[1], damage or "whole"])
    print_table(rows)


@app.command()
def verify(folders: Folders) -> None:
    """Compare every file with the hash that was written down with it. Ends with 1 if any is not what was written."""
    from skeletonllm.training.checkpoint import find_damage

    damaged = False
    for path in _found(folders):
        damage = find_damage(path)
        damaged = damaged or damage is not None
        print(f"{path}: {'whole' if damage is None else f'damaged: {damage}'}")
    raise SystemExit(int(damaged))


@app.command()
def diff(first: Checkpoint, second: Checkpoint) -> None:
    """Tell which tensors of two checkpoints differ, by how much, and which settings of their recipes."""
    from skeletonllm.cli.evaluate import print_table
    from skeletonllm.training.checkpoint import load_checkpoint

    one, other = load_checkpoint(first), load_checkpoint(second)
    print(f"{one.path}: step {one.step}, stage {one.state['stage']}")
    print(f"{other.path}: step {other.step}, stage {other.state['stage']}")
    for file in sorted(one.tensors.keys() | other.tensors.keys()):
        rows, same = _different_tensors(one.tensors.get(file, {}), other.tensors.get(file, {}))
        print(f"\n{file}: {same} tensors are the same to the bit, {len(rows)} are not")
        if rows:
            print_table([["tensor", "largest difference", "relative to the norm"], *rows])
    settings = _flat(one.state["recipe"]), _flat(other.state["recipe"])
    keys = sorted(settings[0].keys() | settings[1].keys())
    rows = [[key, *(str(each.get(key, "absent")) for each in settings)] for key in keys]
    rows = [row for row in rows if row[1] != row[2]]
    print(f"\nrecipe: {'the same' if not rows else f'{len(rows)} settings differ'}")
    if rows:
        print_table([["setting", "first", "second"], *rows])


def _found(folders: list[Path]) -> list[Path]:
    """Checkpoint folders, those of a run in the order of their steps.

    Raises:
        ValueError: a folder is no checkpoint and has none.
    """
    from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, all_checkpoints, is_checkpoint

    found = []
    for folder in folders:
        if is_checkpoint(folder):
            found.append(folder)
            continue
        here = all_checkpoints(folder / CHECKPOINT_FOLDER) or all_checkpoints(folder)
        if not here:
            raise ValueError(f"{folder} is no checkpoint and holds none, in {CHECKPOINT_FOLDER}/step-N")
        found += here
    return found


def _different_tensors(first: dict, second: dict) -> tuple[list[list[str]], int]:
    """A row for each tensor that differs, and how many do not."""
    import torch

    rows, same = [], 0
    for name in sorted(first.keys() | second.keys()):
        if name not in first or name not in second:
            rows.append([name, f"only in the {'first' if name in first else 'second'}", ""])
        elif first[name].shape != second[name].shape:
            rows.append([name, f"shapes {tuple(first[name].shape)} and {tuple(second[name].shape)}", ""])
        elif torch.equal(first[name], second[name]):
            same += 1
        else:
            difference = first[name].double() - second[name].double()
            norm = float(first[name].double().norm())
            relative = f"{float(difference.norm()) / norm:.2e}" if norm else "all zero before"
            rows.append([name, f"{float(difference.abs().max()):.2e}", relative])
    return rows, same


def _flat(settings: dict, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys."""
    flat = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
