"""What a codec loses: how far the joints of a dance are from those of the recording it was made of."""

from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.sequence import smpl_places
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import ROOT


@dataclass(frozen=True)
class Reconstruction:
    """Mean distances in metres over frames and known joints, the middle of the joints being in the same place.

    Args:
        lengths: with each bone of the body as long as the recording's, but lying at rest as ours do: what is lost and
            what bodies differ in.
        bones: with each bone also lying as it does on the average in the recording: what rotations lose.
    """

    lengths: float
    bones: float


def reconstruct(motion: Motion, sequence: SkeletonSequence, body: Body) -> Reconstruction:
    """Compare a dance with the recording, frame by frame.

    Args:
        motion: at the recording's frame rate.
        body: for which the motion was made.

    Raises:
        ValueError: another number of frames.
    """
    if motion.num_frames != sequence.num_frames:
        raise ValueError(f"{motion.num_frames} frames of motion and {sequence.num_frames} of the recording differ")
    places, names, _ = smpl_places(sequence.first_persons(1))
    known = [body.index(name) for name in names]
    frames = motion.pose(body)[1].astype(np.float64)
    lengths, bones = np.array(body.offsets), np.array(body.offsets)
    for joint, parent in enumerate(body.parents):
        if parent == ROOT or not {joint, parent}.issubset(known):
            continue
        bone = places[:, joint] - places[:, parent]
        length = np.median(np.linalg.norm(bone, axis=-1))
        lengths[joint] *= length / np.linalg.norm(lengths[joint])
        bones[joint] = np.einsum("tji,tj->ti", frames[:, parent], bone).mean(0)
    distances = []
    for offsets in (lengths, bones):
        found = motion.joints(Body(offsets, np.array(body.masses), body.capsules, body.boxes))[:, known]
        apart = (found - found.mean(1, keepdims=True)) - (places - places[:, known].mean(1, keepdims=True))[:, known]
        distances.append(float(np.linalg.norm(apart, axis=-1).mean()))
    return Reconstruction(*distances)
