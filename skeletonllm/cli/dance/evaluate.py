"""skeletonllm dance evaluate: how plausible, lively and musical dances are."""

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.convert import find_jobs
from skeletonllm.cli.errors import USER_ERRORS, describe_error
from skeletonllm.cli.evaluate import print_table

if TYPE_CHECKING:
    import numpy as np

    from skeletonllm.dance.body import Body
    from skeletonllm.dance.body.adapters import BodyMesh
    from skeletonllm.dance.motion import Motion

# The keys of ``dance.metrics.FORMS``.
_FORMS = ("raw", "post_processed")
# Metrics of one table, and letters of a line of their names there and among the means: all fit into eighty columns.
_COLUMNS, _NAME, _MEAN = 3, 14, 26
_BETTER = {"lower": " ↓", "higher": " ↑", "neither": ""}


def evaluate(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Dances in any format, FILE#NAME of a file with several, or folders."),
    ],
    music: Annotated[
        Path | None,
        typer.Option(help="The song of all dances, or a folder with NAME.wav, .flac, .ogg or .mp3 for each."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Real dances that FID and diversity are measured against: a folder or a file.")
    ] = None,
    body_model: Annotated[
        str | None,
        typer.Option(
            metavar="smplx:PATH|anny",
            help="Who dances, with a mesh of which crossing triangles are counted: a SMPL file of yours, or Anny.",
        ),
    ] = None,
    legacy: Annotated[
        bool, typer.Option("--legacy", help="Measure as the scripts of the field do, defects included.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write everything to a JSON file, too.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Measure dances by every metric, raw and after post-processing, each clip and the mean with its 95 % interval."""
    import json

    from tqdm import tqdm

    from skeletonllm.dance.body import default_body
    from skeletonllm.dance.metrics import evaluate_motions
    from skeletonllm.evaluation.provenance import provenance
    from skeletonllm.rendering.video import replacing

    mesh = None if body_model is None else _dressed(body_model)
    body = default_body() if mesh is None else mesh.body
    motions, failed = read_dances(inputs, body)
    if not motions:
        raise ValueError(f"{', '.join(map(str, inputs))}: no dance that can be measured")
    beats = None if music is None else [find_beats(motion, music) for motion in motions]
    real = None
    if reference is not None:
        real, unread = read_dances([reference], body)
        failed += unread
        for what, count in ((str(reference), len(real)), ("what is measured", len(motions))):
            if count < 2:
                raise ValueError(f"{what}: {count} dances, expected at least 2 for FID and diversity")
    with tqdm(total=len(motions), unit="clip", disable=None, leave=False) as bar:
        found = evaluate_motions(
            motions,
            body,
            beats,
            reference=real,
            mesh=mesh,
            legacy=legacy,
            seed=seed,
            progress=lambda clips: bar.update(),
        )
    for rows in clip_tables(found):
        print_table(rows)
    print_table(mean_rows(found))
    if found["sets"]:
        print_table(set_rows(found))
    if output is not None:
        with replacing(output) as unfinished:
            unfinished.write_text(json.dumps({**found, **provenance()}, indent=1), encoding="utf-8")
        print(f"written to {output}")
    if failed:
        print(f"skeletonllm: {failed} recordings were not measured", file=sys.stderr)
        raise typer.Exit(2)


def _dressed(name: str) -> "BodyMesh":
    from skeletonllm.dance.body.adapters import read_body_model

    try:
        return read_body_model(name)
    except ImportError as error:
        raise ValueError(str(error)) from error


def read_dances(inputs: list[Path], body: "Body") -> tuple[list["Motion"], int]:
    """The dances of files and folders, and how many could not be read, or are too short: each is told on stderr."""
    from skeletonllm.dance.codecs import read_motion
    from skeletonllm.dance.metrics import Performance

    motions, failed = [], 0
    for job in (job for path in inputs for job in find_jobs(path, None)):
        try:
            motion = read_motion(job.source, body).replace(source=job.source)
            Performance(motion, body)
        except USER_ERRORS as error:
            failed += 1
            reason = describe_error(error)
            print(f"skeletonllm: {reason if str(job.path) in reason else f'{job.source}: {reason}'}", file=sys.stderr)
        else:
            motions.append(motion)
    return motions, failed


def find_beats(motion: "Motion", music: Path) -> "np.ndarray | None":
    """The beats, in seconds, of the song of a dance: the file, or the one in the folder that ``find_song`` finds.

    None, and a line on stderr, where the folder has no such file.
    """
    from skeletonllm.dance.audio import SOUNDS, find_song
    from skeletonllm.dance.music import music_features

    song = find_song(motion.source, music) if music.is_dir() else music
    if song is not None:
        return music_features(song).beat_times
    expected = music / Path(motion.source.partition("#")[0]).with_suffix(SOUNDS[0]).name
    print(f"skeletonllm: {motion.source}: no music, expected {expected} or {', '.join(SOUNDS[1:])}", file=sys.stderr)
    return None


def clip_tables(found: dict) -> list[list[list[str]]]:
    """Tables of every metric that some clip has, a few in each: of each clip raw → post-processed."""
    names = [name for name, metric in found["metrics"].items() if _measured(metric)]
    tables = []
    for start in range(0, len(names), _COLUMNS):
        metrics = {name: found["metrics"][name] for name in names[start : start + _COLUMNS]}
        rows = [["raw →\npost-processed", *(_folded(name, metric["unit"]) for name, metric in metrics.items())]]
        for number, clip in enumerate(found["clips"]):
            values = [[metric[form]["per_clip"][number] for form in _FORMS] for metric in metrics.values()]
            rows.append([Path(clip).name, *(" → ".join(map(_number, pair)) for pair in values)])
        tables.append(rows)
    return tables


def mean_rows(found: dict) -> list[list[str]]:
    """A table of the means with their intervals, and of what was not measured."""
    rows = [["mean\n(↓ lower is better)", *(form.replace("_", "-") for form in _FORMS)]]
    for name, metric in found["metrics"].items():
        cells = []
        for form in _FORMS:
            summary = metric[form]
            interval = summary["interval_95"]
            span = "" if interval is None else f"\n[{_number(interval[0])}, {_number(interval[1])}]"
            few = f" of {summary['count']}" if 0 < summary["count"] < len(found["clips"]) else ""
            cells.append(f"{_number(summary['mean'])}{few}{span}")
        rows.append([textwrap.fill(_head(name, metric["unit"]) + _BETTER[metric["better"]], _MEAN), *cells])
    return rows


def set_rows(found: dict) -> list[list[str]]:
    """A table of FID and diversity."""
    rows = [["against the reference", *(form.replace("_", "-") for form in _FORMS)]]
    return rows + [
        [name.replace("_", " "), *(_number(values[form]) for form in _FORMS)] for name, values in found["sets"].items()
    ]


def _measured(metric: dict) -> bool:
    return metric["raw"]["count"] > 0 or metric["post_processed"]["count"] > 0


def _head(name: str, unit: str) -> str:
    return name.replace("_", " ") + (f", {unit}" if unit else "")


def _folded(name: str, unit: str) -> str:
    return textwrap.fill(_head(name, unit), _NAME)


def _number(value: float | None) -> str:
    """In seven letters at most, as long as there are no millions."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.3g}"
