"""The embedded data set: what is done is what the label says, by human bodies, the same every time."""

import numpy as np
import pytest

from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.synthesis import ACTIONS, JOINTS, perform, performer, synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import Topology

SINGLE = [label for label, action in ACTIONS.items() if action.persons == 1]
PAIRS = [label for label, action in ACTIONS.items() if action.persons == 2]
PEOPLE = range(6)


def joint(joints: np.ndarray, name: str) -> np.ndarray:
    """(T, P, 3) of one joint of what ``perform`` gives."""
    return joints[:, :, JOINTS.index(name)]


def angle_at(joints: np.ndarray, first: str, middle: str, last: str) -> np.ndarray:
    """(T, P) degrees."""
    a, b = joint(joints, first) - joint(joints, middle), joint(joints, last) - joint(joints, middle)
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_labels_are_the_promised_ones():
    assert set(SINGLE) >= {
        "wave left hand", "wave right hand", "clap", "kick", "squat", "sit down", "stand up", "jump", "walk",
        "turn around", "bow", "punch",
    }  # fmt: skip
    assert set(PAIRS) == {"shake hands", "push", "walk apart"}
    assert 15 <= len(ACTIONS) <= 18


@pytest.mark.parametrize("label", ACTIONS)
def test_same_numbers_give_the_same_recording_and_others_another(label):
    first, again = (synthesize(label, performer=3, take=5) for _ in range(2))
    np.testing.assert_array_equal(first.joints, again.joints)
    np.testing.assert_array_equal(first.valid, again.valid)
    assert (first.label, first.source) == (label, f"synthetic/{label}/p003/t005")
    for other in (synthesize(label, performer=4, take=5), synthesize(label, performer=3, take=6)):
        frames = min(other.num_frames, first.num_frames)
        assert np.abs(other.joints[:frames] - first.joints[:frames]).max() > 0.02


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("label", ACTIONS)
def test_bones_are_rigid_and_human_in_every_topology(label, topology):
    sequence = synthesize(label, topology=topology, performer=1, take=2, noise=0)
    assert np.isfinite(sequence.joints).all() and sequence.valid.all()
    assert sequence.num_persons == ACTIONS[label].persons
    assert 1.5 < sequence.duration < 4.5
    parents = np.array(sequence.topology.parents)
    children = np.flatnonzero(parents >= 0)
    lengths = np.linalg.norm(sequence.joints[:, :, children] - sequence.joints[:, :, parents[children]], axis=-1)
    # SMPL has every joint of the spine. Elsewhere a link of the trunk may span a joint that bends.
    limbs = [i for i, j in enumerate(children) if sequence.topology.parts[j] not in ("torso", "head")]
    rigid = slice(None) if topology.startswith("smpl") else limbs
    # float32 coordinates of a few metres.
    assert np.ptp(lengths[:, :, rigid], axis=0).max() < 1e-4
    assert 0.005 < lengths.min() and lengths[:, :, limbs].max() < 0.6 and lengths.max() < 0.8
    assert 1.5 < sequence.joints[..., 2].mean() < 4.5
    assert sequence.joints[..., 2].min() > 0.3


@pytest.mark.parametrize("label", ["punch", "push"])
def test_topologies_show_the_same_motion_with_the_same_errors(label):
    shown = {name: synthesize(label, topology=name, performer=2, take=1) for name in TOPOLOGIES}
    for name in ("left_wrist", "right_ankle", "left_hip"):
        traces = [sequence.joints[:, :, sequence.topology.index(name)] for sequence in shown.values()]
        for trace in traces[1:]:
            np.testing.assert_array_equal(trace, traces[0])


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_joints_of_pose_estimators_are_where_anatomy_has_them(side):
    joints = perform("bow", performer=4)[0, 0]
    at = {name: joints[JOINTS.index(name)] for name in JOINTS}
    rest = rest_positions()
    assert set(rest) == set(JOINTS)
    # Facing the camera, outwards is to smaller x on the left side and forwards is to smaller z; at rest x is the other
    # way round, and z too.
    for place, out, forward in ((at, -1, -1), (rest, 1, 1)):
        out = out if side == "left" else -out

        def of(name, axis, place=place):
            return place[f"{side}_{name}"][axis]

        assert 0 < out * of("eye_inner", 0) < out * of("eye", 0) < out * of("eye_outer", 0) < out * of("ear", 0)
        assert of("mouth", 1) < place["nose"][1] < of("eye", 1) and forward * of("mouth", 2) > forward * of("ear", 2)
        assert forward * of("heel", 2) < forward * of("ankle", 2) < forward * of("small_toe", 2)
        assert out * of("small_toe", 0) > out * of("foot", 0) + 0.02
        assert 0 < of("heel", 1) < of("ankle", 1) and 0 < of("small_toe", 1) < of("ankle", 1)
        hand, index, pinky, thumb = (place[f"{side}_{name}"] for name in ("hand", "index", "pinky", "thumb"))
        across = index - pinky
        # The knuckles lie across the palm, that of the index finger on the side of the thumb.
        assert 0.04 < np.linalg.norm(across) < 0.09
        assert (thumb - hand) @ across > 0 > (pinky - hand) @ across


@pytest.mark.parametrize("label", ACTIONS)
def test_heels_and_toes_do_not_sink_into_the_floor(label):
    joints = perform(label, performer=3)
    for name in ("left_heel", "right_heel", "left_small_toe", "right_small_toe"):
        assert joint(joints, name)[..., 1].min() > 0


def test_joints_that_only_estimators_see_err_and_vanish_with_their_neighbours():
    for take in range(40):
        sequence = synthesize("walk", topology="mediapipe_33", performer=1, take=take)
        clean = synthesize("walk", topology="mediapipe_33", performer=1, take=take, noise=0)
        ankle, heel = (sequence.topology.index(f"left_{name}") for name in ("ankle", "heel"))
        np.testing.assert_array_equal(sequence.valid[..., ankle], sequence.valid[..., heel])
        seen = sequence.valid[..., ankle]
        errors = (sequence.joints - clean.joints)[seen]
        np.testing.assert_allclose(errors[:, ankle], errors[:, heel], atol=2e-6)  # float32 coordinates of a few metres


@pytest.mark.parametrize("label", SINGLE)
def test_left_is_left_for_the_camera(label):
    """Someone who faces the camera (Y up, Z away, right-handed) has the left side at smaller x."""
    sequence = synthesize(label, performer=5, yaw=0.0, noise=0)
    left, right = (sequence.joints[0, 0, sequence.topology.index(f"{side}_hip"), 0] for side in ("left", "right"))
    assert left < right - 0.1
    nose = synthesize(label, topology="coco_17", performer=5, yaw=0.0, noise=0).joints[0, 0]
    assert nose[0, 2] < nose[3:5, 2].mean() - 0.02, "the nose is nearer to the camera than the ears"


def test_positive_yaw_turns_the_person_to_its_left():
    ahead, left = (synthesize("bow", performer=0, yaw=yaw, noise=0).joints[0, 0] for yaw in (0.0, 40.0))
    # Its left shoulder goes away from the camera.
    assert left[4, 2] - left[8, 2] > ahead[4, 2] - ahead[8, 2] + 0.1


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("side, other", [("left", "right"), ("right", "left")])
def test_the_hand_of_the_label_waves(side, other, person):
    joints = perform(f"wave {side} hand", performer=person)
    head = joint(joints, "head")[:, 0]
    waving, still = (joint(joints, f"{name}_wrist")[:, 0] for name in (side, other))
    up = waving[:, 1] > joint(joints, f"{side}_shoulder")[:, 0, 1]
    assert up.mean() > 0.4
    assert still[:, 1].max() < head[:, 1].min() - 0.4
    across = waving[up][:, 0]
    assert np.ptp(across) > 0.10
    assert (np.abs(np.diff(np.sign(np.diff(across)))) > 0).sum() >= 2, "it goes to and fro"


@pytest.mark.parametrize("person", PEOPLE)
def test_sitting_ends_with_level_thighs_and_an_upright_trunk_and_standing_begins_so(person):
    def seated(joints, frame):
        thigh = (joint(joints, "left_knee") - joint(joints, "left_hip"))[frame, 0]
        trunk = (joint(joints, "neck") - joint(joints, "pelvis"))[frame, 0]
        level = abs(thigh[1]) / np.linalg.norm(thigh) < np.sin(np.radians(25))
        return level and trunk[1] / np.linalg.norm(trunk) > np.cos(np.radians(20))

    down, up = (perform(label, performer=person) for label in ("sit down", "stand up"))
    assert not seated(down, 0) and seated(down, -1)
    assert seated(up, 0) and not seated(up, -1)


@pytest.mark.parametrize("person", PEOPLE)
def test_each_action_does_what_its_label_says(person):
    def act(label):
        return perform(label, performer=person)

    pelvis = joint(act("squat"), "pelvis")[:, 0, 1]
    assert pelvis.min() < 0.75 * pelvis[0] and pelvis[-1] > 0.93 * pelvis[0]

    jump = act("jump")
    lower_foot = np.minimum(joint(jump, "left_foot"), joint(jump, "right_foot"))[:, 0, 1]
    assert lower_foot.max() > 0.15

    walk = joint(act("walk"), "pelvis")[:, 0]
    assert 0.7 < walk[0, 2] - walk[-1, 2] < 2.5, "towards the camera"

    turn = act("turn around")
    hips = (joint(turn, "left_hip") - joint(turn, "right_hip"))[:, 0, 0]
    assert hips[0] < -0.1 and hips[-1] > 0.1

    bow = act("bow")
    trunk = (joint(bow, "neck") - joint(bow, "pelvis"))[:, 0]
    assert trunk[:, 1].min() < 0.75 * trunk[0, 1]
    assert (trunk[0, 2] - trunk[:, 2]).max() > 0.2, "forwards"

    kick = act("kick")
    ankles = np.stack([joint(kick, f"{side}_ankle")[:, 0] for side in ("left", "right")])
    raised = (ankles[..., 1] - ankles[:, :1, 1]).max(1)
    assert raised.max() > 0.25 and raised.min() < 0.02

    punch = act("punch")
    reach = [(joint(punch, "chest") - joint(punch, f"{side}_wrist"))[:, 0, 2] for side in ("left", "right")]
    side = ("left", "right")[int(np.argmax(np.max(reach, axis=1)))]
    elbow = angle_at(punch, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")[:, 0]
    assert np.max(reach) > 0.4 and elbow.max() > 150
    assert elbow[len(elbow) // 4 : -len(elbow) // 4].min() < 100, "drawn back between blows"

    clap = act("clap")
    gap = np.linalg.norm(joint(clap, "left_hand") - joint(clap, "right_hand"), axis=-1)[:, 0]
    middle = gap[len(gap) // 4 : -len(gap) // 4]
    assert middle.min() < 0.15 and middle.max() > 0.35
    meetings = (middle[1:-1] < middle[:-2]) & (middle[1:-1] <= middle[2:]) & (middle[1:-1] < 0.2)
    assert meetings.sum() >= 2

    arms = act("raise both arms")
    for side in ("left", "right"):
        assert (joint(arms, f"{side}_wrist") - joint(arms, "head"))[:, 0, 1].max() > 0.1


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("label", ACTIONS)
def test_feet_stand_on_the_floor_and_planted_ones_do_not_slide(label, person):
    joints = perform(label, performer=person)
    feet = np.stack([joint(joints, f"{side}_foot") for side in ("left", "right")])
    assert feet[..., 1].min() > -0.02, "never below the floor"
    lower = feet[..., 1].min(0)
    assert lower.min() < 0.03
    if label != "jump":
        assert lower.max() < 0.06, "one foot always on the floor"
    ankles = np.stack([joint(joints, f"{side}_ankle") for side in ("left", "right")])
    slower = np.linalg.norm(np.diff(ankles[..., [0, 2]], axis=1), axis=-1).min(0) * 30
    # A walking ankle passes at several metres per second; someone pushed may shuffle.
    assert slower.max() < (0.6 if label == "push" else 0.05)


@pytest.mark.parametrize("label", ACTIONS)
def test_nothing_moves_faster_than_people_do(label):
    speeds = [
        np.linalg.norm(np.diff(perform(label, performer=p, take=p), axis=0), axis=-1).max() * 30 for p in range(20)
    ]
    # Fists and feet of trained fighters reach about 15 m/s.
    assert max(speeds) < 15


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("label", PAIRS)
def test_the_two_persons_stay_apart(label, person):
    joints = perform(label, performer=person)
    distance = np.linalg.norm((joint(joints, "pelvis")[:, 0] - joint(joints, "pelvis")[:, 1])[:, [0, 2]], axis=-1)
    assert distance.min() > 0.4
    trunks = joints[:, :, : JOINTS.index("head")]
    assert np.linalg.norm(trunks[:, 0, :, None] - trunks[:, 1, None], axis=-1).min() > 0.15


@pytest.mark.parametrize("person", PEOPLE)
def test_right_hands_meet_in_a_handshake(person):
    joints = perform("shake hands", performer=person)
    hands = joint(joints, "right_hand")
    gap = np.linalg.norm(hands[:, 0] - hands[:, 1], axis=-1)
    assert np.sort(gap)[: len(gap) // 3].max() < 0.12 and gap[0] > 0.3
    noses = joint(joints, "nose")[0] - joint(joints, "head")[0]
    assert noses[0] @ noses[1] < 0, "face to face"


@pytest.mark.parametrize("person", PEOPLE)
def test_a_push_moves_the_pushed_away_from_the_hands_that_touch(person):
    joints = perform("push", performer=person)
    pelvis = joint(joints, "pelvis")[:, :, 0]
    back = (np.abs(pelvis - pelvis[0].mean()) - np.abs(pelvis[0] - pelvis[0].mean()))[-1]
    pushed = int(back.argmax())
    assert back[pushed] > 0.25 and back[1 - pushed] < 0.05
    hands = np.stack([joint(joints, f"{side}_hand")[:, 1 - pushed] for side in ("left", "right")])
    chest = joint(joints, "chest")[:, pushed]
    touch = np.linalg.norm(hands - chest, axis=-1).min(0)
    assert touch.min() < 0.30
    moving = np.flatnonzero(np.abs(pelvis[:, pushed] - pelvis[0, pushed]) > 0.10)[0]
    assert touch.argmin() <= moving + 3, "touched before moved"


@pytest.mark.parametrize("person", PEOPLE)
def test_walking_apart_takes_both_away_from_each_other(person):
    pelvis = joint(perform("walk apart", performer=person), "pelvis")[:, :, 0]
    travelled = pelvis[-1] - pelvis[0]
    assert travelled[0] > 0.5 and travelled[1] < -0.5, "the first is on the left of a picture, where x is larger"


def test_performers_differ_in_body_and_style_and_take_after_nobody():
    people = [performer(number) for number in range(200)]
    statures = np.array([person.stature for person in people])
    assert 1.50 <= statures.min() < 1.6 and 1.8 < statures.max() <= 1.95
    assert len(set(statures.tolist())) > 150
    for ratio in (
        np.array([person.leg for person in people]) / statures,
        np.array([person.arm for person in people]) / statures,
        np.array([person.tempo for person in people]),
    ):
        assert np.std(ratio) / np.mean(ratio) > 0.01
    assert {person.left_handed for person in people} == {True, False}
    assert performer(7, partner=1).stature != performer(7).stature


def test_a_performer_keeps_the_body_from_take_to_take():
    thighs = [
        np.linalg.norm((joint(x, "left_knee") - joint(x, "left_hip"))[0, 0])
        for x in (perform("kick", performer=9, take=0), perform("bow", performer=9, take=8))
    ]
    assert thighs[0] == pytest.approx(thighs[1], abs=1e-6) == pytest.approx(performer(9).thigh, abs=1e-6)


def test_noise_jitters_and_sometimes_loses_a_joint_but_never_the_pelvis():
    clean, noisy = (synthesize("bow", performer=1, noise=noise, take=3) for noise in (0.0, 1.0))
    error = np.linalg.norm(clean.joints - noisy.joints, axis=-1)[noisy.valid]
    assert 0.003 < error.mean() < 0.03
    many = [synthesize("bow", performer=number).valid for number in range(60)]
    losing = [valid for valid in many if not valid.all()]
    assert 3 <= len(losing) <= 40
    assert all(valid[:, :, 0].all() for valid in many)
    assert max((~valid).sum() for valid in losing) > 3


def test_duration_and_frame_rate_can_be_chosen():
    sequence = synthesize("walk", performer=0, fps=20.0, seconds=2.5)
    assert (sequence.num_frames, sequence.fps) == (50, 20.0)
    slow, fast = (perform("sit down", performer=0, fps=fps, seconds=2.0) for fps in (15.0, 30.0))
    np.testing.assert_allclose(slow, fast[::2], atol=1e-9)


def test_unknown_names_and_impossible_numbers_are_refused():
    with pytest.raises(KeyError, match="juggle.*wave left hand"):
        synthesize("juggle", performer=0)
    tail = Topology("cat", ("pelvis", "tail"), (-1, 0), ((0, 1),), ("torso", "torso"), ("centre", "centre"))
    with pytest.raises(ValueError, match="cat.*tail"):
        synthesize("walk", topology=tail, performer=0)
    for wrong in ({"performer": -1}, {"take": -1}, {"noise": -0.1}, {"fps": 0.0}, {"seconds": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            synthesize("walk", **{"performer": 0, **wrong})


def test_a_topology_of_known_joints_needs_no_registration():
    arms = Topology(
        "arms", ("chest", "left_wrist", "right_wrist"), (-1, 0, 0), ((0, 1), (0, 2)),
        ("torso", "forearm", "forearm"), ("centre", "left", "right"),
    )  # fmt: skip
    assert synthesize("clap", topology=arms, performer=0).joints.shape[2:] == (3, 3)
