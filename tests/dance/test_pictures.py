"""Pictures of dances: who faces the camera does so, left is right, feet that stand are lit, and overlaps are red."""

import numpy as np
import pytest

from skeletonllm.dance.body import capsule_ends, collision_pairs, default_body
from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.flesh import OVERLAPPING, STANDING, capsule_colors, flesh_of
from skeletonllm.dance.metrics import Performance
from skeletonllm.dance.metrics.penetration import overlaps
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.pictures import captioned, draw_dance, overlap_depths, side_by_side
from skeletonllm.dance.stage import Floor, Stage
from skeletonllm.skeleton.kinematics import axis_rotation

BODY = default_body()
SIZE = 96
CLIPS = (
    "aistpp_smpl/gBR_sBM_cAll_d04_mBR0_ch01.pkl",
    "amass_smplh/dmpl_sample.npz",
    "bandai_namco_bvh/dataset-1_dance-short_normal_001.bvh",
    *(f"cmu_bvh/05_{number}.bvh" for number in ("03", "11", "14", "15", "16")),
    "deepmimic_humanoid3d/humanoid3d_dance_a.txt",
    "deepmimic_humanoid3d/humanoid3d_dance_spin.txt",
)


def standing(frames=3, heading=0.0, x=0.0, y=0.0, contacts=None):
    """Somebody in a T-pose on the floor."""
    root = np.zeros((frames, 3))
    root[:, 0], root[:, 1], root[:, 2] = x, y, BODY.standing_height
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    rotations[:, 0] = axis_rotation(2, np.full(frames, heading))
    return Motion(root, rotations, contacts)


def stage_of(motion, size=SIZE, follow=True):
    joints, frames = motion.pose(BODY)
    ends = capsule_ends(BODY, frames, joints)
    return Stage.around(ends.reshape(len(ends), -1, 3).astype(float), joints[:, 0], motion.fps, size, follow)


def pixels(motion, joint, frame=0, **settings):
    """Column and row at which a joint is to be seen."""
    stage = stage_of(motion, **settings)
    placed = stage.place(motion.joints(BODY)[frame : frame + 1, [BODY.index(joint)]].astype(float), np.array([frame]))
    return tuple(stage.project(placed)[0, 0].round().astype(int))


def hue(picture, place):
    """The colour of a pixel by itself, as bright as can be."""
    column, row = place
    color = picture[row, column].astype(float)
    return color / color.max()


def like(color):
    return np.array(color) / max(color)


def test_who_faces_the_camera_has_the_left_on_the_right_and_stands_upright():
    motion = standing()
    (picture,) = draw_dance(motion, BODY, size=SIZE, which=[0])
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    colors = capsule_colors(BODY)
    for joint in ("left_elbow", "right_elbow", "left_knee", "right_knee"):
        found = hue(picture, pixels(motion, joint))
        other = joint.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        # The light on a limb mixes with its shade, both of one hue.
        assert np.abs(found - like(colors[BODY.index(joint)])).max() < 0.15, joint
        assert np.abs(found - like(colors[BODY.index(other)])).max() > 0.2, joint
    assert pixels(motion, "left_elbow")[0] > SIZE / 2 > pixels(motion, "right_elbow")[0]
    assert pixels(motion, "head")[1] < pixels(motion, "pelvis")[1] < pixels(motion, "left_foot")[1]


def test_eyes_are_seen_from_the_front_only():
    def dark(heading):
        motion = standing(heading=heading)
        (picture,) = draw_dance(motion, BODY, size=192, which=[0])
        column, row = pixels(motion, "head", size=192)
        return (picture[row - 5 : row + 6, column - 5 : column + 6].max(-1) < 90).sum()

    assert dark(0.0) > 2
    assert dark(np.pi) == 0


def test_the_body_is_as_wide_as_its_capsules():
    motion = standing()
    size = 256
    stage = stage_of(motion, size)
    (body,) = draw_dance(motion, BODY, size=size, which=[0])
    # Without a body: the same camera, somebody else's floor.
    empty = (Floor(stage).draw(np.array([0]), np.zeros((1, 1, 2)), np.full((1, 1), 50.0), np.ones(1)) * 255)[0]
    column, row = pixels(motion, "left_knee", size=size)
    thigh_row = (row + pixels(motion, "left_hip", size=size)[1]) // 2
    line = np.abs(body[thigh_row].astype(float) - empty[thigh_row]).sum(-1) > 40
    left = column - np.argmin(line[column::-1])
    right = column + np.argmin(line[column:])
    joints = motion.joints(BODY)[:1, [BODY.index("left_hip")]].astype(float)
    metre = stage.intrinsics[1, 1] / stage.place(joints, np.array([0]))[0, 0, 2]
    wanted = 2 * BODY.capsules.radii[BODY.index("left_hip")] * metre
    # Half a pixel at each side, and thighs that touch in the middle.
    assert right - left == pytest.approx(wanted, abs=3)


def test_a_foot_that_stands_is_lit_and_the_other_is_not():
    contacts = np.zeros((3, 4))
    contacts[:, [0, 2]] = 1  # left ankle and ball
    motion = standing(contacts=contacts)
    (picture,) = draw_dance(motion, BODY, size=192, which=[1])
    assert np.abs(hue(picture, pixels(motion, "left_foot", size=192)) - like(STANDING)).max() < 0.15
    assert np.abs(hue(picture, pixels(motion, "right_foot", size=192)) - like(STANDING)).max() > 0.3


def test_capsules_that_overlap_are_as_red_as_they_are_told_or_found_to_be():
    motion = standing()
    told = np.zeros((3, 24))
    told[1, BODY.index("left_elbow")] = 1
    forearm = pixels(motion, "left_wrist")
    place = (forearm[0] - 3, forearm[1])
    before, now, _ = draw_dance(motion, BODY, size=SIZE, overlapping=told)
    assert np.abs(hue(now, place) - like(OVERLAPPING)).max() < 0.1
    assert np.abs(hue(before, place) - like(OVERLAPPING)).max() > 0.3
    # Arms through the trunk: both forearms bent across the chest.
    rotations = motion.rotations.copy()
    rotations[:, BODY.index("left_shoulder")] = axis_rotation(1, np.full(3, 1.5))
    rotations[:, BODY.index("left_elbow")] = axis_rotation(1, np.full(3, 1.2))
    through = motion.replace(rotations=rotations)
    depths = overlap_depths(BODY, *through.pose(BODY))
    assert depths[:, BODY.index("left_elbow")].min() > 0.03
    assert overlap_depths(BODY, *motion.pose(BODY)).max() == 0
    # As the metric finds them, pair by pair.
    found = overlaps(Performance(through.replace(fps=6.0), BODY))
    pairs = collision_pairs(BODY).numpy()
    for capsule in range(24):
        deepest = found[:, (pairs == capsule).any(1)].max(1)
        np.testing.assert_allclose(depths[:, capsule], deepest, atol=1e-6)
    reddest = next(draw_dance(through, BODY, size=SIZE)).astype(int)
    assert (reddest[..., 0] - reddest[..., 1] > 120).sum() > 10
    plain = next(draw_dance(motion, BODY, size=SIZE)).astype(int)
    assert (plain[..., 0] - plain[..., 1] > 120).sum() == 0


def test_the_floor_is_under_the_feet_and_has_tiles_of_half_a_metre():
    motion = standing()
    stage = stage_of(motion)
    joints = motion.joints(BODY).astype(float)
    # A ray through where a point of the floor is seen comes back to that point.
    spots = np.array([[[0.0, 0.0, 0.0], [1.0, -0.5, 0.0], [-0.7, 2.0, 0.0]]])
    seen = stage.project(stage.place(spots, np.array([0])))[0]
    for spot, (column, row) in zip(stage.over_floor(spots, np.array([0]))[0], seen, strict=True):
        np.testing.assert_allclose(stage.floor(np.array([column]), np.array([row]))[0, 0], spot, atol=1e-6)
    # Nearer to the camera is lower in the picture; the left, at larger x of the dance, is on the right.
    assert seen[1, 1] > seen[0, 1] > seen[2, 1] and seen[1, 0] > seen[0, 0] > seen[2, 0]
    assert np.isnan(stage.floor(np.array([0.0]), np.array([-200.0]))).all()
    empty = Floor(stage).draw(np.array([0]), np.zeros((1, 1, 2)), np.full((1, 1), 50.0), np.ones(1))[0, ..., 0]
    # Middles of tiles in a row before the dancer's feet: dark, light, dark.
    middles = np.array([[[x, -0.25, 0.0] for x in (-0.75, -0.25, 0.25, 0.75)]])
    columns, rows = stage.project(stage.place(middles, np.array([0])))[0].round().astype(int).T
    tones = empty[rows, columns]
    assert np.abs(np.diff(tones)).min() > 0.05 and (np.sign(np.diff(tones[:-1])) != np.sign(np.diff(tones[1:]))).all()
    # A body darkens the floor below it, the more the nearer it is.
    at = stage.over_floor(joints[:1, [0]], np.array([0]))
    low, high = (Floor(stage).draw(np.array([0]), at, np.full((1, 1), z), np.full(1, 0.1))[0, ..., 0] for z in (0.1, 1))
    assert (empty - low).max() > 2 * (empty - high).max() > 0.01


def test_a_camera_that_follows_keeps_a_walker_large_and_a_still_one_shows_the_way():
    motion = standing(frames=90, x=np.linspace(0, 6, 90))
    for frame in (0, 45, 89):
        column, _ = pixels(motion, "pelvis", frame)
        assert abs(column - SIZE / 2) < 0.3 * SIZE
    still = [pixels(motion, "pelvis", frame, follow=False)[0] for frame in (0, 45, 89)]
    assert still[2] - still[0] > 0.5 * SIZE and abs(still[1] - np.mean(still)) < 3
    heights = [
        pixels(motion, "left_foot", 45, follow=follow)[1] - pixels(motion, "head", 45, follow=follow)[1]
        for follow in (True, False)
    ]
    assert heights[0] > 1.5 * heights[1]


def test_chosen_frames_are_those_of_the_whole_dance():
    motion = standing(frames=20, heading=0.0, x=np.linspace(0, 1, 20))
    every = list(draw_dance(motion, BODY, size=32))
    assert len(every) == 20
    for number, picture in zip((13, 2), draw_dance(motion, BODY, size=32, which=[13, 2]), strict=True):
        # How many are drawn at once changes nothing but rounding.
        assert np.abs(picture.astype(int) - every[number]).max() <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 8}, "size is 8 pixels, expected 16 to 4096"),
        ({"which": [3]}, r"frames \[3\] to draw, expected numbers from 0 to 2"),
        ({"overlapping": np.zeros((3, 23))}, r"shape \(3, 23\), expected \(3, 24\)"),
    ],
)
def test_wrong_wishes_are_refused_before_the_first_frame(settings, message):
    with pytest.raises(ValueError, match=message):
        draw_dance(standing(), BODY, **settings)


def test_two_dances_side_by_side_have_their_captions_and_the_shorter_one_waits():
    red, blue = np.zeros((2, 40, 40, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    frames = list(side_by_side([red, red // 2], [blue] * 3, ("before", "")))
    assert len(frames) == 3 and frames[0].shape == (40, 80, 3)
    assert frames[2][-1, 0].tolist() == [100, 0, 0] and frames[2][-1, -1].tolist() == [0, 0, 200]
    assert (frames[0][:20, :40].min(-1) > 100).any() and (frames[0][:, 40:] == blue).all()
    assert (captioned(red, "") == red).all()
    with pytest.raises(ValueError, match="no frame"):
        list(side_by_side([red], []))


def test_gaussians_fill_the_capsules_and_nothing_else():
    flesh = flesh_of(BODY)
    body = ~flesh.eyes
    assert set(flesh.capsules[body].tolist()) == set(range(24)) and flesh.eyes.sum() == 2
    feet = np.isin(flesh.joints, BODY.boxes.joints)
    for joint, place, radius in zip(flesh.joints[feet], flesh.places[feet], flesh.radii[feet], strict=True):
        box = BODY.boxes.joints.tolist().index(joint)
        assert (np.abs(place - BODY.boxes.centres[box]) + radius <= BODY.boxes.half_sizes[box] + 1e-9).all()
    for capsule, place in zip(flesh.capsules[body & ~feet], flesh.places[body & ~feet], strict=True):
        start, end = BODY.capsules.starts[capsule], BODY.capsules.ends[capsule]
        between = np.linalg.norm(place - start) + np.linalg.norm(place - end)
        assert between == pytest.approx(np.linalg.norm(end - start), abs=1e-9)


@pytest.mark.parametrize("clip", CLIPS)
def test_real_dances_are_seen_whole_in_the_middle_of_the_picture(shared, clip):
    motion = read_motion(shared / "data" / clip, BODY)
    which = [0, motion.num_frames // 2]
    stage = stage_of(motion, 64)
    placed = stage.place(motion.joints(BODY)[which].astype(float), np.array(which))
    seen = stage.project(placed)
    assert placed[..., 2].min() > 1.0 and seen.min() > 0 and seen.max() < 63
    for picture in draw_dance(motion, BODY, size=64, which=which):
        spread = picture.max(-1).astype(int) - picture.min(-1)
        # Limbs have colours, the room has none.
        assert (spread[:, 8:56] > 60).sum() > 40 > (spread[:, [0, -1]] > 60).sum()
