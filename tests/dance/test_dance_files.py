"""Dances in files: with their music, read again without loss, and never half a file."""

import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from skeletonllm.dance.audio import write_wav
from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import npz, read_motion
from skeletonllm.dance.files import DANCE_WRITERS, write_dance
from skeletonllm.dance.motion import Motion
from skeletonllm.rendering import video
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.formats.common import SkeletonFormatError
from skeletonllm.skeleton.kinematics import axis_rotation

BODY = default_body()
RATE = 16_000


def dance(frames=30, fps=30.0):
    """Somebody who turns, a hand's breadth above the floor, with contacts that no speed would tell."""
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    rotations[:, 0] = axis_rotation(2, np.linspace(0.3, 1.5, frames))
    rotations[:, BODY.index("left_elbow")] = axis_rotation(2, np.linspace(0, -1, frames))
    root = np.zeros((frames, 3))
    root[:, 0], root[:, 2] = np.linspace(0.5, 1, frames), BODY.standing_height + 0.1
    return Motion(root, rotations, np.tile([1.0, 0, 0, 1], (frames, 1)), fps, source="turning")


def tone(seconds):
    return np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE).astype(np.float32) * 0.5


def heard(path):
    """Samples of the sound in a video, RATE a second."""
    read = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    done = subprocess.run([*read, "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32)


@pytest.mark.parametrize("seconds", [0.4, 3.0], ids=["shorter", "longer"])
def test_a_video_has_every_frame_and_its_music_from_the_first_frame_to_the_last(tmp_path, seconds):
    write_wav(tmp_path / "song.wav", tone(seconds), RATE)
    counted = []
    written = write_dance(
        tmp_path / "dance.mp4", dance(), BODY, music=tmp_path / "song.wav", size=32, progress=counted.append
    )
    assert written.path == tmp_path / "dance.mp4" and written.notes == () and counted == [1] * 30
    assert imageio_ffmpeg.count_frames_and_secs(str(written.path)) == (30, pytest.approx(1.0, abs=0.01))
    sound = heard(written.path)
    # The codec works in blocks of 1024 samples, 64 ms.
    assert len(sound) / RATE == pytest.approx(1.0, abs=0.13)
    loud = np.abs(sound) > 0.1
    assert np.flatnonzero(loud)[0] / RATE < 0.07
    assert np.flatnonzero(loud)[-1] / RATE == pytest.approx(min(seconds, 1.0), abs=0.13)


def test_samples_are_music_too_and_without_music_there_is_no_sound(tmp_path):
    write_dance(tmp_path / "dance.mp4", dance(6), BODY, music=(tone(1), RATE), size=16)
    assert np.abs(heard(tmp_path / "dance.mp4")).max() > 0.3
    write_dance(tmp_path / "silent.mp4", dance(6), BODY, size=16)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(tmp_path / "silent.mp4")]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    assert "Video: h264" in said and "Audio" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dance.mp4", "silent.mp4"]


def test_where_ffmpeg_does_not_run_there_is_a_gif_and_one_line_that_says_why(tmp_path, monkeypatch):
    def none():
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    assert video.why_no_mp4() == "No ffmpeg exe could be found"
    written = write_dance(tmp_path / "dance.mp4", dance(9), BODY, music=(tone(1), RATE), size=16)
    assert written.path == tmp_path / "dance.gif" and [path.name for path in tmp_path.iterdir()] == ["dance.gif"]
    reason, silent = written.notes
    assert "No ffmpeg exe could be found" in reason and "GIF" in reason and "no music" in silent
    assert "\n" not in reason


@pytest.mark.parametrize(("fps", "frames", "shown"), [(30.0, 20, 10), (60.0, 20, 5), (10.0, 5, 5)])
def test_a_gif_keeps_the_speed_with_at_most_fifteen_frames_a_second(tmp_path, fps, frames, shown):
    write_dance(tmp_path / "a.gif", dance(frames, fps), BODY, size=16)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == shown
        length = 0.0
        for number in range(shown):
            gif.seek(number)
            length += gif.info["duration"]
    assert length == pytest.approx(1000 * frames / fps, abs=10)


def test_a_sheet_shows_twelve_moments_of_a_dance_or_all_of_a_shorter_one(tmp_path):
    for frames, columns, rows in ((30, 6, 2), (3, 3, 1)):
        write_dance(tmp_path / "a.png", dance(frames), BODY, size=64)
        with Image.open(tmp_path / "a.png") as sheet:
            assert sheet.width == pytest.approx(columns * 66, abs=4) and sheet.height // 80 == rows


def test_an_archive_gives_back_the_dance_with_its_contacts_and_its_height_over_the_floor(tmp_path):
    motion = dance()
    assert write_dance(tmp_path / "dance.npz", motion, BODY).notes == ()
    back = read_motion(tmp_path / "dance.npz", BODY)
    # float32, and six numbers for a rotation.
    np.testing.assert_allclose(back.rotations, motion.rotations, atol=1e-6)
    assert (back.root == motion.root).all() and (back.contacts == motion.contacts).all() and back.fps == 30
    sequence = read_skeleton(tmp_path / "dance.npz")
    assert sequence.topology.name == "smpl_24" and sequence.num_frames == 30
    assert sequence.rotations is not None
    # Somebody with other legs dances it on the floor that is estimated then.
    taller = default_body(stature=1.9)
    other = read_motion(tmp_path / "dance.npz", taller)
    assert abs(np.percentile(other.lowest(taller), 2)) < 1e-3
    np.testing.assert_allclose(other.rotations[:, 1:], motion.rotations[:, 1:], atol=1e-5)


def test_an_archive_whose_dance_is_not_that_of_its_recording_is_refused(tmp_path):
    path = tmp_path / "dance.npz"
    npz.write(dance(), BODY, path)
    arrays = dict(np.load(path))
    np.savez(path, **arrays | {"dance": arrays["dance"][:20]})
    with pytest.raises(SkeletonFormatError, match=r"dance\.npz.*'dance'.*\(20, 151\).*30 frames"):
        read_motion(path, BODY)
    # Recordings without a dance are read as they were.
    np.savez(path, **{key: value for key, value in arrays.items() if key != "dance"})
    assert abs(np.percentile(read_motion(path, BODY).lowest(BODY), 2)) < 1e-3


def test_bvh_is_written_through_the_registry(tmp_path):
    motion = dance()
    (note,) = write_dance(tmp_path / "dance.BVH", motion, BODY).notes
    assert "contacts" in note
    back = read_motion(tmp_path / "dance.BVH", BODY)
    np.testing.assert_allclose(back.rotations[:, 1:], motion.rotations[:, 1:], atol=1e-3)


@pytest.mark.parametrize("name", ["dance.avi", "dance"])
def test_other_suffixes_are_refused_with_those_that_are_known(tmp_path, name):
    with pytest.raises(ValueError, match=re.escape(name)) as caught:
        write_dance(tmp_path / name, dance(), BODY)
    assert all(suffix in str(caught.value) for suffix in DANCE_WRITERS)
    assert list(tmp_path.iterdir()) == []


def test_music_that_is_none_is_refused_by_name_and_the_earlier_video_stays(tmp_path):
    (tmp_path / "dance.mp4").write_bytes(b"earlier")
    (tmp_path / "song.wav").write_text("no sound at all")
    with pytest.raises(ValueError, match=r"song\.wav: no audio"):
        write_dance(tmp_path / "dance.mp4", dance(), BODY, music=tmp_path / "song.wav", size=16)
    with pytest.raises(FileNotFoundError, match=r"none\.wav"):
        write_dance(tmp_path / "dance.mp4", dance(), BODY, music=tmp_path / "none.wav", size=16)
    assert (tmp_path / "dance.mp4").read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dance.mp4", "song.wav"]


def test_a_video_breaks_off_without_a_trace_where_its_frames_do(tmp_path):
    def frames():
        yield np.zeros((16, 16, 3), np.uint8)
        yield np.zeros((16, 20, 3), np.uint8)

    with pytest.raises(ValueError, match=r"frame 1 is uint8 of shape \(16, 20, 3\)"):
        video.write_mp4(tmp_path / "a.mp4", frames(), 10)
    with pytest.raises(ValueError, match="no frame"):
        video.write_mp4(tmp_path / "a.mp4", iter([]), 10)
    (tmp_path / "bad.wav").write_text("no sound at all")
    with pytest.raises(OSError, match="FFMPEG|ffmpeg"):
        video.write_mp4(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3, 10, audio=tmp_path / "bad.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.wav"]
