"""Topologies: named joints in trees, found by name, by count, or in a YAML file."""

from dataclasses import replace

import pytest

from skeletonllm.skeleton import topologies
from skeletonllm.skeleton.topologies import (
    KINECT_V1,
    KINECT_V2,
    SMPL_22,
    SMPL_24,
    TOPOLOGIES,
    get_topology,
    load_topology,
    register_topology,
    topology_with_joints,
)
from skeletonllm.skeleton.topology import PARTS

STICK = """
name: stick
joints:
  - {name: pelvis, part: torso}
  - {name: head, parent: pelvis, part: head}
  - {name: left_hand, parent: pelvis, part: hand}
  - {name: right_hand, parent: pelvis, part: hand}
  - {name: tail, parent: pelvis, part: torso, side: left}
"""


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(topologies, "TOPOLOGIES", dict(TOPOLOGIES))


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "stick.yaml"
        path.write_text(text)
        return path

    return write


def test_every_topology_has_its_joint_count():
    counts = {topology.name: topology.num_joints for topology in TOPOLOGIES.values()}
    # Readers may have registered skeletons that only their format has.
    assert counts.items() >= {
        "kinect_v2": 25, "kinect_v1": 20, "smpl_22": 22, "smpl_24": 24, "coco_17": 17, "openpose_18": 18,
        "openpose_25": 25, "mediapipe_33": 33, "h36m_17": 17, "penn_13": 13, "jhmdb_15": 15, "deepmimic_18": 18,
    }.items()  # fmt: skip


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=lambda topology: topology.name)
def test_mirror_images_are_pairs_and_bones_reach_every_joint(topology):
    for joint, partner in enumerate(topology.mirror):
        assert topology.mirror[partner] == joint
        assert topology.parts[partner] == topology.parts[joint]
        sides = {topology.sides[joint], topology.sides[partner]}
        assert sides == ({"centre"} if partner == joint else {"left", "right"})
    assert {joint for bone in topology.bones for joint in bone} == set(range(topology.num_joints))
    assert all(topology.depths[near] <= topology.depths[far] for near, far in topology.oriented_bones)
    assert set(topology.parts) <= set(PARTS)


def test_joint_orders_are_those_of_the_sensors():
    assert [KINECT_V2.joints[i] for i in (0, 3, 4, 7, 8, 11, 12, 19, 20, 21, 24)] == [
        "pelvis", "head", "left_shoulder", "left_hand", "right_shoulder", "right_hand", "left_hip", "right_foot",
        "chest", "left_hand_tip", "right_thumb",
    ]  # fmt: skip
    assert KINECT_V1.joints[:4] == ("pelvis", "spine", "chest", "head")
    assert SMPL_24.joints[:22] == SMPL_22.joints
    assert (SMPL_22.joints[12], SMPL_22.joints[20], SMPL_22.joints[21]) == ("neck", "left_wrist", "right_wrist")


def test_bones_keep_the_published_order():
    one_based = [(a + 1, b + 1) for a, b in KINECT_V2.bones]
    assert len(one_based) == 24 and one_based[:4] == [(1, 2), (2, 21), (3, 21), (4, 3)]
    assert one_based[-4:] == [(22, 23), (23, 8), (24, 25), (25, 12)]
    assert len(SMPL_22.bones) == 21 and [(a + 1, b + 1) for a, b in SMPL_22.bones][-1] == (19, 21)


def test_topologies_are_found_by_name_spelling_and_count():
    assert get_topology("SMPL-22") is get_topology("smpl_22") is SMPL_22
    assert get_topology(SMPL_22) is SMPL_22
    assert topology_with_joints(20) is KINECT_V1
    with pytest.raises(KeyError, match="kinect_v2"):
        get_topology("kinect_v9")
    with pytest.raises(ValueError, match="7 joints"):
        topology_with_joints(7)


def test_joints_are_found_by_name():
    assert KINECT_V1.index("left_wrist") == 6
    assert KINECT_V1.find("neck", "chest") == 2 and KINECT_V1.find("tail") is None
    with pytest.raises(KeyError, match="left_wrist"):
        KINECT_V1.index("left_wing")


def test_a_topology_is_read_from_yaml_and_known_by_name_afterwards(write):
    stick = load_topology(write(STICK))
    assert stick.joints == ("pelvis", "head", "left_hand", "right_hand", "tail")
    assert stick.bones == ((0, 1), (0, 2), (0, 3), (0, 4))
    assert stick.sides == ("centre", "centre", "left", "right", "left")
    assert get_topology("stick") == get_topology(str(write(STICK))) == stick
    assert topology_with_joints(5) == stick


def test_yaml_may_name_the_bones_that_are_drawn(write):
    stick = load_topology(write(STICK + "bones: [[left_hand, right_hand], [pelvis, head]]\n"))
    assert stick.bones == ((2, 3), (0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "stick.yaml"),
        ("name: [", "stick.yaml"),
        ("name: stick", "joints"),
        ("- a\n- b", "stick.yaml"),
        (STICK.replace("parent: pelvis, part: head", "parent: tail_2, part: head"), "stick.yaml"),
        (STICK.replace("part: head", "part: nose"), "nose"),
        (STICK.replace("name: right_hand", "name: left_hand"), "left_hand"),
        (STICK + "bones: [[pelvis, wing]]\n", "stick.yaml"),
        (STICK.replace("name: pelvis, part", "name: pelvis, parent: head, part"), "root"),
        (STICK.replace("name: stick", "name: smpl_22"), "smpl_22"),
    ],
)
def test_yaml_that_is_no_topology_names_the_file(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_topology(path)
    if "different topology" not in str(caught.value):
        assert str(path) in str(caught.value)


def test_a_topology_checks_itself():
    for changes, message in [
        ({"parents": (-1,) * 20}, "one root"),
        ({"parents": (-1, 2, 1, *KINECT_V1.parents[3:])}, "cycle"),
        ({"bones": ((0, 20),)}, "bone"),
        ({"bones": ((3, 3),)}, "bone"),
        ({"parts": KINECT_V1.parts[1:]}, "19 parts"),
        ({"sides": ("middle", *KINECT_V1.sides[1:])}, "middle"),
    ]:
        with pytest.raises(ValueError, match=message):
            replace(KINECT_V1, **changes)


def test_a_name_means_one_topology():
    assert register_topology(SMPL_22) is SMPL_22
    with pytest.raises(ValueError, match="already registered"):
        register_topology(replace(KINECT_V1, name="SMPL-22"))
