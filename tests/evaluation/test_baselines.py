"""A small graph network as the classical reference."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from skeletonllm.cli import main
from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import load_split
from skeletonllm.evaluation.baselines.learning import Learning, answer, one_topology, train_st_gcn
from skeletonllm.evaluation.baselines.st_gcn import (
    Sizes,
    StGcn,
    body_features,
    load_st_gcn,
    partitioned_adjacency,
    save_st_gcn,
)
from skeletonllm.evaluation.respondents import Test as Questions
from skeletonllm.evaluation.selection import choose
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.skeleton.topology import build_topology

SMALL = Sizes(num_frames=8, channels=(8, 16))
# Two arms off a trunk, with a link between the hands that is no edge of the tree.
CROSS = build_topology(
    "cross",
    [("pelvis", None, "torso"), ("left_hand", "pelvis", "hand"), ("right_hand", "pelvis", "hand")],
    [(0, 1), (0, 2), (1, 2)],
)
OPTIONS = dict(labels=["raise both arms", "squat", "walk"], performers=8, test_performers=4, topologies=["kinect_v1"])


def sequence(joints, topology=CROSS, valid=None):
    return SkeletonSequence(np.asarray(joints, np.float32), 30.0, topology, valid)


def somebody(frames=20, persons=1, topology="kinect_v1", seed=0):
    joints = np.random.default_rng(seed).normal(size=(frames, persons, get_topology(topology).num_joints, 3))
    return sequence(joints, topology)


@pytest.fixture(scope="module")
def embedded():
    """Recordings of the training side, and the test."""
    listed = load_split("usual").assign(load_source("synthetic", **OPTIONS))
    training = [(recording, recording.read()) for recording in listed if recording.split == "train"]
    labels = sorted(OPTIONS["labels"])
    return training, Questions.about(choose("synthetic", None, OPTIONS, "usual", labels), "recognition")


def test_neighbours_are_parted_by_how_near_they_are_to_the_root():
    same, nearer, further = partitioned_adjacency(CROSS)
    third = 1 / 3  # everybody has three neighbours, themselves included
    # Hands are as near as each other, so that the link between them is of the joint's own partition.
    assert same.tolist() == pytest.approx(np.array([[third, 0, 0], [0, third, third], [0, third, third]]))
    assert nearer.tolist() == pytest.approx(np.array([[0, 0, 0], [third, 0, 0], [third, 0, 0]]))
    assert further.tolist() == pytest.approx(np.array([[0, third, third], [0, 0, 0], [0, 0, 0]]))


@pytest.mark.parametrize("name", ["kinect_v1", "kinect_v2", "smpl_22", "coco_17", "h36m_17"])
def test_every_joint_gets_an_average_of_its_neighbours_whatever_the_topology(name):
    weights = partitioned_adjacency(get_topology(name)).sum((0, 2))
    torch.testing.assert_close(weights, torch.ones_like(weights))


def test_bodies_are_centred_and_unknown_joints_are_nothing_but_marked():
    # A trunk at (1, 2, 3), then one frame later at (4, 2, 3), the left hand always 1 m above it, the right one unknown.
    joints = np.array([[[[x, 2, 3], [x, 3, 3], [9, 9, 9]]] for x in (1, 4)], np.float32)
    valid = np.array([[[True, True, False]]] * 2)
    network = StGcn(CROSS, ["a", "b"], Sizes(num_frames=2, channels=(4,)))
    features, owners = body_features([network.sample(sequence(joints, valid=valid))])
    assert features.shape == (1, 7, 2, 3) and owners.tolist() == [0]
    assert features[0, :3, :, 0].abs().max() == 0  # the trunk is the middle in every frame
    torch.testing.assert_close(features[0, :3, :, 1], torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    assert features[0, 3, :, 0].tolist() == pytest.approx([90.0, 90.0])  # 3 m in 1/30 s: where it goes is kept
    assert not features[0, :, :, 2].any() and features[0, 6].tolist() == [[1, 1, 0]] * 2


def test_where_a_person_stands_makes_no_difference():
    network = StGcn(get_topology("kinect_v1"), ["a", "b"], SMALL).eval()
    here = somebody()
    there = here.replace(joints=here.joints + np.float32([2.0, -1.0, 4.0]))
    # Float32 metres up to 5: places are exact to 5e-7, which a few layers let grow.
    torch.testing.assert_close(network([network.sample(here)]), network([network.sample(there)]), rtol=1e-3, atol=1e-4)


def test_persons_who_are_in_no_frame_and_those_beyond_the_second_do_not_count():
    network = StGcn(get_topology("kinect_v1"), ["a", "b"], SMALL).eval()
    two = somebody(persons=2)
    three = two.replace(joints=np.repeat(two.joints, 2, 1)[:, [0, 2, 1]], valid=np.repeat(two.valid, 2, 1)[:, :3])
    alone = two.first_persons(1)
    hidden = two.replace(valid=two.valid & np.array([True, False])[None, :, None])
    logits = network([network.sample(clip) for clip in (two, three, alone, hidden)])
    # The same sums in another order.
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits[2], logits[3], rtol=1e-4, atol=1e-5)
    assert (logits[0] - logits[2]).abs().max() > 1e-3


def test_a_recording_in_which_nobody_is_seen_gets_an_answer():
    network = StGcn(get_topology("kinect_v1"), ["a", "b"], SMALL).eval()
    nobody = somebody()
    logits = network([network.sample(nobody.replace(valid=np.zeros_like(nobody.valid)))])
    assert logits.shape == (1, 2) and logits.isfinite().all()


def test_it_learns_actions_of_people_it_never_saw(embedded):
    training, test = embedded
    learning = Learning(epochs=25, batch_size=8, augmentation=Augmentation(noise=0.01, mirror=0.5))
    network = train_st_gcn(training, 0, learning, SMALL)
    found = answer(network, test)
    right = sum(text == recording.label for text, (recording, _) in zip(found.texts, test.recordings, strict=True))
    assert right >= 10, f"{right} of {len(found.texts)}"  # a guess has 4 of 12; 9 or more once in 250
    assert torch.tensor(found.scores).exp().sum(1).tolist() == pytest.approx([1.0] * 12)


def test_the_same_seed_gives_the_same_network_and_another_one_another(embedded):
    training, test = embedded
    learning = Learning(epochs=1, batch_size=8)
    torch.manual_seed(1)
    first, before = answer(train_st_gcn(training, 3, learning, SMALL), test), torch.rand(1)
    torch.manual_seed(2)
    again = answer(train_st_gcn(training, 3, learning, SMALL), test)
    torch.manual_seed(1)
    assert first == again and torch.rand(1) == before  # nor does training touch the caller's random numbers
    assert answer(train_st_gcn(training, 4, learning, SMALL), test) != first


def test_a_saved_network_answers_as_before(embedded, tmp_path):
    training, test = embedded
    network = train_st_gcn(training, 0, Learning(epochs=1, batch_size=8), SMALL)
    save_st_gcn(network, tmp_path / "network.safetensors")
    loaded = load_st_gcn(tmp_path / "network.safetensors")
    assert (loaded.labels, loaded.topology, loaded.sizes) == (network.labels, network.topology, network.sizes)
    assert answer(loaded, test) == answer(network, test)
    (tmp_path / "text").write_text("not this")
    with pytest.raises(ValueError, match="text: not an ST-GCN"):
        load_st_gcn(tmp_path / "text")
    save_file({"weight": torch.zeros(1)}, tmp_path / "header", {"st_gcn": "{"})
    with pytest.raises(ValueError, match="header: not an ST-GCN"):
        load_st_gcn(tmp_path / "header")
    with pytest.raises(FileNotFoundError):
        load_st_gcn(tmp_path / "nothing")


def labelled(*sequences):
    return [(Recording(f"r{i}", "a", lambda: None, "train"), one) for i, one in enumerate(sequences)]


def test_a_graph_is_of_one_topology_to_which_others_are_brought_if_they_have_the_joints():
    kinects = labelled(somebody(topology="kinect_v2"), somebody(topology="kinect_v1"))
    with pytest.raises(ValueError, match="topologies kinect_v1, kinect_v2, and a graph network knows one"):
        one_topology(kinects)
    brought = one_topology(kinects, "kinect_v1")
    assert {each.topology.name for _, each in brought} == {"kinect_v1"}
    tailed = build_topology("tailed", [("pelvis", None, "torso"), ("tail", "pelvis", "torso")])
    with pytest.raises(ValueError, match="r0: tailed has joints that kinect_v2 cannot give: tail;"):
        one_topology(kinects, tailed)
    with pytest.raises(ValueError, match="topology kinect_v2, expected kinect_v1"):
        StGcn(get_topology("kinect_v1"), ["a"]).sample(kinects[0][1])


def test_labels_that_never_trained_are_refused(embedded):
    training, test = embedded
    network = StGcn(training[0][1].topology, ["squat", "walk"], SMALL)
    with pytest.raises(ValueError, match="not trained on raise both arms"):
        answer(network, test)
    only = replace(test, selection=replace(test.selection, candidates=["squat"]))
    assert set(answer(network, only).texts) == {"squat"}


@pytest.fixture
def baseline(capfd, monkeypatch, tmp_path):
    """Runs the command on two embedded actions, on as many recordings as a step takes: (exit code, output, errors)."""
    monkeypatch.setenv("COLUMNS", "1000")
    embedded = ["synthetic", "--option", 'labels=["squat", "walk"]', "--option", "performers=8"]
    trained = [*embedded, "--option", "test_performers=2", "--option", 'topologies=["kinect_v1"]']

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["baseline", "st_gcn", "-o", str(tmp_path / "out"), "--epochs", "1", "--data", *trained, *arguments])
        printed = capfd.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


def test_the_command_writes_what_evaluate_writes_and_does_nothing_twice(baseline, tmp_path):
    code, printed, said = baseline("--seed", "3")
    assert code == 0, said
    assert "of 4" in printed and "16 recordings trained" in printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["task"], summary["model"], summary["seed"], summary["count"]) == ("recognition", "st_gcn", 3, 4)
    assert summary["candidates"] == ["squat", "walk"] and summary["scoring"] == "log-likelihood"
    assert summary["interval_95"][0] <= summary["accuracy"] <= summary["interval_95"][1]
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert {row["label"] for row in rows} == {"squat", "walk"} and all(len(row["scores"]) == 2 for row in rows)
    assert sum(row["label"] == row["predicted"] for row in rows) == summary["hits"]
    assert load_st_gcn(tmp_path / "out" / "st_gcn.safetensors").labels == ("squat", "walk")

    (tmp_path / "out" / "st_gcn.safetensors").unlink()
    code, printed, _ = baseline("--seed", "3")
    assert code == 0 and "holds this run already" in printed
    assert not (tmp_path / "out" / "st_gcn.safetensors").exists()
    code, _, said = baseline("--seed", "4")
    assert code == 2 and "summary.json is of another run: seed is 3, expected 4" in said


def test_the_command_tests_on_another_source_in_another_topology(baseline, tmp_path):
    other = ["--test-option", 'labels=["walk", "wave left hand"]', "--test-option", "test_performers=3"]
    code, _, said = baseline("--test-data", "synthetic", *other, "--test-option", 'topologies=["smpl_22"]')
    assert code == 0, said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    # Of the other source's actions only one is shared.
    assert (summary["count"], summary["candidates"], summary["shared_labels"]) == (3, ["walk"], True)
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert all(row["id"].endswith("/smpl_22") for row in rows)


def test_the_command_tells_what_is_wrong_before_it_trains(baseline, tmp_path):
    for arguments, told in [
        (["--test-root", str(tmp_path)], "--test-root and --test-option belong to --test-data"),
        (["--option", 'topologies=["kinect_v1", "coco_17"]'], "topologies coco_17, kinect_v1, and a graph network"),
        (["--topology", "openpose"], "openpose"),
    ]:
        code, _, said = baseline(*arguments)
        # Reading has a bar, which is wiped out; what is wrong is the last line.
        assert code == 2 and told in said.splitlines()[-1]
    protocol = tmp_path / "mine.yaml"
    protocol.write_text("{base: usual, unseen: [walk]}")
    assert "not trained on walk" in baseline("--protocol", str(protocol))[2]
    assert not (tmp_path / "out").exists()
