"""Generators beside each other: every dance measured once, raw and post-processed, and again only when it changed."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.comparison import (
    MEASURES,
    REFERENCE,
    Manner,
    Row,
    Song,
    measure_all,
    measuring,
    pairs_of,
    read_rows,
    songs_of,
    summarize,
    tables_of,
    units_of,
    write_report,
)
from skeletonllm.dance.comparison import songs as comparison_songs
from skeletonllm.dance.comparison.published import CHANGES
from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.imitation import judge
from skeletonllm.dance.metrics import FORMS, METRICS, evaluate_motions
from skeletonllm.dance.metrics.matching import match_beats
from skeletonllm.dance.music import BEATS, NUM_FEATURES, MusicFeatures
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song

SECONDS, FPS = 2, 30
STEPS = 2


def make_model(folder, seed):
    """The folder of a generator that learnt nothing but how far poses go."""
    torch.manual_seed(seed)
    sizes = DenoiserConfig(width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=NUM_FEATURES)
    motion = Normalizer.fit([make_dance(make_song(0, 10, 120), 0).to_vector()])
    limits = Normalizer(np.zeros(NUM_FEATURES), np.ones(NUM_FEATURES))
    Generator(Denoiser(sizes), motion, limits).save(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [make_model(folder / f"tuned-{seed}", seed) for seed in range(2)]


@pytest.fixture(scope="module")
def songs():
    """Two songs of different tempi, heard without librosa, with the dances made to them."""
    made = []
    for number, tempo in enumerate((100, 131)):
        played = make_song(number, SECONDS, tempo)
        beats = np.arange(0, SECONDS * FPS, round(60 / tempo * FPS))
        values = np.random.default_rng(number).uniform(size=(SECONDS * FPS, NUM_FEATURES))
        values[:, BEATS] = np.isin(np.arange(len(values)), beats)[:, None]
        heard = MusicFeatures(values, beats, source=f"song-{number}")
        made.append(Song(f"song-{number}", (played.samples, played.rate), heard, make_dance(played, number)))
    return made


@pytest.fixture(scope="module")
def rows(models):
    quick = Manner(steps=STEPS)
    return [Row("before", (models[0],), quick), Row("after", tuple(models), quick), Row("same", (models[0],), quick)]


@pytest.fixture(scope="module")
def measured(rows, songs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    return folder, measure_all(rows, songs, folder)


@pytest.fixture(scope="module")
def summary(rows, songs, measured):
    return summarize(rows, songs, measured[1])


@pytest.fixture
def counted(monkeypatch):
    """What is measured, by row, model and song; nobody looks at the dances, which takes longer than making them."""
    found, measure = [], measuring._measure

    def count(unit, *others):
        found.append((unit.row, unit.model, unit.song))
        measure(unit, *others)

    monkeypatch.setattr(measuring, "_measure", count)
    monkeypatch.setattr(measuring, "measure", lambda *given: {})
    return found


def test_what_was_measured_is_not_measured_again(rows, songs, measured, counted):
    folder, units = measured
    before = [unit.path.read_bytes() for unit in units]
    assert [unit.path for unit in measure_all(rows, songs, folder)] == [unit.path for unit in units]
    assert counted == [] and [unit.path.read_bytes() for unit in units] == before
    # Four models and the real dances, two songs each.
    assert len(units) == 10


def test_who_is_stopped_goes_on_where_it_was(rows, songs, measured, tmp_path, counted, monkeypatch):
    def stop_at_the_third(name):
        if len(counted) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_all(rows, songs, tmp_path, progress=stop_at_the_third)
    assert len(counted) == 3
    units = measure_all(rows, songs, tmp_path)
    assert len(counted) == len(set(counted)) == len(units)
    for unit, other in zip(units, measured[1], strict=True):
        assert np.array_equal(unit.danced()[0].to_vector(), other.danced()[0].to_vector())


def test_a_row_is_measured_anew_when_its_model_its_manner_or_a_song_changes(rows, songs, models, tmp_path, counted):
    row = rows[0]
    measure_all([row], songs, tmp_path)
    for changed in (Row("before", (models[1],), row.manner), Row("before", (models[0],), Manner(steps=STEPS + 1))):
        counted.clear()
        measure_all([changed], songs, tmp_path)
        assert counted == [("before", 0, 0), ("before", 0, 1)]
    counted.clear()
    measure_all([changed], songs, tmp_path, seed=1)
    assert counted == [("before", 0, 0), ("before", 0, 1)]
    counted.clear()
    # With another second song the first dance has other beats of others to be measured with.
    measure_all([changed], songs[:1], tmp_path, seed=1)
    assert ("before", 0, 0) in counted


def test_a_dance_that_was_written_but_not_measured_is_not_taken_for_measured(rows, songs, tmp_path):
    units = units_of(rows[:1], songs, tmp_path)
    units[0].dance.parent.mkdir(parents=True)
    units[0].dance.write_bytes(b"half a dance")
    assert units[0].read() is None
    with pytest.raises(ValueError, match="song-0.json: was not measured"):
        units[0].danced()


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_file_is_named(rows, songs, tmp_path, content):
    unit = units_of(rows[:1], songs, tmp_path)[0]
    unit.path.parent.mkdir(parents=True)
    for path in (unit.path, unit.dance):
        path.write_text(content)
    with pytest.raises(ValueError, match="song-0.json: damaged"):
        unit.read()


def test_every_measure_is_there_raw_and_post_processed_and_says_what_the_metrics_say(songs, measured):
    unit = next(unit for unit in measured[1] if (unit.row, unit.song) == ("after", 1))
    forms = unit.read()["forms"]
    dance, body = unit.danced()
    expected = evaluate_motions([dance], body, [songs[1].beats])["metrics"]
    judged = judge([prepare(dance, body) for prepare in FORMS.values()], body)
    assert list(forms) == list(FORMS)
    for form, judgement in zip(FORMS, judged, strict=True):
        measures = forms[form]["measures"]
        assert list(measures) == list(MEASURES)
        for name in MEASURES:
            if name in METRICS and name != "success_rate":
                # The dance went through a file, whose rotations are made orthogonal anew: micrometres.
                assert measures[name] == pytest.approx(expected[name][form]["mean"], rel=1e-3, abs=1e-3), name
        assert measures["success_rate"] == 100 * judgement.success
        assert measures["imitation_reward"] == pytest.approx(judgement.reward, abs=1e-3)
    assert forms["raw"]["measures"]["sinking"] != forms["post_processed"]["measures"]["sinking"]


def test_beats_of_other_songs_are_those_of_the_matching(songs, measured):
    units = [unit for unit in measured[1] if (unit.row, unit.model) == ("after", 1)]
    dances = [unit.danced()[0] for unit in units]
    matched = match_beats(dances, [song.beats for song in songs], default_body())
    for name, values in matched.items():
        found = [unit.read()["forms"]["raw"]["measures"][f"{name}_other_songs"] for unit in units]
        assert np.mean(found) == pytest.approx(values["other"]["value"], abs=1e-3)


def test_the_same_row_twice_differs_by_nothing_and_for_sure(summary):
    for form in FORMS:
        for name, figure in summary["rows"]["same"]["measures"][form].items():
            if figure is not None and figure["change"] is not None:
                assert figure["change"] == {"percent": 0.0, "interval_95": [0.0, 0.0]}, name
    assert summary["rows"]["same"]["measures"]["raw"]["motion_magnitude"]["change"] is not None
    assert "change" not in summary["rows"]["before"]["measures"]["raw"]["motion_magnitude"]


def test_means_are_over_seeds_and_songs_and_each_seed_is_told(summary, measured):
    values = {}
    for unit in measured[1]:
        if unit.row == "after":
            values.setdefault(unit.model, []).append(unit.read()["forms"]["raw"]["measures"]["motion_magnitude"])
    figure = summary["rows"]["after"]["measures"]["raw"]["motion_magnitude"]
    assert figure["seeds"] == pytest.approx([np.mean(values[0]), np.mean(values[1])])
    assert figure["value"] == pytest.approx(np.mean(figure["seeds"]))
    assert figure["interval_95"][0] <= figure["value"] <= figure["interval_95"][1]
    # The first seed of this row is the first row itself.
    before = summary["rows"]["before"]["measures"]["raw"]["motion_magnitude"]["value"]
    assert figure["change"]["percent"] == pytest.approx(100 * (figure["value"] / before - 1))


def test_of_what_is_as_good_as_zero_no_percents_are_told(rows, songs, measured, monkeypatch):
    before = summarize(rows, songs, measured[1])["rows"]["after"]["measures"]["raw"]["sinking"]
    assert before["change"] is not None
    monkeypatch.setitem(MEASURES, "sinking", dataclasses.replace(MEASURES["sinking"], least=1e6))
    after = summarize(rows, songs, measured[1])["rows"]["after"]["measures"]["raw"]["sinking"]
    assert after == {**before, "change": None}


def test_real_dances_are_a_row_and_the_reference_of_fid(summary):
    assert list(summary["rows"])[-1] == REFERENCE
    real, made = (summary["rows"][name]["sets"]["raw"] for name in (REFERENCE, "before"))
    # Of the reference itself, up to the rounding of a matrix root.
    assert abs(real["fid_kinetic"]["value"]) < 1e-2 < made["fid_kinetic"]["value"]
    assert len(summary["rows"]["after"]["sets"]["raw"]["fid_kinetic"]["seeds"]) == 2


def test_a_row_that_cannot_be_paired_or_is_not_there_is_refused_before_anything_is_danced(models, songs, tmp_path):
    two, three = Row("two", (models[0],) * 2), Row("three", (models[0],) * 3)
    with pytest.raises(ValueError, match="three: 3 models beside 2"):
        units_of([two, three], songs, tmp_path)
    with pytest.raises(FileNotFoundError, match="no generator in it"):
        units_of([Row("nobody", (tmp_path,))], songs, tmp_path)
    with pytest.raises(ValueError, match="rows are called two, two"):
        units_of([two, two], songs, tmp_path)


def test_the_report_has_every_row_both_forms_the_papers_numbers_and_its_videos(rows, songs, measured, summary):
    folder, units = measured
    pairs = pairs_of(units, songs, "before", ["after"], 1)
    files = write_report(summary, pairs, folder)
    assert [path.name for path in files[:3]] == ["comparison.json", "report.md", "report.html"]
    assert json.loads(files[0].read_text())["rows"] == json.loads(json.dumps(summary["rows"]))
    told, page = files[1].read_text(), files[2].read_text()
    for text in (told, page):
        for row in [row.name for row in rows] + [REFERENCE]:
            assert f"{row}<br>raw" in text and f"{row}<br>post-processed" in text
        assert "THEIRS" in text and "176" in text and "ot comparable in absolute terms" in text
    assert files[3].name.startswith("song-0-before-after.") and files[3].stat().st_size > 1000
    assert files[3].name in page and "data:image/png" in page
    # It loads nothing from anywhere.
    assert "http://" not in page and "https://" not in page and 'src="videos' not in page
    # And is not drawn again as long as the dances are the same.
    before = files[3].stat().st_mtime_ns
    assert write_report(summary, pairs, folder)[3].stat().st_mtime_ns == before


def test_the_papers_own_changes_are_what_it_claims(summary):
    (beside,) = (table for table in tables_of(summary) if "paper" in table.title)
    theirs = dict(zip(CHANGES, (cell[-1] for cell in beside.rows[-1][1:]), strict=True))
    assert theirs == {
        "penetration_rate": "-49 %",
        "physical_foot_contact": "-61 %",
        "foot_ground_distance": "-79 %",
        "motion_magnitude": "-1.6 %",
        "beat_alignment_music": "+5.1 %",
    }


def test_rows_are_read_with_their_seeds_and_manners(models):
    pattern = models[0].parent / "tuned-*"
    found = read_rows(
        [f"before={models[0]}", f"after={pattern}", f"a.b={models[0]},{models[1]}"],
        ["after.steps=10", "after.guide.ground=2", "a.b.project=4"],
        Manner(steps=20),
    )
    assert [row.models for row in found] == [(models[0],), tuple(models), tuple(models)]
    assert [row.manner for row in found] == [
        Manner(steps=20),
        Manner(steps=10, guide={"ground": 2}),
        Manner(steps=20, project=4),
    ]


@pytest.mark.parametrize(
    ("given", "changes", "error", "said"),
    [
        (["runs"], [], ValueError, "expected NAME=MODEL"),
        (["a=.", "a=."], [], ValueError, "there is a row a already"),
        (["a=nowhere"], [], FileNotFoundError, "a=nowhere: no such model"),
        (["a=no*where"], [], FileNotFoundError, "no such model"),
        (["a/b=."], [], ValueError, "expected letters, digits"),
        ([f"{REFERENCE}=."], [], ValueError, f"not '{REFERENCE}'"),
        (["a=."], ["b.steps=3"], ValueError, "expected a.KEY=VALUE"),
        (["a=."], ["a.stride=3"], ValueError, "a: unknown key stride"),
        (["a=."], ["a.steps=0"], ValueError, "a: steps is 0, expected more than 0"),
        (["a=."], ["a.guide.luck=1"], ValueError, "unknown reward 'luck'"),
        (["a=."], ["a.guide.ground=much"], ValueError, "ground is 'much', expected a weight"),
        (["a=."], ["a.steps=3", "a.project=4"], ValueError, "corrected at 4 steps of 3"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(given, changes, error, said):
    with pytest.raises(error, match=said):
        read_rows(given, changes)


def test_corrections_change_dances_and_projections_tell_who_fell(models, songs):
    generator = Generator.load(models[0])
    dances = {
        name: Manner(steps=STEPS, **given).dance(generator, songs[0].heard, 0)
        for name, given in {"plain": {}, "guided": {"guide": {"ground": 1.0}}, "projected": {"project": 1}}.items()
    }
    plain = dances["plain"].motion.to_vector()
    assert all(np.abs(dances[name].motion.to_vector() - plain).max() > 1e-3 for name in ("guided", "projected"))
    assert dances["plain"].succeeded is dances["guided"].succeeded is None
    assert dances["projected"].succeeded in (True, False)


def test_songs_of_a_folder_are_heard_in_order_and_cut(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    heard = []

    def hear(sound):
        heard.append(len(sound[0]) / sound[1])
        return MusicFeatures(np.zeros((30, NUM_FEATURES)), [])

    monkeypatch.setattr(comparison_songs, "music_features", hear)
    sound = make_song(0, 2, 120)
    for name in ("b.wav", "a.flac", "nested/c.ogg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, sound.samples, sound.rate)
    (tmp_path / "notes.txt").write_text("no song")
    found = songs_of(tmp_path, 1.5)
    assert [song.name for song in found] == ["a", "b", "c"]
    # Less than a sample.
    assert heard == pytest.approx([1.5] * 3, abs=1e-4)
    assert all(song.dance is None for song in found)
    with pytest.raises(ValueError, match="0.25 s of sound, expected at least 0.5 s"):
        songs_of(tmp_path, 0.25)
    soundfile.write(tmp_path / "nested" / "a.wav", sound.samples, sound.rate)
    with pytest.raises(ValueError, match="another song called a"):
        songs_of(tmp_path)


def test_a_folder_without_songs_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        songs_of(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no songs in it, expected .wav"):
        songs_of(tmp_path)
