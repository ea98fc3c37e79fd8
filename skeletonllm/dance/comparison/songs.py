"""The songs that all generators of a comparison dance to: embedded ones that no training hears, or a user's own."""

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skeletonllm.dance.audio import SOUNDS, read_audio
from skeletonllm.dance.metrics.performance import SHORTEST
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.music import MusicFeatures, MusicWarning, music_features
from skeletonllm.dance.synthesis import embedded_pairs
from skeletonllm.data.walk import visible_files


@dataclass(frozen=True, eq=False)
class Song:
    """Music to dance to.

    Args:
        name: within the comparison, also of files.
        sound: samples (N,) and their rate.
        heard: its features, as generators hear them.
        dance: a real dance to it, if there is one.
    """

    name: str
    sound: tuple[np.ndarray, int]
    heard: MusicFeatures
    dance: Motion | None = None

    @property
    def beats(self) -> np.ndarray:
        """(B,) seconds."""
        return self.heard.beat_times

    @property
    def digest(self) -> str:
        """sha256 of what is heard."""
        heard = self.heard
        found = hashlib.sha256(f"{heard.fps:g} {heard.values.shape}".encode())
        found.update(np.ascontiguousarray(heard.values).tobytes())
        found.update(np.ascontiguousarray(heard.beats).tobytes())
        return found.hexdigest()


def embedded_songs(count: int, seconds: float, seed: int = 0) -> list[Song]:
    """Embedded songs of tempi and keys that no training hears, with the dances that are made to them by rule.

    Args:
        count: how many.
        seconds: of each.
        seed: of the songs.
    """
    pairs = embedded_pairs(count, seed, seconds, split="test")
    return [
        _song(f"embedded-{number}", (song.samples, song.rate), dance.replace(source=f"embedded-{number}"))
        for number, (song, dance) in enumerate(pairs, start=1)
    ]


def songs_of(folder: Path, seconds: float | None = None) -> list[Song]:
    """The sound files below a folder, in the order of their paths.

    Args:
        folder: of WAV, FLAC, OGG or MP3 files.
        seconds: only the first of each; None: all.

    Raises:
        FileNotFoundError: there is no such folder, or no sound in it.
        ValueError: a file that is damaged, or too short to dance to; or two that differ in folder or suffix only.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder, expected songs to dance to")
    paths = [path for path in visible_files(folder) if path.suffix.lower() in SOUNDS]
    if not paths:
        raise FileNotFoundError(f"{folder}: no songs in it, expected {', '.join(SOUNDS)}")
    songs: dict[str, Song] = {}
    for path in paths:
        if path.stem in songs:
            raise ValueError(f"{path}: there is another song called {path.stem}, expected names that differ")
        samples, rate = read_audio(path)
        samples = samples if seconds is None else samples[: round(seconds * rate)]
        if len(samples) < SHORTEST * rate:
            raise ValueError(f"{path}: {len(samples) / rate:.2f} s of sound, expected at least {SHORTEST:g} s")
        songs[path.stem] = _song(path.stem, (samples, rate))
    return list(songs.values())


def _song(name: str, sound: tuple[np.ndarray, int], dance: Motion | None = None) -> Song:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MusicWarning)  # kept in the notes of the features
        heard = music_features(sound)
    return Song(name, sound, replace(heard, source=name), dance)
