"""The names that rigs give to joints, and what is made of those that nobody knows."""

import subprocess
import sys

import pytest

from skeletonllm.skeleton.joint_names import SHARED_NAMES, split_name, topology_from_names
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import ROOT


def read_tree(text):
    """Names, parents and end sites (marked by a star) of an indented tree."""
    names, parents, ends, above = [], [], [], []
    for line in text.strip("\n").splitlines():
        depth = len(line) - len(line.lstrip())
        above = [(level, index) for level, index in above if level < depth]
        parents.append(above[-1][1] if above else ROOT)
        above.append((depth, len(names)))
        if line.endswith("*"):
            ends.append(len(names))
        names.append(line.strip().rstrip("*"))
    return names, parents, ends


def understood(text):
    """What each name of a tree became; the topology."""
    names, parents, ends = read_tree(text)
    topology, order = topology_from_names(names, parents, ends)
    marked = [name + "*" if index in ends else name for index, name in enumerate(names)]
    return {marked[index]: joint for index, joint in zip(order, topology.joints, strict=True)}, topology


MIXAMO = """
mixamorig:Hips
 mixamorig:Spine
  mixamorig:Spine1
   mixamorig:Spine2
    mixamorig:Neck
     mixamorig:Head
      mixamorig:HeadTop_End
    mixamorig:LeftShoulder
     mixamorig:LeftArm
      mixamorig:LeftForeArm
       mixamorig:LeftHand
        mixamorig:LeftHandThumb1
         mixamorig:LeftHandThumb2
        mixamorig:LeftHandIndex1
        mixamorig:LeftHandMiddle1
         mixamorig:LeftHandMiddle2
 mixamorig:LeftUpLeg
  mixamorig:LeftLeg
   mixamorig:LeftFoot
    mixamorig:LeftToeBase
     mixamorig:LeftToe_End
"""
BIPED = """
Bip01
 Bip01 Pelvis
  Bip01 Spine
   Bip01 Spine1
    Bip01 Neck
     Bip01 Head
      Bip01 HeadNub
     Bip01 R Clavicle
      Bip01 R UpperArm
       Bip01 R Forearm
        Bip01 R Hand
  Bip01 R Thigh
   Bip01 R Calf
    Bip01 R Foot
     Bip01 R Toe0
      Bip01 R Toe0Nub
"""
UNREAL = """
root
 pelvis
  spine_01
   spine_02
    spine_03
     neck_01
      head
     clavicle_l
      upperarm_l
       upperarm_twist_01_l
       lowerarm_l
        hand_l
         index_01_l
         middle_01_l
  thigh_l
   thigh_twist_01_l
   calf_l
    foot_l
     ball_l
"""
OPTICAL = """
Hips
 Chest
  Chest2
   Chest3
    Chest4
     Neck
      Head
       Head*
     LeftCollar
      LeftShoulder
       LeftElbow
        LeftWrist
         LeftWrist*
 LeftHip
  LeftKnee
   LeftAnkle
    LeftToe
     LeftToe*
 RightHip
  RightKnee
   RightAnkle
    RightAnkle*
 Tail1
  Tail2
   Tail2*
"""
POSER = """
hip
 abdomen
  chest
   neck
    head
   lCollar
    lShldr
     lForeArm
      lHand
 lThigh
  lShin
   lFoot
"""
SENSOR = """
SpineBase
 SpineMid
  SpineShoulder
   Neck
    Head
   ShoulderLeft
    ElbowLeft
     WristLeft
      HandLeft
       HandTipLeft
       ThumbLeft
 HipLeft
  KneeLeft
   AnkleLeft
    FootLeft
"""
AVATAR = """
J_Bip_C_Hips
 J_Bip_C_Spine
  J_Bip_C_Chest
   J_Bip_C_UpperChest
    J_Bip_C_Neck
     J_Bip_C_Head
      J_Sec_Hair1_01
    J_Bip_L_Shoulder
     J_Bip_L_UpperArm
      J_Bip_L_LowerArm
       J_Bip_L_Hand
 J_Bip_R_UpperLeg
  J_Bip_R_LowerLeg
   J_Bip_R_Foot
    J_Bip_R_ToeBase
"""
RIGS = {
    "mixamo": (MIXAMO, {
        "mixamorig:Hips": "pelvis", "mixamorig:Spine": "spine", "mixamorig:Spine1": "spine_upper",
        "mixamorig:Spine2": "chest", "mixamorig:Neck": "neck", "mixamorig:Head": "head",
        "mixamorig:HeadTop_End": "head_top", "mixamorig:LeftShoulder": "left_collar",
        "mixamorig:LeftArm": "left_shoulder", "mixamorig:LeftForeArm": "left_elbow", "mixamorig:LeftHand": "left_wrist",
        "mixamorig:LeftHandThumb2": "left_thumb", "mixamorig:LeftHandMiddle1": "left_hand",
        "mixamorig:LeftHandMiddle2": "left_hand_tip", "mixamorig:LeftUpLeg": "left_hip",
        "mixamorig:LeftLeg": "left_knee", "mixamorig:LeftFoot": "left_ankle", "mixamorig:LeftToeBase": "left_foot",
        "mixamorig:LeftToe_End": "left_toe",
    }),
    "biped": (BIPED, {
        "Bip01 Pelvis": "pelvis", "Bip01 Spine": "spine", "Bip01 Spine1": "chest", "Bip01 HeadNub": "head_top",
        "Bip01 R Clavicle": "right_collar", "Bip01 R UpperArm": "right_shoulder", "Bip01 R Forearm": "right_elbow",
        "Bip01 R Hand": "right_wrist", "Bip01 R Thigh": "right_hip", "Bip01 R Calf": "right_knee",
        "Bip01 R Foot": "right_ankle", "Bip01 R Toe0": "right_foot", "Bip01 R Toe0Nub": "right_toe",
    }),
    "unreal": (UNREAL, {
        "pelvis": "pelvis", "spine_01": "spine", "spine_02": "spine_upper", "spine_03": "chest", "neck_01": "neck",
        "clavicle_l": "left_collar", "upperarm_l": "left_shoulder", "lowerarm_l": "left_elbow", "hand_l": "left_wrist",
        "middle_01_l": "left_hand", "thigh_l": "left_hip", "calf_l": "left_knee", "foot_l": "left_ankle",
        "ball_l": "left_foot",
    }),
    "optical": (OPTICAL, {
        "Hips": "pelvis", "Chest": "spine", "Chest3": "spine_upper", "Chest4": "chest", "Head*": "head_top",
        "LeftCollar": "left_collar", "LeftShoulder": "left_shoulder", "LeftElbow": "left_elbow",
        "LeftWrist": "left_wrist", "LeftWrist*": "left_hand_tip", "LeftHip": "left_hip", "LeftKnee": "left_knee",
        "LeftAnkle": "left_ankle", "LeftToe": "left_foot", "LeftToe*": "left_toe", "RightAnkle*": "right_foot",
    }),
    "poser": (POSER, {
        "hip": "pelvis", "abdomen": "spine", "chest": "chest", "lCollar": "left_collar", "lShldr": "left_shoulder",
        "lForeArm": "left_elbow", "lHand": "left_wrist", "lThigh": "left_hip", "lShin": "left_knee",
        "lFoot": "left_ankle",
    }),
    "sensor": (SENSOR, {
        "SpineBase": "pelvis", "SpineMid": "spine", "SpineShoulder": "chest", "WristLeft": "left_wrist",
        "HandLeft": "left_hand", "HandTipLeft": "left_hand_tip", "ThumbLeft": "left_thumb", "HipLeft": "left_hip",
        "FootLeft": "left_foot",
    }),
    "avatar": (AVATAR, {
        "J_Bip_C_Hips": "pelvis", "J_Bip_C_Chest": "spine_upper", "J_Bip_C_UpperChest": "chest",
        "J_Bip_L_Shoulder": "left_collar", "J_Bip_L_UpperArm": "left_shoulder", "J_Bip_L_Hand": "left_wrist",
        "J_Bip_R_UpperLeg": "right_hip", "J_Bip_R_ToeBase": "right_foot",
    }),
}  # fmt: skip


@pytest.mark.parametrize("rig", RIGS)
def test_the_joints_of_usual_rigs_are_understood(rig):
    text, expected = RIGS[rig]
    found, _ = understood(text)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("rig", RIGS)
def test_names_that_were_understood_are_understood_again(rig):
    topology = understood(RIGS[rig][0])[1]
    again, order = topology_from_names(topology.joints, topology.parents)
    assert again == topology and order == tuple(range(topology.num_joints))


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_the_names_of_every_topology_mean_themselves(name):
    topology = TOPOLOGIES[name]
    # Files name each joint behind its parent, whatever the order of the data is.
    order = sorted(range(topology.num_joints), key=lambda joint: topology.depths[joint])
    parents = [ROOT if topology.parents[i] == ROOT else order.index(topology.parents[i]) for i in order]
    again, back = topology_from_names([topology.joints[joint] for joint in order], parents)
    assert again is topology
    assert [order[place] for place in back] == list(range(topology.num_joints))


def test_a_root_above_the_pelvis_is_no_joint_but_a_root_that_is_the_pelvis_is():
    assert "Bip01" not in understood(BIPED)[0] and "root" not in understood(UNREAL)[0]
    found, _ = understood("root\n left_hip\n  left_knee\n right_hip\n  right_knee")
    assert found["root"] == "pelvis"


def test_unknown_joints_keep_their_names_and_belong_to_the_limb_they_are_in():
    found, topology = understood(UNREAL)
    for name, part in (("upperarm_twist_01_l", "upper_arm"), ("thigh_twist_01_l", "thigh"), ("index_01_l", "hand")):
        joint = topology.index(found[name])
        assert (topology.parts[joint], topology.sides[joint]) == (part, "left")
        assert found[name].startswith("left_") and found[name] not in SHARED_NAMES
    found, topology = understood(AVATAR)
    assert topology.parts[topology.index(found["J_Sec_Hair1_01"])] == "head"
    found, topology = understood(OPTICAL)
    joint = topology.index(found["Tail2"])
    assert (topology.parts[joint], topology.sides[joint]) == ("torso", "centre")


def test_only_torso_and_head_stand_on_the_centre_line():
    for text in (*(text for text, _ in RIGS.values()), "a\n b\n  c\n   UpperArm\n    Foot", "LeftArm\n x\n  y"):
        topology = understood(text)[1]
        for part, side, joint in zip(topology.parts, topology.sides, topology.joints, strict=True):
            assert side != "centre" or part in ("torso", "head")
            assert joint.startswith(side + "_") == (side != "centre")


def test_ends_of_head_hand_and_foot_stay_and_others_go():
    found, _ = understood(OPTICAL)
    assert {"Head*", "LeftWrist*", "LeftToe*", "RightAnkle*"} <= set(found)
    assert "Tail2" in found and "Tail2*" not in found


def test_no_name_is_given_twice():
    found, topology = understood("Hips\n Head\n  Head\n   head\n LeftHand\n  lHand\n L_Hand\n Ü\n 日本\n  日本*")
    assert len(set(topology.joints)) == topology.num_joints == 9
    assert found["LeftHand"] == "left_wrist" and found["lHand"] == "left_hand"
    assert found["L_Hand"] not in SHARED_NAMES and "left" in found["L_Hand"]
    assert all(joint.isascii() for joint in topology.joints)


def test_one_hierarchy_makes_one_object_with_the_same_name_in_every_process():
    names, parents, ends = read_tree(OPTICAL)
    topology, _ = topology_from_names(names, parents, ends)
    assert topology_from_names(list(names), tuple(parents), ends)[0] is topology
    assert topology.name.startswith(f"rig_{topology.num_joints}_")
    code = "from skeletonllm.skeleton.joint_names import topology_from_names as f\n"
    code += f"print(f({names!r}, {parents!r}, {ends!r})[0].name)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == topology.name
    assert topology_from_names([*names[:-2], "Tail9"], parents[:-1])[0].name != topology.name


def test_a_side_is_found_wherever_it_stands():
    for name in ("LeftForeArm", "lForeArm", "fore_arm.L", "L Fore Arm", "x:ForeArm_L", "left_fore_arm", "ForeArmLeft"):
        assert split_name(name) == ("left", ("fore", "arm"))
    for name in ("leftforearm", "lforearm", "forearm_l"):
        assert split_name(name) == ("left", ("forearm",))
    for name in ("LowerBack", "lowerback", "leg", "Root", "ribs", "Reference"):
        assert split_name(name)[0] is None
