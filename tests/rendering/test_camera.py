"""The cameras: everybody in view, and a following one that keeps bodies large."""

import torch

from skeletonllm.rendering.camera import HALF_EXTENT, frame_clips
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize

SIZE = 100


def walker(metres):
    """Someone of 17 joints who claps while crossing the room sideways: (1, 12, 1, 17, 3)."""
    clip = sample_clip(synthesize("clap", topology="coco_17", performer=3, noise=0.0, yaw=0.0), 12)
    path = torch.linspace(0, metres, 12)[:, None, None, None] * torch.tensor([1.0, 0.0, 0.0])
    return (clip.joints + path)[None], clip.valid[None]


def projected(joints, valid, follow):
    shift, intrinsics, _ = frame_clips(joints, valid, SIZE, SIZE, follow)
    placed = joints + shift[:, :, None, None]
    pixels = placed @ intrinsics[:, None, None].transpose(-1, -2)
    return pixels[..., :2] / pixels[..., 2:], intrinsics


def test_everybody_is_in_view_with_either_camera():
    joints, valid = walker(6.0)
    for follow in (False, True):
        pixels, _ = projected(joints, valid, follow)
        across = pixels[..., 0]
        assert across.min() > 0 and across.max() < SIZE - 1


def test_the_following_camera_keeps_a_walker_large_and_the_still_one_shows_the_way():
    joints, valid = walker(6.0)
    still, still_intrinsics = projected(joints, valid, False)
    followed, intrinsics = projected(joints, valid, True)
    assert intrinsics[0, 1, 1] > 2 * still_intrinsics[0, 1, 1]
    way = [(pixels[0, -1, 0].mean(0) - pixels[0, 0, 0].mean(0))[0].abs() for pixels in (still, followed)]
    assert way[0] > 0.4 * SIZE and way[1] < 0.05 * SIZE


def test_the_following_camera_does_not_follow_up_and_down():
    joints, valid = walker(0.0)
    joints = joints + torch.linspace(0, 0.4, 12)[:, None, None, None] * torch.tensor([0.0, 1.0, 0.0])
    followed, _ = projected(joints, valid, True)
    climbed = (followed[0, -1, 0].mean(0) - followed[0, 0, 0].mean(0))[1].abs()
    assert climbed > 0.3 / (2 * HALF_EXTENT) * SIZE / 2


def test_frames_with_nobody_do_not_move_the_following_camera_away():
    joints, valid = walker(0.0)
    joints, valid = joints.clone(), valid.clone()
    joints[:, 5], valid[:, 5] = 0.0, False
    shift, _, _ = frame_clips(joints, valid, SIZE, SIZE, follow=True)
    # The mean of the clip: within a hand's breadth of the frames around it, whose arms move.
    assert (shift[:, 5] - shift[:, 4]).abs().max() < 0.1
