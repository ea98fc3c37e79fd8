"""skeletonllm formats: which formats are read, and whether a layout of one's own is right."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="List the formats that are read, or check a layout that describes another one.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def list_(context: typer.Context) -> None:
    """List the formats that are read, or check a layout that describes another one."""
    if context.invoked_subcommand is not None:
        return

    from skeletonllm.cli.evaluate import print_table
    from skeletonllm.skeleton.formats import known_formats

    formats = known_formats().values()
    print_table([["format", "files", "what"], *([f.name, " ".join(f.suffixes), f.description] for f in formats)])
    print("Any other: a layout (.yaml) with --format, see `skeletonllm formats check --help` and docs/formats.md.")


@app.command()
def check(
    layout: Annotated[Path, typer.Argument(metavar="LAYOUT.yaml", help="Describes a format; see docs/formats.md.")],
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help="Recordings to read with it.")] = None,
) -> None:
    """Check a layout, and show what it makes of recordings. A mistake is named by its line and key."""
    from skeletonllm.cli.inspect import describe, print_tables
    from skeletonllm.skeleton.formats import known_formats
    from skeletonllm.skeleton.formats.custom import load_layout

    found = load_layout(layout, frozenset(known_formats()))
    topology = found.topology
    print(f"{layout}: the format {found.name!r}: {found.description}")
    print(f"skeleton: {topology.name}, {len(found.joints)} of {topology.num_joints} joints; {', '.join(found.values)}")
    unit = "unit from the size of the body" if found.unit is None else f"{found.unit:g} m per unit"
    up = "up axis detected" if found.up is None else f"{found.up} up"
    print(f"place: {found.place}, {unit}, {up}, {'left' if found.mirrored else 'right'}-handed")
    rate = f"{found.fps:g} per second" if isinstance(found.fps, float) else f"rate from {found.fps or found.time}"
    print(f"frames: {rate}; files: {found.files or ' '.join(found.source.suffixes)}")
    print_tables([describe(path, str(layout)) for path in files or ()])
