"""Every real dance at hand becomes a dance of our body, and a picture of it."""

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.codecs.reconstruction import reconstruct
from skeletonllm.dance.motion import FPS, resample
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.sequence import sample_clip

BODY = default_body()
# Metres that may be lost with the recording's own bones: files of SMPL poses and of rigs are rotations, and lose
# nothing but rounding and what joints that we have not would do; places lose what the trunk bends beyond our joints.
CLIPS = {
    "aistpp_smpl/gBR_sBM_cAll_d04_mBR0_ch01.pkl": 0.001,
    "amass_smplh/dmpl_sample.npz": 0.001,
    "bandai_namco_bvh/dataset-1_dance-short_normal_001.bvh": 0.02,
    "cmu_bvh/05_03.bvh": 0.02,
    "cmu_bvh/05_11.bvh": 0.02,
    "cmu_bvh/05_14.bvh": 0.02,
    "cmu_bvh/05_15.bvh": 0.02,
    "cmu_bvh/05_16.bvh": 0.02,
    "deepmimic_humanoid3d/humanoid3d_dance_a.txt": 0.02,
    "deepmimic_humanoid3d/humanoid3d_dance_spin.txt": 0.02,
}


@pytest.mark.parametrize("clip", sorted(CLIPS))
def test_a_real_dance_passes_through_codec_body_and_renderer(shared, clip):
    sequence = read_skeleton(shared / "data" / clip)
    motion = read_motion(shared / "data" / clip, BODY, fps=None)
    assert reconstruct(motion, sequence, BODY).bones < CLIPS[clip]
    motion = resample(motion, FPS)
    joints = motion.joints(BODY)
    # Upright: the head is above the hips most of the time, and whoever stands, stands on the floor.
    assert np.median(joints[:, BODY.index("head"), 2]) > 1.1
    assert abs(np.median(motion.lowest(BODY)[(motion.contacts > 0.5).any(1)])) < 0.01
    assert 0.05 < motion.contacts.mean() < 0.95
    # Not mirrored, and facing -y at the start: left at larger x, knees and toes before what they hang on.
    start = joints[: int(FPS / 2)].mean(0)
    assert start[BODY.index("left_shoulder"), 0] > start[BODY.index("right_shoulder"), 0]
    bend = joints[:, BODY.index("left_knee")] - (joints[:, 1] + joints[:, BODY.index("left_ankle")]) / 2
    forwards = motion.rotations[:, 0] @ np.array([0.0, -1.0, 0.0])
    assert np.median((bend * forwards).sum(-1)) > 0
    frames_drawn = sample_clip(motion.to_sequence(BODY), 2)
    with torch.no_grad():
        frames = DrAction().render(frames_drawn, image_size=64, backend="reference")[0]
    assert frames.shape == (2, 3, 64, 64)
    # Somebody stands in the middle of the picture, and not at its edges.
    ink = (frames - frames[:, :, :1, :1]).abs().sum(1)
    assert float(ink[:, 16:48, 16:48].mean()) > 5 * float(ink[:, :4].mean())
