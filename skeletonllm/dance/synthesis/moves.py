"""The moves: each takes four beats, begins and ends with both feet at home, and arrives somewhere at every beat."""

from collections.abc import Callable, Mapping

from skeletonllm.dance.synthesis.score import Phrase

BEATS = 4


def step_touch(move: Phrase) -> None:
    """To the left, the other foot follows; back again."""
    wide = 0.30 * move.size
    for beat, foot, x, sway in ((1, "left", wide, 0.6), (2, "right", wide - 0.06, 0.9), (3, "right", 0, 0.4)):
        move.step(foot, beat, x)
        move.key(beat, sway=sway * wide)
    move.step("left", 4)
    move.key(4, sway=0.0)
    for beat, swing in ((1, 1), (2, -1), (3, 1), (4, -1)):
        move.key(beat, left_front=30 * swing * move.size, right_front=-30 * swing * move.size, arms_elbow=40.0)
        move.key(beat, spine_yaw=8 * swing * move.size, drop=0.02)


def arm_wave(move: Phrase) -> None:
    """Both arms out, and a wave runs from the left hand to the right one."""
    size = move.size
    level = (-60.0, -5.0, 0.0)
    raised, sunk = (-60.0 - 22 * size, 35.0 * size, 35.0), (-68.0 - 22 * size, -15.0, -25.0)
    for side, late in (("left", 0), ("right", 1)):
        for beat, pose in ((1, level), (1 + late, level), (1.5 + late, raised), (2 + late, sunk), (2.75 + late, level)):
            angles = dict(zip(("down", "elbow", "wrist"), pose, strict=True), front=-2.0, twist=-80.0)
            move.key(beat, **{f"{side}_{kind}": angle for kind, angle in angles.items()})
    for beat, lean in ((1, 0), (2, 5), (3, -5), (4, 0)):
        move.key(beat, spine_roll=lean * size, sway=0.008 * lean * size, head_yaw=-4.0 * lean)


def squat(move: Phrase) -> None:
    """Down with the arms to the front, and up, twice."""
    deep = min(0.27 * move.size, 0.34)
    for beat in (1, 3):
        move.key(
            beat, drop=deep, surge=0.35 * deep, spine_pitch=95 * deep, pelvis_pitch=70 * deep, head_pitch=-40 * deep
        )
        move.key(beat, arms_down=-60.0, arms_front=60.0, arms_elbow=-10.0)
        move.key(beat + 1, drop=0.0, surge=0.0, spine_pitch=0.0, pelvis_pitch=0.0, head_pitch=0.0)
        move.key(beat + 1, arms_down=0.0, arms_front=0.0, arms_elbow=20.0)


def hip_sway(move: Phrase) -> None:
    """The hips go from side to side, the higher one over the straighter leg."""
    for beat, way in ((1, 1), (2, -1), (3, 1), (4, -1)):
        way *= move.size
        move.key(beat, sway=0.085 * way, pelvis_roll=-7 * way, spine_roll=9 * way, head_roll=-4 * way, drop=0.03)
        move.key(beat, arms_down=-14.0, arms_front=12.0, arms_elbow=55.0, pelvis_yaw=6 * way, spine_yaw=-6 * way)


def half_turn(move: Phrase) -> None:
    """Half a turn to the left in four steps, each foot ahead of the body by an eighth of a turn."""
    move.step("left", 1, 0.02, turn=45.0)
    move.step("right", 2, -0.02, turn=45.0)
    move.step("left", 3, turn=45.0)
    move.step("right", 4)
    for beat in (1, 2, 3, 4):
        move.turn(beat, 45.0)
        move.key(
            beat,
            arms_down=-25.0 * move.size * (beat % 2),
            arms_elbow=10.0 + 25 * (beat % 2),
            head_yaw=15.0 * (beat < 4),
        )


def jump(move: Phrase) -> None:
    """Both feet off the floor, highest at the second beat."""
    move.jump(2)
    move.key(1, arms_down=-6.0, arms_front=-40.0, arms_elbow=5.0, spine_pitch=18.0, pelvis_pitch=10.0)
    move.key(2, arms_down=-120.0, arms_front=20.0, arms_elbow=0.0, spine_pitch=-3.0, pelvis_pitch=0.0)
    move.key(3, arms_down=-20.0, arms_front=25.0, arms_elbow=25.0, spine_pitch=18.0, pelvis_pitch=10.0)
    move.key(4, arms_down=0.0, arms_front=0.0, arms_elbow=0.0, spine_pitch=0.0, pelvis_pitch=0.0)


def punch_up(move: Phrase) -> None:
    """The left fist goes up beside the head, and back to the chest, twice."""
    for beat in (1, 3):
        move.key(beat, left_down=-128 - 10 * move.size, left_front=5.0, left_elbow=-18.0, left_twist=0.0)
        move.key(beat, right_down=-10.0, right_front=20.0, right_elbow=65.0)
        move.key(beat, spine_yaw=-14 * move.size, spine_roll=-4 * move.size, drop=0.0, sway=0.03, head_pitch=-10.0)
        move.key(beat + 1, left_down=-20.0, left_front=22.0, left_elbow=80.0, left_twist=0.0)
        move.key(beat + 1, right_down=-5.0, right_front=-10.0, right_elbow=55.0)
        move.key(beat + 1, spine_yaw=10 * move.size, spine_roll=0.0, drop=0.07 * move.size, sway=0.0, head_pitch=0.0)


def side_kick(move: Phrase) -> None:
    """The left leg goes out to the side while the trunk leans to the other."""
    high = 0.55 + 0.2 * move.size
    move.kick("left", 2, (high, -0.15, -0.8))
    move.key(1, sway=-0.11, spine_roll=0.0, drop=0.02, arms_down=-20.0, arms_front=20.0, arms_elbow=60.0)
    move.key(2, sway=-0.13, spine_roll=-16 * move.size, pelvis_roll=-8 * move.size, drop=0.0)
    move.key(2, arms_down=-66 + 12 * move.size, arms_front=0.0, arms_elbow=-10.0)
    move.key(
        3, sway=-0.08, spine_roll=0.0, pelvis_roll=0.0, drop=0.05, arms_down=-20.0, arms_front=20.0, arms_elbow=60.0
    )
    move.key(4, sway=0.0, drop=0.0, arms_down=0.0, arms_front=0.0, arms_elbow=0.0)


def body_roll(move: Phrase) -> None:
    """A wave from the head down to the knees, twice."""
    size = move.size
    for beat in (0, 2):
        move.key(beat + 0.5, head_pitch=14.0 * size)
        move.key(beat + 1, spine_pitch=24 * size, pelvis_pitch=-8 * size, surge=0.04 * size, drop=0.04 * size)
        move.key(beat + 1, head_pitch=-6.0 * size, arms_front=-25 * size, arms_elbow=25.0)
        move.key(beat + 2, spine_pitch=-14 * size, pelvis_pitch=8 * size, surge=-0.04 * size, drop=0.09 * size)
        move.key(beat + 2, head_pitch=0.0, arms_front=10 * size, arms_elbow=55.0)


def march(move: Phrase) -> None:
    """Knees up on the spot, each foot down on its beat."""
    high = 0.22 * move.size
    for beat, foot, way in ((1, "left", -1), (2, "right", 1), (3, "left", -1), (4, "right", 1)):
        move.step(foot, beat, height=high)
        move.key(beat - 0.5, sway=0.05 * way)
        move.key(beat, left_front=32.0 * way * move.size, right_front=-32.0 * way * move.size, arms_elbow=55.0)
        move.key(beat, spine_yaw=6.0 * way * move.size)
    move.key(4, sway=0.0)


def twist(move: Phrase) -> None:
    """The hips turn one way and the shoulders the other, knees bent."""
    for beat, way in ((1, 1), (2, -1), (3, 1), (4, -1)):
        way *= move.size
        move.key(beat, pelvis_yaw=20 * way, spine_yaw=-38 * way, head_yaw=14 * way, drop=0.08, sway=-0.03 * way)
        move.key(beat, arms_elbow=60.0, arms_down=-18.0, arms_front=10.0)


def shuffle(move: Phrase) -> None:
    """Two steps to the left, open and close."""
    pace = 0.15 * move.size
    for beat, foot, x in ((1, "left", pace), (2, "right", 0.0), (3, "left", pace), (4, "right", 0.0)):
        move.travel(beat, pace, 0.0)
        move.step(foot, beat, x)
        open_ = beat % 2
        move.key(beat, arms_down=-50.0 * open_ * move.size, arms_front=10.0, arms_elbow=30.0 - 10 * open_)
        move.key(beat, spine_roll=5.0 * open_ * move.size, drop=0.05 * open_, head_yaw=12.0 * open_)


MOVES: Mapping[str, Callable[[Phrase], None]] = {
    move.__name__: move
    for move in (
        step_touch, arm_wave, squat, hip_sway, half_turn, jump, punch_up, side_kick, body_roll, march, twist, shuffle,
    )
}  # fmt: skip
"""Each move by its name."""
