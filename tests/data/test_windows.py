"""Windows of a recording: all of it is seen, and each clip is as the whole recording has it."""

import numpy as np
import pytest
import torch

from skeletonllm.data.windows import Window, cut_windows, window_clip, window_clips
from skeletonllm.models.tiny import build_tiny
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.sequence import frame_indices
from skeletonllm.skeleton.synthesis import synthesize_sequence
from skeletonllm.skeleton.transforms import face_camera, facing_yaw


@pytest.fixture(scope="module")
def recording():
    return synthesize_sequence(["bow", "walk", "wave left hand", "kick"], performer=4, topology="kinect_v1")[0]


@pytest.mark.parametrize("frames", [1, 29, 60, 61, 299, 300, 301])
@pytest.mark.parametrize(("seconds", "stride"), [(2.0, 0.5), (2.0, 2.0), (1.7, 0.6)])
def test_every_frame_is_in_a_window_and_windows_are_as_long_as_wished(frames, seconds, stride):
    windows = cut_windows(frames, 30.0, seconds, stride)
    assert {frame for window in windows for frame in range(window.first, window.stop)} == set(range(frames))
    lengths = {window.stop - window.first for window in windows}
    assert lengths == {min(frames, round(30 * seconds))}
    steps = np.diff([window.first for window in windows])
    assert (steps > 0).all() and (steps[:-1] == round(30 * stride)).all() and (steps <= round(30 * stride)).all()


def test_spans_are_in_seconds():
    windows = cut_windows(100, 25.0, 2.0, 1.0)
    assert [window.span for window in windows] == [(0, 2), (1, 3), (2, 4)]
    assert cut_windows(12, 24.0, 2.0, 1.0)[0].span == (0, 0.5)


def test_velocities_and_times_are_those_of_the_whole_recording(recording):
    velocities, _ = recording.velocities()
    for window in cut_windows(recording.num_frames, recording.fps, 1.0, 0.7):
        clip = window_clip(recording, window, 30)
        # Every frame of the window, its first and last among them: there a slice alone would be wrong.
        frames = window.first + frame_indices(window.stop - window.first, 30)
        assert frames[0] == window.first and frames[-1] == window.stop - 1
        assert np.array_equal(clip.velocities, velocities[frames])
        assert np.array_equal(clip.joints, recording.joints[frames])
        assert np.allclose(clip.times, frames / 30, atol=1e-5)


def test_who_walks_far_away_is_framed_anew_in_each_window(recording):
    far = recording.replace(joints=recording.joints + np.linspace(0, 60, recording.num_frames)[:, None, None, None]
                            * np.float32([1, 0, 0]))  # fmt: skip
    renderer = DrAction(samples_per_bone=3)
    heights = []
    for window in cut_windows(far.num_frames, far.fps, 0.5, 0.5):
        with torch.no_grad():
            lit = renderer.render(window_clip(far, window, 2), image_size=64)[0].amax((0, 1)) > 0.1
        heights.append(int(lit.any(1).sum()))
    with torch.no_grad():
        whole = renderer.render(window_clip(far, Window(0, far.num_frames, far.fps), 2), image_size=64)
    small = int((whole[0].amax((0, 1)) > 0.1).any(1).sum())
    assert min(heights) > 3 * small > 0


def test_clips_are_cut_when_they_are_looked_at_and_turned_as_the_processor_turns_them(recording):
    windows = cut_windows(recording.num_frames, recording.fps, 2.0, 1.0)
    for turned in (False, True):
        _, processor = build_tiny(["a"], num_frames=4, face_camera=turned)
        asked = []
        clips = window_clips(recording, (asked.append(window) or window for window in windows), processor)
        first = next(clips)
        assert asked == windows[:1]
        plain = window_clip(recording, windows[0], 4)
        assert abs(facing_yaw(plain)) > 0.05
        assert torch.equal(first.joints, (face_camera(plain) if turned else plain).joints)
        assert len(list(clips)) == len(windows) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 30.0, 1.0, 1.0), "without frames"),
        ((9, 30.0, 0.0, 1.0), "windows of 0.0 s, expected a positive length"),
        ((9, 30.0, 1.0, 1.1), "the stride must be positive and no longer"),
        ((9, 30.0, 1.0, 0.0), "the stride must be positive and no longer"),
        ((9, 30.0, float("inf"), 1.0), "windows of inf s"),
    ],
)
def test_windows_that_would_leave_frames_unseen_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cut_windows(*arguments)
