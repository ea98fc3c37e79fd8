"""The generator as one thing: music of any length, seeds, the folder that holds it, and checkpoints of EDGE."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from skeletonllm.dance.codecs.edge import from_edge
from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.edge_checkpoint import EdgeCheckpoint
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.long_form import stitch
from skeletonllm.dance.metrics import Performance
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.music import MusicFeatures
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.data.seeds import mixed_seed

FRAMES, FEATURES = 20, 3


@pytest.fixture(scope="module")
def normalizer():
    return Normalizer.fit([make_dance(make_song(0, 10, 120), 0).to_vector()])


def make(normalizer, **changes):
    torch.manual_seed(0)
    config = DenoiserConfig(
        width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=FEATURES, frames=FRAMES
    )
    limits = Normalizer(np.array([0.0, -500.0, 2.0]), np.array([40.0, 100.0, 2.0]))
    given = {"denoiser": Denoiser(config), "normalizer": normalizer, "music_normalizer": limits, **changes}
    return Generator(**given)


@pytest.fixture(scope="module")
def generator(normalizer):
    return make(normalizer)


def song(frames, seed=0):
    drawn = np.random.default_rng(seed).uniform(size=(frames, FEATURES))
    return MusicFeatures(drawn * [40, 600, 0] + [0, -500, 2], np.zeros(0), source="song.wav")


def vectors(motions):
    return np.stack([motion.to_vector() for motion in motions])


@pytest.mark.parametrize("frames", [1, FRAMES - 1, FRAMES, FRAMES + 1, 3 * FRAMES + 7])
def test_a_dance_is_as_long_as_its_music_however_long_that_is(generator, frames):
    (dance,) = generator.dance(song(frames), seed=0, steps=2)
    assert (dance.num_frames, dance.fps, dance.source) == (frames, 30.0, "song.wav")


def test_music_of_very_different_ranges_is_heard_from_minus_one_to_one(generator, normalizer):
    values = torch.tensor([[0.0, -500.0, 2.0], [40.0, 100.0, 2.0], [20.0, -200.0, 2.0]])
    assert torch.allclose(generator.hear(values), torch.tensor([[-1.0, -1, 0], [1, 1, 0], [0, 0, 0]]))
    as_it_is = make(normalizer, music_normalizer=None)
    assert torch.equal(as_it_is.hear(values), values)


def test_one_window_is_what_diffusion_makes_of_the_normalised_music(generator):
    music, noise = song(FRAMES), torch.Generator()
    dances = generator.dance(music, seed=3, steps=4, eta=0.5, guidance=1.5, count=2)
    heard = generator.music_normalizer.normalize(torch.from_numpy(music.values))[None]
    for number, dance in enumerate(dances):
        noise.manual_seed(mixed_seed(3, number))
        made = Diffusion().ddim_sample(generator.denoiser, heard, generator=noise, steps=4, eta=0.5, guidance=1.5)
        expected = Motion.from_vector(generator.normalizer.denormalize(made[0]))
        # float32 rotations that are made orthogonal once.
        assert np.abs(dance.to_vector() - expected.to_vector()).max() < 1e-5


def test_a_long_dance_is_its_windows_stitched(generator):
    music = song(2 * FRAMES + 3)
    (dance,) = generator.dance(music, seed=3, steps=3)
    noise = torch.Generator().manual_seed(mixed_seed(3, 0))
    windows = Diffusion().sample_long(
        generator.denoiser, generator.hear(music), generator=noise, window=FRAMES, steps=3
    )
    assert len(windows) == 4
    whole = stitch([Motion.from_vector(generator.normalizer.denormalize(window)) for window in windows])
    assert np.abs(dance.to_vector() - whole.slice(0, 2 * FRAMES + 3).to_vector()).max() < 1e-5


def test_many_windows_are_made_a_few_at_a_time_with_the_same_result(generator, monkeypatch):
    music = song(6 * FRAMES)
    (together,) = generator.dance(music, seed=1, steps=2)
    monkeypatch.setattr("skeletonllm.dance.generator._AT_ONCE", 3)
    sizes = []
    handle = generator.denoiser.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    (apart,) = generator.dance(music, seed=1, steps=2)
    handle.remove()
    assert max(sizes) == 3
    # Matrix products of other sizes round differently; steps carry it on.
    assert np.abs(together.to_vector() - apart.to_vector()).max() < 1e-3


def test_a_seed_gives_the_same_dances_whatever_the_count_and_no_two_alike(generator):
    music = song(FRAMES)
    three = vectors(generator.dance(music, seed=5, steps=2, count=3))
    assert np.array_equal(three[:1], vectors(generator.dance(music, seed=5, steps=2)))
    others = vectors(generator.dance(music, seed=6, steps=2, count=3))
    everything = [*three, *others]
    for index, one in enumerate(everything):
        assert all(np.abs(one - other).max() > 0.01 for other in everything[:index])


def test_progress_tells_each_step_once(generator):
    told = []
    generator.dance(song(3 * FRAMES), seed=0, steps=3, count=2, progress=told.append)
    assert told == [1, 2, 3, 4, 5, 6]


def test_what_is_saved_is_loaded_and_dances_the_same(normalizer, tmp_path):
    saved = make(normalizer, stature=1.8, scales={"thigh": 1.1})
    saved.save(tmp_path / "run" / "model")
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    expected = vectors(saved.dance(song(FRAMES), seed=0, steps=2))
    for folder in (tmp_path / "run" / "model", tmp_path / "run"):
        loaded = Generator.load(folder)
        assert np.array_equal(vectors(loaded.dance(song(FRAMES), seed=0, steps=2)), expected)
        assert np.array_equal(loaded.body.offsets, saved.body.offsets)
        assert loaded.body.leg_length > make(normalizer).body.leg_length


def test_a_folder_that_is_no_generator_is_told_by_the_file_that_is_wrong(normalizer, tmp_path):
    with pytest.raises(FileNotFoundError, match="generator.json: no such file"):
        Generator.load(tmp_path)
    make(normalizer).save(tmp_path)
    settings = tmp_path / "generator.json"
    good = settings.read_text()
    for wrong in ("{", "[]", "{}", json.dumps({**json.loads(good), "body": None})):
        settings.write_text(wrong)
        with pytest.raises(ValueError, match="generator.json: not the settings"):
            Generator.load(tmp_path)
    for change in ({"fps": 0}, {"fps": "x"}, {"vectors": "other"}, {"body": {"stature": 9, "scales": {}}}):
        settings.write_text(json.dumps({**json.loads(good), **change}))
        with pytest.raises(ValueError, match="do not make a dance model"):
            Generator.load(tmp_path)
    settings.write_text(good)
    save_file(
        {"low": np.zeros(4, np.float32), "high": np.ones(4, np.float32)}, tmp_path / "music/normalizer.safetensors"
    )
    with pytest.raises(ValueError, match="a frame of music has 4 numbers, the denoiser's 3"):
        Generator.load(tmp_path)
    (tmp_path / "music" / "normalizer.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="music/normalizer.safetensors"):
        Generator.load(tmp_path)


def test_music_that_the_denoiser_cannot_hear_is_refused(generator):
    for values, what in ((np.zeros((9, 35)), r"\(9, 35\), the model hears \(F, 3\)"), (np.zeros((0, 3)), r"\(0, 3\)")):
        with pytest.raises(ValueError, match=what):
            generator.dance(torch.from_numpy(values), seed=0)
    slow = MusicFeatures(np.zeros((9, 3)), np.zeros(0), fps=20, source="slow.wav")
    with pytest.raises(ValueError, match="slow.wav: 20 frames per second, the model hears 30"):
        generator.dance(slow, seed=0)
    with pytest.raises(ValueError, match="count is 0"):
        generator.dance(song(9), seed=0, count=0)


def test_a_checkpoint_of_edge_dances_on_our_floor_with_music_as_it_is(generator, normalizer, monkeypatch, tmp_path):
    # The file itself is read as tests/dance/test_denoiser.py says; here its two parts are given.
    monkeypatch.setattr(
        "skeletonllm.dance.generator.load_edge_checkpoint", lambda path: EdgeCheckpoint(generator.denoiser, normalizer)
    )
    edge = Generator.from_edge_checkpoint("train-2000.pt")
    assert edge.music_normalizer is None and edge.vectors == "edge"
    music = song(FRAMES)
    (dance,) = edge.dance(music, seed=0, steps=2)
    (ours,) = make(normalizer, music_normalizer=None).dance(music, seed=0, steps=2)
    # The same numbers, read with EDGE's axes: rows in the place of columns.
    expected = from_edge(ours.to_vector())
    assert np.abs(dance.rotations - expected.rotations).max() < 1e-4
    assert np.ptp(dance.root[:, 2] - expected.root[:, 2]) < 1e-5
    performance = Performance(dance, edge.body)
    assert min(abs(np.median(performance.soles.min(1))), abs(performance.lowest.min())) < 0.02
    edge.save(tmp_path)
    assert np.array_equal(vectors(Generator.load(tmp_path).dance(music, seed=0, steps=2)), vectors([dance]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_dances_what_the_cpu_dances(normalizer):
    music = song(3 * FRAMES)
    (there,) = make(normalizer).to("cuda").dance(music, seed=0, steps=5)
    (here,) = make(normalizer).dance(music, seed=0, steps=5)
    # float32 on both, products rounded differently (TF32 is off by default).
    assert np.abs(there.to_vector() - here.to_vector()).max() < 1e-2
