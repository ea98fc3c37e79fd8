"""The experiments on real recordings: what trains and what tests, what is asked, and how intervals come about."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import real_data
from real_data_learning import Settings, either, learn, make_model, two_level_interval

from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.evaluation.accuracy import Prediction
from skeletonllm.skeleton.synthesis import synthesize, synthesize_sequence
from skeletonllm.tasks import localization

SIZES = dict(image_size=32, patch_size=16, vision_hidden_size=16, vision_layers=1, hidden_size=16, layers=1, heads=2)
SMALL = Settings(
    seeds=2, foundation_steps=2, steps=2, batch_size=2, frames=2, performers=2, asked=6, sizes=SIZES
)  # fmt: skip
# Those of Northwestern-UCLA by their numbers there, made of the embedded motions that come near.
NW_UCLA = {1: "bow", 2: "squat", 4: "walk", 5: "sit down", 6: "stand up", 11: "punch"}


@pytest.fixture(scope="module")
def nw_ucla(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nw_ucla")
    for action, made in NW_UCLA.items():
        for view in (1, 2, 3):
            joints = synthesize(made, topology="kinect_v1", performer=view).joints[:, 0]
            name = f"a{action:02d}_s01_e00_v{view:02d}"
            content = {"file_name": name, "skeletons": joints.tolist(), "label": 1}
            (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def utd_mhad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("utd_mhad")
    order = [3, 2, 1, 0, *range(4, 20)]  # the trunk is the other way round
    for action, made in {3: "wave right hand", 4: "clap", 27: "squat", 23: "walk"}.items():
        for subject in (1, 2):
            for trial in (1, 2, 3):
                sequence = synthesize(made, topology="kinect_v1", performer=subject, take=trial, noise=0.0, yaw=0.0)
                joints = sequence.joints[:, 0, order].transpose(1, 2, 0).astype(np.float64)
                savemat(folder / f"a{action}_s{subject}_t{trial}_skeleton.mat", {"d_skel": joints})
    return folder


@pytest.fixture(scope="module")
def utkinect(tmp_path_factory):
    folder = tmp_path_factory.mktemp("utkinect")
    lines = []
    for performer in (1, 2):
        labels = ("wave left hand", "squat", "clap")
        sequence, segments = synthesize_sequence(labels, topology="kinect_v1", performer=performer, noise=0.0)
        rows = [[2 * n, *sequence.joints[n, 0].flatten()] for n in range(sequence.num_frames)]
        np.savetxt(folder / f"joints_s{performer:02d}_e01.txt", rows, fmt=["%d"] + ["%.5f"] * 60)
        lines.append(f"s{performer:02d}_e01")
        lines += [f"{each.label}: {round(60 * each.start)} {round(60 * each.stop)}" for each in segments]
    (folder / "actionLabel.txt").write_text("\n".join(lines))
    return folder


def test_questions_of_one_recording_are_no_evidence_of_their_own():
    table = np.array([[0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]])
    once = two_level_interval(np.mean, [table], [list("abcdefgh")])
    repeated = two_level_interval(np.mean, [np.repeat(table, 5, axis=1)], [np.repeat(list("abcdefgh"), 5)])
    assert once == pytest.approx(repeated)
    apart = two_level_interval(np.mean, [np.repeat(table, 5, axis=1)], [[str(n) for n in range(40)]])
    assert apart[1] - apart[0] < 0.7 * (once[1] - once[0])


def test_seeds_that_disagree_widen_the_interval():
    names = [str(n) for n in range(100)]
    agree = np.tile(np.arange(100) % 2, (3, 1)).astype(float)
    disagree = np.stack([np.zeros(100), np.full(100, 0.5), np.ones(100)])
    narrow, wide = (two_level_interval(np.mean, [table], [names]) for table in (agree, disagree))
    assert narrow[1] - narrow[0] == pytest.approx(0.2, abs=0.05)  # 2 x 1.96 x 0.5 / 10
    assert wide == (0.0, 1.0)  # each seed alone is drawn in 1 of 27 draws, more often than 2.5 %


def test_the_second_draw_is_taken_for_its_share():
    draw = either(lambda generator: "real", lambda generator: "embedded", 0.25)
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(generator) for _ in range(2000)]
    assert drawn.count("embedded") / 2000 == pytest.approx(0.25, abs=0.04)  # four standard deviations


def test_what_is_learnt_depends_on_the_seed_alone():
    read = real_data.made(SMALL)
    model = make_model(SMALL, real_data.ALONE, 2)
    draw = real_data.recognition_draw(read, real_data.ALONE)
    first, again, other = (
        torch.cat([p.flatten() for p in learn(model, draw, SMALL, 2, 1e-3, seed)[0].parameters()]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_unseen_classes_are_neither_learnt_nor_offered_and_views_do_not_mix(nw_ucla, monkeypatch):
    learnt = []

    def watch(model, draw, settings, steps, rate, seed):
        generator = torch.Generator().manual_seed(seed)
        learnt.append([draw(generator) for _ in range(150)])
        return model

    monkeypatch.setattr(real_data, "learn", watch)
    real_data.zero_shot(nw_ucla, SMALL)
    foundation, *by_split = learnt
    assert len(by_split) == 2 * SMALL.seeds
    assert {answer for *_, answer in foundation} <= set(real_data.ALONE)
    for number, unseen in enumerate(real_data.UNSEEN.values()):
        for drawn in by_split[number * SMALL.seeds : (number + 1) * SMALL.seeds]:
            real = [(prompt, answer) for sequence, prompt, answer in drawn if "synthetic" not in sequence.source]
            assert 80 < len(real) < 140  # three quarters of 150, and more than four standard deviations either way
            assert not {answer for _, answer in real} & set(unseen)
            assert not any("v03" in sequence.source for sequence, *_ in drawn)
            if number == 0:  # of the other two the embedded motions have the names
                assert not any(label in prompt.splitlines() for _, prompt, _ in drawn for label in unseen)


def prediction(id, label, said, candidates):
    return Prediction(id, label, said, [0.0 if candidate == said else -1.0 for candidate in candidates])


def test_a_perfect_and_a_constant_answerer_get_what_they_deserve():
    candidates = ["carry", "drop", "throw", "walk"]
    labels = ["carry", "drop", "throw", "walk"] * 5

    def told(favourite=None):
        return [prediction(str(n), label, favourite or label, candidates) for n, label in enumerate(labels)]

    perfect = dict((row[0], row[1:]) for row in real_data.zero_shot_rows([told()] * 3, candidates, ("throw", "walk")))
    assert perfect["harmonic mean"] == (1.0, 1.0, 1.0)
    constant = dict(
        (row[0], row[1:]) for row in real_data.zero_shot_rows([told("carry")] * 3, candidates, ("throw", "walk"))
    )
    assert constant["seen classes, 4 offered"][0] == 0.5 and constant["harmonic mean"] == (0.0, 0.0, 0.0)
    assert constant["unseen classes, 2 offered"][0] == 0.5  # all scores alike: the first of the two


def test_waving_is_the_right_arm_and_clapping_both_and_the_text_does_not_tell(utd_mhad):
    read = read_all(select(load_source("utd_mhad", utd_mhad), "test"))
    posed = real_data.wave_or_clap(read, draws=50)
    assert {read[question.place][0].label for question in posed} == {real_data.WAVE, real_data.CLAP}
    chosen = [question for question in posed if "YES" not in question.options]
    for question in chosen:
        waves = read[question.place][0].label == real_data.WAVE
        assert question.answer == ("the right arm" if waves else "both arms alike")
    assert sum(question.options[0] == question.answer for question in chosen) / len(chosen) == pytest.approx(
        0.5, abs=0.17
    )  # four standard deviations of about 150


def test_classes_and_measured_joints_agree_on_the_arm(utd_mhad):
    told = real_data.Told(read_all(select(load_source("utd_mhad", utd_mhad), "test")))
    arms = {one.label: facts.get("arm") for (one, _), facts in zip(told.read, told.pool.facts, strict=True)}
    assert arms[real_data.WAVE] == "right" and arms[real_data.CLAP] == "both"


def test_windows_are_equally_long_and_hold_the_whole_action_anywhere():
    sequence, segments = synthesize_sequence(("squat", "clap", "bow", "punch"), topology="kinect_v1", performer=1)
    assert sequence.duration > real_data.WINDOW_SECONDS + 1
    generator, starts = torch.Generator().manual_seed(0), []
    for _ in range(100):
        window, prompt, answer = real_data.window_question(sequence, segments[1], generator)
        start, stop = localization.parse_answer(answer)
        assert window.num_frames == round(real_data.WINDOW_SECONDS * sequence.fps)
        # Tenths of a second in the answer, and a window begins at a frame.
        assert stop - start == pytest.approx(segments[1].stop - segments[1].start, abs=0.17)
        assert "8.0 s" in prompt and '"clap"' in prompt
        starts.append(start)
    assert max(starts) - min(starts) > 1.0


def test_overlap_of_what_is_no_span_is_none():
    question = real_data.Posed("a#0", "a", 0, "localization", "localization", "When?", "from 1.0 s to 3.0 s")
    said = ("from 1.0 s to 3.0 s", "from 2.0 s to 4.0 s", "soon")
    assert [real_data.overlap(question, text) for text in said] == pytest.approx([1.0, 1 / 3, 0.0])
    rows = dict((row[0], row[1:]) for row in real_data.span_rows([question] * 3, list(said)))
    assert rows["answers that are spans"][0] == pytest.approx(2 / 3)
    assert rows["error of begin and end, seconds"][0] == pytest.approx(0.5)


@pytest.mark.parametrize("experiment", ["zero_shot", "sides", "localization"])
def test_every_experiment_prints_its_figures_beside_blind_ones(experiment, request, tmp_path, monkeypatch, capsys):
    folder = {"zero_shot": "nw_ucla", "sides": "utd_mhad", "localization": "utkinect"}[experiment]
    run = real_data.EXPERIMENTS[experiment]
    monkeypatch.setitem(real_data.EXPERIMENTS, experiment, lambda root, settings: run(root, SMALL))
    output = tmp_path / "results.json"
    real_data.main([experiment, "--root", str(request.getfixturevalue(folder)), "-o", str(output)])
    printed, written = capsys.readouterr().out, json.loads(output.read_text())
    assert any("blind" in name for name in written["tables"]) and "| | mean | 95 % interval |" in printed
    assert all(low <= value <= high for rows in written["tables"].values() for _, value, low, high in rows)
