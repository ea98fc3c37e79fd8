"""A picture per format: an embedded motion written as a file of it, read by its reader, and drawn by DrAction."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import canvas
import place_files
import point_files
import posed_files
import torch
from PIL import Image

from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.recording import draw
from skeletonllm.skeleton.formats import FORMATS, detect_format, read_skeleton, write_skeleton
from skeletonllm.skeleton.sequence import SkeletonSequence, sample_clip
from skeletonllm.skeleton.synthesis import synthesize

MOMENTS = 3
SIZE = 128  # pixels


@dataclass(frozen=True)
class Example:
    """What the file of a format shows.

    Args:
        action: an embedded one.
        topology: as which it is made.
        file: the name, which some readers take the label from.
        write: writes the recording.
        yaw: degrees by which the person is turned to its left.
        fps: frames per second, those that the reader assumes where the file does not say.
    """

    action: str
    topology: str
    file: str
    write: Callable[[SkeletonSequence, Path], object]
    yaw: float = 0.0
    fps: float = 30.0


EXAMPLES: dict[str, Example] = {
    "bvh": Example("raise both arms", "smpl_24", "arms.bvh", write_skeleton),
    "acclaim": Example("kick", "smpl_22", "kick.amc", posed_files.write_acclaim, fps=120.0),
    "amass": Example("jump", "smpl_24", "jump_poses.npz", posed_files.write_amass),
    "aist": Example("", "smpl_24", "gKR_sBM_cAll_d28_mKR0_ch01.pkl", lambda _, path: posed_files.write_aist(path)),
    "deepmimic": Example("walk", "deepmimic_18", "humanoid3d_walk.txt", posed_files.write_deepmimic),
    "humanml3d": Example("bow", "smpl_22", "bow.npy", write_skeleton),
    "ntu": Example("shake hands", "kinect_v2", "S001C001P001R001A058.skeleton", place_files.write_ntu),
    "nw_ucla": Example("sit down", "kinect_v1", "a05_s01_e00_v01.json", place_files.write_nw_ucla, 30),
    "utd_mhad": Example("wave right hand", "kinect_v1", "a3_s1_t1_skeleton.mat", place_files.write_utd_mhad),
    "gtu": Example("punch", "kinect_v2", "punch.txt", place_files.write_gtu, 50),
    "msr_action3d": Example("clap", "kinect_v1", "a10_s01_e01.txt", place_files.write_msr_action3d, 20, 15.0),
    "utkinect": Example("stand up", "kinect_v1", "joints_s01_e01.txt", place_files.write_utkinect, -30),
    "ui_prmd": Example("squat", "smpl_22", "m01_s01_e01_positions.txt", posed_files.write_ui_prmd, 30),
    "penn_action": Example("jump", "penn_13", "0001.mat", point_files.write_penn_action),
    "jhmdb": Example("wave left hand", "jhmdb_15", "clips.pkl", point_files.write_jhmdb),
    "pyskl": Example("push", "coco_17", "set.pkl", point_files.write_pyskl),
    "openpose": Example("kick", "openpose_25", f"clip_{0:012d}_keypoints.json", point_files.write_openpose, 40),
    "coco": Example("walk apart", "coco_17", "results.json", point_files.write_coco),
    "mediapipe": Example("raise both arms", "mediapipe_33", "arms.json", point_files.write_mediapipe, 20),
    "skeleton_rows": Example("squat", "openpose_18", "skeletons_info.txt", point_files.write_rows, 40),
    "npy_joints": Example("wave right hand", "h36m_17", "wave.npy", write_skeleton, -20),
    "npz": Example("turn around", "kinect_v2", "turn.npz", write_skeleton),
}


def read_back(name: str) -> SkeletonSequence:
    """The recording that the reader of a format makes of the file.

    Raises:
        ValueError: the file is taken for one of another format.
    """
    example = EXAMPLES[name]
    truth = None
    if example.action:
        view = dict(fps=example.fps, yaw=example.yaw, noise=0.0)
        truth = synthesize(example.action, topology=example.topology, performer=1, **view)
    with TemporaryDirectory() as folder:
        path = Path(folder) / example.file
        example.write(truth, path)
        found = detect_format(path)
        if found is not FORMATS[name]:
            raise ValueError(f"{example.file} was taken for {found.name}, expected {name}")
        return read_skeleton(path)


def moments(name: str) -> Image.Image:
    """Some moments of the recording side by side."""
    torch.manual_seed(0)
    return canvas.grid([canvas.pictures(draw(DrAction(), sample_clip(read_back(name), MOMENTS), SIZE, "cpu"))])


FIGURES: dict[str, Callable[[], Image.Image]] = {f"format_{name}": partial(moments, name) for name in EXAMPLES}
