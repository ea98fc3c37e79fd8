"""Dances beside their own music and beside other music."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.metrics.matching import match_beats
from skeletonllm.dance.motion import Motion


def metronome(period, phase=0.0, seconds=8.0):
    """A pelvis that swings to and fro and stands still every ``period`` seconds, first at ``phase``, and when."""
    times = np.arange(round(seconds * 30)) / 30
    root = np.zeros((len(times), 3))
    root[:, 0], root[:, 2] = 0.2 * np.cos(np.pi * (times - phase) / period), 1.0
    return Motion(root, np.tile(np.eye(3), (len(times), 24, 1, 1))), phase + period * np.arange(seconds // period)


def test_a_dance_on_the_beats_of_its_own_song_alone_matches_it_and_no_other():
    made = [metronome(0.5), metronome(0.5, phase=0.25), metronome(0.5, phase=0.125)]
    found = match_beats([dance for dance, _ in made], [beats for _, beats in made], default_body())
    for values in found.values():
        assert values["own"]["value"] == pytest.approx(1, abs=0.02)  # a beat between two frames is told to a hundredth
        assert values["other"]["value"] < 0.1
        low, high = values["difference"]["interval_95"]
        assert 0.85 < low <= values["difference"]["value"] <= high <= 1
        assert values["difference"]["value"] == pytest.approx(values["own"]["value"] - values["other"]["value"])


def test_a_dance_alone_and_songs_too_few_are_refused():
    dance, beats = metronome(0.5)
    with pytest.raises(ValueError, match="1 dances and 1 songs"):
        match_beats([dance], [beats], default_body())
    with pytest.raises(ValueError, match="2 dances and 1 songs"):
        match_beats([dance, dance], [beats], default_body())
