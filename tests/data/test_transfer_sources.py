"""The data sets that other data sets are tested on: what their files' names and contents tell."""

import pickle
from collections import Counter

import numpy as np
import pytest

from skeletonllm.data.recordings import labels_of, read_all, select
from skeletonllm.data.sources import jhmdb, load_source
from skeletonllm.evaluation.selection import choose
from skeletonllm.skeleton.formats import SkeletonFormatError, nw_ucla


def test_msr_action3d_names_tell_the_action_and_odd_subjects_train(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a01_s01_e01", "a20_s10_e03", "a06_s02_e02", "a21_s01_e01", "a00_s01_e01"):
        (tmp_path / "deep" / f"{name}_skeleton3D.txt").touch()
    (tmp_path / "a02_s01_e01_skeleton.txt").touch()  # the version in pixels
    found = {recording.id: recording for recording in load_source("msr_action3d", tmp_path)}
    assert {name: (recording.label, recording.split) for name, recording in found.items()} == {
        "a01_s01_e01": ("high arm wave", "train"), "a06_s02_e02": ("high throw", "test"),
        "a20_s10_e03": ("pick up and throw", "test"),
    }  # fmt: skip
    assert found["a20_s10_e03"].attributes == dict(action=20, performer=10, episode=3)


def test_gtu_is_named_by_its_folders_and_the_last_fifth_by_number_tests(tmp_path):
    for folder, numbers in {"12": range(1, 11), "4": (7, 2), "9": (3,), "15": (1,), "notes": (1,)}.items():
        (tmp_path / folder).mkdir()
        for number in numbers:
            (tmp_path / folder / f"movement{number}.txt").touch()
    found = load_source("gtu", tmp_path)
    assert {recording.label for recording in found} == {"walking", "crouch", "loosen the neck"}
    # By number: 10 is after 9, though not as a name.
    assert {recording.id for recording in select(found, "test")} == {"12/movement9", "12/movement10", "4/movement7"}
    assert found[0].attributes == {"action": 4, "movement": 2}


def write_jhmdb(path, labels):
    path.write_bytes(pickle.dumps({"pose": [np.random.rand(5, 15, 2) for _ in labels], "label": labels}, protocol=2))


def test_jhmdb_takes_the_side_from_the_name_of_the_file_and_one_split_at_once(tmp_path):
    write_jhmdb(tmp_path / "GT_train_1.pkl", ["sit", "kick_ball"])
    write_jhmdb(tmp_path / "GT_test_1.pkl", ["golf"])
    write_jhmdb(tmp_path / "GT_test_2.pkl", ["sit"])
    write_jhmdb(tmp_path / "other.pkl", ["sit"])
    found = load_source("jhmdb", tmp_path)
    assert [(recording.id, recording.label, recording.split) for recording in found] == [
        ("GT_test_1#0", "golf swing", "test"), ("GT_train_1#0", "sit down", "train"),
        ("GT_train_1#1", "kick a ball", "train"),
    ]  # fmt: skip
    assert [recording.id for recording in load_source("jhmdb", tmp_path, fold=2)] == ["GT_test_2#0"]
    again = pickle.loads(pickle.dumps(found[0]))
    assert (again.read().joints == found[0].read().joints).all()


def test_a_class_that_jhmdb_does_not_have_is_named(tmp_path):
    write_jhmdb(tmp_path / "GT_test_1.pkl", ["sit", "juggle"])
    with pytest.raises(SkeletonFormatError, match=r"GT_test_1.pkl: key 'label', clip 1: found 'juggle', expected one"):
        load_source("jhmdb", tmp_path)


def test_real_jhmdb_has_the_clips_of_a_test_side(shared):
    found = load_source("jhmdb", shared / "data" / "jhmdb")
    assert len(found) == 176 and {recording.split for recording in found} == {"test"}
    assert Counter(recording.label for recording in found)["pick up"] == 12
    for recording, sequence in read_all(found[::20]):
        assert sequence.topology.name == "jhmdb_15" and jhmdb.LABELS[sequence.label] == recording.label


def write_penn(path, action, train):
    scipy_io = pytest.importorskip("scipy.io")
    points = np.random.rand(4, 13)
    content = dict(action=action, x=points, y=points, visibility=np.ones((4, 13)), train=train)
    scipy_io.savemat(path, content)


def test_penn_action_says_in_each_file_who_tests(tmp_path):
    write_penn(tmp_path / "0001.mat", "bowl", 1.0)
    write_penn(tmp_path / "0002.mat", "strum_guitar", -1.0)
    found = load_source("penn_action", tmp_path)
    assert [(one.id, one.label, one.split, one.attributes) for one in found] == [
        ("0001", "bowling", "train", {"video": 1}), ("0002", "strum a guitar", "test", {"video": 2}),
    ]  # fmt: skip
    assert found[0].read().topology.name == "penn_13"


@pytest.mark.parametrize(
    ("action", "train", "message"),
    [("juggle", 1.0, "action: found 'juggle', expected one of baseball_pitch"), ("bowl", 0.0, "train: found")],
)
def test_a_penn_action_file_that_does_not_say_so_is_named(action, train, message, tmp_path):
    write_penn(tmp_path / "0003.mat", action, train)
    with pytest.raises(SkeletonFormatError, match=rf"0003.mat: {message}"):
        load_source("penn_action", tmp_path)


def test_real_penn_action_files_have_both_sides_of_every_action(shared):
    found = load_source("penn_action", shared / "data" / "penn_action")
    assert len(found) == 320 and len(labels_of(select(found, "train"))) == len(labels_of(select(found, "test"))) == 15


def test_real_gtu_hands_are_those_that_the_labels_name(shared):
    """The data set calls the other hand so; the label must not."""
    found = [one for one in load_source("gtu", shared / "data" / "gtu_kinect2") if one.label.startswith("shake")]
    assert len(found) == 4
    for recording, sequence in read_all(found):
        paths = {}
        for side in ("left", "right"):
            wrist = sequence.joints[:, 0, sequence.topology.index(f"{side}_wrist")]
            paths[side] = float(np.linalg.norm(np.diff(wrist, axis=0), axis=-1).sum())
        assert max(paths, key=paths.get) in recording.label, (recording.id, paths)


def test_real_gtu_people_who_stand_on_the_sandal_sit_down_on_a_chair(shared):
    found = [one for one in load_source("gtu", shared / "data" / "gtu_kinect2") if "chair" in one.label]
    for recording, sequence in read_all(found):
        pelvis = sequence.joints[:, 0, sequence.topology.index("pelvis")]
        # A chair is lower than a standing pelvis by more than any step or sway, and behind the feet.
        assert np.ptp(pelvis[:, 1]) > 0.2 and np.ptp(pelvis[:, 2]) > 0.2, recording.id


@pytest.mark.parametrize("name", ["msr_action3d", "gtu", "jhmdb", "penn_action"])
def test_a_folder_without_such_files_is_refused(name, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ValueError, match=f"{name}: no recordings in"):
        load_source(name, tmp_path)


def test_a_model_of_another_data_set_is_asked_about_shared_actions_under_its_own_names(tmp_path):
    write_jhmdb(tmp_path / "GT_test_1.pkl", ["pick", "sit", "golf", "pick", "walk"])
    chosen = choose("jhmdb", tmp_path, {}, "usual", nw_ucla.LABELS, split="all", shared_labels=True)
    assert chosen.candidates == ["pick up with one hand", "walk around", "sit down"]
    assert [one.label for one in chosen.recordings] == [
        "pick up with one hand", "sit down", "pick up with one hand", "walk around",
    ]  # fmt: skip
