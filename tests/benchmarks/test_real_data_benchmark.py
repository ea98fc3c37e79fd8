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
import real_data_localization
import real_data_sides
import real_data_zero_shot
from real_data_learning import ALONE, Settings, either, learn, made, shipped

from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.evaluation.accuracy import Prediction
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.synthesis import synthesize, synthesize_sequence

SMALL = Settings(seeds=2, steps=2, batch_size=2, frames=2, performers=2, asked=6)
# Those of Northwestern-UCLA by their numbers there, made of the embedded motions that come near.
NW_UCLA = {1: "bow", 2: "squat", 3: "kick", 4: "walk", 5: "sit down", 6: "stand up", 11: "punch", 12: "push"}


@pytest.fixture(scope="module")
def nw_ucla(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nw_ucla")
    for action, motion in NW_UCLA.items():
        for view in (1, 2, 3):
            joints = synthesize(motion, topology="kinect_v1", performer=view).joints[:, 0]
            name = f"a{action:02d}_s01_e00_v{view:02d}"
            content = {"file_name": name, "skeletons": joints.tolist(), "label": 1}
            (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def utd_mhad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("utd_mhad")
    order = [3, 2, 1, 0, *range(4, 20)]  # the trunk is the other way round
    for action, motion in {3: "wave right hand", 4: "clap", 27: "squat", 23: "walk"}.items():
        for subject in (1, 2):
            for trial in (1, 2, 3):
                sequence = synthesize(motion, topology="kinect_v1", performer=subject, take=trial, noise=0.0, yaw=0.0)
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


def test_the_second_draw_is_taken_for_its_share():
    draw = either(lambda generator: "real", lambda generator: "embedded", 0.25)
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(generator) for _ in range(2000)]
    assert drawn.count("embedded") / 2000 == pytest.approx(0.25, abs=0.04)  # four standard deviations


def test_what_is_learnt_depends_on_the_seed_alone_and_goes_on_from_the_shipped_model():
    start = shipped(SMALL)
    draw = real_data_zero_shot.recognition_draw(made(SMALL), ALONE)
    first, again, other = (
        torch.cat([p.flatten() for p in learn(start, draw, SMALL, seed)[0].parameters()]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    before = torch.cat([p.flatten() for p in start[0].parameters()])
    # Two steps of AdamW at a rate that rises to 1e-3 move no weight by much more than twice that.
    assert 0 < (first - before).abs().max() < 3e-3


def test_unseen_classes_are_neither_learnt_nor_offered_and_views_do_not_mix(nw_ucla, monkeypatch):
    learnt = []

    def watch(model, draw, settings, seed):
        generator = torch.Generator().manual_seed(seed)
        learnt.append([draw(generator) for _ in range(150)])
        return model

    monkeypatch.setattr(real_data_zero_shot, "learn", watch)
    real_data_zero_shot.zero_shot(nw_ucla, SMALL)
    assert len(learnt) == 2 * (1 + SMALL.seeds)
    for number, drawn in enumerate(learnt):
        unseen = list(real_data_zero_shot.UNSEEN.values())[number // (1 + SMALL.seeds)]
        rehearsal = number % (1 + SMALL.seeds) == 0
        real = [(sequence, answer) for sequence, _, answer in drawn if "synthetic" not in sequence.source]
        assert 70 < len(real) < 130  # two thirds of 150, and more than four standard deviations either way
        forbidden = {*unseen.classes, *(unseen.held_out if rehearsal else ())}
        assert not {answer for _, answer in real} & forbidden
        views = {sequence.source.rpartition("_v")[2][:2] for sequence, _ in real}
        assert views == ({"01"} if rehearsal else {"01", "02"})
        # Of the others the embedded motions have the names.
        assert not any(label in prompt.splitlines() for _, prompt, _ in drawn for label in forbidden - set(ALONE))


def prediction(id, label, said, candidates):
    return Prediction(id, label, said, [0.0 if candidate == said else -1.0 for candidate in candidates])


def test_a_perfect_and_a_constant_answerer_get_what_they_deserve():
    candidates = ["carry", "drop", "throw", "walk"]
    labels = ["carry", "drop", "throw", "walk"] * 5

    def told(favourite=None):
        return [prediction(str(n), label, favourite or label, candidates) for n, label in enumerate(labels)]

    def rows(by_seed):
        found = real_data_zero_shot.zero_shot_rows(by_seed, candidates, ("throw", "walk"), 0.5)
        return {name: figures for name, *figures in found}

    perfect = rows([told()] * 3)
    assert perfect["harmonic mean"] == [1.0, 1.0, 1.0] == perfect["harmonic mean, calibrated"]
    constant = rows([told("carry")] * 3)
    assert constant["seen classes, 4 offered"][0] == 0.5 and constant["harmonic mean"] == [0.0, 0.0, 0.0]
    assert constant["unseen classes, 2 offered"][0] == 0.5  # all scores alike: the first of the two


def test_what_is_taken_off_seen_classes_lets_unseen_ones_be_named():
    candidates = ["carry", "drop", "throw"]
    # Right within each side, but seen classes are always preferred: by 1 where one is shown, else by 0.2.
    shown = {"carry": [0.0, -2.0, -1.0], "drop": [-2.0, 0.0, -1.0], "throw": [-0.1, -0.3, -0.3]}
    predictions = [Prediction(str(n), label, "carry", shown[label]) for n, label in enumerate(shown)]
    amount = real_data_zero_shot.calibration(predictions, candidates, ["throw"])
    assert 0.2 < amount < 1.0
    said = real_data_zero_shot.calibrated(predictions, candidates, ["throw"], amount)
    assert [one.predicted for one in said] == list(shown)


def test_waving_is_the_right_arm_and_clapping_both_and_the_text_does_not_tell(utd_mhad):
    read = read_all(select(load_source("utd_mhad", utd_mhad), "test"))
    posed = real_data_sides.wave_or_clap(read, draws=50)
    assert {read[question.place][0].label for question in posed} == {real_data_sides.WAVE, real_data_sides.CLAP}
    chosen = [question for question in posed if "YES" not in question.options]
    for question in chosen:
        waves = read[question.place][0].label == real_data_sides.WAVE
        assert question.answer == ("the right arm" if waves else "both arms alike")
    assert sum(question.options[0] == question.answer for question in chosen) / len(chosen) == pytest.approx(
        0.5, abs=0.17
    )  # four standard deviations of about 150


def test_classes_and_measured_joints_agree_on_the_arm(utd_mhad):
    told = real_data_sides.Told(read_all(select(load_source("utd_mhad", utd_mhad), "test")))
    arms = {one.label: facts.get("arm") for (one, _), facts in zip(told.read, told.pool.facts, strict=True)}
    assert arms[real_data_sides.WAVE] == "right" and arms[real_data_sides.CLAP] == "both"


def test_windows_are_around_every_action_as_often_and_say_what_is_in_their_middle():
    wholes = [synthesize_sequence(("squat", "clap", "bow", "punch"), topology="kinect_v1", performer=1)]
    assert real_data_localization.labels_of(wholes) == ["bow", "clap", "punch", "squat", real_data_localization.NOTHING]
    draw = real_data_localization.window_draw(wholes, shipped(SMALL)[1])
    generator, answers = torch.Generator().manual_seed(0), []
    for _ in range(200):
        clip, prompt, answer = draw(generator)
        begin, end = clip.times.tolist()  # of its two frames, each in the middle of a half of the window
        assert end - begin == pytest.approx(real_data_localization.WINDOW / 2, abs=0.05)  # they are 1/30 s apart
        near = [(begin + end) / 2, (begin + end) / 2 + 1 / 30]
        assert answer in [real_data_localization.middle_label((at, at), wholes[0][1]) for at in near]
        assert answer in prompt.splitlines()
        answers.append(answer)
    # Three quarters of 200 are split in four, and of the last quarter some show actions too.
    assert all(25 < answers.count(each.label) < 75 for each in wholes[0][1])


def test_windows_lie_within_the_recording():
    sequence, _ = synthesize_sequence(("squat", "clap", "bow"), topology="kinect_v1", performer=1)
    last = sequence.num_frames - 45  # 1.5 s at 30 frames per second
    for middle, first in ((0.1, 0), (2.0, 38), (99.0, last)):
        window = real_data_localization.window_at(sequence, middle)
        assert (window.first, window.stop) == (first, first + 45)


def usual():
    sequences = [synthesize_sequence(("squat", "clap"), topology="kinect_v1", performer=person) for person in (1, 2)]
    return real_data_localization.Usual(
        [
            (sequence, (Segment("clap", share * sequence.duration, (share + 0.2) * sequence.duration),))
            for share, (sequence, _) in zip((0.2, 0.4), sequences, strict=True)
        ]
    )


def test_where_an_action_usually_is_comes_from_the_shares_of_other_recordings():
    place = usual()
    assert place.segment("clap", 10.0) == pytest.approx((3.0, 5.0))
    assert place.deviation == pytest.approx(0.1 * 2**0.5)  # middles 0.3 and 0.5, one degree of freedom
    weights = place.weights("clap", [(3.5, 4.5), (5.5 - 0.0858, 5.5 - 0.0858)], 10.0)
    assert weights[0] == 1.0 and weights[1] == pytest.approx(np.exp(-0.5), rel=1e-3)


def test_an_answerer_that_sees_the_action_beats_its_windows_in_any_order():
    spans = [(0.25 * n, 0.25 * n + 1.5) for n in range(75)]
    scores = np.array([0.9 if 12.0 <= start + 0.75 < 15.0 else 0.1 for start, _ in spans])
    true = Segment("clap", 12.0, 15.0)
    found = real_data_localization.measures(true, spans, scores, usual(), 20.0, np.random.default_rng(0))
    overlap, half, error = found["its frames"]
    assert overlap > 0.85 and half == 1.0 and error < 0.25  # a quarter of a second from window to window
    assert found["its windows in any order (blind)"][0] < 0.3
    assert found["no frames: where it usually is (blind)"] == pytest.approx([0.0, 0.0, 5.5])  # 6 to 10 s


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
