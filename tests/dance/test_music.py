"""Features of music: what the channels hold, that frames keep time, and what becomes of odd or bad input."""

import warnings

import numpy as np
import pytest

from skeletonllm.dance import music
from skeletonllm.dance.audio import read_audio, write_wav
from skeletonllm.dance.music import BEATS, CHROMA, MFCC, ONSET, PEAKS, MusicWarning, music_features, read_jukebox

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")

RATE = 22_050


def clicks(seconds=6.0, every=0.5, first=0.5, rate=RATE):
    samples = np.zeros(int(seconds * rate), np.float32)
    time = np.arange(int(0.03 * rate)) / rate
    for start in np.arange(first, seconds - 0.05, every):
        samples[int(start * rate) :][: len(time)] += np.sin(2 * np.pi * 1000 * time) * np.exp(-time / 0.005)
    return samples


def tone(seconds=2.0, pitch=440.0, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_35_channels_for_each_frame_of_the_dance():
    found = music_features((clicks(), RATE), cache=False)
    assert found.values.shape == (180, 35) and found.values.dtype == np.float32 and found.fps == 30
    assert (found.values[:, ONSET] >= 0).all() and (found.values[:, CHROMA] >= 0).all()
    for place in (PEAKS, BEATS):
        assert set(np.unique(found.values[:, place])) == {0.0, 1.0}
    np.testing.assert_array_equal(np.flatnonzero(found.values[:, BEATS]), found.beats)


def test_frames_keep_the_time_of_the_sound():
    found = music_features((clicks(), RATE), cache=False)
    wanted = np.arange(0.5, 5.9, 0.5)
    onsets = np.flatnonzero(found.values[:, PEAKS]) / 30
    # An onset is told in the frame after the rise began, a thirtieth of a second each.
    assert np.abs(onsets[:, None] - wanted).min(0).max() < 2.1 / 30
    assert np.abs(found.beat_times[:, None] - wanted).min(1).max() < 0.07
    np.testing.assert_allclose(np.diff(found.beat_times), 0.5, atol=2.1 / 30)


def test_chroma_tells_the_note_and_mfcc_the_loudness():
    loud = music_features((tone(pitch=440.0), RATE), cache=False)
    soft = music_features((0.1 * tone(pitch=440.0), RATE), cache=False)
    other = music_features((tone(pitch=261.63), RATE), cache=False)
    # Chroma begins with C; A is nine semitones above.
    assert loud.values[20:40, CHROMA].mean(0).argmax() == 9
    assert other.values[20:40, CHROMA].mean(0).argmax() == 0
    assert (loud.values[20:40, MFCC.start] > soft.values[20:40, MFCC.start]).all()


def test_another_frame_rate_gives_as_many_frames():
    assert music_features((clicks(3.0), RATE), 60.0, cache=False).values.shape == (180, 35)
    with pytest.raises(ValueError, match="fps is 0"):
        music_features((clicks(3.0), RATE), 0, cache=False)


def test_silence_has_no_beats_and_is_told():
    with pytest.warns(MusicWarning, match="samples: silent"):
        found = music_features((np.zeros(3 * RATE, np.float32), RATE), cache=False)
    assert found.values.shape == (90, 35) and np.isfinite(found.values).all()
    assert not len(found.beats) and not found.values[:, BEATS].any() and not found.values[:, PEAKS].any()
    assert found.notes == ("silent: no beats",)


def test_a_tenth_of_a_second_is_three_frames_without_beats():
    with pytest.warns(MusicWarning, match=r"only 0\.10 s long"):
        found = music_features((clicks(0.1, first=0.02), RATE), cache=False)
    assert found.values.shape == (3, 35) and np.isfinite(found.values).all() and not len(found.beats)


def test_stereo_is_mixed_down():
    left, right = clicks(3.0), tone(3.0)
    both = music_features((np.stack([left, right], 1), RATE), cache=False)
    np.testing.assert_array_equal(both.values, music_features(((left + right) / 2, RATE), cache=False).values)


def test_8_khz_is_resampled_and_told():
    with pytest.warns(MusicWarning, match="nothing above 4000 Hz"):
        found = music_features((clicks(rate=8000), 8000), cache=False)
    assert found.values.shape == (180, 35)
    assert np.abs(found.beat_times[:, None] - np.arange(0.5, 5.9, 0.5)).min(1).max() < 0.07


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((3, 4, 5), np.float32), r"shape \(3, 4, 5\)"),
        (np.array([0, np.nan, 0], np.float32), "sample 1 is not finite"),
        (np.zeros(100, np.int16), "samples are int16"),
    ],
    ids=["empty", "three_axes", "nan", "integers"],
)
def test_samples_that_are_no_sound_are_refused(samples, told):
    with pytest.raises(ValueError, match=told):
        music_features((samples, RATE), cache=False)


def test_files_are_read_as_they_were_written(tmp_path):
    write_wav(tmp_path / "a.wav", clicks(1.0), RATE)
    samples, rate = read_audio(tmp_path / "a.wav")
    assert rate == RATE and samples.dtype == np.float32
    # Sixteen bits, rounded.
    np.testing.assert_allclose(samples, clicks(1.0), atol=1 / 32768)
    soundfile.write(tmp_path / "a.flac", np.stack([clicks(1.0), 0 * clicks(1.0)], 1), RATE)
    samples, rate = read_audio(tmp_path / "a.flac")
    np.testing.assert_allclose(samples, clicks(1.0) / 2, atol=1 / 32768)


def test_files_that_are_no_sound_are_named(tmp_path):
    write_wav(tmp_path / "good.wav", clicks(1.0), RATE)
    whole = (tmp_path / "good.wav").read_bytes()
    for name, content in {
        "text.wav": b"no music at all",
        "nothing.wav": b"",
        "header.wav": b"RIFF" + b"\xff" * 60,
        "cut.wav": whole[:20],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}: no audio that can be read"):
            read_audio(tmp_path / name)
    write_wav(tmp_path / "one.wav", clicks(1.0)[:1], RATE)
    (tmp_path / "empty.wav").write_bytes((tmp_path / "one.wav").read_bytes()[:40] + b"\0\0\0\0")
    with pytest.raises(ValueError, match="empty.wav: no samples"):
        read_audio(tmp_path / "empty.wav")
    with pytest.raises(FileNotFoundError, match="absent.wav"):
        read_audio(tmp_path / "absent.wav")
    with pytest.raises(IsADirectoryError):
        read_audio(tmp_path)


def test_features_are_kept_by_content(tmp_path, monkeypatch):
    write_wav(tmp_path / "a.wav", np.zeros(3 * RATE), RATE)
    with pytest.warns(MusicWarning, match="silent"):
        first = music_features(tmp_path / "a.wav", cache=tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.suffix == ".safetensors"
    computed = music._analyse
    monkeypatch.setattr(music, "_analyse", lambda *_: pytest.fail("computed again"))
    (tmp_path / "a.wav").rename(tmp_path / "b.wav")
    with pytest.warns(MusicWarning, match="b.wav: silent"):
        again = music_features(tmp_path / "b.wav", cache=tmp_path / "kept")
    np.testing.assert_array_equal(again.values, first.values)
    assert again.notes == first.notes

    monkeypatch.setattr(music, "_analyse", computed)
    write_wav(tmp_path / "b.wav", clicks(3.0), RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = music_features(tmp_path / "b.wav", cache=tmp_path / "kept")
        # librosa warns of windows that are longer than the shortest of its slower copies.
        warnings.filterwarnings("ignore", "n_fft", UserWarning)
        music_features(tmp_path / "b.wav", 40.0, cache=tmp_path / "kept")
    assert len(other.beats) and len(list((tmp_path / "kept").iterdir())) == 3


def test_a_damaged_cache_is_computed_anew(tmp_path):
    first = music_features((clicks(2.5), RATE), cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="damaged, computed anew"):
        again = music_features((clicks(2.5), RATE), cache=tmp_path)
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(music_features((clicks(2.5), RATE), cache=tmp_path).values, first.values)


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="features of music are not kept"):
        found = music_features((clicks(2.5), RATE), cache=tmp_path / "file" / "folder")
    assert found.num_frames == 75


def test_the_cache_is_in_the_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.delenv("SKELETONLLM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert music.cache_folder() == tmp_path / "skeletonllm" / "music"
    monkeypatch.setenv("SKELETONLLM_CACHE", str(tmp_path / "own"))
    assert music.cache_folder() == tmp_path / "own" / "music"


def test_jukebox_features_are_read_if_they_fit(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 4800)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", values)
    for name in ("a.npy", "a.npz"):
        found = read_jukebox(tmp_path / name, beats=np.array([0, 5]))
        np.testing.assert_array_equal(found.values, values)
        assert found.beats.tolist() == [0, 5]
    assert not len(read_jukebox(tmp_path / "a.npy").beats)

    np.save(tmp_path / "narrow.npy", values[:, :35])
    np.save(tmp_path / "nan.npy", np.where(np.arange(6)[:, None] == 4, np.nan, values))
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=values, b=values)
    (tmp_path / "text.npy").write_text("hello")
    for name, told in {
        "narrow.npy": r"shape \(6, 35\), expected \(T, 4800\)",
        "nan.npy": "frame 4 are not finite",
        "objects.npy": "no .npy or .npz file with one array",
        "two.npz": "arrays a, b, expected one",
        "text.npy": "no .npy or .npz file with one array",
    }.items():
        with pytest.raises(ValueError, match=f"{name}: .*{told}"):
            read_jukebox(tmp_path / name)
    with pytest.raises(ValueError, match="beats .* are not all among the 6 frames"):
        read_jukebox(tmp_path / "a.npy", beats=np.array([6]))
