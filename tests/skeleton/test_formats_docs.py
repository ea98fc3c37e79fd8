"""What docs/formats.md shows works: its layouts are read by the tests, its table has every format."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from described_files import EXACT, distances, wave, write_csv

from skeletonllm.skeleton.formats import FORMATS, read_skeleton
from skeletonllm.skeleton.topologies import COCO_17, KINECT_V2
from skeletonllm.skeleton.topology import PARTS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
STUDIO_NAMES = {
    "pelvis": "Hips", "chest": "Chest", "head": "Head", "left_shoulder": "LArm", "left_elbow": "LElbow",
    "left_wrist": "LHand", "right_shoulder": "RArm", "right_elbow": "RElbow", "right_wrist": "RHand",
    "left_hip": "LLeg", "left_knee": "LKnee", "left_ankle": "LFoot", "right_hip": "RLeg", "right_knee": "RKnee",
    "right_ankle": "RFoot",
}  # fmt: skip


def example(name: str) -> str:
    """The YAML of the docs that begins with a comment of this name."""
    (block,) = re.findall(rf"```yaml\n(# {re.escape(name)}.*?)```", DOCS.read_text(), re.DOTALL)
    return block


def write_studio(folder: Path, truth) -> Path:
    """What docs/formats.md says studio.yaml reads: cm, Z up, right-handed, facing +X, far from the origin."""
    places = truth.joints[:, 0, [KINECT_V2.index(name) for name in STUDIO_NAMES]].astype(float)
    # Y up to Z up keeping the handedness: of who faces the camera (-z), forwards becomes +X.
    studio = np.stack([-places[..., 2], -places[..., 0], places[..., 1]], -1) * 100 + [500, -300, 0]
    header = ["t", *(f"{name}_{axis}" for name in STUDIO_NAMES.values() for axis in "XYZ")]
    rows = [[f"{1000 * t / truth.fps:.3f}", *(f"{v:.4f}" for v in frame.ravel())] for t, frame in enumerate(studio)]
    return write_csv(folder / "s01-wave_left_hand.csv", header, rows)


def test_the_csv_of_the_docs_is_read_upright_in_metres_and_not_mirrored(layout, tmp_path):
    truth = wave(yaw=30)
    path = write_studio(tmp_path, truth)
    read = read_skeleton(path, format=str(layout(example("studio.yaml"), "studio.yaml")))
    assert read.topology.joints == tuple(re.findall(r"\{name: (\w+)", example("studio.yaml")))
    assert read.num_persons == 1 and read.valid.all() and read.label == "wave left hand"
    assert read.fps == pytest.approx(truth.fps, rel=1e-3)  # the times have three decimals of a millisecond
    order = [KINECT_V2.index(name) for name in read.topology.joints]
    true = truth.joints[:, :, order]
    np.testing.assert_allclose(distances(read.joints), distances(true), atol=1e-5)
    # Heights were already the world's; the turn about the vertical is the only freedom, and its handedness is kept.
    np.testing.assert_allclose(read.joints[..., 1], true[..., 1], atol=EXACT)
    left, right = (read.joints[0, 0, read.topology.index(f"{side}_hip")] for side in ("left", "right"))
    assert left[0] < right[0] and abs(left[2] - right[2]) < 0.05
    travelled = np.linalg.norm(np.diff(read.joints[:, 0], axis=0), axis=-1).sum(0)
    assert read.topology.joints[travelled.argmax()] == "left_wrist"
    assert any("studio.yaml" in note for note in read.notes) and any("30 frames per second" in n for n in read.notes)


def test_the_npy_of_the_docs_is_what_the_camera_saw(layout, tmp_path):
    truth = wave()
    rows = truth.joints[:, 0].reshape(truth.num_frames, -1) * 1000
    rows[3, 3 * KINECT_V2.index("left_wrist") :][:3] = 0
    np.save(tmp_path / "take.npy", rows)
    read = read_skeleton(tmp_path / "take.npy", format=str(layout(example("depth.yaml"))))
    expected = truth.joints.copy()
    expected[3, 0, KINECT_V2.index("left_wrist")] = 0
    np.testing.assert_allclose(read.joints, expected, atol=EXACT)
    assert (read.topology, read.fps, read.valid.size - read.valid.sum()) == (KINECT_V2, 30.0, 1)
    assert any(note.startswith("1 of ") and "missing" in note for note in read.notes)


def test_the_json_of_the_docs_gives_two_tracked_persons(layout, tmp_path):
    left, right = (wave(label, COCO_17, seconds=2.0) for label in ("wave left hand", "kick"))
    # Pixels, y down; who stands at larger x of the world is seen at smaller x.
    seen = [(-joints[:, 0, :, :2] * [1, 1] * 200 + [x, 500]) for joints, x in ((left.joints, 300), (right.joints, 900))]
    frames = []
    for t in range(left.num_frames):
        people = [
            {
                "points": dict(zip(COCO_17.joints, points[t].round(3).tolist(), strict=True)),
                "scores": dict.fromkeys(COCO_17.joints, 0.75),
            }
            for points in (seen if t % 2 else seen[::-1])
        ]
        del people[0]["points"]["left_ear"], people[0]["scores"]["left_ear"]
        people[1]["scores"]["left_eye"] = 0
        frames.append({"people": people if t != 5 else []})
    path = tmp_path / "pair.json"
    path.write_text(json.dumps({"video": {"fps": 25, "action": "clap"}, "frames": frames}))
    read = read_skeleton(path, format=str(layout(example("poses.yaml"))))
    assert (read.num_frames, read.num_persons, read.fps, read.label) == (left.num_frames, 2, 25.0, "clap")
    assert not read.valid[5].any() and read.confidence[4, 0, COCO_17.index("nose")] == 0.75
    for joint in ("left_ear", "left_eye"):  # one person has no such point, that of the other is worth nothing
        assert read.valid[4, :, COCO_17.index(joint)].sum() == 1
    # Of two who stand apart, each stays where they are; image x to the right is world -x.
    centres = read.joints[..., 0].mean(-1)[[4, 6, 7, 8]]
    assert np.ptp(centres, axis=0).max() < 0.3 and abs(centres[0, 0] - centres[0, 1]) > 1.0
    first = int(centres[0].argmax())
    assert read.joints[4, first, COCO_17.index("nose"), 1] > read.joints[4, first, COCO_17.index("left_ankle"), 1]
    shoulders = [read.joints[4, first, COCO_17.index(f"{side}_shoulder"), 0] for side in ("left", "right")]
    assert shoulders[0] < shoulders[1]


def test_the_docs_list_every_format_and_every_body_part():
    text = DOCS.read_text()

    missing = [name for name in FORMATS if f"| `{name}` |" not in text]
    assert not missing, f"docs/formats.md has no row for {missing}"
    assert ", ".join(PARTS) in text
