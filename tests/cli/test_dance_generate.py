"""skeletonllm dance generate: files, songs of every kind, what goes on with a dance, and what cannot be danced."""

import numpy as np
import pytest
from untaught_generator import write_generator

from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import bvh
from skeletonllm.dance.files import DANCE_WRITERS, Written
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.music import MusicWarning, music_features
from skeletonllm.dance.postprocess import postprocess
from skeletonllm.dance.synthesis import embedded_song, make_dance, make_song, write_wav
from skeletonllm.dance.synthesis.pairs import SPLIT_KEYS, TEMPI
from skeletonllm.skeleton.formats import read_skeleton

BODY = default_body()
SECONDS, STEPS = 3, 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_generator(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    pytest.importorskip("librosa")
    made = make_song(7, SECONDS, 120)
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    write_wav(path, made.samples, made.rate)
    return path


@pytest.fixture
def generate(run, model, tmp_path, monkeypatch):
    """Runs the command with a model, a small number of steps and a cache of its own."""
    monkeypatch.setenv("SKELETONLLM_CACHE", str(tmp_path / "cache"))

    def generate(music, *arguments):
        return run("dance", "generate", "--music", music, "--model", model, "--steps", STEPS, *arguments)

    return generate


def write_sound(path, samples, rate):
    import soundfile

    soundfile.write(path, samples, rate)
    return path


def test_each_dance_is_written_in_each_format_and_told_of_in_a_table(generate, song, tmp_path):
    outputs = ["-o", tmp_path / "new" / "dance.bvh", "-o", tmp_path / "new" / "dance.npz"]
    code, printed, error = generate(song, *outputs, "--count", 2)
    assert code == 0, error
    found = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert found == ["dance-1.bvh", "dance-1.npz", "dance-2.bvh", "dance-2.npz"]
    assert all(read_skeleton(tmp_path / "new" / name).num_frames == SECONDS * 30 for name in found)
    assert "3.0 s of music" in printed and "beats found" in printed and "→" in printed
    for part in ("beat alignment", "off the floor, mm", "skating, %", "dance-2.npz"):
        assert part in printed, part
    table = printed.split("written to")[0]
    assert max(map(len, table.splitlines())) <= 80  # fits a terminal


@pytest.mark.parametrize("form", ["--raw", "--post-process"])
def test_what_is_written_is_the_dance_of_the_model_raw_or_with_its_feet_on_the_floor(
    generate, model, song, tmp_path, form
):
    settings = ("--seed", 4, "--guidance", 1.5, "--seconds", 1)
    code, _, error = generate(song, "-o", tmp_path / "dance.bvh", form, *settings)
    assert code == 0, error
    made = make_song(7, SECONDS, 120)
    # As the file of 16 bits holds it.
    heard = np.clip((made.samples * 32768).round(), -32768, 32767).astype(np.float32) / 32768
    with pytest.warns(MusicWarning, match="too short to find beats"):
        music = music_features((heard[: made.rate], made.rate), cache=False)
    (dance,) = Generator.load(model).dance(music, seed=4, steps=STEPS, guidance=1.5)
    assert dance.num_frames == 30
    bvh.write(dance if form == "--raw" else postprocess(dance, BODY), BODY, tmp_path / "expected.bvh")
    assert (tmp_path / "dance.bvh").read_text() == (tmp_path / "expected.bvh").read_text()


def test_videos_get_the_song_as_it_is_or_the_part_of_it_that_is_danced_to(generate, song, tmp_path, monkeypatch):
    given = []

    def record(path, motion, body, *, music, progress):
        given.append((path.name, music))
        return Written(path, ())

    monkeypatch.setattr("skeletonllm.dance.files.write_dance", record)
    generate(song, "-o", tmp_path / "dance.mp4")
    generate(song, "-o", tmp_path / "dance.gif", "--seconds", 1)
    generate("embedded:3", "-o", tmp_path / "dance.glb", "--seconds", 1)
    (whole, part, embedded) = given
    assert whole == ("dance.mp4", song)
    for name, (samples, rate) in (part, embedded):
        assert len(samples) == rate, name


def test_embedded_songs_are_those_that_no_training_hears(generate, tmp_path):
    pytest.importorskip("librosa")
    songs = [embedded_song(number, 1.0) for number in range(6)]
    assert len({song.name for song in songs}) == 6 and len({song.style for song in songs}) > 1
    for song in songs:
        assert song.seed % 2 == 1 and song.tempo in TEMPI["test"] and song.key in SPLIT_KEYS["test"]
    code, printed, _ = generate("embedded:3", "-o", tmp_path / "dance.bvh", "--seconds", 2)
    assert code == 0 and f"{songs[3].style} in {songs[3].key}, {songs[3].tempo:g} beats" in printed
    code, _, error = generate("embedded:x", "-o", tmp_path / "dance.bvh")
    assert code == 2 and "embedded:x: expected a number, such as embedded:0" in error


def test_a_dance_is_a_recording_that_is_rendered_and_asked_about(generate, run, song, tmp_path):
    files = [tmp_path / "dance.npz", tmp_path / "dance.bvh"]
    code, _, error = generate(song, "-o", files[0], "-o", files[1])
    assert code == 0, error
    for file in files:
        picture = file.with_suffix(".png")
        code, _, error = run("render", file, "-o", picture, "--size", 48)
        assert code == 0 and picture.stat().st_size > 0, error
    code, printed, error = run("ask", files[0])
    assert code == 0 and printed.strip(), error


@pytest.mark.parametrize(
    ("name", "sound", "said"),
    [
        ("silent", lambda samples, rate: (np.zeros_like(samples), rate), "silent: no beats"),
        (
            "8 kHz",
            lambda samples, rate: (samples[:: rate // 8000], 8000),
            "resampled from 8000 Hz: nothing above 4000 Hz is heard",
        ),
        ("short", lambda samples, rate: (samples[: rate // 2], rate), "only 0.50 s long: too short to find beats"),
    ],
    ids=["silent", "8-kHz", "short"],
)
def test_music_of_which_little_is_heard_is_danced_to_and_the_reason_is_said(generate, tmp_path, name, sound, said):
    pytest.importorskip("librosa")
    made = make_song(7, SECONDS, 120)
    path = write_sound(tmp_path / f"{name}.wav", *sound(made.samples, made.rate))
    code, _, error = generate(path, "-o", tmp_path / "dance.bvh")
    assert code == 0 and f"skeletonllm: {path}: {said}" in error and "Warning" not in error
    assert (tmp_path / "dance.bvh").exists()


def test_stereo_is_heard_as_the_mean_of_its_channels(generate, tmp_path):
    pytest.importorskip("librosa")
    made = make_song(7, SECONDS, 120)
    sides = np.stack([0.5 * made.samples, 0.25 * made.samples], 1)
    write_sound(tmp_path / "stereo.wav", sides, made.rate)
    write_sound(tmp_path / "mono.wav", sides.mean(1), made.rate)
    for name in ("stereo", "mono"):
        code, _, error = generate(tmp_path / f"{name}.wav", "-o", tmp_path / f"{name}.npz")
        assert code == 0 and not error, error
    stereo, mono = (read_skeleton(tmp_path / f"{name}.npz").joints for name in ("stereo", "mono"))
    # Both are rounded to 16 bits, the channels before their mean: 1e-5 of the full scale, and little more in a dance.
    np.testing.assert_allclose(stereo, mono, atol=5e-3)


def test_what_is_no_music_is_told_in_a_line(generate, song, tmp_path):
    (tmp_path / "corrupt.wav").write_bytes(song.read_bytes()[:30])
    (tmp_path / "text.wav").write_text("la la la\n" * 500)
    (tmp_path / "empty.wav").write_bytes(b"")
    made = make_song(7, SECONDS, 120)
    write_wav(tmp_path / "tenth.wav", made.samples[: made.rate // 10], made.rate)
    for name, said in {
        "corrupt.wav": "corrupt.wav: no",
        "text.wav": "text.wav: no audio that can be read",
        "empty.wav": "empty.wav: no audio that can be read",
        "tenth.wav": "tenth.wav: 0.10 s of sound, expected at least 0.5 s to dance to",
        "missing.wav": "missing.wav: No such file or directory",
    }.items():
        code, printed, error = generate(tmp_path / name, "-o", tmp_path / "dance.bvh")
        assert code == 2 and said in error and error.count("\n") == 1 and not printed, (name, error)
    assert not (tmp_path / "dance.bvh").exists()


def test_features_of_jukebox_are_for_models_that_hear_them(generate, song, tmp_path):
    np.save(tmp_path / "song.npy", np.zeros((SECONDS * 30, 4800), np.float32))
    code, _, error = generate(song, "-o", tmp_path / "dance.bvh", "--features", tmp_path / "song.npy")
    assert code == 2 and "song.npy: features have shape (90, 4800), the model hears (F, 35)" in error
    np.save(tmp_path / "song.npy", np.zeros((SECONDS * 15, 4800), np.float32))
    code, _, error = generate(song, "-o", tmp_path / "dance.bvh", "--features", tmp_path / "song.npy")
    assert code == 2 and "song.npy: 45 frames, the song has 90" in error


def test_what_cannot_be_written_is_said_before_anything_is_made(run, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.bvh").mkdir()
    for output, said in {
        "dance.xyz": f"dance.xyz: no such kind of dance file, expected {', '.join(sorted(DANCE_WRITERS))}",
        "dance": "dance: no such kind of dance file",
        "file/dance.bvh": "dance.bvh: cannot be written: ",
        "folder.bvh": "folder.bvh: a folder, expected a file",
    }.items():
        # Neither the music nor the model is there, which would be said, were they looked at.
        code, _, error = run("dance", "generate", "--music", "none.wav", "-o", tmp_path / output)
        assert code == 2 and said in error, (output, error)


def test_a_model_or_a_device_that_is_not_there_is_told_in_a_line(run, model, tmp_path):
    output = ("--music", "none.wav", "-o", tmp_path / "dance.bvh")
    code, _, error = run("dance", "generate", *output, "--model", tmp_path)
    assert code == 2 and "generator.json: no such file" in error
    for device in ("abacus", "cuda:99"):
        code, _, error = run("dance", "generate", *output, "--model", model, "--device", device)
        assert code == 2 and f"device {device!r} cannot be used" in error and error.count("\n") == 1


def test_a_motion_with_nan_and_a_bvh_without_legs_are_told_in_a_line(run, tmp_path):
    song = make_song(0, 1, 120)
    bvh.write(make_dance(song, 0), BODY, tmp_path / "good.bvh")
    text = (tmp_path / "good.bvh").read_text()
    head, frames = text.split("Frame Time:")
    rate, first, *rest = frames.strip().splitlines()
    numbers = first.split()
    broken = "\n".join([rate, " ".join([*numbers[:7], "nan", *numbers[8:]]), *rest])
    (tmp_path / "nan.bvh").write_text(f"{head}Frame Time: {broken}\n")
    code, printed, error = run("dance", "evaluate", tmp_path / "nan.bvh")
    assert code == 2 and "nan.bvh" in error and "not" in error and "Traceback" not in error and not printed
    (tmp_path / "bust.bvh").write_text(BUST)
    code, printed, error = run("dance", "evaluate", tmp_path / "bust.bvh")
    assert code == 2 and "bust.bvh: no left_hip" in error and "expected arms, legs and a trunk" in error and not printed


BUST = (
    """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 20 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT Head
    {
      OFFSET 0 30 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 10 0
      }
    }
  }
}
MOTION
Frames: 30
Frame Time: 0.0333333
"""
    + "0 90 0 0 0 0 0 0 0 0 0 0\n" * 30
)
