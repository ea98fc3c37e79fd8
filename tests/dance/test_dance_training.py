"""Training the generator: what it learns from, that it learns, stops, goes on and ends the same."""

import json

import numpy as np
import pytest
import torch

from skeletonllm.dance.audio import find_song, write_wav
from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import bvh
from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.motion import FRAMES
from skeletonllm.dance.music import beat_phase, music_features
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.dance.training.generator_loop import learnt_by, mean_of
from skeletonllm.dance.training.pieces import Clips, Piece, load_pieces
from skeletonllm.dance.training.recipe import DanceData, load_dance_recipe, shipped_dance_recipes
from skeletonllm.dance.training.run import train
from skeletonllm.dance.training.trainer import DanceTrainer, Learner
from skeletonllm.training.checkpoint import load_newest_checkpoint
from skeletonllm.training.distributed import Ranks

SMALL = "model.changes={width: 32, heads: 4, layers: 1, music_layers: 1, feed_forward: 32}"


def recipe(*changes):
    return load_dance_recipe(
        "tiny",
        [SMALL, "data.songs=2", "data.seconds=6", "optimization.batch_size=4", "optimization.steps=6",
         "optimization.learning_rate=3.0e-3", "log_every=2", *changes],
    )  # fmt: skip


SEEN = "motion_in.weight"


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run's folder, and one of its weights after every step."""
    folder, weights = tmp_path_factory.mktemp("dance") / "run", []
    with pytest.MonkeyPatch.context() as patch:
        updated = DanceTrainer.updated

        def watch(self):
            updated(self)
            weights.append(self.engine.model.denoiser.state_dict()[SEEN].clone())

        patch.setattr(DanceTrainer, "updated", watch)
        train(recipe(), folder)
    return folder, weights


@pytest.fixture(scope="module")
def trained(watched):
    return watched[0]


def numbered(count=3, frames=FRAMES + 30):
    """Pieces whose channels say which piece and frame they are of."""
    return [
        Piece(f"piece {number}", *(np.full((frames, width), number, np.float32) + np.arange(frames)[:, None] / 1000
                                   for width in (151, 35)))
        for number in range(count)
    ]  # fmt: skip


def clips_of(pieces, batch_size=2, seed=0):
    normalizers = (Normalizer.fit([p.vectors for p in pieces]), Normalizer.fit([p.music for p in pieces]))
    return Clips(pieces, *normalizers, stride=0.5, batch_size=batch_size, seed=seed)


def test_every_shipped_recipe_is_read():
    presets = {"tiny": "tiny", "shipped": "tiny", "edge": "edge"}
    assert set(shipped_dance_recipes()) == set(presets)
    for name, preset in presets.items():
        assert load_dance_recipe(name, ["data.root=dances"] if name == "edge" else []).model.preset == preset


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimization.steps=0", "steps is 0, expected more than 0"),
        ("optimization.ema=1.0", "ema is 1.0, expected less than 1"),
        ("data.root=dances", "give it with source=folder"),
        ("data.source=folder", "root is the folder of dances"),
        ("model.preset=huge", "preset is 'huge', expected tiny, edge"),
        ("model.size=3", "unknown key size"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        load_dance_recipe("tiny", [change])


def test_dances_and_music_of_a_clip_are_of_the_same_frames():
    clips = clips_of(numbered())
    assert len(clips) == 3 * 3  # from 0, 0.5 and 1 s
    for number in range(len(clips)):
        dances, music = clips.stack([number])
        assert dances.shape == (1, FRAMES, 151) and music.shape == (1, FRAMES, 35)
        torch.testing.assert_close(dances[..., 0], music[..., 0])  # they were made alike
    assert clips.id(4) == "piece 1 at 0.5 s"


def test_an_epoch_has_every_clip_once_and_another_order_than_the_next():
    clips = clips_of(numbered(4))
    epochs = [[number for step in range(6 * e, 6 * e + 6) for number in clips.chosen(step)] for e in range(2)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs) and epochs[0] != epochs[1]
    assert clips.chosen(7) == clips_of(numbered(4)).chosen(7) != clips_of(numbered(4), seed=1).chosen(7)


def test_the_phase_of_the_beat_is_one_on_beats_and_minus_one_between_them():
    phase = beat_phase(np.array([10, 20, 40]), 60)
    assert phase.shape == (60, 2)
    # Before the first beat at the pace of ten frames, behind the last at that of twenty.
    np.testing.assert_allclose(phase[[0, 10, 20, 40], 0], 1, atol=1e-6)
    np.testing.assert_allclose(phase[[5, 15, 30, 50], 0], -1, atol=1e-6)
    np.testing.assert_allclose(phase[[25, 45], 1], 1, atol=1e-6)
    assert not beat_phase(np.array([3]), 5).any()


def test_songs_are_found_by_the_name_of_the_dance_and_of_its_music(tmp_path):
    for name in ("solo.flac", "mBR0.mp3", "mBR1.wav"):
        (tmp_path / name).touch()
    assert find_song("dances/solo.bvh", tmp_path).name == "solo.flac"
    assert find_song("gBR_sBM_cAll_d04_mBR0_ch01.pkl", tmp_path).name == "mBR0.mp3"
    assert find_song("dances.npz#solo", tmp_path) is None


def test_a_folder_of_recordings_beside_their_songs_is_learnt_from(tmp_path):
    song = make_song(seed=1, seconds=6, tempo=120)
    bvh.write(make_dance(song, seed=2), default_body(), tmp_path / "a.bvh")
    with pytest.raises(ValueError, match=r"a\.bvh: no music for this dance; expected .*a\.wav"):
        load_pieces(DanceData(source="folder", root=str(tmp_path)))
    write_wav(tmp_path / "a.wav", song.samples, song.rate)
    (piece,) = load_pieces(DanceData(source="folder", root=str(tmp_path)), phase=True)
    assert piece.name == "a.bvh" and piece.vectors.shape == (180, 151)
    np.testing.assert_array_equal(piece.music[:, :35], music_features(tmp_path / "a.wav").values)
    assert piece.music.shape == (180, 37)
    with pytest.raises(ValueError, match="the longest dance with music lasts 4.0 s, expected 5"):
        load_pieces(DanceData(songs=1, seconds=4))


def test_it_learns_and_leaves_a_generator_of_its_mean_weights(trained):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[0]["loss"] == pytest.approx(sum(lines[0][t] for t in ("simple", "velocity", "joints", "feet")))
    generator, checkpoint = Generator.load(trained), load_newest_checkpoint(trained / "checkpoints")
    for name, value in generator.denoiser.state_dict().items():
        assert torch.equal(value, mean_of(checkpoint)[name])
    learnt = learnt_by(checkpoint)
    assert any(not torch.equal(value, learnt[name]) for name, value in generator.denoiser.state_dict().items())
    song = make_song(seed=7, seconds=6, tempo=120)
    (dance,) = generator.dance(music_features((song.samples, song.rate)), seed=0, steps=3)
    assert dance.num_frames == 180


def test_the_mean_follows_the_weights_as_its_share_says(watched):
    folder, weights = watched
    share, mean = recipe().optimization.ema, weights[0]
    for weight in weights[1:]:
        mean = share * mean + (1 - share) * weight
    torch.testing.assert_close(mean_of(load_newest_checkpoint(folder / "checkpoints"))[SEEN], mean)


class Stop(Exception):
    pass


def test_a_run_that_was_killed_goes_on_to_the_same_bits(trained, tmp_path, monkeypatch):
    whole = DanceTrainer._one_step

    def dying(self, *arguments):
        if self.step == 5:
            raise Stop
        return whole(self, *arguments)

    monkeypatch.setattr(DanceTrainer, "_one_step", dying)
    with pytest.raises(Stop):
        train(recipe("save_every=2"), tmp_path)
    monkeypatch.undo()
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(recipe(), tmp_path)
    with pytest.raises(ValueError, match="begun with another recipe"):
        train(recipe("optimization.seed=1"), tmp_path, resume=True)
    train(recipe("save_every=2"), tmp_path, resume=True)
    for folder in ("", "motion", "music"):
        for path in (trained / "model" / folder).glob("*.safetensors"):
            assert path.read_bytes() == (tmp_path / "model" / folder / path.name).read_bytes()
    train(recipe("save_every=2"), tmp_path, resume=True)  # nothing left to do


def test_two_ranks_share_what_one_learns_from():
    clips = clips_of(numbered(4), batch_size=4)
    learner = Learner(small_denoiser(), default_body(), Normalizer(-np.ones(151), np.ones(151)))
    asked = recipe("optimization.micro_batch_size=2")

    def share(ranks):
        made = DanceTrainer.__new__(DanceTrainer)
        made.clips, made.ranks, made.size = clips, ranks, 2
        made.engine, made.settings = type("E", (), {"model": learner}), asked.optimization
        return made.share_of(3)

    alone, (first,), (second,) = share(Ranks()), share(Ranks(0, 2)), share(Ranks(1, 2))
    for one, other in zip(alone, (first, second), strict=True):
        assert one.ids == other.ids
        for mine, theirs in zip(
            (one.motion, one.music, *one.draw), (other.motion, other.music, *other.draw), strict=True
        ):
            assert torch.equal(mine, theirs)


def small_denoiser():
    return Denoiser.from_preset("tiny", width=32, heads=4, layers=1, music_layers=1, feed_forward=32)
