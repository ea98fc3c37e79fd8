"""The animated view: what is sent to the browser is the motion, and nothing that a file says is run there."""

import base64
import json
import re

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.pictures import overlap_depths
from skeletonllm.serving.app.view import Mark, Sound, page, view_of_dance, view_of_sequence
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"


def sent(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="show">(.*?)</script>', html, re.S)[1])


def standing(frames: int = 4) -> SkeletonSequence:
    """Somebody who faces the camera: the left side at smaller x."""
    joints = np.zeros((frames, 1, 17, 3), np.float32)
    joints[..., 1] = np.linspace(1.7, 0.1, 17)
    joints[..., 2] = 3.0
    joints[:, :, 9, 0], joints[:, :, 10, 0] = -0.4, 0.4  # wrists
    return SkeletonSequence(joints, 10.0, "coco_17")


def test_somebody_who_faces_the_camera_has_the_left_hand_on_the_right_of_the_view_and_the_floor_below_the_feet():
    sequence = standing()
    view = view_of_sequence(sequence, "standing")
    left, right = (sequence.topology.joints.index(f"{side}_wrist") for side in ("left", "right"))
    assert view.points[0, left, 0] > 0 > view.points[0, right, 0]
    assert view.floor < sequence.joints[..., 1].min()


def test_a_dancer_who_faces_the_audience_is_seen_from_before_with_the_floor_at_zero():
    body = default_body()
    rest = Motion(np.array([[0, 0, body.standing_height]]), np.eye(3)[None, None].repeat(24, 1))
    view = view_of_dance(rest, body, "rest")
    hands = {body.names[int(joint)]: place for place, joint in enumerate(body.capsules.joints)}
    ends = view.points[0, view.capsules]
    assert ends[hands["left_hand"], :, 0].min() > 0.4 and ends[hands["right_hand"], :, 0].max() < -0.4
    assert ends[hands["head"], :, 1].max() > 1.4
    # Toes reach further towards the audience than heels do backwards.
    assert ends[..., 2].max() > -ends[..., 2].min()
    assert not view.heat.any()


def test_only_limbs_that_stand_in_one_another_are_red():
    body = default_body()
    turned = np.eye(3)[None, None].repeat(24, 1)
    # The left arm to the right, through the chest and into the other arm.
    turned[0, list(body.names).index("left_shoulder")] = np.diag([-1.0, -1.0, 1.0])
    motion = Motion(np.array([[0, 0, 2.0]]), turned)
    deep = overlap_depths(body, *motion.pose(body))
    assert (deep > 0).any(), "the pose was meant to have overlaps"
    view = view_of_dance(motion, body, "overlap")
    np.testing.assert_array_equal(view.heat > 0, deep > 0)
    assert not (deep > 0).all()


def test_what_the_page_holds_is_the_motion_to_a_tenth_of_a_millimetre_with_unknown_joints_left_out():
    sequence = synthesize("kick", performer=3)
    sequence.valid[4, 0, 7] = False
    view = view_of_sequence(sequence.replace(valid=sequence.valid), "kick")
    data = sent(page([view]))["views"][0]
    numbers = np.frombuffer(base64.b64decode(data["places"]), "<i2").reshape(data["frames"], data["count"], 3)
    unknown = (numbers == -32768).all(-1)
    np.testing.assert_array_equal(unknown, np.isnan(view.points).any(-1))
    assert unknown[4, 7]
    places = numbers * data["scale"] + np.array(data["middle"])
    # 16 bits over two metres are steps of 0.06 mm; the middle is rounded to 0.01 mm.
    np.testing.assert_allclose(places[~unknown], view.points[~unknown], atol=1e-4)


def test_a_long_recording_is_sent_with_fewer_frames_that_last_as_long():
    view = view_of_sequence(standing(7001), "long")
    assert len(view.points) <= 3000
    assert len(view.points) / view.fps == pytest.approx(700.1, abs=3 / 10)  # the last frame may stay a little longer


def test_bones_have_the_mean_heat_of_their_joints():
    sequence = standing()
    heat = np.zeros(sequence.joints.shape[:3])
    wrist = sequence.topology.joints.index("left_wrist")
    heat[:, :, wrist] = 1.0
    view = view_of_sequence(sequence, "hot", joint_heat=heat)
    for place, bone in enumerate(sequence.topology.bones):
        assert (view.heat[:, place] == (0.5 if wrist in bone else 0.0)).all()


def test_names_from_outside_stay_text():
    view = view_of_sequence(standing(), HOSTILE, marks=[Mark(0.1, 0.2, HOSTILE)])
    html = page([view])
    assert html.count("<script") == 2 and html.count("</script>") == 2
    assert "<img" not in html
    assert sent(html)["views"][0]["title"] == HOSTILE
    assert sent(html)["views"][0]["marks"] == [{"start": 0.1, "stop": 0.2, "label": HOSTILE}]


def test_a_page_loads_nothing_and_carries_its_sound_along():
    html = page([view_of_sequence(standing(), "one")], sound=Sound(b"RIFF", "audio/wav"))
    assert "default-src 'none'" in html
    assert not re.search(r"https?://", html)
    assert sent(html)["sound"] == "data:audio/wav;base64," + base64.b64encode(b"RIFF").decode()


def test_of_several_views_those_are_seen_at_first_that_are_named_and_never_none():
    views = [view_of_sequence(standing(), name) for name in ("one", "two", "three")]
    assert [view["seen"] for view in sent(page(views))["views"]] == [True, True, True]
    assert [view["seen"] for view in sent(page(views, shown=(0, 2)))["views"]] == [True, False, True]
    with pytest.raises(ValueError, match="no views"):
        page(views, shown=())


def test_a_recording_without_frames_cannot_be_looked_at():
    with pytest.raises(ValueError, match="nothing.npz: no frames"):
        view_of_sequence(standing().slice(0, 0), "nothing.npz")
