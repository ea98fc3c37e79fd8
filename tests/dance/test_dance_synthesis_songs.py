"""Embedded songs: what was asked for is what is heard."""

import numpy as np
import pytest

from skeletonllm.dance.synthesis import KEYS, STYLES, make_song
from skeletonllm.dance.synthesis.pairs import SPLIT_KEYS, TEMPI


def f_measure(found, wanted, tolerance=0.07):
    """Of two lists of beats in seconds, each beat matched once (Davies et al. 2009, at 70 ms)."""
    found, hits = list(found), 0
    for beat in wanted:
        near = [other for other in found if abs(other - beat) <= tolerance]
        if near:
            found.remove(min(near, key=lambda other: abs(other - beat)))
            hits += 1
    return 2 * hits / (hits + len(found) + len(wanted))


def test_a_song_is_as_long_as_asked_and_its_beats_keep_the_tempo():
    song = make_song(4, 7.0, 100.0)
    assert song.samples.shape == (7 * 22_050,) and song.samples.dtype == np.float32 and song.seconds == 7
    assert 0.5 < np.abs(song.samples).max() <= 1
    np.testing.assert_allclose(np.diff(song.beats), 0.6)
    assert 0 <= song.beats[0] < 0.6 and 6.4 <= song.beats[-1] < 7
    assert song.style in STYLES and song.key in KEYS


def test_the_seed_decides_and_only_the_seed():
    one, again, other = (make_song(seed, 4.0, 100.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples) and one.beats[0] != other.beats[0]
    assert len({make_song(seed, 0.5, 100.0).style for seed in range(20)}) == len(STYLES)


@pytest.mark.parametrize("style", STYLES)
def test_something_is_struck_on_every_beat_of_every_style(style):
    song = make_song(5, 8.0, 96.0, style=style)
    power = np.convolve(song.samples.astype(np.float64) ** 2, np.ones(441) / 441, "same")
    at = (song.beats[song.beats < 7.9] * song.rate).astype(int)
    before, after = power[np.maximum(at - 900, 0)], power[at + 600]
    assert (after[1:] > 1.3 * before[1:]).all()


def test_keys_are_heard():
    def spectrum(key):
        samples = make_song(3, 4.0, 100.0, style="rock", key=key).samples
        return np.abs(np.fft.rfft(samples)), np.fft.rfftfreq(len(samples), 1 / 22_050)

    for number in (0, 5):
        power, pitches = spectrum(KEYS[number])
        low = (pitches > 55) & (pitches < 125)
        # The bass plays the key note more than any other: rock has four chords, and four bars begin with it.
        loudest = 69 + 12 * np.log2(pitches[low][power[low].argmax()] / 440)
        assert round(loudest) % 12 in {number, (number + 7) % 12}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seconds": 0}, "song of 0 s"),
        ({"tempo": 20.0}, "tempo is 20"),
        ({"tempo": float("nan")}, "tempo is nan"),
        ({"style": "polka"}, "unknown style 'polka'; known: house"),
        ({"key": "H"}, "unknown key 'H'"),
    ],
    ids=["no_length", "slow", "nan", "style", "key"],
)
def test_songs_that_cannot_be_are_refused(change, told):
    with pytest.raises(ValueError, match=told):
        make_song(**({"seed": 1, "seconds": 2.0, "tempo": 100.0} | change))


def test_tempi_and_keys_of_tests_are_never_trained_on():
    assert not set(TEMPI["train"]) & set(TEMPI["test"])
    assert not set(SPLIT_KEYS["train"]) & set(SPLIT_KEYS["test"]) and set(KEYS) == {
        *SPLIT_KEYS["train"],
        *SPLIT_KEYS["test"],
    }


@pytest.mark.parametrize(("tempo", "style"), [(91, "house"), (112, "hip_hop"), (133, "rock")])
def test_a_beat_tracker_hears_the_beats(tempo, style):
    pytest.importorskip("librosa")
    from skeletonllm.dance.music import music_features

    song = make_song(tempo, 15.0, tempo, style=style)
    found = music_features((song.samples, song.rate), cache=False)
    assert f_measure(found.beat_times, song.beats) > 0.9
