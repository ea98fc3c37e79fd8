"""Procedural songs: drums, bass and chords on a steady beat, in several styles and all keys."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.synthesis import instruments

RATE = 22_050
SLOWEST, FASTEST = 60.0, 180.0
BEATS_PER_BAR = 4
_STEPS_PER_BAR = 16

KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Semitones above the key note of the three notes of a chord.
_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)


@dataclass(frozen=True)
class Style:
    """A style of music: what is struck at each sixteenth of a bar, and the chords, one per bar.

    Args:
        drums: by instrument, sixteen signs: ``X`` loud, ``x`` soft, ``.`` silence.
        bass: likewise.
        stabs: likewise, when the chord is struck.
        chords: semitones above the key, and the notes of each chord.
    """

    drums: Mapping[str, str]
    bass: str
    stabs: str
    chords: tuple[tuple[int, tuple[int, ...]], ...]


STYLES: Mapping[str, Style] = {
    "house": Style(
        {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
        bass="X.x.X.x.X.x.X.x.",
        stabs="X...x.x.X...x...",
        chords=((0, _MINOR), (8, _MAJOR), (3, _MAJOR), (10, _MAJOR)),
    ),
    "hip_hop": Style(
        {"kick": "X.....x.X.......", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
        bass="X.....x.X.......",
        stabs="X.......x.......",
        chords=((0, _MINOR), (5, _MINOR), (8, _MAJOR), (7, _MAJOR)),
    ),
    "rock": Style(
        {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
        bass="X.x.X.x.X.x.X.x.",
        stabs="X...X...X...X...",
        chords=((0, _MAJOR), (7, _MAJOR), (9, _MINOR), (5, _MAJOR)),
    ),
    "latin": Style(
        {"kick": "X...X...X...X...", "click": "X..x..x...x.X...", "hat": "X.x.X.xxX.x.X.xx"},
        bass="X..xX...X..xX...",
        stabs="X...X..xX...X...",
        chords=((0, _MINOR), (5, _MINOR), (7, _MAJOR), (0, _MINOR)),
    ),
}
_LOUDNESS = {"X": 1.0, "x": 0.45}
_LEVELS = {"kick": 0.9, "snare": 0.6, "clap": 0.5, "hat": 0.22, "click": 0.35}
_BASS_LEVEL, _CHORD_LEVEL = 0.35, 0.12
_BASS_OCTAVE, _CHORD_OCTAVE = 36, 60
_PEAK = 0.9
# A room is never silent: without a hiss, the softest sound would be as much of an onset as the loudest.
_HISS = 0.004


@dataclass(frozen=True, eq=False)
class Song:
    """A song and what it was made from.

    Args:
        samples: (N,) float32, mono, within [-1, 1].
        rate: samples per second.
        beats: seconds of each beat, ascending.
        tempo: beats per minute.
        style: one of ``STYLES``.
        key: one of ``KEYS``.
        seed: of everything else.
    """

    samples: np.ndarray
    rate: int
    beats: np.ndarray
    tempo: float
    style: str
    key: str
    seed: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def name(self) -> str:
        return f"{self.style}-{self.key}-{self.tempo:g}-{self.seed}"


def make_song(seed: int, seconds: float, tempo: float, *, style: str | None = None, key: str | None = None) -> Song:
    """The same song for the same arguments.

    The first beat is somewhere within the first beat's length, so that time does not tell the phase.

    Args:
        seed: of style and key where they are not given, of the first beat, of the sounds.
        seconds: how long.
        tempo: beats per minute.
        style: one of ``STYLES``.
        key: one of ``KEYS``.

    Raises:
        ValueError: a length or tempo out of range, an unknown style or key.
    """
    if not 0 < seconds <= 3600:
        raise ValueError(f"a song of {seconds} s, expected more than 0 and at most 3600")
    if not SLOWEST <= tempo <= FASTEST:
        raise ValueError(f"tempo is {tempo}, expected {SLOWEST:g} to {FASTEST:g} beats per minute")
    rng = np.random.default_rng([seed, 0x50])
    # Drawn in any case: the rest of the song does not depend on whether style and key were given.
    drawn_style, drawn_key = rng.choice(list(STYLES)), rng.choice(KEYS)
    style, key = style or str(drawn_style), key or str(drawn_key)
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}; known: {', '.join(STYLES)}")
    if key not in KEYS:
        raise ValueError(f"unknown key {key!r}; known: {', '.join(KEYS)}")
    beat = 60.0 / tempo
    first = float(rng.uniform(0, beat))
    beats = first + beat * np.arange(int(np.ceil((seconds - first) / beat)))
    samples = _HISS * rng.standard_normal(round(seconds * RATE))
    _play(samples, STYLES[style], KEYS.index(key), beat, first, rng)
    samples *= _PEAK / max(np.abs(samples).max(), 1e-9)
    return Song(samples.astype(np.float32), RATE, beats[beats < seconds], float(tempo), style, key, seed)


def _play(samples: np.ndarray, style: Style, key: int, beat: float, first: float, rng: np.random.Generator) -> None:
    step = beat * BEATS_PER_BAR / _STEPS_PER_BAR
    kit = {name: instruments.DRUMS[name](RATE, rng) for name in style.drums}
    # The song is under way when it begins: from a bar before the first beat.
    bars = int(np.ceil(len(samples) / RATE / (BEATS_PER_BAR * beat))) + 1
    bass_notes, chords = {}, {}
    for bar in range(-1, bars):
        above, notes = style.chords[bar % len(style.chords)]
        note = key + above
        if note not in bass_notes:
            bass_notes[note] = instruments.bass(RATE, _BASS_OCTAVE + note % 12, 1.8 * step)
            chords[note] = instruments.chord(RATE, [_CHORD_OCTAVE + note % 12 + up for up in notes], 4 * step)
        sounds = [(pattern, _LEVELS[name] * kit[name]) for name, pattern in style.drums.items()]
        sounds += [(style.bass, _BASS_LEVEL * bass_notes[note]), (style.stabs, _CHORD_LEVEL * chords[note])]
        for pattern, sound in sounds:
            for place, sign in enumerate(pattern):
                if sign in _LOUDNESS:
                    _add(samples, sound * _LOUDNESS[sign], first + (bar * _STEPS_PER_BAR + place) * step)


def _add(samples: np.ndarray, sound: np.ndarray, seconds: float) -> None:
    start = round(seconds * RATE)
    sound = sound[max(0, -start) :]
    start = max(0, start)
    room = samples[start : start + len(sound)]
    room += sound[: len(room)]
