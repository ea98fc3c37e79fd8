"""The proportions of an average body: where its joints are in a T-pose, and how long its bones are.

For files that hold rotations only, and for telling the unit of those that hold positions. The numbers are those of the
synthetic performers (Drillis and Contini 1966), so no model under a licence is needed.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from skeletonllm.skeleton.synthesis import body
from skeletonllm.skeleton.synthesis.pose import BALL_FORWARD, BALL_HEIGHT, PALM, THUMB, THUMB_ASIDE
from skeletonllm.skeleton.topology import ROOT, Topology

STATURE = 1.70


@lru_cache
def rest_positions(stature: float = STATURE) -> Mapping[str, np.ndarray]:
    """Where each joint is in a T-pose, palms down: (3,) metres by name; +x to the left, +y up, +z forwards.

    The ankles' heights are above the floor at y = 0.
    """
    # PLACES has +x to the right and +z backwards.
    places = dict(zip(body.TRUNK, body.PLACES * [-1.0, 1.0, -1.0], strict=True))
    for side, out in (("left", 1.0), ("right", -1.0)):
        outwards, forwards = np.array([out, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
        shoulder, hip = places[f"{side}_shoulder"], places[f"{side}_hip"]
        elbow = shoulder + body.UPPER_ARM * outwards
        wrist = elbow + body.FOREARM * outwards
        ankle = np.array([hip[0], body.ANKLE_HEIGHT, hip[2]])
        places |= {
            f"{side}_elbow": elbow,
            f"{side}_wrist": wrist,
            f"{side}_hand": wrist + PALM * body.HAND * outwards,
            f"{side}_hand_tip": wrist + body.HAND * outwards,
            f"{side}_thumb": wrist + body.HAND * (THUMB * outwards + THUMB_ASIDE * forwards),
            f"{side}_knee": np.array([hip[0], body.KNEE_HEIGHT, hip[2]]),
            f"{side}_ankle": ankle,
            f"{side}_foot": ankle + [0.0, (BALL_HEIGHT - 1) * body.ANKLE_HEIGHT, BALL_FORWARD * body.FOOT],
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
