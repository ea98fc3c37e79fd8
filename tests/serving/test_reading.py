"""Visitors' files: several that belong together, one of several recordings, and what is too much."""

import pytest

from skeletonllm.serving.limits import LimitError, Limits
from skeletonllm.serving.reading import read_recording, save_files
from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.synthesis import synthesize


@pytest.fixture
def clap(tmp_path):
    write_npz(synthesize("clap", topology="coco_17", performer=50), tmp_path / "clap.npz")
    return tmp_path / "clap.npz"


def test_a_recording_is_told_by_its_name_and_never_by_its_place(clap, tmp_path):
    recording = read_recording([clap], Limits())
    assert recording.name == recording.sequence.source == recording.facts["file"] == "clap.npz"
    assert recording.facts["format"] == "npz"
    assert not any(str(tmp_path) in note for note in recording.facts["notes"])


def test_a_skeleton_beside_its_motion_belongs_to_it(shared, tmp_path):
    motion = next((shared / "data" / "hdm05_asf_amc").glob("**/*.amc"))
    skeleton = next(motion.parent.glob("*.asf"))
    paths = save_files(tmp_path, [(path.name, path.read_bytes()) for path in (skeleton, motion)], Limits())
    assert read_recording(paths, Limits()).name == motion.name


def test_two_recordings_at_once_are_refused_by_name(clap, tmp_path):
    (tmp_path / "other.npz").write_bytes(clap.read_bytes())
    with pytest.raises(ValueError, match=r"2 files of which 2 are recordings \(clap.npz, other.npz\), expected one"):
        read_recording([clap, tmp_path / "other.npz"], Limits())


def test_a_name_that_a_file_does_not_hold_is_looked_up_and_not_opened(clap, tmp_path):
    (tmp_path / "clap.npz#..").mkdir()
    (tmp_path / "secret.npz").write_bytes(clap.read_bytes())
    with pytest.raises(ValueError, match="#../secret.npz: no recording of this name"):
        read_recording([clap], Limits(), "../secret.npz")


def test_recordings_beyond_the_limits_are_refused(clap):
    with pytest.raises(LimitError, match="seconds of a recording: found .* expected at most 0.5"):
        read_recording([clap], Limits(motion_seconds=0.5))
    with pytest.raises(LimitError, match="numbers in a recording"):
        read_recording([clap], Limits(motion_values=100))


def test_files_beyond_the_limits_are_refused_before_they_are_written(tmp_path):
    with pytest.raises(LimitError, match="bytes of files: found 30, expected at most 20"):
        save_files(tmp_path, [("a.npz", bytes(10)), ("b.npz", bytes(20))], Limits(upload_bytes=20))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    with pytest.raises(LimitError, match="files: found 5"):
        save_files(tmp_path, [(f"{number}.npz", b"") for number in range(5)], Limits())
    with pytest.raises(ValueError, match="two files have this name"):
        save_files(tmp_path, [("x/c.npz", b""), ("y/c.npz", b"")], Limits())
