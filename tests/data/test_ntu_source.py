"""NTU RGB+D by its file names."""

import json

import pytest

from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.formats.ntu import LABELS


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of empty files with the given names."""

    def make(*names):
        (tmp_path / "ntu" / "deep").mkdir(parents=True)
        for name in names:
            (tmp_path / "ntu" / "deep" / f"{name}.skeleton").touch()
        return tmp_path / "ntu"

    return make


def test_a_name_tells_everything(folder):
    root = folder("S018C003P055R002A080", "S001C002P003R001A011")
    first, second = load_source("ntu", root)
    assert (first.id, first.label, first.split) == ("S001C002P003R001A011", "reading", "test")
    assert first.attributes == dict(setup=1, camera=2, performer=3, replication=1, action=11)
    assert (second.id, second.label, second.split) == ("S018C003P055R002A080", "squat down", "train")


def test_other_files_are_passed_over(folder):
    root = folder("S001C001P001R001A001", "S001C001P001R001A121", "S001C001P001R001A000", "S001C001P001R001A001_rgb")
    (root / "S001C001P001R001A002.txt").touch()
    assert [recording.id for recording in load_source("ntu", root)] == ["S001C001P001R001A001"]


def test_there_are_120_labels_no_two_of_which_are_the_same():
    assert len(LABELS) == len(set(LABELS)) == 120
    assert LABELS[0] == "drink water" and LABELS[59] == "walking apart from each other"
    assert LABELS[60] == "put on headphone" and LABELS[119].startswith("finger-guessing")


def test_samples_of_the_users_list_are_left_out(folder, tmp_path):
    root = folder("S001C001P001R001A001", "S001C002P001R001A001", "S001C003P001R001A001")
    listed = tmp_path / "missing.txt"
    listed.write_text("Missing skeletons:\r\n\r\nS001C002P001R001A001\r\nS001C003P001R001A001.skeleton\r\n")
    found = load_source("ntu", root, missing=str(listed))
    assert [recording.id for recording in found] == ["S001C001P001R001A001"]


@pytest.mark.parametrize("content", [["sip", "nibble"], {"sip": [], "nibble": ["sip"]}], ids=["list", "object"])
def test_actions_may_have_other_names(folder, tmp_path, content):
    root = folder("S001C001P001R001A001", "S001C001P001R001A002", "S001C001P001R001A003")
    (tmp_path / "names.json").write_text(json.dumps(content))
    found = load_source("ntu", root, labels=str(tmp_path / "names.json"))
    assert [recording.label for recording in found] == ["sip", "nibble"], "an action without a name is left out"


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("missing", None, "missing: .*list is not a file"),
        ("missing", "nothing", "missing: .*list names no sample"),
        ("labels", None, "labels: .*list is no JSON"),
        ("labels", "[1", "labels: .*list is no JSON"),
        ("labels", "3", "labels: .*list is no JSON"),
        ("labels", '["sip", "sip"]', "action 2 is 'sip', expected a name that no other has"),
        ("labels", '["sip", 2]', "action 2 is 2"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(folder, tmp_path, option, content, message):
    root = folder("S001C001P001R001A001")
    if content is not None:
        (tmp_path / "list").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_source("ntu", root, **{option: str(tmp_path / "list")})


def test_real_files_agree_with_their_names(shared):
    found = load_source("ntu", shared / "data" / "ntu_rgbd_samples")
    assert len(found) == 9 and {recording.id for recording in select(found, "test")} == {
        "S002C001P003R001A003", "S017C003P020R002A054", "S017C003P020R002A055", "S017C003P020R002A056",
        "S017C003P020R002A058",
    }  # fmt: skip
    for recording, sequence in read_all(found[:3]):
        assert sequence.label == recording.label
