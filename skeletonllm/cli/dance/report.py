"""skeletonllm dance report: generators beside each other, measured on the same songs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.evaluate import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skeletonllm.dance.comparison import Row, Song, Unit

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
    from skeletonllm.dance.comparison import Manner, read_rows, tables_of
    from skeletonllm.dance.rewards import read_rewards

    for path in rewards or []:
        read_rewards(path)
    compared = read_rows(rows, changes or [], Manner(steps=steps, guidance=guidance))
    others = [row.name for row in compared[1:]]
    if unknown := set(beside or []) - set(others):
        expected = ", ".join(others) or "none, as there is only one row"
        raise ValueError(f"--beside {', '.join(sorted(unknown))}: no such row beside the first; there are {expected}")
    heard = _songs(music, songs, seconds)
    summary, _, written = compare(
        compared, heard, output, seed=seed, beside=beside or others[:1], shown=shown, device=device
    )
    for table in tables_of(summary, intervals=False):
        print(table.title)
        print_table([["\n".join(cell) for cell in row] for row in table.rows])
    print(f"written to {', '.join(map(str, written))}")


def compare(
    rows: "Sequence[Row]",
    songs: "Sequence[Song]",
    folder: Path,
    *,
    beside: "Sequence[str]",
    shown: int,
    seed: int = 0,
    device: str | None = None,
) -> "tuple[dict, list[Unit], list[Path]]":
    """Measure rows and write their report, with bars of progress: the summary, the dances and the files."""
    import torch
    from tqdm import tqdm

    from skeletonllm.dance.comparison import measure_all, pairs_of, summarize, units_of, write_report

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with tqdm(total=len(units_of(rows, songs, folder, seed)), unit="dance", disable=None, leave=False) as bar:
        units = measure_all(
            rows,
            songs,
            folder,
            seed=seed,
            device=device,
            progress=lambda name: (bar.set_description(name), bar.update()),
        )
    summary = summarize(rows, songs, units)
    pairs = pairs_of(units, songs, rows[0].name, beside, shown)
    with tqdm(desc="videos", unit="frame", disable=None, leave=False) as bar:
        written = write_report(summary, pairs, folder, bar.update)
    return summary, units, written


def _songs(music: Path | None, count: int, seconds: float | None) -> "list[Song]":
    from skeletonllm.dance.comparison import embedded_songs, songs_of

    return embedded_songs(count, seconds or _SECONDS) if music is None else songs_of(music, seconds)
