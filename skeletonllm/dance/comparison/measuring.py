"""Dancing and measuring: every dance once, kept in a folder, so that whoever is stopped goes on where it was.

``measured/ROW/MODEL/SONG.json`` holds what one dance tells and what it depends on, ``SONG.npz`` the dance itself.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from skeletonllm import __version__
from skeletonllm.dance.body import Body, default_body
from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.comparison.differences import check_pairs
from skeletonllm.dance.comparison.measures import measure
from skeletonllm.dance.comparison.rows import REFERENCE, Danced, Row, model_digest
from skeletonllm.dance.comparison.songs import Song
from skeletonllm.dance.files import write_dance
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.motion import Motion
from skeletonllm.evaluation.provenance import provenance
from skeletonllm.rendering.video import replacing
from skeletonllm.skeleton.proportions import STATURE

MEASURED = "measured"

Told = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Dancer:
    """Somebody with a body: ``dance`` to a song."""

    dance: Callable[[Song], Danced]
    stature: float = STATURE
    scales: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """One dance that is measured.

    Args:
        row: whose.
        model: number of the generator among those of the row.
        song: number of the song.
        path: of what it told.
        key: what that depends on.
    """

    row: str
    model: int
    song: int
    path: Path
    key: dict

    @property
    def dance(self) -> Path:
        """The file of the dance."""
        return self.path.with_suffix(".npz")

    def read(self) -> dict | None:
        """What it told; None if it was never measured, or something that it depends on is another now.

        Raises:
            ValueError: the file is damaged.
        """
        if not (self.path.is_file() and self.dance.is_file()):
            return None
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return content if content["key"] == self.key else None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path}: damaged ({error}); without it the dance is measured anew") from error

    def danced(self) -> tuple[Motion, Body]:
        """The dance that was measured, and who danced it. Raises ValueError if it was never measured."""
        content = self.read()
        if content is None:
            raise ValueError(f"{self.path}: was not measured")
        body = default_body(content["body"]["scales"], stature=content["body"]["stature"])
        return read_motion(self.dance, body), body


def units_of(rows: Sequence[Row], songs: Sequence[Song], folder: Path, seed: int = 0) -> list[Unit]:
    """All dances of a comparison, those of ``REFERENCE`` last.

    Args:
        rows: who dances, and how.
        songs: to what.
        folder: of the comparison.
        seed: of the noise, the same for all.

    Raises:
        FileNotFoundError: a model that is not there.
        ValueError: two rows or two songs of one name, or rows whose models cannot be paired, see ``paired``.
    """
    for what, names in (("rows", [row.name for row in rows]), ("songs", [song.name for song in songs])):
        if len(set(names)) < len(names) or not names:
            raise ValueError(f"{what} are called {', '.join(names) or 'nothing'}, expected one or more, each its own")
    for row in rows:  # before anything is danced
        check_pairs(len(row.models), len(rows[0].models), row.name)
    beats = hashlib.sha256(json.dumps([song.beats.tolist() for song in songs]).encode()).hexdigest()
    shared = {"beats": beats, "version": __version__}
    units = []
    for row in rows:
        for number, path in enumerate(row.models):
            dancer = {"model": model_digest(path), "manner": dataclasses.asdict(row.manner), "seed": seed}
            units += [
                _unit(folder, row.name, number, place, song, {**dancer, "song": song.digest, **shared})
                for place, song in enumerate(songs)
            ]
    return units + [
        _unit(folder, REFERENCE, 0, place, song, {"dance": _digest(song.dance), **shared})
        for place, song in enumerate(songs)
        if song.dance is not None
    ]


def measure_all(
    rows: Sequence[Row],
    songs: Sequence[Song],
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Told = lambda unit: None,
) -> list[Unit]:
    """Dance and measure whatever is missing, or depends on what is another now.

    Args:
        rows, songs, folder, seed: see ``units_of``.
        device: where generators dance.
        progress: told the name of each dance that is there.

    Returns:
        All units, each of which can be read.

    Raises:
        FileNotFoundError, ValueError: see ``units_of``; a generator that cannot hear the songs.
    """
    units, come_from = units_of(rows, songs, folder, seed), provenance()
    beats = [song.beats for song in songs]
    for (row, number), own in groupby(units, key=lambda unit: (unit.row, unit.model)):
        dancer = None
        for unit in own:
            song = songs[unit.song]
            if unit.read() is None:
                # Loaded only where something is missing.
                dancer = dancer or _dancer(row, number, rows, seed, device)
                _measure(unit, song, dancer, beats, come_from)
            progress(f"{row}, {song.name}")
    return units


def _dancer(row: str, number: int, rows: Sequence[Row], seed: int, device: str) -> Dancer:
    if row == REFERENCE:
        return Dancer(lambda song: Danced(song.dance, None))
    (found,) = (each for each in rows if each.name == row)
    generator = Generator.open(found.models[number]).to(device)
    return Dancer(
        lambda song: found.manner.dance(generator, song.heard, seed), generator.stature, dict(generator.scales)
    )


def _measure(unit: Unit, song: Song, dancer: Dancer, beats: Sequence[np.ndarray], come_from: dict) -> None:
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    # What was kept of another dance does not stay beside the new one, whenever this is stopped.
    unit.path.unlink(missing_ok=True)
    begin = time.perf_counter()
    dance, succeeded = dancer.dance(song)
    seconds = time.perf_counter() - begin
    body = default_body(dancer.scales, stature=dancer.stature)
    write_dance(unit.dance, dance, body)
    content = {
        "key": unit.key,
        "row": unit.row,
        "model": unit.model,
        "song": song.name,
        "seconds_of_music": song.heard.num_frames / song.heard.fps,
        "seconds": seconds,
        "projected": succeeded,
        "body": {"stature": dancer.stature, "scales": dict(dancer.scales)},
        "forms": measure(dance, body, beats, unit.song),
        **come_from,
    }
    with replacing(unit.path) as unfinished:
        unfinished.write_text(json.dumps(content), encoding="utf-8")


def _unit(folder: Path, row: str, model: int, place: int, song: Song, key: dict) -> Unit:
    return Unit(row, model, place, folder / MEASURED / row / str(model + 1) / f"{song.name}.json", key)


def _digest(dance: Motion) -> str:
    return hashlib.sha256(dance.to_vector().tobytes()).hexdigest()
