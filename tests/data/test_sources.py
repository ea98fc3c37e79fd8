"""Data sets by name: what is a recording, what is its label, and who is never seen in training."""

import os
import pickle
import shutil
import tarfile

import pytest

from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.formats.utd_mhad import LABELS as UTD_LABELS
from skeletonllm.skeleton.synthesis import ACTIONS, describe, synthesize


def test_synthetic_training_and_test_share_no_performer():
    found = load_source("synthetic", performers=3, test_performers=2, takes=2, labels=["bow", "clap"])
    cast = {
        split: {recording.attributes["performer"] for recording in select(found, split)} for split in ("train", "test")
    }
    assert len(cast["train"]) == 3 and len(cast["test"]) == 2
    assert not cast["train"] & cast["test"]


def test_the_synthetic_test_set_does_not_depend_on_the_size_of_the_training_set():
    small, large = (
        {recording.id for recording in select(load_source("synthetic", performers=count), "test")} for count in (1, 50)
    )
    assert small == large


def test_the_synthetic_source_covers_every_action_in_every_topology_and_what_is_read_fits():
    found = load_source("synthetic", performers=1, test_performers=1)
    assert len(found) == len({recording.id for recording in found}) == 2 * 3 * len(ACTIONS)
    for recording, sequence in read_all(found[:: len(ACTIONS) // 2]):
        assert sequence.topology.name == recording.id.rsplit("/", 1)[1]
        again = synthesize(
            recording.label, topology=sequence.topology, performer=recording.attributes["performer"],
            take=recording.attributes["take"],
        )  # fmt: skip
        assert (again.joints == sequence.joints).all()


def test_recordings_travel_to_other_processes():
    recording = load_source("synthetic", performers=1, test_performers=0, labels=["bow"])[0]
    assert pickle.loads(pickle.dumps(recording)).read().num_frames == recording.read().num_frames


def test_synthetic_recordings_know_what_each_part_of_the_body_did_and_others_do_not(labelled_folder, tmp_path):
    found = load_source("synthetic", performers=2, test_performers=1, takes=2, labels=["bow", "wave left hand"])
    for recording in pickle.loads(pickle.dumps(found)):
        attributes = recording.attributes
        text = describe(recording.label, performer=attributes["performer"], take=attributes["take"])
        assert recording.rationale() == text
    assert len({recording.rationale() for recording in found}) > 2
    labelled_folder(".", "bow", ["a.npz"])
    assert load_source("folder", tmp_path)[0].rationale is None


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("ntu_rgbd",), {}, "unknown data source 'ntu_rgbd'; known: synthetic"),
        (("nw_ucla",), {}, "data source nw_ucla needs its folder: data.root=FOLDER"),
        (("nw_ucla", "absent"), {}, "nw_ucla: absent is not a folder"),
        (("synthetic", "."), {}, "source synthetic has no root"),
        (("synthetic",), dict(actors=3), "data source synthetic: .*actors"),
        (("synthetic",), dict(labels=["fly"]), "no synthetic action fly; known: .*bow"),
        (("synthetic",), dict(performers=200_000), "200000 performers, at most"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(arguments, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_source(*arguments, **options)


def test_an_unknown_topology_is_named():
    with pytest.raises(KeyError, match="kinect_v9"):
        load_source("synthetic", topologies=["kinect_v9"])


@pytest.mark.parametrize("name", ["ntu", "nw_ucla", "utd_mhad", "folder"])
def test_a_folder_without_recordings_is_refused(name, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ValueError, match=f"{name}: no recordings in"):
        load_source(name, tmp_path)


@pytest.fixture
def labelled_folder(tmp_path):
    """Makes files LABEL/NAME below a folder."""

    def make(root, label, names):
        (tmp_path / root / label).mkdir(parents=True, exist_ok=True)
        for performer, name in enumerate(names):
            write_npz(synthesize("bow", performer=performer), tmp_path / root / label / name)

    return make


def test_a_folder_of_labels_keeps_every_fifth_file_for_testing(labelled_folder, tmp_path):
    labelled_folder(".", "bow", [f"{number}.npz" for number in range(10)])
    labelled_folder(".", "fall over", ["a.npz", ".hidden.npz"])
    labelled_folder(".", ".cache", ["b.npz"])
    found = load_source("folder", tmp_path)
    assert {recording.id for recording in select(found, "test")} == {os.path.join("bow", f"{n}.npz") for n in (4, 9)}
    assert {recording.label for recording in found} == {"bow", "fall over"} and len(found) == 11
    assert read_all(found[:1])[0][1].num_frames > 1
    assert len(select(load_source("folder", tmp_path, test_every=2), "test")) == 5
    with pytest.raises(ValueError, match="test_every is 0"):
        load_source("folder", tmp_path, test_every=0)


def test_train_and_test_folders_are_taken_as_they_are(labelled_folder, tmp_path):
    labelled_folder("train", "bow", [f"{number}.npz" for number in range(6)])
    labelled_folder("test", "bow", ["0.npz"])
    found = load_source("folder", tmp_path)
    assert {recording.label for recording in found} == {"bow"}
    assert len({recording.id for recording in found}) == 7
    assert [recording.id for recording in select(found, "test")] == [os.path.join("test", "bow", "0.npz")]


def test_nw_ucla_names_tell_the_label_and_the_third_view_never_trains(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a01_s01_e00_v01", "a08_s02_e01_v02", "a12_s10_e03_v03", "a07_s01_e00_v01", "b01_s01_e00_v01"):
        (tmp_path / "deep" / f"{name}.json").write_text("{}")
    found = {recording.id: recording for recording in load_source("nw_ucla", tmp_path)}
    assert {name: recording.label for name, recording in found.items()} == {
        "a01_s01_e00_v01": "pick up with one hand", "a08_s02_e01_v02": "donning", "a12_s10_e03_v03": "carry",
    }  # fmt: skip
    assert [recording.split for recording in found.values()] == ["train", "train", "test"]
    assert found["a12_s10_e03_v03"].attributes == dict(action=12, performer=10, episode=3, view=3)


def test_real_nw_ucla_files_agree_with_their_names(shared, tmp_path):
    with tarfile.open(shared / "data" / "nw_ucla.tar.xz") as archive:
        for _, member in zip(range(40), archive, strict=False):
            archive.extract(member, tmp_path, filter="data")
    found = load_source("nw_ucla", tmp_path)
    assert len(found) >= 30
    assert all(recording.attributes["view"] != 3 for recording in select(found, "train"))
    read = read_all(found)
    for recording, sequence in read:
        # The label inside the file, numbered 1 to 10, is the reader's business, the one in the name the source's.
        assert sequence.label == recording.label, recording.id
    assert len({recording.label for recording, _ in read}) >= 5


def test_real_utd_mhad_files_split_by_performer(shared, tmp_path):
    source = shared / "data" / "utd_mhad"
    for name in ("a1_s1_t1", "a5_s2_t1", "a22_s3_t2", "a24_s4_t1", "a27_s6_t1"):
        shutil.copy(next(source.rglob(f"{name}_skeleton.mat")), tmp_path)
    found = {recording.id: recording for recording in load_source("utd_mhad", tmp_path)}
    assert {name: recording.split for name, recording in found.items()} == {
        "a1_s1_t1": "train", "a5_s2_t1": "test", "a22_s3_t2": "train", "a24_s4_t1": "test", "a27_s6_t1": "test",
    }  # fmt: skip
    assert found["a5_s2_t1"].label == "right arm throw" and found["a24_s4_t1"].label == "sit to stand"
    assert found["a1_s1_t1"].label == UTD_LABELS[0] and found["a27_s6_t1"].label == UTD_LABELS[-1] == "squat"
    for recording, sequence in read_all(found.values()):
        assert sequence.label in (None, recording.label) and sequence.topology.name == "kinect_v1"


def test_the_whole_of_nw_ucla_has_ten_labels_in_each_split(shared, tmp_path):
    with tarfile.open(shared / "data" / "nw_ucla.tar.xz") as archive:
        for name in archive.getnames():
            if name.endswith(".json"):
                (tmp_path / os.path.basename(name)).touch()
    found = load_source("nw_ucla", tmp_path)
    for split in ("train", "test"):
        assert len({recording.label for recording in select(found, split)}) == 10
