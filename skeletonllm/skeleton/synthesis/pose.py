"""Pose: what a performer's body is told to do over time, and the joints that follow from it."""

import numpy as np

from skeletonllm.skeleton.kinematics import axis_rotation, forward_kinematics, normalize, two_bone_reach
from skeletonllm.skeleton.synthesis.body import FACE, JOINTS, TRUNK, TRUNK_PARENTS, Performer

# How far along the hand its centre and the tip of the thumb are, and how far the thumb stands off.
PALM, THUMB, THUMB_ASIDE = 0.45, 0.55, 0.30
# The knuckles that pose estimators call index and pinky: how far along the hand, and to the side of the thumb. Chosen
# by us, about a metacarpus that is 0.45 of the hand's length broad.
INDEX, INDEX_ASIDE = 0.50, 0.16
PINKY, PINKY_ASIDE = 0.44, -0.20
# The ball of the foot, where Kinect and SMPL put the joint "foot", as part of the foot's length before the ankle, and
# its height as part of the ankle's.
BALL_FORWARD, BALL_HEIGHT = 0.60, 0.25
# Heel and small toe likewise, as high as the ball: before the ankle, and outwards. Chosen by us, in a foot that is 0.36
# of its length broad, as Drillis and Contini have it.
HEEL_FORWARD = -0.22
SMALL_TOE_FORWARD, SMALL_TOE_OUT = 0.50, 0.20
# Standing legs are not quite straight.
STANDING = 0.985
# The share of a bend, a lean or a twist of the trunk that happens at each of its joints. Bending starts in the hips.
_BEND = (("pelvis", 0.40), ("spine", 0.25), ("spine_upper", 0.20), ("chest", 0.15))
_TWIST = (("pelvis", 0.0), ("spine", 0.35), ("spine_upper", 0.35), ("chest", 0.30))
# Outwards is to -x on the left side and to +x on the right one.
_OUT = np.array([-1.0, 1.0])


def ease(time: np.ndarray, start: float, stop: float) -> np.ndarray:
    """From 0 before ``start`` to 1 after ``stop`` with the least jerk (Flash and Hogan 1985), as hands move."""
    s = np.clip((time - start) / (stop - start), 0.0, 1.0)
    return s * s * s * (10 - 15 * s + 6 * s * s)


def pulse(time: np.ndarray, rise: float, top: float, fall: float, end: float) -> np.ndarray:
    """Up from ``rise`` to ``top``, 1 until ``fall``, down until ``end``."""
    return ease(time, rise, top) - ease(time, fall, end)


def turn_between(start: np.ndarray, goal: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Unit vectors (T, 3) on the great circles between directions, in proportion to ``weight`` (T,)."""
    start, goal = normalize(start), normalize(goal)
    # Equal and opposite directions lie on no one circle; the bounds keep the division finite there.
    angle = np.clip(np.arccos(np.clip((start * goal).sum(-1), -1, 1)), 1e-4, np.pi - 1e-3)
    first, second = np.sin((1 - weight) * angle), np.sin(weight * angle)
    return normalize(first[:, None] * start + second[:, None] * goal)


class Pose:
    """The controls of one performer over T frames; actions change them, ``solve`` turns them into joints.

    The person starts at the origin of the floor and looks forwards. Everything of the two sides has a leading axis
    (left, right) and directions (out, up, forward), so that one description serves both sides. Angles are in degrees,
    arrays over T.

    Attributes:
        travel: (T, 3) metres, pelvis from its place when standing: (left, up, forward) of the start.
        heading: turned to the left.
        bend, lean, twist: of the trunk: forwards, to the left, turned to the left.
        nod, look: of the head: forwards, turned to the left.
        upper, fore: (2, T, 3) directions of upper arm and forearm relative to the chest; need not be unit.
        palm: (2, T, 3) added to the forearm's unit direction to give the hand's.
        feet: (2, T, 3) metres, ankles from their place when standing: (out, up, forward) of the start.
        toes_out: (2, T) feet turned outwards.
        toes_down: (2, T) feet pitched.
        knees_out: sideways part of the direction into which the knees bend.
        grip: (2, T, 3) metres, points of the start frame (left, height, forward) for the wrists to reach.
        grip_weight: (2, T) how much the wrists do so.
        place, facing: where the start is in the scene, metres along x, and the degrees by which it is turned to the
            left from facing the camera.
    """

    def __init__(self, performer: Performer, frames: int):
        self.performer = performer
        self.travel = np.zeros((frames, 3))
        self.heading, self.bend, self.lean, self.twist, self.nod, self.look = np.zeros((6, frames))
        self.bend += performer.slouch
        self.nod -= performer.slouch
        self.upper = np.tile([performer.carry, -1.0, -0.03], (2, frames, 1))
        self.fore = np.tile([0.6 * performer.carry, -1.0, 0.15], (2, frames, 1))
        self.palm = np.zeros((2, frames, 3))
        self.feet = np.zeros((2, frames, 3))
        self.toes_out = np.full((2, frames), 8.0)
        self.toes_down = np.zeros((2, frames))
        self.knees_out = 0.1
        self.grip = np.zeros((2, frames, 3))
        self.grip_weight = np.zeros((2, frames))
        self.place, self.facing = 0.0, 0.0

    def arm(self, side: int, weight: np.ndarray, upper, fore, palm=(0.0, 0.0, 0.0)) -> None:
        """Move an arm by ``weight`` (T,) from where it is towards directions (3,) or (T, 3), along great circles."""
        for control, goal in ((self.upper, upper), (self.fore, fore)):
            control[side] = turn_between(control[side], np.asarray(goal, dtype=float), weight)
        self.palm[side] += weight[:, None] * (palm - self.palm[side])

    def squat(self, depth: np.ndarray, back: np.ndarray | float = 0.0) -> None:
        """Lower the pelvis by ``depth`` (T,) and move it back, both as parts of the leg's length."""
        self.travel[:, 1] -= depth * self.performer.leg
        self.travel[:, 2] -= back * self.performer.leg

    def _sides(self, out: np.ndarray) -> np.ndarray:
        """(2, ..., 3) of (out, up, forward) in the body's axes (right, up, back)."""
        result = out * [1.0, 1.0, -1.0]
        result[..., 0] *= _OUT.reshape(2, *[1] * (out.ndim - 2))
        return result

    def solve(self) -> np.ndarray:
        """Joints (T, len(JOINTS), 3) in metres of the scene: y above the floor, z away from the camera."""
        body, frames = self.performer, len(self.heading)
        places = dict(zip(TRUNK, range(len(TRUNK)), strict=True))
        bend, lean, twist, heading = (np.radians(a) for a in (-self.bend, self.lean, self.twist, self.heading))
        rotations = np.broadcast_to(np.eye(3), (frames, len(TRUNK), 3, 3)).copy()
        for (joint, share), (_, twist_share) in zip(_BEND, _TWIST, strict=True):
            turned = axis_rotation(1, twist * twist_share)
            rotations[:, places[joint]] = turned @ axis_rotation(0, bend * share) @ axis_rotation(2, lean * share)
        rotations[:, 0] = axis_rotation(1, heading) @ rotations[:, 0]
        head = axis_rotation(1, np.radians(self.look)) @ axis_rotation(0, np.radians(-self.nod))
        rotations[:, places["neck"]] = head
        root = self.travel * [-1.0, 1.0, -1.0]
        root[:, 1] += STANDING * body.leg + body.ankle_height
        trunk, turned = forward_kinematics(rotations, body.trunk_offsets, TRUNK_PARENTS, root)
        chest = turned[:, places["chest"]]
        shoulders = trunk[:, [places["left_shoulder"], places["right_shoulder"]]].swapaxes(0, 1)
        hips = trunk[:, [places["left_hip"], places["right_hip"]]].swapaxes(0, 1)
        skull = places["head"]
        face = trunk[:, skull, None] + (turned[:, skull, None] @ body.face_offsets[..., None])[..., 0]
        limbs = self._arms(shoulders, chest) | self._legs(hips, heading)
        placed = dict(zip(TRUNK + FACE, np.concatenate([trunk, face], 1).swapaxes(0, 1), strict=True))
        placed |= {
            f"{side}_{name}": limb[i] for name, limb in limbs.items() for i, side in enumerate(("left", "right"))
        }
        joints = np.stack([placed[name] for name in JOINTS], 1)
        # Up to here x is to the right of the start and z behind it, which is the scene of someone facing the camera.
        return joints @ axis_rotation(1, np.radians(np.array(self.facing))).T + [self.place, 0.0, 0.0]

    def _arms(self, shoulders: np.ndarray, chest: np.ndarray) -> dict[str, np.ndarray]:
        """The joints from the elbow on, (2, T, 3) by name."""
        body = self.performer

        def world(directions):
            return (chest @ self._sides(directions)[..., None])[..., 0]

        upper, fore = normalize(world(self.upper)), normalize(world(self.fore))
        if self.grip_weight.any():
            target = self.grip * [-1.0, 1.0, -1.0]
            pole = world(np.array([[[0.45, -1.0, -0.3]]] * 2))
            lengths = np.array(body.upper_arm), np.array(body.forearm)
            elbow, wrist = two_bone_reach(shoulders, target, pole, *lengths)
            weight = self.grip_weight[..., None]
            upper = normalize(upper + weight * (normalize(elbow - shoulders) - upper))
            fore = normalize(fore + weight * (normalize(wrist - elbow) - fore))
        elbow = shoulders + body.upper_arm * upper
        wrist = elbow + body.forearm * fore
        hand = normalize(fore + world(self.palm))
        aside = world(np.array([[[-0.5, 0.5, 0.7]]] * 2))
        aside = normalize(aside - (aside * hand).sum(-1, keepdims=True) * hand)
        return {
            "elbow": elbow,
            "wrist": wrist,
            "hand": wrist + PALM * body.hand * hand,
            "hand_tip": wrist + body.hand * hand,
            "thumb": wrist + body.hand * (THUMB * hand + THUMB_ASIDE * aside),
            "index": wrist + body.hand * (INDEX * hand + INDEX_ASIDE * aside),
            "pinky": wrist + body.hand * (PINKY * hand + PINKY_ASIDE * aside),
        }

    def _legs(self, hips: np.ndarray, heading: np.ndarray) -> dict[str, np.ndarray]:
        """The joints from the knee on, (2, T, 3) by name."""
        body = self.performer
        rest = np.array([body.stance, body.ankle_height, 0.0])
        target = self._sides(self.feet + rest)
        turn = axis_rotation(1, heading - _OUT[:, None] * np.radians(self.toes_out))
        pole = self._sides(np.tile([self.knees_out, 0.0, 1.0], (2, len(heading), 1)))
        pole = (turn @ pole[..., None])[..., 0]
        # Lifting a bent leg backwards leaves no forward part; a bit of "up" lets the knee lead there too.
        pole[..., 1] = 0.2
        knee, ankle = two_bone_reach(hips, target, pole, np.array(body.thigh), np.array(body.shin))
        turn = turn @ axis_rotation(0, np.radians(-self.toes_down))
        below = -(1 - BALL_HEIGHT) * body.ankle_height

        def sole(out: float, forward: float) -> np.ndarray:
            points = self._sides(np.array([[[out * body.foot, below, forward * body.foot]]] * 2))
            return ankle + (turn @ points[..., None])[..., 0]

        return {
            "knee": knee,
            "ankle": ankle,
            "foot": sole(0.0, BALL_FORWARD),
            "heel": sole(0.0, HEEL_FORWARD),
            "small_toe": sole(SMALL_TOE_OUT, SMALL_TOE_FORWARD),
        }
