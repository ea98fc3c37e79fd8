"""skeletonllm inspect: what is in a recording, and what its reader assumed."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.errors import USER_ERRORS, describe_error


def describe(path: Path, format: str | None = None) -> dict:
    """The facts about one recording, JSON-able. Raises what ``read_skeleton`` raises."""
    from skeletonllm.skeleton.formats import detect_format, read_skeleton
    from skeletonllm.skeleton.summary import summarize

    sequence = read_skeleton(path, format)
    file = path if path.exists() else path.with_name(path.name.partition("#")[0])
    return summarize(sequence, str(path), format or detect_format(file).name)


def inspect(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Skeleton recordings; FILE#NAME is one of several.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="Read as this format instead of looking at the bytes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of tables.")] = False,
    gallery: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Show every recording below this folder as moving pictures.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Of a gallery: page.html, or a folder for contact sheets (PNG)."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Of a gallery: at most so many recordings.")] = 3000,
    per_format: Annotated[
        int | None, typer.Option(min=1, help="Of a gallery: at most so many recordings of one format.")
    ] = None,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Of a gallery: side of the pictures in pixels.")] = 160,
) -> None:
    """Show format, skeleton, persons, length, size and gaps of recordings, or a gallery of a whole folder."""
    if (gallery is None) == (not files):
        raise typer.BadParameter("give either recordings or --gallery FOLDER")
    if gallery is not None:
        from skeletonllm.cli.gallery import write_gallery

        if output is None or format is not None or as_json:
            raise typer.BadParameter("--gallery needs -o page.html or -o FOLDER, and goes without --format and --json")
        write_gallery(gallery, output, limit, per_format, size)
        return
    if output is not None:
        raise typer.BadParameter("-o is for --gallery; the facts about recordings are printed")
    rows = []
    for path in files:
        try:
            rows.append(describe(path, format))
        except USER_ERRORS as error:
            rows.append({"file": str(path), "error": describe_error(error)})
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print_tables(rows)
    for row in rows:
        if "error" in row:
            print(f"skeletonllm: {row['error']}", file=sys.stderr)
    if any("error" in row for row in rows):
        raise typer.Exit(2)


def print_tables(rows: list[dict]) -> None:
    """Print facts as tables, passing over rows of errors."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for row in rows:
        if "error" in row:
            continue
        extent = row["extent"]
        shown = {
            "format": row["format"],
            "topology": row["topology"],
            "persons": row["persons"],
            "frames": f"{row['frames']} at {row['fps']:g} fps, {row['seconds']:.2f} s",
            "units": row["units"],
            "extent": f"{extent['x']:.2f} x {extent['y']:.2f} x {extent['z']:.2f} m (x, y, z)",
            "missing joints": f"{row['missing_joints']:.1%}",
            "label": row["label"] or "-",
            "notes": "\n".join(row["notes"]) or "-",
        }
        table = Table(title=Text(row["file"]), title_justify="left", title_style="bold", show_header=False)
        for name, value in shown.items():
            table.add_row(name, Text(str(value)))  # as it is: what a file says is never read as markup
        console.print(table)
