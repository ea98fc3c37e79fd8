"""Protocols by name and from a file, and the guard that keeps what is held out away from training."""

from collections import Counter

import pytest

from skeletonllm.data.recordings import Recording, select
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import SPLITS, Guard, LeakError, load_split
from skeletonllm.skeleton.formats.ntu import LABELS

SETUPS = (1, 2, 17, 18, 31, 32)
PERFORMERS = (1, 3, 38, 40, 45, 106)


@pytest.fixture(scope="module")
def ntu():
    """Six performers do all 120 actions in six set-ups before three cameras."""
    return [
        Recording(
            f"S{setup:03}C{camera:03}P{performer:03}R001A{action:03}",
            LABELS[action - 1],
            lambda: None,
            "train",
            dict(setup=setup, camera=camera, performer=performer, replication=1, action=action),
        )
        for setup in SETUPS
        for camera in (1, 2, 3)
        for performer in PERFORMERS
        for action in range(1, 121)
    ]


def sides(name, recordings):
    """For each side the values of every attribute, and the labels, that occur on it."""
    assigned = load_split(name).assign(recordings)
    return {
        side: {key: {r.attributes[key] for r in part} for key in part[0].attributes}
        | {"label": {r.label for r in part}}
        for side in ("train", "test", "neither")
        if (part := [recording for recording in assigned if recording.split == side])
    }


@pytest.mark.parametrize(
    ("name", "attribute", "train", "test"),
    [
        ("ntu60/cross-subject", "performer", {1, 38, 45}, {3, 40, 106}),
        ("ntu60/cross-view", "camera", {2, 3}, {1}),
        ("ntu120/cross-subject", "performer", {1, 38, 45}, {3, 40, 106}),
        ("ntu120/cross-setup", "setup", {2, 18, 32}, {1, 17, 31}),
    ],
)
def test_ntu_protocols_part_what_they_are_named_after_and_nothing_else(ntu, name, attribute, train, test):
    found = sides(name, ntu)
    assert found["train"][attribute] == train and found["test"][attribute] == test
    for other in {"setup", "camera", "performer", "action"} - {attribute}:
        assert found["train"][other] == found["test"][other]


def test_ntu60_ends_where_ntu120_begins(ntu):
    for name in SPLITS:
        if name.startswith("ntu60/"):
            found = sides(name, ntu)
            for side in ("train", "test"):
                assert found[side]["setup"] == {1, 2, 17} and max(found[side]["action"]) <= 60
    assert sides("ntu120/cross-subject", ntu)["train"]["action"] == set(range(1, 121))


def test_training_performers_are_as_many_as_published():
    everybody = [
        Recording(str(number), "throw", lambda: None, "", dict(setup=1, camera=1, performer=number, action=7))
        for number in range(1, 107)
    ]
    counts = Counter(recording.split for recording in load_split("ntu120/cross-subject").assign(everybody))
    assert counts == dict(train=53, test=53)
    first_forty = load_split("ntu60/cross-subject").assign(everybody[:40])
    assert Counter(recording.split for recording in first_forty) == dict(train=20, test=20)


@pytest.mark.parametrize(("seen", "unseen"), [(55, 5), (48, 12), (40, 20), (30, 30)])
def test_unseen_classes_never_train_and_alone_test(ntu, seen, unseen):
    found = sides(f"ntu60/{seen}-{unseen}", ntu)
    assert len(found["train"]["label"]) == seen and len(found["test"]["label"]) == unseen
    assert found["train"]["label"] | found["test"]["label"] == set(LABELS[:60])
    assert not found["train"]["label"] & found["test"]["label"]
    assert found["train"]["performer"] == {1, 38, 45} and found["test"]["performer"] == {3, 40, 106}


def test_the_smallest_zero_shot_split_is_the_published_one(ntu):
    assert sides("ntu60/55-5", ntu)["test"]["label"] == {
        "reading", "writing", "put on hat/cap", "jump up", "touch someone's pocket",
    }  # fmt: skip


def test_unseen_classes_stay_unseen_when_the_actions_have_other_names(ntu):
    renamed = [Recording(r.id, r.label.upper(), r.read, r.split, r.attributes) for r in ntu]
    assert "READING" in sides("ntu60/55-5", renamed)["test"]["label"]


def test_other_data_sets_are_split_as_their_sources_do(tmp_path):
    for name in ("a01_s01_e00_v01", "a08_s02_e01_v02", "a12_s10_e03_v03"):
        (tmp_path / f"{name}.json").touch()
    for name in ("a1_s1_t1", "a5_s2_t1", "a22_s7_t4", "a24_s8_t1"):
        (tmp_path / f"{name}_skeleton.mat").touch()
    for source, name in (("nw_ucla", "nw_ucla/cross-view"), ("utd_mhad", "utd_mhad/cross-subject")):
        found = load_source(source, tmp_path)
        assert {recording.split for recording in found} == {"train", "test"}
        assert [r.split for r in load_split(name).assign(found)] == [r.split for r in found]


def test_a_split_chooses_what_select_gives(ntu):
    chosen = select(load_split("ntu60/30-30").assign(ntu), "train", {"camera": [1]})
    assert {recording.attributes["camera"] for recording in chosen} == {1}
    assert len({recording.label for recording in chosen}) == 30


@pytest.mark.parametrize("name", ["ntu60/cross-subject", "utd_mhad/cross-subject", "ntu120/cross-setup"])
def test_the_numbers_of_another_data_set_do_not_pass(recordings, name):
    with pytest.raises(ValueError, match=f"split {name} needs the attribute .* bow-1-1 has performer, view"):
        load_split(name).assign(recordings)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


def test_a_users_split_is_read_from_yaml(write, recordings):
    path = write("train: {performer: [1], view: [1]}\ntest: {performer: [2]}\nunseen: [clap]")
    found = {recording.id: recording.split for recording in load_split(path).assign(recordings)}
    assert found["bow-1-1"] == found["walk-1-1"] == "train"
    assert found["clap-2-1"] == found["clap-2-3"] == "test"
    assert {found[name] for name in ("clap-1-1", "bow-1-3", "bow-2-1")} == {"neither"}


def test_without_a_test_what_does_not_train_tests_among_those_that_matter(write, recordings):
    split = load_split(write("among: {performer: [1]}\ntrain: {view: [1]}"))
    found = {recording.id: recording.split for recording in split.assign(recordings)}
    assert (found["bow-1-1"], found["bow-1-3"], found["bow-2-1"]) == ("train", "test", "neither")


def test_a_users_unseen_classes_come_on_top_of_a_named_split(write, ntu):
    found = sides(write("base: ntu120/cross-subject\nunseen: [reading, 120]"), ntu)
    assert found["test"]["action"] == {11, 120} and len(found["train"]["label"]) == 118
    assert found["train"]["performer"] == {1, 38, 45}


def test_an_unseen_label_that_nobody_knows_is_refused_before_its_class_trains(write, recordings):
    split = load_split(write("train: {performer: [1]}\nunseen: [clapp]"))
    with pytest.raises(ValueError, match="unseen: unknown label 'clapp'; the nearest is 'clap'"):
        split.assign(recordings)


def test_a_recording_on_both_sides_is_refused_by_name(write, recordings):
    split = load_split(write("train: {performer: [1, 2]}\ntest: {view: [3]}"))
    with pytest.raises(ValueError, match="bow-1-3 would both train and test"):
        split.assign(recordings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [1, 2", "not YAML"),
        ("- 1", "expected some of the keys base, among, train, test, unseen"),
        ("", "expected some of the keys"),
        ("trian: {performer: [1]}", "unknown key trian; known: base, among"),
        ("test: {performer: [1]}", "train: missing"),
        ("train: {performer: 1}", r"train: performer: found 1, expected a list of numbers"),
        ("train: {performer: [one]}", r"train: performer: found \['one'\]"),
        ("train: {performer: [true]}", r"train: performer: found \[True\]"),
        ("train: {performer: []}", r"train: performer: found \[\]"),
        ("train: {}", "train: found {}"),
        ("train: [1]", r"train: found \[1\], expected conditions"),
        ("train: {performer: [1]}\nunseen: clap", "unseen: found 'clap'"),
        ("train: {performer: [1]}\nunseen: [1.5]", r"unseen: found \[1.5\]"),
        ("base: ntu60/mine", "base: no split 'ntu60/mine'; known: usual"),
        ("base: ntu60/cross-view\ntrain: {performer: [1]}", "base has conditions of its own.* no place for train"),
    ],
)
def test_a_file_that_is_no_split_says_where(write, text, message):
    with pytest.raises(ValueError, match=f"mine.yaml: {message}"):
        load_split(write(text))


def test_an_unknown_split_is_refused_and_one_that_needs_the_users_classes_says_so():
    with pytest.raises(ValueError, match="no split 'ntu60/cross-performer'; known: usual, .*ntu60/cross-subject"):
        load_split("ntu60/cross-performer")
    with pytest.raises(ValueError, match="ntu120/110-10: its unseen classes are not published"):
        load_split("ntu120/110-10")


def test_the_guard_lets_everything_pass_that_trains(ntu):
    for name in ("ntu60/48-12", "ntu120/cross-setup", "everything"):
        split = load_split(name)
        Guard(split).check(select(split.assign(ntu), "train"))


@pytest.mark.parametrize(
    ("name", "leak", "reason"),
    [
        ("ntu60/cross-subject", "S001C001P003R001A001", r"it is for testing \(.*performer 3\)"),
        ("ntu60/cross-view", "S001C001P001R001A001", r"it is for testing \(.*camera 1\)"),
        ("ntu60/55-5", "S001C001P001R001A011", "'reading' is an unseen class"),
        ("ntu60/55-5", "S001C001P003R001A011", "'reading' is an unseen class"),
        ("ntu60/55-5", "S001C001P003R001A001", r"it is for testing \(.*performer 3"),
        ("ntu60/55-5", "S018C001P001R001A001", r"it is not in the split \(setup 18"),
    ],
)
def test_a_single_leak_among_thousands_stops_the_job_and_is_named(ntu, name, leak, reason):
    split = load_split(name)
    (held_out,) = [recording for recording in split.assign(ntu) if recording.id == leak]
    safe = select(split.assign(ntu), "train")
    message = f"distillation would touch 1 of {len(safe) + 1} recordings that split {name} .*{leak}: {reason}"
    with pytest.raises(LeakError, match=message):
        Guard(split, "distillation").check([*safe[:7], held_out, *safe[7:]])
    assert not Guard(split).allows(held_out) and all(map(Guard(split).allows, safe[:10]))


def test_the_guard_does_not_believe_what_a_recording_says_of_itself(ntu):
    """The split that a shard was packed by may be another one."""
    (held_out,) = [recording for recording in ntu if recording.id == "S001C001P003R001A001"]
    assert held_out.split == "train"
    assert not Guard(load_split("ntu60/cross-subject")).allows(held_out)


def test_the_usual_split_is_guarded_as_well_and_everything_is_a_split_of_its_own(recordings):
    Guard(load_split("usual")).check(select(recordings, "train"))
    with pytest.raises(LeakError, match="6 of 12 recordings .* the first is bow-1-3: it is for testing"):
        Guard(load_split("usual")).check(recordings)
    everything = load_split("everything")
    Guard(everything).check(recordings)
    assert len(select(everything.assign(recordings), "train")) == 12
