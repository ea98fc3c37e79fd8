"""skeletonllm convert: where files go, what is lost, and bad files among good ones."""

import numpy as np
import pytest

from skeletonllm.skeleton.formats import read_skeleton, write_npz
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES


@pytest.fixture
def person(tmp_path):
    """Writes a synthetic recording of a second: name, action and other choices of ``synthesize`` are free."""

    def write(name="walk.npz", action="walk", **choices):
        choices = {"topology": "kinect_v2", "performer": 1, "seconds": 1.0, "noise": 0.0, **choices}
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npz(synthesize(action, **choices), path)
        return path

    return write


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".bvh", ".json"])
def test_the_suffix_decides_the_format(run, person, tmp_path, suffix):
    target = tmp_path / "new" / f"out{suffix}"
    code, printed, error = run("convert", person(), "-o", target)
    assert code == 0 and not error and printed.count("\n") == 1 and str(target) in printed
    assert below(target.parent) == [f"out{suffix}"]
    found = read_skeleton(target)
    assert found.num_frames == 30 and found.duration == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_recording_is_retargeted_to_any_skeleton(run, person, tmp_path, topology):
    path = person(topology="smpl_24")
    target = tmp_path / "out.npz"
    assert run("convert", path, "-o", target, "--topology", topology.replace("_", "-"))[0] == 0
    found = read_skeleton(target)
    assert found.topology == TOPOLOGIES[topology] and found.valid.all() and found.label == "walk"


def test_the_line_says_what_was_lost(run, person, tmp_path):
    path = person(action="push")
    code, printed, _ = run("convert", path, "-o", tmp_path / "a.npz")
    assert code == 0 and printed.endswith("30 frames at 30 fps, 2 persons, kinect_v2; lost: nothing\n")
    told = run("convert", path, "-o", tmp_path / "a.bvh")[1]
    assert "1 of 2 persons" in told and "label" in told
    told = run("convert", path, "-o", tmp_path / "a.json", "--person", 1)[1]
    assert "1 of 2 persons" in told and "depth" in told and "1 person, kinect_v2" in told
    told = run("convert", path, "-o", tmp_path / "b.npz", "--topology", "coco-17")[1]
    assert "13 joints of kinect_v2 that coco_17 has not" in told


def test_one_person_is_kept(run, person, tmp_path):
    path = person(action="push")
    assert run("convert", path, "-o", tmp_path / "a.npz", "--person", 1)[0] == 0
    np.testing.assert_array_equal(read_skeleton(tmp_path / "a.npz").joints, read_skeleton(path).joints[:, 1:])
    code, _, error = run("convert", path, "-o", tmp_path / "b.npz", "--person", 2)
    assert code == 2 and "no person 2; it has 2" in error and not (tmp_path / "b.npz").exists()


def test_frames_per_second_are_changed(run, person, tmp_path):
    assert run("convert", person(), "-o", tmp_path / "a.npz", "--fps", 10)[0] == 0
    found = read_skeleton(tmp_path / "a.npz")
    assert found.fps == 10 and found.num_frames == 10


def test_outliers_are_cleaned_on_request(run, person, tmp_path):
    path = person()
    sequence = read_skeleton(path)
    wrist = sequence.topology.index("left_wrist")
    spoilt = sequence.joints.copy()
    spoilt[10, 0, wrist, 1] += 1.0
    write_npz(sequence.replace(joints=spoilt), path)
    told = run("convert", path, "-o", tmp_path / "as_it_is.npz")[1]
    assert told.endswith("lost: nothing\n")
    np.testing.assert_array_equal(read_skeleton(tmp_path / "as_it_is.npz").joints, spoilt)
    code, told, _ = run("convert", path, "-o", tmp_path / "clean.npz", "--clean")
    assert code == 0 and "cleaned: 1 joints (outliers), 1 joints (gaps)" in told
    # 2 cm: how far a walking hand strays from a straight line within two frames.
    np.testing.assert_allclose(read_skeleton(tmp_path / "clean.npz").joints, sequence.joints, atol=0.02)
    assert run("convert", tmp_path / "clean.npz", "-o", tmp_path / "again.npz", "--clean")[1].endswith(
        "cleaned: nothing\n"
    )


def test_a_folder_keeps_its_shape(run, person, tmp_path):
    for name in ("a/one.npz", "a/b/two.npz", "one.npz", ".hidden/no.npz"):
        person(name)
    (tmp_path / "in" / "README.md").write_text("no recording")
    code, printed, _ = run("convert", tmp_path / "in", "-o", tmp_path / "out", "--to", "bvh")
    assert code == 0 and printed.count("->") == 3
    assert below(tmp_path / "out") == ["a/b/two.bvh", "a/one.bvh", "one.bvh"]


def test_several_files_go_to_a_folder_and_keep_apart(run, person, tmp_path):
    files = [person("a.npz"), person("b.npz"), tmp_path / "in" / "a.npy"]
    np.save(files[2], read_skeleton(files[0]).joints)
    assert run("convert", *files, "-o", f"{tmp_path}/out.d/")[0] == 0
    assert below(tmp_path / "out.d") == ["a_npy.npz", "a_npz.npz", "b.npz"]
    code, _, error = run("convert", *files, "-o", tmp_path / "out.npz")
    assert code == 2 and "holds one recording" in error
    code, _, error = run("convert", files[0], files[0], "-o", tmp_path / "twice")
    assert code == 2 and "several recordings would be called" in error and not (tmp_path / "twice").exists()


def test_recordings_of_one_file_get_its_name_and_theirs(run, shared, tmp_path):
    path = next((shared / "data/utkinect").rglob("joints_s01_e01.txt"))
    code, printed, error = run("convert", path, "-o", tmp_path / "out", "--topology", "smpl-22")
    assert code == 0 and not error
    names = below(tmp_path / "out")
    assert len(names) == 10 and all(name.startswith("joints_s01_e01_") for name in names)
    source = printed.splitlines()[0].split(" -> ")[0]
    assert "#" in source and run("convert", source, "-o", tmp_path / "one.npy")[0] == 0
    assert run("convert", path, "-o", tmp_path / "all.npy")[0] == 2


def test_files_that_are_there_stay_unless_forced(run, person, tmp_path):
    path, target = person(), tmp_path / "out.npz"
    target.write_bytes(b"precious")
    code, _, error = run("convert", path, "-o", target)
    assert code == 2 and "--force" in error and target.read_bytes() == b"precious"
    assert run("convert", path, "-o", target, "--force")[0] == 0
    assert read_skeleton(target).num_frames == 30


def test_the_recording_itself_is_never_overwritten(run, person, tmp_path, monkeypatch):
    path = person()
    content = path.read_bytes()
    monkeypatch.chdir(path.parent)
    (tmp_path / "link.npz").symlink_to(path)
    for target in ("walk.npz", "../in/walk.npz", tmp_path / "link.npz"):
        code, _, error = run("convert", path, "-o", target, "--force", "--fps", 5)
        assert code == 2 and "is the recording itself" in error and path.read_bytes() == content


def test_a_bad_file_is_named_and_the_others_are_converted(run, person, tmp_path):
    good = [person("a.npz"), person("c.npz")]
    bad = tmp_path / "in" / "b.npz"
    bad.write_bytes(good[0].read_bytes()[:500])
    code, printed, error = run("convert", good[0], bad, tmp_path / "absent.npz", good[1], "-o", tmp_path / "out")
    assert code == 2 and printed.count("->") == 2 and below(tmp_path / "out") == ["a.npz", "c.npz"]
    assert "b.npz" in error and "absent.npz: No such file" in error and "2 of 4 recordings" in error
    assert "Traceback" not in error and error.count("\n") == 3


def test_what_fails_leaves_nothing_half_written(run, person, tmp_path, monkeypatch):
    from skeletonllm.skeleton.formats import writers

    def half(sequence, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setitem(writers.WRITERS, "npz", writers.Writer("npz", "", ".npz", half))
    target = tmp_path / "out" / "walk.npz"
    target.parent.mkdir()
    target.write_bytes(b"precious")
    code, _, error = run("convert", person(), "-o", target, "--force")
    assert code == 2 and "No space left" in error
    assert below(target.parent) == ["walk.npz"] and target.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        (["-o", "out.avi"], "cannot write .avi; known: .npz"),
        (["-o", "out.npz", "--to", "fbx"], "known: npz, npy, bvh, coco"),
        (["-o", "out.npz", "--topology", "dragon"], "unknown topology"),
        (["-o", "out.npz", "--format", "ntu"], "walk.npz"),
    ],
)
def test_wishes_that_cannot_be_met_are_answered(run, person, tmp_path, monkeypatch, wish, answer):
    path = person()
    monkeypatch.chdir(tmp_path)
    code, printed, error = run("convert", path, *wish)
    assert code == 2 and not printed and answer in error and error.count("\n") == 1
    assert below(tmp_path) == ["in/walk.npz"]


def test_an_empty_folder_is_an_error(run, tmp_path):
    (tmp_path / "in").mkdir()
    code, _, error = run("convert", tmp_path / "in", "-o", tmp_path / "out")
    assert code == 2 and "no recordings in it" in error
