"""Recordings that can be learnt from, of which people should know nevertheless: gaps, bones of no length."""

import logging
from collections.abc import Sequence

import numpy as np

from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.sequence import SkeletonSequence

logger = logging.getLogger(__name__)

MOST_NAMED = 10


def oddities(sequence: SkeletonSequence) -> list[str]:
    """What is odd in a sequence, in words; all of it is masked when it is drawn."""
    valid, bones = sequence.valid, np.array(sequence.topology.bones)
    seen = valid.any(2)
    found = []
    if sequence.num_frames == 1:
        found.append("one frame only")
    if not seen.any(1).all():
        found.append("frames without anybody")
    if not valid[seen].all():
        found.append("unknown joints")
    known = valid[..., bones[:, 0]] & valid[..., bones[:, 1]]
    same = (sequence.joints[..., bones[:, 0], :] == sequence.joints[..., bones[:, 1], :]).all(-1)
    if (known & same).any():
        found.append("bones of no length")
    return found


def warn_of_oddities(recordings: Sequence[tuple[Recording, SkeletonSequence]]) -> None:
    """One warning that names the recordings with oddities, the first ``MOST_NAMED`` of them."""
    odd = [(recording.id, ", ".join(found)) for recording, sequence in recordings if (found := oddities(sequence))]
    if odd:
        named = "; ".join(f"{id}: {found}" for id, found in odd[:MOST_NAMED])
        more = "; ..." if len(odd) > MOST_NAMED else ""
        logger.warning("masked in %d of %d recordings: %s%s", len(odd), len(recordings), named, more)
