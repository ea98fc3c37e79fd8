"""Small sound recordings of every format, for mutations to begin with: four frames or so, a few kilobytes each."""

import io
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace

import fuzz_layouts
import numpy as np
from bad_files import compressed, matlab, variable
from bvh_files import PERSON, bvh_text, frame
from estimated_points import pixels
from kinect_file import kinect_text

from skeletonllm.skeleton.formats import write_coco, write_npz
from skeletonllm.skeleton.formats.bvh import write_bvh
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topology import build_topology, describe_topology

FRAMES = 4
# What is read but is no format of its own: files of body models, and whatever a layout beside it describes.
BODY_MODEL = "body model"
LAYOUTS = ("csv layout", "npy layout", "npz layout", "json layout")
LAYOUT_FILE, TOPOLOGY_FILE = "lab.yaml", "own.yaml"


@dataclass(frozen=True)
class Seed:
    """A recording as files of one folder.

    Args:
        format: a key of FORMATS, BODY_MODEL, or one of LAYOUTS, with the layout as LAYOUT_FILE.
        files: content by name; the first is the one that is read.
    """

    format: str
    files: dict[str, bytes]

    def changed(self, name: str, content: bytes) -> "Seed":
        """The same with another content of one file."""
        return replace(self, files={**self.files, name: content})


def people(topology: str, label: str = "wave right hand", frames: int = FRAMES) -> SkeletonSequence:
    """One person, or two who shake hands; every joint known."""
    sequence = synthesize(label, performer=1, topology=topology, seconds=frames / 30)
    return sequence.replace(valid=np.ones_like(sequence.valid)).slice(0, frames)


def rows(values: np.ndarray, separator: str = " ", digits: int = 4) -> bytes:
    """(N, C) as lines."""
    return "".join(separator.join(f"{value:.{digits}f}" for value in row) + "\n" for row in values).encode()


def array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def archive(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def text(content: object) -> bytes:
    return json.dumps(content).encode()


def one(format: str, name: str, content: bytes, **others: bytes) -> Seed:
    """Of one file, and others whose dots are written as two underscores."""
    return Seed(format, {name: content} | {key.replace("__", "."): value for key, value in others.items()})


def written(format: str, name: str, write, topology: str, folder) -> Seed:
    """What one of our own writers gives."""
    path = folder / name
    write(people(topology), path)
    return one(format, name, path.read_bytes())


def seeds(folder) -> list[Seed]:
    """All of them; ``folder`` is a folder for files that writers write."""
    return [
        *_motion_capture(folder),
        *_sensors(),
        *_arrays(folder),
        *_body_models(),
        *_estimators(folder),
        *_data_sets_in_pictures(),
        *_layouts(),
    ]


def _motion_capture(folder) -> Iterator[Seed]:
    moving = [frame(PERSON, {("RightArm", "Zrotation"): 10.0 * number}) for number in range(FRAMES)]
    yield one("bvh", "walk.bvh", bvh_text(PERSON, moving).encode())
    yield written("bvh", "written.bvh", write_bvh, "smpl_22", folder)
    yield one("acclaim", "HDM_bd_wave_001_120.amc", _acclaim_motion().encode(), HDM_bd__asf=ACCLAIM_SKELETON.encode())


_ACCLAIM_BONES = {
    "lowerback": ("root", (0, 1, 0), 2.0), "thorax": ("lowerback", (0, 1, 0), 4.0), "head": ("thorax", (0, 1, 0), 3.0),
    "lclavicle": ("thorax", (1, 0, 0), 3.0), "lhumerus": ("lclavicle", (1, 0, 0), 5.0),
    "lradius": ("lhumerus", (1, 0, 0), 4.0), "rclavicle": ("thorax", (-1, 0, 0), 3.0),
    "rhumerus": ("rclavicle", (-1, 0, 0), 5.0), "rradius": ("rhumerus", (-1, 0, 0), 4.0),
    "lhipjoint": ("root", (0.7, -0.7, 0), 2.0), "lfemur": ("lhipjoint", (0, -1, 0), 7.0),
    "ltibia": ("lfemur", (0, -1, 0), 7.0), "rhipjoint": ("root", (-0.7, -0.7, 0), 2.0),
    "rfemur": ("rhipjoint", (0, -1, 0), 7.0), "rtibia": ("rfemur", (0, -1, 0), 7.0),
}  # fmt: skip
_STIFF = ("lhipjoint", "rhipjoint")


def _acclaim_skeleton() -> str:
    lines = [":version 1.10", ":name someone", ":units", "  mass 1.0", "  length 0.45", "  angle deg"]
    lines += [
        ":root",
        "  order TX TY TZ RX RY RZ",
        "  axis XYZ",
        "  position 0 0 0",
        "  orientation 0 0 0",
        ":bonedata",
    ]
    for number, (name, (_, direction, length)) in enumerate(_ACCLAIM_BONES.items(), start=1):
        lines += ["  begin", f"    id {number}", f"    name {name}", f"    direction {' '.join(map(str, direction))}"]
        lines += [f"    length {length}", "    axis 0 10 -20 XYZ"]
        lines += [] if name in _STIFF else ["    dof rx ry rz", "    limits (-160.0 20.0)"]
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    for parent in ("root", *_ACCLAIM_BONES):
        children = [name for name, bone in _ACCLAIM_BONES.items() if bone[0] == parent]
        lines += [f"    {parent} {' '.join(children)}"] if children else []
    return "\n".join([*lines, "  end"]) + "\n"


ACCLAIM_SKELETON = _acclaim_skeleton()


def _acclaim_motion() -> str:
    lines = ["# a comment", ":FULLY-SPECIFIED", ":DEGREES"]
    for number in range(1, FRAMES + 1):
        lines += [str(number), f"root 0 17.5 {number} 0 0 0"]
        lines += [f"{name} {number} 0 -5.5" for name in _ACCLAIM_BONES if name not in _STIFF]
    return "\n".join(lines) + "\n"


def _sensors() -> Iterator[Seed]:
    one_person = people("kinect_v2").joints[:, 0]
    twenty = people("kinect_v1").joints[:, 0]
    yield one("ntu", "S001C001P001R001A023.skeleton", kinect_text(people("kinect_v2", frames=2)).encode())
    yield one("ntu", "two.skeleton", kinect_text(people("kinect_v2", "shake hands", frames=2)).encode())
    yield one("gtu", "movement1.txt", rows(one_person.reshape(-1, 3)))
    yield one("nw_ucla", "a01_s01_e00_v01.json", text({"label": 4, "skeletons": twenty.round(3).tolist()}))
    skeleton = variable((20, 3, FRAMES), numbers=np.moveaxis(twenty, 0, 2).astype(float).tobytes(order="F"))
    yield one("utd_mhad", "a1_s1_t1_skeleton.mat", matlab(compressed(skeleton)))
    yield one("utd_mhad", "open.mat", matlab(skeleton))
    confident = np.concatenate([twenty, np.ones((FRAMES, 20, 1))], -1)
    yield one("msr_action3d", "a01_s01_e01_skeleton3D.txt", rows(confident.reshape(-1, 4)))
    labels = b"s01_e01\nwalk: 100 104\nsitDown: 106 110\nthrow: NaN NaN\ns01_e02\nwalk: 1 2\n"
    counted = zip((100, 104, 106, 110), twenty.reshape(FRAMES, 1, -1), strict=True)
    lines = b"".join(b"%d %s" % (number, rows(line)) for number, line in counted)
    yield one("utkinect", "joints_s01_e01.txt", lines, actionLabel__txt=labels)
    offsets = np.random.default_rng(0).normal(scale=20.0, size=(FRAMES, 66))
    angles = np.random.default_rng(1).normal(scale=40.0, size=(FRAMES, 66))
    name = "m01_s01_e01_positions.txt"
    yield Seed("ui_prmd", {name: rows(offsets, ","), name.replace("positions", "angles"): rows(angles, ",")})


def _arrays(folder) -> Iterator[Seed]:
    joints = people("smpl_22").joints[:, 0]
    yield one("humanml3d", "joints.npy", array(joints))
    features = np.random.default_rng(2).normal(scale=0.01, size=(FRAMES, 263))
    features[:, 4:67] = np.random.default_rng(3).normal(size=63)
    yield one("humanml3d", "features.npy", array(features))
    yield one("npy_joints", "joints.npy", array(people("kinect_v2").joints[:, 0]))
    yield one("npy_joints", "millimetres.npy", array((1000 * people("coco_17").joints).astype(np.int32)))
    yield written("npz", "own.npz", write_npz, "kinect_v2", folder)
    described = describe_topology(build_topology("stick", [("pelvis", None, "torso"), ("head", "pelvis", "head")]))
    positions = people("smpl_22").joints[:, :, [0, 15]]
    more = {"valid": np.ones(positions.shape[:3], bool), "confidence": np.full(positions.shape[:3], 0.5)}
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (*positions.shape[:3], 1))
    content = archive(
        joints=positions, fps=30, rotations=turns, topology_description=json.dumps(described), label="wave",
        notes=np.array(["a note"]), **more,
    )  # fmt: skip
    yield one("npz", "described.npz", content)


def _body_models() -> Iterator[Seed]:
    poses = np.random.default_rng(4).normal(scale=0.3, size=(FRAMES, 156))
    motion = {"poses": poses, "trans": np.zeros((FRAMES, 3)), "betas": np.zeros(16)}
    yield one("amass", "walk_poses.npz", archive(**motion, mocap_framerate=60.0, gender="female"))
    yield one("amass", "walk_stageii.npz", archive(**motion | {"poses": poses[:, :72]}, mocap_frame_rate=120))
    dance = {
        "smpl_loss": 0.1, "smpl_poses": poses[:, :72].astype(np.float32),
        "smpl_trans": np.ones((FRAMES, 3), np.float32), "smpl_scaling": np.array([90.0], np.float32),
    }  # fmt: skip
    for protocol in (0, 2, 4, 5):
        yield one("aist", f"gKR_sBM_cAll_d28_mKR0_ch{protocol:02d}.pkl", pickle.dumps(dance, protocol))
    turn = [1.0, 0.0, 0.0, 0.0]
    standing = [*turn * 4, 0.1, *turn * 2, 0.2, *turn, -0.1, *turn * 2, 0.3]
    frames = [[0.05 + 0.01 * (number == 1), 0.1 * number, 0.9, 0.0, *standing] for number in range(FRAMES)]
    motion = text({"Loop": "wrap", "Frames": frames})
    yield one("deepmimic", "humanoid3d_walk.txt", motion, humanoid3d__txt=text(_character()))
    yield one("deepmimic", "humanoid3d_slow_walk.txt", motion)
    places = np.random.default_rng(5).normal(size=(24, 3))
    model = {"v_template": places, "shapedirs": np.ones((24, 3, 2)), "J_regressor": np.eye(24)}
    yield one(BODY_MODEL, "model.npz", archive(**model))
    yield one(BODY_MODEL, "model.pkl", pickle.dumps(model | {"kintree_table": np.zeros((2, 24), int)}, 2))


def _character() -> dict:
    parents = [-1, 0, 1, 0, 3, 4, 1, 6, 7, 0, 9, 10, 1, 12, 13]
    names = ["root", "chest", "neck", *(f"{side}_{joint}" for side in ("right", "left")
             for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))]  # fmt: skip
    place = {"AttachX": 0.1, "AttachY": 0.2, "AttachZ": 0.0}
    joints = [{"Name": name, "Parent": parent, **place} for name, parent in zip(names, parents, strict=True)]
    return {"Skeleton": {"Joints": joints}, "BodyDefs": [{"Param0": 0.2, **place} for _ in names]}


def _estimators(folder) -> Iterator[Seed]:
    two, one_person = pixels(people("openpose_25", "shake hands")).round(1), pixels(people("openpose_18")).round(1)
    found = [_openpose(persons) for persons in two]
    yield one("openpose", "people.json", text(found))
    names = [f"clip_{number:012d}_keypoints.json" for number in range(FRAMES)]
    yield Seed("openpose", {name: text(_openpose(frame)) for name, frame in zip(names, one_person, strict=True)})
    flat = one_person[:, 0, :, :2] / 1280
    picture_rows = [[1, 1, n, "jump", f"jump_01/{n:05d}.jpg", *f.ravel().round(4)] for n, f in enumerate(flat)]
    yield one("skeleton_rows", "skeletons_info.txt", text(picture_rows))
    lifted = 1000 * people("h36m_17").joints[:, 0][..., [0, 2, 1]]
    lifted_rows = [[1, 7, n, "jump", "", *f.ravel().round(1).tolist()] for n, f in enumerate(lifted)]
    yield one("skeleton_rows", "lifted.json", text(lifted_rows))
    landmarks = np.concatenate([pixels(people("mediapipe_33"))[:, 0] / [1280, 720, 1], np.ones((FRAMES, 33, 1))], -1)
    landmarks[..., 2], landmarks = 0.1, landmarks.round(3)
    named = [dict(zip(("x", "y", "z", "visibility"), point, strict=True)) for point in landmarks[0].tolist()]
    yield one("mediapipe", "frames.json", text({"fps": 25, "width": 1280, "height": 720, "frames": [named, named]}))
    worlds = [{"poseWorldLandmarks": {"landmark": named}}, {"poseWorldLandmarks": None}, {"poseLandmarks": named}]
    yield one("mediapipe", "world.json", text(worlds))
    header = ",".join([*map(str, range(132)), "asana"])
    lines = [",".join([*map(str, values.ravel()), "tree"]) for values in landmarks[:2]]
    yield one("mediapipe", "tree.csv", "\n".join([header, *lines]).encode())
    yield from _coco(pixels(people("coco_17", "shake hands")).round(1), folder)


def _openpose(persons: np.ndarray) -> dict:
    people = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in persons]
    return {"version": 1.3, "people": people}


def _coco(points: np.ndarray, folder) -> Iterator[Seed]:
    results = [
        {"image_id": number, "category_id": 1, "keypoints": person.ravel().tolist(), "score": 0.9, "track_id": index}
        for number, persons in enumerate(points)
        for index, person in enumerate(persons)
    ]
    yield one("coco", "results.json", text(results))
    pictures = [{"id": number, "file_name": f"video_{number // 2}/{number:06d}.jpg"} for number in range(FRAMES)]
    flagged = [
        person | {"keypoints": [2 if value == 0.9 else value for value in person["keypoints"]]} for person in results
    ]
    annotations = {"images": pictures, "annotations": flagged, "categories": [{"id": 1, "name": "person"}]}
    yield one("coco", "annotations.json", text({"info": {"fps": 25, "label": "wave"}} | annotations))
    instances = [{"keypoints": p[:, :2].tolist(), "keypoint_scores": p[:, 2].tolist()} for p in points[0]]
    frames = [{"frame_id": number, "instances": instances} for number in range(2)]
    yield one("coco", "mmpose.json", text({"meta_info": {"dataset_name": "coco"}, "instance_info": frames}))
    yield written("coco", "written.json", write_coco, "coco_17", folder)


def _data_sets_in_pictures() -> Iterator[Seed]:
    thirteen, fifteen = (pixels(people(topology))[:, 0, :, :2] for topology in ("penn_13", "jhmdb_15"))
    x, y = (
        variable((FRAMES, 13), name, thirteen[..., axis].tobytes(order="F")) for axis, name in ((0, b"x"), (1, b"y"))
    )
    action = variable((1, 4), b"action", b"jump", kind=16, array_class=4)
    visible = variable((FRAMES, 13), b"visibility", bytes([1]) * 13 * FRAMES, kind=2, array_class=9)
    yield one("penn_action", "0001.mat", matlab(b"".join(map(compressed, (action, x, y, visible)))))
    yield one("penn_action", "open.mat", matlab(action + x + y + visible))
    clips = {"pose": [fifteen, fifteen[:2]], "label": ["brush_hair", "catch"]}
    yield one("jhmdb", "clips.pkl", pickle.dumps(clips, 4))
    yield one("jhmdb", "clip.pkl", pickle.dumps({key: value[:1] for key, value in clips.items()}, 2))
    for number, sequence in enumerate((people("coco_17"), people("kinect_v2", "shake hands"))):
        points = sequence.joints if number else pixels(sequence)
        keypoint = np.moveaxis(points, 1, 0).astype(np.float16)
        annotation = {"frame_dir": "S001C001P001R001A050", "label": 7, "total_frames": FRAMES}
        annotation |= {"keypoint": keypoint} if number else {
            "keypoint": keypoint[..., :2], "keypoint_score": keypoint[..., 2],
        }  # fmt: skip
        yield one("pyskl", f"set_{number}.pkl", pickle.dumps({"split": {}, "annotations": [annotation]}, 4))
    compact = {"frame_dir": "clip", "keypoint": np.moveaxis(pixels(people("coco_17")), 1, 0)[0]}
    compact |= {"frame_inds": np.arange(FRAMES), "total_frames": FRAMES}
    yield one("pyskl", "compact.pkl", pickle.dumps([compact], 5))


def _layouts() -> Iterator[Seed]:
    table, array_of, archive_of, mapping = LAYOUTS
    joints = people("kinect_v1").joints[:, 0]
    header = "t,what," + ",".join(f"{joint}_{axis}" for joint in ("Hips", "Head", "LHand") for axis in "XYZ")
    lines = [
        f"{33.3 * t:.1f},wave," + rows(100 * f[None, :9], ",").decode() for t, f in enumerate(joints.reshape(4, -1))
    ]
    named = {
        "a-wave.csv": f"{header}\n{''.join(lines)}".encode(),
        LAYOUT_FILE: fuzz_layouts.CSV,
        TOPOLOGY_FILE: fuzz_layouts.OWN_TOPOLOGY,
    }
    yield Seed(table, named)
    plain = b"# skipped\n" + rows(np.arange(28.0).reshape(4, 7) / 10) + b"4 n/a n/a n/a 1 1 1\n"
    yield Seed(table, {"plain.txt": plain, LAYOUT_FILE: fuzz_layouts.LISTED})
    yield Seed(array_of, {"a.npy": array((1000 * joints).reshape(FRAMES, -1)), LAYOUT_FILE: fuzz_layouts.NPY})
    points = np.moveaxis(pixels(people("coco_17", "shake hands")), 1, 0)
    content = archive(poses=points[..., :2], scores=points[..., 2], what="shake hands", rate=25.0)
    yield Seed(archive_of, {"a.npz": content, LAYOUT_FILE: fuzz_layouts.NPZ})
    names = people("coco_17").topology.joints
    found = [
        {"points": dict(zip(names, person[:, :2].round(1).tolist(), strict=True)), "scores": dict.fromkeys(names, 0.9)}
        for person in points[:, 0]
    ]
    content = text({"video": {"fps": 25, "action": "clap"}, "frames": [{"people": found}, {"people": found[::-1]}]})
    yield Seed(mapping, {"a.json": content, LAYOUT_FILE: fuzz_layouts.JSON})
    sure = np.concatenate([joints, np.ones((FRAMES, 20, 1))], -1).round(3)
    content = text([{"at": 0.1 * t, "keypoints": frame.ravel().tolist()} for t, frame in enumerate(sure)])
    yield Seed(mapping, {"b.json": content, LAYOUT_FILE: fuzz_layouts.FLAT})
