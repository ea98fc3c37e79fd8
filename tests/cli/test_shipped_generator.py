"""The generator that comes with the package: it is there, it is small, and it dances to songs that it never heard."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from untaught_generator import write_generator

from skeletonllm.dance import shipped
from skeletonllm.dance.denoiser import WEIGHTS
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.metrics import METRICS, Performance
from skeletonllm.dance.metrics.matching import match_beats
from skeletonllm.dance.music import music_features
from skeletonllm.dance.shipped import ABOUT, MOST_BYTES, SHIPPED_FOLDER, load_shipped, write_shipped
from skeletonllm.dance.synthesis import embedded_song
from skeletonllm.models.shipped import bytes_of
from skeletonllm.skeleton.formats import read_skeleton

SONGS = 4
MEASURED = ("penetration_rate", "foot_ground_distance", "motion_magnitude")


def test_it_is_small_and_computes_in_float32():
    assert bytes_of(SHIPPED_FOLDER) < MOST_BYTES == 5_000_000
    assert {parameter.dtype for parameter in load_shipped().denoiser.parameters()} == {torch.float32}
    for path in SHIPPED_FOLDER.rglob("*.json"):
        assert not re.search(r'"/(?!/)\w+/', path.read_text()), f"{path.name} names a folder of the machine"


def test_it_dances_to_the_beat_of_songs_it_never_heard_on_the_floor_and_out_of_its_own_way():
    pytest.importorskip("librosa")
    generator = load_shipped()
    songs = [embedded_song(number, 10.0) for number in range(SONGS)]
    heard = [music_features((song.samples, song.rate), generator.fps, cache=False) for song in songs]
    dances = [generator.dance(music, seed=0, steps=20)[0] for music in heard]
    beats = match_beats(dances, [music.beat_times for music in heard], generator.body)["beat_alignment_music"]
    # Of twelve songs of 20 s it was 0.75 and 0.47 (docs/dance.md), of dances made by rule 0.81 and 0.53.
    assert beats["own"]["value"] > 0.5 and beats["difference"]["value"] > 0.25
    seen = [Performance(dance, generator.body) for dance in dances]
    found = {name: [METRICS[name].measure(each, False) for each in seen] for name in MEASURED}
    # 0.0 pairs, 2.9 mm and 0.17 per second there; who stands still moves by 0.
    assert np.mean(found["penetration_rate"]) < 0.1 and np.mean(found["foot_ground_distance"]) < 8
    assert min(found["motion_magnitude"]) > 0.06


@pytest.mark.parametrize("output", ["dance.bvh", "dance.npz"])
def test_it_dances_where_no_other_is_named_and_says_so(run, tmp_path, output):
    pytest.importorskip("librosa")
    code, _, said = run(
        "dance", "generate", "--music", "embedded:1", "--seconds", 2, "--steps", 2, "-o", tmp_path / output
    )
    assert code == 0 and ABOUT in said
    assert read_skeleton(tmp_path / output).num_frames == 60


def test_weights_are_written_as_float16_and_dance_as_before(tmp_path):
    generator = Generator.load(write_generator(tmp_path / "run"))
    written = write_shipped(generator, tmp_path / "shipped")
    assert {weight.dtype for weight in load_file(written / WEIGHTS).values()} == {torch.float16}
    music = torch.rand(30, 35)
    before, after = (each.dance(music, seed=0, steps=2)[0] for each in (generator, Generator.load(written)))
    # float16 keeps eleven bits: a millimetre of two metres, through two steps of sampling
    np.testing.assert_allclose(after.to_vector(), before.to_vector(), atol=5e-3)


def test_what_cannot_be_shipped_leaves_the_shipped_one_alone(tmp_path, monkeypatch):
    generator = Generator.load(write_generator(tmp_path / "run"))
    kept = write_shipped(generator, tmp_path / "shipped")
    monkeypatch.setattr(shipped, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 0 are shipped"):
        write_shipped(generator, kept)
    next(generator.denoiser.parameters()).data.fill_(1e6)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="beyond the range of float16"):
        write_shipped(generator, kept)
    assert Generator.load(kept) and [path.name for path in tmp_path.glob("shipped*")] == ["shipped"]
