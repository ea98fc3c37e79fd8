"""Single sounds, each a decaying wave: drums without a pitch, bass notes and chords by MIDI number."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np


def _seconds(rate: int, length: float) -> np.ndarray:
    return np.arange(int(rate * length)) / rate


def _bright_noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """White noise without its lows: the difference of neighbours."""
    return np.diff(rng.standard_normal(count + 1)) / 2


def kick(rate: int, rng: np.random.Generator) -> np.ndarray:
    """A sine that falls from 150 to 50 Hz, and the tap of the beater."""
    time = _seconds(rate, 0.25)
    phase = 50 * time + 100 * 0.03 * (1 - np.exp(-time / 0.03))
    beater = 0.4 * _bright_noise(rng, len(time)) * np.exp(-time / 0.008)
    return np.sin(2 * np.pi * phase) * np.exp(-time / 0.08) + beater


def snare(rate: int, rng: np.random.Generator) -> np.ndarray:
    time = _seconds(rate, 0.2)
    return 0.6 * _bright_noise(rng, len(time)) * np.exp(-time / 0.05) + 0.5 * np.sin(2 * np.pi * 190 * time) * np.exp(
        -time / 0.04
    )


def clap(rate: int, rng: np.random.Generator) -> np.ndarray:
    time = _seconds(rate, 0.15)
    return _bright_noise(rng, len(time)) * np.exp(-time / 0.03)


def hat(rate: int, rng: np.random.Generator) -> np.ndarray:
    time = _seconds(rate, 0.06)
    return _bright_noise(rng, len(time)) * np.exp(-time / 0.012)


def click(rate: int, rng: np.random.Generator) -> np.ndarray:
    time = _seconds(rate, 0.05)
    return np.sin(2 * np.pi * 1800 * time) * np.exp(-time / 0.01)


def bass(rate: int, note: int, length: float) -> np.ndarray:
    """A note with a few overtones that sinks away."""
    return _tone(rate, note, length, overtones=4)


def chord(rate: int, notes: Sequence[int], length: float) -> np.ndarray:
    return np.sum([_tone(rate, note, length, overtones=3) for note in notes], 0)


def _tone(rate: int, note: int, length: float, overtones: int) -> np.ndarray:
    time = _seconds(rate, length)
    pitch = 440.0 * 2 ** ((note - 69) / 12)
    wave = np.sum([np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, overtones + 1)], 0)
    # 5 ms up and 10 ms down: without them the ends would click.
    return wave * np.exp(-time / (0.6 * length)) * np.minimum(1, time / 0.005) * np.minimum(1, (length - time) / 0.01)


DRUMS: Mapping[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "kick": kick,
    "snare": snare,
    "clap": clap,
    "hat": hat,
    "click": click,
}
