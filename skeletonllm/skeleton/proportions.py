"""The proportions of an average body: where its joints are in a T-pose, and how long its bones are.

For files that hold rotations only, and for telling the unit of those that hold positions. The numbers are those of the
synthetic performers (Drillis and Contini 1966), so no model under a licence is needed.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from skeletonllm.skeleton.synthesis import body, pose
from skeletonllm.skeleton.topology import ROOT, Topology

STATURE = 1.70


@lru_cache
def rest_positions(stature: float = STATURE) -> Mapping[str, np.ndarray]:
    """Where each joint is in a T-pose, palms down: (3,) metres by name; +x to the left, +y up, +z forwards.

    The ankles' heights are above the floor at y = 0.
    """
    # PLACES has +x to the right and +z backwards.
    trunk = np.concatenate([body.PLACES, body.FACE_PLACES]) * [-1.0, 1.0, -1.0]
    places = dict(zip(body.TRUNK + body.FACE, trunk, strict=True))
    for side, out in (("left", 1.0), ("right", -1.0)):
        outwards, forwards = np.array([out, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
        shoulder, hip = places[f"{side}_shoulder"], places[f"{side}_hip"]
        elbow = shoulder + body.UPPER_ARM * outwards
        wrist = elbow + body.FOREARM * outwards
        ankle = np.array([hip[0], body.ANKLE_HEIGHT, hip[2]])
        below = ankle + [0.0, (pose.BALL_HEIGHT - 1) * body.ANKLE_HEIGHT, 0.0]

        def palm(along, aside, wrist=wrist, outwards=outwards, forwards=forwards):
            return wrist + body.HAND * (along * outwards + aside * forwards)

        def sole(out, forward, below=below, outwards=outwards, forwards=forwards):
            return below + body.FOOT * (out * outwards + forward * forwards)

        places |= {
            f"{side}_elbow": elbow,
            f"{side}_wrist": wrist,
            f"{side}_hand": palm(pose.PALM, 0.0),
            f"{side}_hand_tip": palm(1.0, 0.0),
            f"{side}_thumb": palm(pose.THUMB, pose.THUMB_ASIDE),
            f"{side}_index": palm(pose.INDEX, pose.INDEX_ASIDE),
            f"{side}_pinky": palm(pose.PINKY, pose.PINKY_ASIDE),
            f"{side}_knee": np.array([hip[0], body.KNEE_HEIGHT, hip[2]]),
            f"{side}_ankle": ankle,
            f"{side}_foot": sole(0.0, pose.BALL_FORWARD),
            f"{side}_heel": sole(0.0, pose.HEEL_FORWARD),
            f"{side}_small_toe": sole(pose.SMALL_TOE_OUT, pose.SMALL_TOE_FORWARD),
        }
    return MappingProxyType({name: stature * place for name, place in places.items()})


def bone_lengths(topology: Topology, stature: float = STATURE) -> dict[tuple[int, int], float]:
    """Metres of each bone (parent, joint) of the topology's tree both of whose ends are known by name."""
    known = rest_positions(stature)
    ends = [(parent, joint) for joint, parent in enumerate(topology.parents) if parent != ROOT]
    names = topology.joints
    return {
        (parent, joint): float(np.linalg.norm(known[names[joint]] - known[names[parent]]))
        for parent, joint in ends
        if names[parent] in known and names[joint] in known
    }
