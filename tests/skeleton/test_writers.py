"""Every writer against the reader of its format: what comes back, and that what does not is said."""

import json

import numpy as np
import pytest
from bad_files import refuse

from skeletonllm.skeleton.formats import FORMATS, detect_format, read_skeleton
from skeletonllm.skeleton.formats.writers import WRITERS, find_writer, write_skeleton
from skeletonllm.skeleton.retarget import retarget
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import build_topology, describe_topology

# A millimetre in 10,000 px, and hundredths of a millimetre in BVH; joints are float32 at some metres.
METRES = 1e-5


def pose(sequence):
    """Joints of the first person from where the pelvis or left hip is at the start."""
    return sequence.joints - sequence.joints[:1, :1, [sequence.topology.find("pelvis", "left_hip")]]


def test_every_writer_is_found_by_its_suffix_and_its_name():
    for name, writer in WRITERS.items():
        assert find_writer(f"clip{writer.suffix.upper()}") is writer and find_writer("clip.any", name) is writer
    with pytest.raises(ValueError, match=r"cannot write .avi; known: .npz \(npz\), .npy"):
        find_writer("clip.avi")
    with pytest.raises(ValueError, match="known: npz, npy, bvh, coco"):
        find_writer("clip.npz", "fbx")


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("format", WRITERS)
def test_every_topology_comes_back_from_every_format(tmp_path, format, topology):
    # Facing the camera, as recordings of motion capture are turned when they are read.
    sequence = synthesize("walk", topology=topology, performer=2, yaw=0, seconds=1.0, noise=0.0)
    path = tmp_path / f"clip{WRITERS[format].suffix}"
    lost = write_skeleton(sequence, path)
    found = read_skeleton(path)
    assert detect_format(path).name in (format, "npy_joints", "humanml3d")
    if (format, topology) == ("npy", "smpl_22"):
        assert found.fps == 20 and any("resampled" in note for note in lost)
        np.testing.assert_allclose(pose(found)[::2], pose(sequence)[::3], atol=METRES)
    elif format == "coco":
        assert (found.fps, found.topology.name) == (30, "coco_17") and "depth" in lost
        expected = retarget(sequence, "coco_17").joints
        np.testing.assert_allclose(found.joints[..., :2], expected[..., :2], atol=METRES)
    else:
        assert found.fps == pytest.approx(30) and set(found.topology.joints) == set(sequence.topology.joints)
        order = [found.topology.index(joint) for joint in sequence.topology.joints]
        steps = np.diff(found.joints[:, :, order], axis=0), np.diff(sequence.joints, axis=0)
        lengths = [np.linalg.norm(step, axis=-1) for step in steps]
        np.testing.assert_allclose(*lengths, atol=10 * METRES)  # differences of two, wherever it was turned
    assert ("label" in lost) == (found.label is None)
    assert any("label" in note for note in lost) or found.label == "walk"


def full(topology):
    """Two persons with gaps, rotations, confidences, a label and notes."""
    rng = np.random.default_rng(0)
    shape = (5, 2, topology.num_joints)
    rotations = rng.normal(size=(*shape, 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return SkeletonSequence(
        rng.normal(size=(*shape, 3)),
        24.0,
        topology,
        rng.random(shape) > 0.2,
        rotations.astype(np.float32),
        "clapping",
        "somewhere",
        ("a note",),
        rng.random(shape).astype(np.float32),
    )


def test_npz_keeps_everything_also_of_a_skeleton_that_nobody_knows(tmp_path):
    rows = [("pelvis", None, "torso"), ("tail", "pelvis", "torso"), ("left_wing", "pelvis", "hand")]
    dragon = build_topology("dragon", rows, [(0, 1), (1, 2)])
    written = full(dragon)
    assert write_skeleton(written, tmp_path / "clip.npz") == ()
    found = read_skeleton(tmp_path / "clip.npz")
    assert found.topology == dragon and "dragon" not in TOPOLOGIES
    for field in ("joints", "valid", "rotations", "confidence"):
        np.testing.assert_array_equal(getattr(found, field), getattr(written, field))
    assert (found.fps, found.label, found.notes) == (24.0, "clapping", ("a note",))


def test_a_skeleton_that_only_shares_its_name_with_a_known_one_is_described(tmp_path):
    other = build_topology("coco_17", [("pelvis", None, "torso"), ("head", "pelvis", "head")])
    write_skeleton(SkeletonSequence(np.ones((2, 1, 2, 3)), 30, other), tmp_path / "clip.npz")
    assert read_skeleton(tmp_path / "clip.npz").topology == other


SOUND = describe_topology(TOPOLOGIES["penn_13"])


@pytest.mark.parametrize(
    "described",
    [
        "", "[]", "null", "7", '"penn_13"', "{}", "[" * 100_000, "{" + " " * 300_000 + "}",
        json.dumps({**SOUND, "parents": [0] * 13}), json.dumps({**SOUND, "parents": [1, 0, *[0] * 11]}),
        json.dumps({**SOUND, "parents": [float("inf")] * 13}), json.dumps({**SOUND, "parents": [10**400] * 13}),
        json.dumps({**SOUND, "joints": [1] * 13}), json.dumps({**SOUND, "joints": [[]] * 13}),
        json.dumps({**SOUND, "joints": ["a"] * 13}), json.dumps({**SOUND, "joints": 13}),
        json.dumps({**SOUND, "parts": ["wing"] * 13}), json.dumps({**SOUND, "sides": [None] * 13}),
        json.dumps({**SOUND, "bones": [[0, 99]]}), json.dumps({**SOUND, "bones": [[0]]}),
        json.dumps({**SOUND, "bones": 1}), json.dumps({**SOUND, "name": None}),
        json.dumps({**SOUND, "joints": [str(n) for n in range(2000)]}),
        json.dumps(describe_topology(TOPOLOGIES["coco_17"])),
    ],
    ids=range(24),
)  # fmt: skip
def test_damaged_descriptions_of_skeletons_are_refused(tmp_path, described):
    path = tmp_path / "clip.npz"
    np.savez(path, joints=np.ones((2, 1, 13, 3)), fps=30, topology_description=described)
    refuse(path)


@pytest.mark.parametrize(
    "confidence", [np.ones((2, 13), np.float32), np.ones(2), np.array(["a"]), np.ones((2, 1, 13, 1))]
)
def test_confidences_of_another_shape_are_refused(tmp_path, confidence):
    path = tmp_path / "clip.npz"
    np.savez(path, joints=np.ones((2, 1, 13, 3)), fps=30, confidence=confidence)
    refuse(path, "key 'confidence'")


@pytest.mark.parametrize(
    ("format", "told"),
    [
        ("npz", []),
        ("npy", ["rotations", "confidence", "label", "resampled"]),
        ("bvh", ["rotations", "confidence", "label", "1 of 2 persons", "unknown joint positions"]),
        ("coco", ["depth", "joints of kinect_v2"]),
    ],
)
def test_what_a_format_does_not_hold_is_said(tmp_path, format, told):
    lost = write_skeleton(full(TOPOLOGIES["kinect_v2"]), tmp_path / f"clip{WRITERS[format].suffix}")
    for part in told:
        assert any(part in note for note in lost), (part, lost)
    assert len(lost) == len(told)


def test_a_sequence_without_a_known_joint_is_not_written(tmp_path):
    empty = SkeletonSequence(np.full((3, 1, 13, 3), np.nan), 30, "penn_13")
    for writer in WRITERS.values():
        with pytest.raises(ValueError, match="no joint is known"):
            write_skeleton(empty, tmp_path / f"clip{writer.suffix}")
    assert not list(tmp_path.iterdir())


def test_formats_of_writers_are_formats_of_readers():
    assert set(WRITERS) - {"npy"} <= set(FORMATS) and "npy_joints" in FORMATS
