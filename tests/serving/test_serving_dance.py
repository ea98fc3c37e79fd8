"""Dances over the endpoint: a song comes in, files go out."""

import io
import zipfile

import numpy as np
import pytest
import torch
from running_server import held, serving, until

from skeletonllm.dance.codecs import npz
from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.music import NUM_FEATURES
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import embedded_song, make_dance, make_song, write_wav
from skeletonllm.serving.dancing import Choreography, play
from skeletonllm.serving.engine import Engine
from skeletonllm.serving.limits import Limits

FAST = {"steps": 2, "seconds": 1.0, "size": 64}


@pytest.fixture(scope="module")
def dancing(tmp_path_factory):
    """A server whose generator learnt nothing but how far poses go."""
    torch.manual_seed(0)
    sizes = DenoiserConfig(width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=NUM_FEATURES)
    motion = Normalizer.fit([make_dance(make_song(0, 10, 120), 0).to_vector()])
    folder = tmp_path_factory.mktemp("generator")
    Generator(Denoiser(sizes), motion, Normalizer(np.zeros(NUM_FEATURES), np.ones(NUM_FEATURES))).save(folder)
    engine = Engine(generator=folder, limits=Limits(song_seconds=5.0, steps=10))
    with serving(engine, tmp_path_factory.mktemp("visitors")) as running:
        yield running
    engine.close()


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "song.wav"
    made = make_song(1, 4.0, 120)
    write_wav(path, made.samples, made.rate)
    return path


def dance(server, **fields):
    with server.client() as client:
        return client.post("/v1/dance", json={**FAST, **fields})


def test_an_embedded_song_becomes_a_dance_as_long_as_it(dancing, tmp_path):
    response = dance(dancing, song="embedded:0", format="npz")
    assert response.status_code == 200, response.text
    (tmp_path / "dance.npz").write_bytes(response.content)
    motion = npz.read(tmp_path / "dance.npz", dancing.engine.generator.body)
    assert motion.num_frames == 30
    again = dance(dancing, song="embedded:0", format="npz")
    other = dance(dancing, song="embedded:0", format="npz", seed=1)
    assert again.content == response.content != other.content


def test_an_uploaded_song_becomes_several_files_in_one_archive(dancing, song):
    kinds = ["bvh", "glb", "mp4"]
    with dancing.client() as client:
        files = {"file": ("../song.wav", song.read_bytes())}
        response = client.post("/v1/dance", data={**FAST, "format": ",".join(kinds)}, files=files)
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert list(contents) == [f"dance.{kind}" for kind in kinds]
    assert contents["dance.bvh"].startswith(b"HIERARCHY") and contents["dance.glb"].startswith(b"glTF")
    assert contents["dance.mp4"][4:8] == b"ftyp"
    until(lambda: not list(dancing.visitors.root.iterdir()))


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"song": "embedded:x"}, 400, "song"),
        ({"song": "/etc/passwd"}, 400, "song"),
        ({}, 400, "expected one song"),
        ({"song": "embedded:0", "format": "exe"}, 400, "format"),
        ({"song": "embedded:0", "steps": 11}, 413, "steps: found 11, expected at most 10"),
        ({"song": "embedded:0", "seconds": 6}, 413, "seconds of a dance"),
        ({"song": "embedded:0", "seconds": None}, 413, "seconds of a dance"),
        ({"song": "embedded:0", "seconds": 0.1}, 400, "at least 0.5"),
        ({"song": "embedded:0", "size": 5000}, 400, "5000"),
        ({"file": {"filename": "song.wav", "file_data": "bm90IG11c2lj"}}, 400, "song.wav: no audio"),
    ],
)
def test_what_cannot_be_danced_is_refused(dancing, fields, status, message):
    response = dance(dancing, **fields)
    assert response.status_code == status and message in response.json()["error"]["message"], response.text
    assert "/tmp" not in response.text


def test_a_song_that_unpacks_to_hours_is_read_no_further_than_is_danced(tmp_path):
    """Silence in FLAC: an hour in a few kilobytes."""
    import soundfile

    path = tmp_path / "silence.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(8000 * 60))
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match="silence.flac: more than 5 s"):
        play(path, None, 5.0)
    samples, rate = play(path, 2.0, 5.0)
    assert (len(samples), rate) == (16000, 8000)


def test_dances_tell_how_far_they_are_and_stop_when_nobody_waits(dancing, tmp_path):
    engine = dancing.engine
    wanted = Choreography(0, (tmp_path / "dance.bvh",), seconds=1.0, steps=4)
    with engine.dance(wanted) as ticket:
        told = list(ticket.updates())
        danced = ticket.result()
    doing = list(dict.fromkeys(update.doing for update in told if update.doing))
    assert doing == ["listening", "dancing", "measuring", "writing bvh"]
    shares = [update.share for update in told if update.doing == "dancing"]
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert danced.files == wanted.targets and danced.raw.num_frames == danced.post_processed.num_frames == 30
    assert set(danced.metrics) >= {"foot_skating", "penetration_rate"} and danced.beats.ndim == 1
    before = engine.counts["dances"]
    with held(engine.pictures) as entered, engine.dance(wanted):
        assert entered.wait(60)
    until(lambda: engine.pictures.running == 0)
    assert engine.counts["dances"] == before


def test_embedded_songs_are_those_of_tests():
    one, other = embedded_song(0, 4.0), embedded_song(1, 4.0)
    assert one.tempo in range(91, 134, 6) and not np.array_equal(one.samples, other.samples)
    with pytest.raises(ValueError, match="expected a number from 0"):
        embedded_song(-1, 4.0)
