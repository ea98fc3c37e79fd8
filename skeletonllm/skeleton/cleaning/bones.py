"""Joints that are where no body of this size can have them: bones too long or too short."""

import numpy as np

from skeletonllm.skeleton.topology import ROOT, Topology

# A median of fewer lengths may itself be wrong.
FEWEST_LENGTHS = 5


def misplaced_joints(
    joints: np.ndarray, valid: np.ndarray, topology: Topology, factor: float, metres: float
) -> np.ndarray:
    """Where a joint makes its bones much longer or shorter than they are in the rest of the recording.

    A wrong bone has two ends. Frame by frame the joint with most wrong bones is taken to be misplaced, of equals the
    one that is farther from the root; then those that are left are looked at again.

    Args:
        joints: (T, P, J, 3) metres.
        valid: (T, P, J) bool.
        topology: the J joints; bones are the edges of its tree.
        factor: how many times longer or shorter than its median length a bone may be.
        metres: what noise may add to any bone or take away.

    Returns:
        (T, P, J) bool.
    """
    ends = np.array([(joint, parent) for joint, parent in enumerate(topology.parents) if parent != ROOT])
    both = valid[:, :, ends[:, 0]] & valid[:, :, ends[:, 1]]
    lengths = np.linalg.norm(joints[:, :, ends[:, 0]] - joints[:, :, ends[:, 1]], axis=-1)
    median = np.full(both.shape[1:], np.nan)
    for person, bone in np.argwhere(both.sum(0) >= FEWEST_LENGTHS):
        median[person, bone] = np.median(lengths[both[:, person, bone], person, bone])
    with np.errstate(invalid="ignore"):
        wrong = (lengths > factor * median) | (lengths < median / factor)
        wrong &= both & (abs(lengths - median) > metres)
    misplaced = np.zeros_like(valid)
    of_joint = np.zeros((len(ends), topology.num_joints), dtype=int)
    for bone, (joint, parent) in enumerate(ends):
        of_joint[bone, [joint, parent]] = 1
    depths = np.array(topology.depths) / (1 + max(topology.depths))
    while wrong.any():
        frames, persons = np.nonzero(wrong.any(-1))
        counts = wrong[frames, persons].astype(int) @ of_joint
        worst = np.argmax(np.where(counts > 0, counts + depths, 0.0), axis=-1)
        misplaced[frames, persons, worst] = True
        wrong[frames, persons] &= of_joint[:, worst].T == 0
    return misplaced
