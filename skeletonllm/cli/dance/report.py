"""skeletonllm dance report: generators beside each other, measured on the same songs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.evaluate import print_table

if TYPE_CHECKING:
    from skeletonllm.dance.comparison import Song

# Seconds of an embedded song.
_SECONDS = 20.0


def report(
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=MODEL...",
            help="Rows, the first is what others are compared with; NAME=MODEL,MODEL or NAME='runs/x-*': seeds of one.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of all that is measured and written.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            help="NAME.KEY=VALUE, how a row dances: steps, eta, guidance, guide.REWARD, guide_steps, guide_iterations, "
            "guide_channels, floor_guidance, project; may be repeated.",
        ),
    ] = None,
    music: Annotated[
        Path | None, typer.Option(help="A folder of songs. Default: embedded ones that no training hears.")
    ] = None,
    songs: Annotated[int, typer.Option(min=1, help="How many embedded songs.")] = 12,
    seconds: Annotated[
        float | None, typer.Option(min=0.5, help=f"Of each song. Default: all; embedded: {_SECONDS:g}.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of sampling, of all rows.")] = 50,
    guidance: Annotated[float, typer.Option(min=0, help="How far the music's influence is exaggerated.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise, the same for all rows.")] = 0,
    shown: Annotated[int, typer.Option(min=0, help="Of how many songs videos are made.")] = 2,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="A row that is shown beside the first; may be repeated. Default: the second row."),
    ] = None,
    rewards: Annotated[
        list[Path] | None, typer.Option(help="A Python file with rewards of yours, for --change NAME.guide.REWARD=1.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:NUMBER. Default: a GPU where there is one.")
    ] = None,
) -> None:
    """Measure generators on the same songs, raw and post-processed, and write tables, a page and videos.

    Each dance is measured once: whatever is stopped goes on, and only rows that have changed are measured anew.
    """
    import torch
    from tqdm import tqdm

    from skeletonllm.dance.comparison import (
        Manner,
        measure_all,
        pairs_of,
        read_rows,
        summarize,
        tables_of,
        units_of,
        write_report,
    )
    from skeletonllm.dance.rewards import read_rewards

    for path in rewards or []:
        read_rewards(path)
    compared = read_rows(rows, changes or [], Manner(steps=steps, guidance=guidance))
    others = [row.name for row in compared[1:]]
    if unknown := set(beside or []) - set(others):
        expected = ", ".join(others) or "none, as there is only one row"
        raise ValueError(f"--beside {', '.join(sorted(unknown))}: no such row beside the first; there are {expected}")
    heard = _songs(music, songs, seconds)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with tqdm(total=len(units_of(compared, heard, output, seed)), unit="dance", disable=None, leave=False) as bar:
        units = measure_all(
            compared,
            heard,
            output,
            seed=seed,
            device=device,
            progress=lambda name: (bar.set_description(name), bar.update()),
        )
    summary = summarize(compared, heard, units)
    pairs = pairs_of(units, heard, compared[0].name, beside or others[:1], shown)
    with tqdm(desc="videos", unit="frame", disable=None, leave=False) as bar:
        written = write_report(summary, pairs, output, bar.update)
    for table in tables_of(summary, intervals=False):
        print(table.title)
        print_table([["\n".join(cell) for cell in row] for row in table.rows])
    print(f"written to {', '.join(map(str, written))}")


def _songs(music: Path | None, count: int, seconds: float | None) -> "list[Song]":
    from skeletonllm.dance.comparison import embedded_songs, songs_of

    return embedded_songs(count, seconds or _SECONDS) if music is None else songs_of(music, seconds)
