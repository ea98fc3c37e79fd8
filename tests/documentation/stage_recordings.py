"""Recordings that the documentation names, made up: every data set in its own layout, a song, a dance."""

import json
import pickle
import shutil
from functools import cached_property
from pathlib import Path

import numpy as np
from kinect_file import kinect_text

from skeletonllm.dance.body import default_body
from skeletonllm.dance.files import write_dance
from skeletonllm.dance.synthesis import make_dance, make_song, write_wav
from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.formats.bvh_writer import write_bvh
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize, synthesize_sequence

# Numbers of actions in the names of files, and the embedded motions that come near.
NW_UCLA = {1: "bow", 2: "squat", 3: "kick", 4: "walk", 5: "sit down", 6: "stand up", 11: "punch", 12: "jump"}
UTD_MHAD = {3: "wave right hand", 4: "clap", 5: "punch", 22: "walk", 24: "stand up", 27: "squat"}
JHMDB = {"sit": "sit down", "stand": "stand up", "walk": "walk", "pick": "bow", "clap": "clap"}
ACTIONS_IN_A_ROW = ("walk", "sit down", "stand up", "clap")
# The order of joints in UTD-MHAD: the trunk is the other way round.
_UTD_ORDER = [3, 2, 1, 0, *range(4, 20)]


def moving(label: str, topology: str = "kinect_v1", performer: int = 1, seconds: float = 1.5) -> SkeletonSequence:
    """An embedded motion without missing joints."""
    sequence = synthesize(label, topology=topology, performer=performer, seconds=seconds, noise=0.0)
    return sequence.replace(valid=np.ones_like(sequence.valid))


class Recordings:
    """Files and folders of recordings below ``folder``, each made when it is first asked for, and then kept."""

    def __init__(self, folder: Path):
        self.folder = folder

    def new(self, name: str) -> Path:
        """A new folder."""
        path = self.folder / name
        path.mkdir(parents=True)
        return path

    @cached_property
    def skeleton(self) -> Path:
        path = self.new("skeleton") / "walk.skeleton"
        path.write_text(kinect_text(moving("walk", "kinect_v2")))
        return path

    @cached_property
    def bvh(self) -> Path:
        path = self.new("bvh") / "walk.bvh"
        write_bvh(moving("walk", "smpl_22"), path)
        return path

    @cached_property
    def long(self) -> Path:
        """As much as makes more than one window."""
        path = self.new("long") / "hour.npz"
        write_npz(synthesize_sequence(ACTIONS_IN_A_ROW, topology="kinect_v2", performer=1)[0], path)
        return path

    @cached_property
    def recordings(self) -> Path:
        """A folder LABEL/NAME that is also one of dances: its people have legs, arms and a trunk."""
        folder = self.new("recordings")
        for label in ("walk", "squat"):
            (folder / label).mkdir()
            for performer in range(3):
                write_npz(moving(label, "smpl_24", performer), folder / label / f"{performer}.npz")
        return folder

    @cached_property
    def listed(self) -> Path:
        path = self.new("listed") / "list.csv"
        lines = ["file,label,split", "walk/0.npz,walk,train", "walk/1.npz,walk,test", "squat/0.npz,squat,train"]
        path.write_text("\n".join(lines) + "\n")
        return path

    @cached_property
    def nw_ucla(self) -> Path:
        folder = self.new("nw_ucla")
        for action, label in NW_UCLA.items():
            for view in (1, 2, 3):
                joints = moving(label, performer=view).joints[:, 0].round(4)
                name = f"a{action:02d}_s01_e00_v{view:02d}"
                content = {"file_name": name, "skeletons": joints.tolist(), "label": 1}
                (folder / f"{name}.json").write_text(json.dumps(content))
        return folder

    @cached_property
    def utd_mhad(self) -> Path:
        from scipy.io import savemat

        folder = self.new("utd_mhad")
        for action, label in UTD_MHAD.items():
            for subject in (1, 2, 3, 4, 5, 6, 7):
                joints = moving(label, performer=subject).joints[:, 0, _UTD_ORDER].transpose(1, 2, 0).astype(float)
                savemat(folder / f"a{action}_s{subject}_t1_skeleton.mat", {"d_skel": joints})
        return folder

    @cached_property
    def utkinect(self) -> Path:
        folder, lines = self.new("utkinect"), []
        names = ("walk", "sitDown", "standUp", "clapHands")
        for performer in (1, 6):
            sequence, segments = synthesize_sequence(ACTIONS_IN_A_ROW, topology="kinect_v1", performer=performer)
            rows = [[2 * n, *np.nan_to_num(sequence.joints[n, 0]).flatten()] for n in range(sequence.num_frames)]
            np.savetxt(folder / f"joints_s{performer:02d}_e01.txt", rows, fmt=["%d"] + ["%.5f"] * 60)
            lines.append(f"s{performer:02d}_e01")
            lines += [
                f"{name}: {round(60 * each.start)} {round(60 * each.stop)}"
                for name, each in zip(names, segments, strict=True)
            ]
        (folder / "actionLabel.txt").write_text("\n".join(lines))
        return folder

    @cached_property
    def msr_action3d(self) -> Path:
        folder = self.new("msr_action3d")
        for action, label in {1: "wave right hand", 10: "clap", 14: "kick"}.items():
            for subject in (1, 2):
                joints = moving(label, performer=subject).joints[:, 0]
                rows = np.concatenate([joints, np.ones((*joints.shape[:2], 1))], -1).reshape(-1, 4)
                np.savetxt(folder / f"a{action:02d}_s{subject:02d}_e01_skeleton3D.txt", rows, fmt="%.5f")
        return folder

    @cached_property
    def jhmdb(self) -> Path:
        folder = self.new("jhmdb")
        for side, performer in (("train", 1), ("test", 2)):
            flat = [moving(label, "jhmdb_15", performer).joints[:, 0, :, :2] for label in JHMDB.values()]
            content = {"pose": [320 - 100 * points for points in flat], "label": list(JHMDB)}
            (folder / f"GT_{side}_1.pkl").write_bytes(pickle.dumps(content, protocol=2))
        return folder

    @cached_property
    def gtu(self) -> Path:
        folder = self.new("gtu")
        for number, label in {4: "squat", 12: "walk"}.items():
            (folder / str(number)).mkdir()
            for take in range(1, 6):
                rows = moving(label, "kinect_v2", performer=take).joints[:, 0].reshape(-1, 3)
                np.savetxt(folder / str(number) / f"movement{take}.txt", rows, fmt="%.5f")
        return folder

    @cached_property
    def ntu(self) -> Path:
        """Every action of NTU RGB+D twice; the contents repeat, as nothing is learnt from them."""
        folder, texts = self.new("ntu"), [kinect_text(moving(label, "kinect_v2")) for label in ("walk", "clap")]
        for action in range(1, 61):
            for camera, performer in ((1, 3), (2, 1)):
                name = f"S001C{camera:03d}P{performer:03d}R001A{action:03d}.skeleton"
                (folder / name).write_text(texts[action % 2])
        return folder

    @cached_property
    def missing(self) -> Path:
        path = self.new("missing") / "samples.txt"
        path.write_text("S001C001P003R001A001\n")
        return path

    @cached_property
    def everything(self) -> Path:
        """What FOLDER stands for, of whatever data set: each finds its own files, by their names."""
        folder = self.new("everything")
        for name in ("nw_ucla", "utd_mhad", "utkinect", "msr_action3d", "jhmdb", "gtu", "ntu"):
            shutil.copytree(getattr(self, name), folder, dirs_exist_ok=True)
        return folder

    @cached_property
    def table(self) -> Path:
        """A CSV file, and the layout that describes it."""
        folder = self.new("table")
        joints = ("pelvis", "chest", "head")
        lines = ["t," + ",".join(f"{joint}_{axis}" for joint in joints for axis in "xyz")]
        lines += [f"{0.1 * t:.1f},0,0.9,3,0,1.3,3,{0.01 * t:.2f},1.7,3" for t in range(5)]
        (folder / "take1.csv").write_text("\n".join(lines) + "\n")
        (folder / "lab.yaml").write_text(
            "kind: csv\n"
            "topology: {joints: [{name: pelvis, part: torso}, {name: chest, parent: pelvis, part: torso},"
            " {name: head, parent: chest, part: head}]}\n"
            'columns: "{joint}_{value}"\n'
            "values: [x, y, z]\ntime: t\ntime_unit: s\nunit: m\nup: y\n"
        )
        return folder

    @cached_property
    def layout(self) -> Path:
        return self.table / "lab.yaml"

    @cached_property
    def take(self) -> Path:
        return self.table / "take1.csv"

    @cached_property
    def song(self) -> Path:
        song, path = make_song(1, 6, 120), self.new("song") / "song.wav"
        write_wav(path, song.samples, song.rate)
        return path

    @cached_property
    def compressed_song(self) -> Path:
        import soundfile

        path = self.new("compressed") / "song.mp3"
        soundfile.write(path, *soundfile.read(self.song))
        return path

    def _dance(self, path: Path, seed: int = 0, seconds: float = 6) -> Path:
        write_dance(path, make_dance(make_song(seed, seconds, 120), seed), default_body())
        return path

    @cached_property
    def dance_bvh(self) -> Path:
        return self._dance(self.new("dance_bvh") / "dance.bvh", seconds=3)

    @cached_property
    def dance_npz(self) -> Path:
        return self._dance(self.new("dance_npz") / "dance.npz", seconds=3)

    @cached_property
    def dances(self) -> Path:
        """Dances beside their songs."""
        folder = self.new("dances")
        for seed in range(2):
            self._dance(folder / f"dance{seed}.npz", seed, 8)
            song = make_song(seed, 8, 120)
            write_wav(folder / f"dance{seed}.wav", song.samples, song.rate)
        return folder
