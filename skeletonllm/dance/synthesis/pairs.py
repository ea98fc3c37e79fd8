"""The embedded data set: songs and dances to them, those for testing of other seeds, tempi and keys."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from skeletonllm.dance.body import Body, default_body
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.synthesis.dances import make_dance
from skeletonllm.dance.synthesis.flaws import add_flaws
from skeletonllm.dance.synthesis.songs import KEYS, STYLES, Song, make_song

SPLITS = ("train", "test")
# Beats per minute. Those of tests lie between those of training.
TEMPI = {"train": tuple(range(88, 137, 6)), "test": tuple(range(91, 134, 6))}
SPLIT_KEYS = {"train": KEYS[:9], "test": KEYS[9:]}


class Pair(NamedTuple):
    """A song and a dance to it."""

    song: Song
    motion: Motion


def embedded_song(number: int, seconds: float) -> Song:
    """One of the songs that no training on the embedded data set hears, of the tempi, keys and seeds of tests.

    Args:
        number: from 0.
        seconds: how long it is.

    Raises:
        ValueError: a negative number.
    """
    if number < 0:
        raise ValueError(f"song {number}, expected a number from 0")
    rng = np.random.default_rng(number)
    tempo, key = float(rng.choice(TEMPI["test"])), str(rng.choice(SPLIT_KEYS["test"]))
    return make_song(2 * number + SPLITS.index("test"), seconds, tempo, key=key)


def embedded_pairs(
    count: int,
    seed: int = 0,
    seconds: float = 20.0,
    *,
    split: str = "train",
    body: Body | None = None,
    flaws: float = 0.0,
) -> Iterator[Pair]:
    """Songs and dances, one after the other; styles take turns.

    Args:
        count: how many.
        seed: the same seed, the same pairs; a larger count goes on where a smaller one ends.
        seconds: of each.
        split: one of ``SPLITS``. No song of one has a tempo, key or seed of the other.
        body: who dances.
        flaws: how much of those of recordings, see ``add_flaws``.

    Raises:
        ValueError: an unknown split, a negative count or negative flaws.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected {' or '.join(SPLITS)}")
    if count < 0:
        raise ValueError(f"count is {count}, expected 0 or more")
    body, styles = body or default_body(), list(STYLES)
    for number in range(count):
        rng = np.random.default_rng([seed, SPLITS.index(split), number])
        song = make_song(
            2 * int(rng.integers(2**30)) + SPLITS.index(split),
            seconds,
            float(rng.choice(TEMPI[split])),
            style=styles[number % len(styles)],
            key=str(rng.choice(SPLIT_KEYS[split])),
        )
        habits = int(rng.integers(2**31))
        yield Pair(song, add_flaws(make_dance(song, habits, body), song, flaws, habits, body))
