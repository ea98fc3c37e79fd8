"""The experiment with a lying teacher: who lies, how much, and what of it the students get to see."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import teacher_truth

from skeletonllm.data.recordings import read_all
from skeletonllm.data.sources import SOURCES, load_source
from skeletonllm.data.teacher import Endpoint, Sampling, TeacherSettings, teach
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.synthesis import describe


def test_the_liar_lies_about_its_share_and_the_truthful_never():
    recordings = load_source("synthetic", topologies=["coco_17"], performers=20, test_performers=0)
    lies = 0
    for recording in recordings:
        assert teacher_truth.answer(recording, 0.0) == f"{recording.rationale()}\nLabel: {recording.label}"
        told, _, label = teacher_truth.answer(recording, 0.3).rpartition("\nLabel: ")
        lies += label != recording.label
        assert told == describe(label, performer=recording.attributes["performer"])
    # 320 draws: three standard deviations are 7.7 points.
    assert lies / len(recordings) == pytest.approx(0.3, abs=0.077)


def test_verification_leaves_the_truth_alone_and_without_it_lies_become_labels(tmp_path):
    options = dict(topologies=["coco_17"], performers=2, test_performers=0)
    recordings = load_source("synthetic", **options)
    renderer = DrAction("none", samples_per_bone=2)
    frames = teacher_truth.KnownFrames(read_all(recordings), Sampling(num_frames=3), renderer, 16)
    liars = {one.id for one in recordings if not teacher_truth.answer(one, 0.5).endswith(f"\nLabel: {one.label}")}
    for verify in (True, False):
        folder = tmp_path / str(verify)
        with teacher_truth.served(frames, 0.5) as url:
            teach(frames, Endpoint(url, "embedded"), folder, TeacherSettings(verify=verify))
        labels = {one.id: one.label for one in recordings}
        changed = {one.id for one in teacher_truth.taught(folder, **options) if one.label != labels[one.id]}
        kept = {one.id for one in teacher_truth.taught(folder, **options)}
        assert (changed, kept) == ((set(), set(labels) - liars) if verify else (liars, set(labels)))
    assert 5 < len(liars) < 27


@pytest.mark.slow
def test_it_prints_an_accuracy_for_each_teacher(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SOURCES, "taught", None)  # put back at the end
    teacher_truth.main(["-o", str(tmp_path / "out"), "--share", "0.02", "--test-performers", "1"])
    printed = capsys.readouterr().out
    for name in ("before", "truthful", "lying, verified", "verified"):
        assert name in printed
    assert printed.count("%") >= 16
