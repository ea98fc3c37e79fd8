"""How the body stands in itself: pairs of its capsules that overlap, and how deep.

The field counts pairs of triangles of a mesh that cross each other, creases of crotch and armpits included: that is
``mesh_penetration``. Pairs of capsules need no mesh and leave out what belongs together in the body; the two counts
cannot be compared, so these metrics have no legacy form.
"""

import numpy as np
import torch

from skeleton_kernels import penetration
from skeletonllm.dance.body import capsule_ends, collision_pairs
from skeletonllm.dance.metrics.performance import Performance

_MILLIMETRES = 1000.0


def penetration_rate(performance: Performance, legacy: bool = False) -> float | None:
    """Mean number of overlapping pairs of capsules per frame. None in the legacy form."""
    return None if legacy else float((overlaps(performance) > 0).sum(1).mean())


def penetration_depth(performance: Performance, legacy: bool = False) -> float | None:
    """Mean over the frames of the depth of the deepest pair, millimetres. None in the legacy form."""
    return None if legacy else float(overlaps(performance).max(1).mean()) * _MILLIMETRES


def overlaps(performance: Performance) -> np.ndarray:
    """(T, M) metres: how far each of ``collision_pairs`` overlaps in each frame."""
    kept = performance.__dict__.get("_overlaps")
    if kept is None:
        kept = performance.__dict__["_overlaps"] = _overlaps(performance)
    return kept


def _overlaps(performance: Performance) -> np.ndarray:
    body = performance.body
    pairs = collision_pairs(body).numpy()
    ends = capsule_ends(body, performance.frames, performance.joints)
    middles, radii = ends.mean(2), body.capsules.radii
    around = np.linalg.norm(body.capsules.ends - body.capsules.starts, axis=-1) / 2 + radii
    apart = np.square(middles[:, pairs[:, 0]] - middles[:, pairs[:, 1]]).sum(-1)
    # Only where the balls around two capsules meet may the capsules: few pairs of the many.
    frame, pair = np.nonzero(apart < around[pairs].sum(-1) ** 2)
    depths = np.zeros((len(ends), len(pairs)))
    if len(frame):
        points = ends[frame[:, None], pairs[pair]].reshape(-1, 4, 3)
        found = penetration(
            torch.from_numpy(points.astype(np.float32)),
            torch.tensor([[0, 1], [2, 3]]),
            torch.from_numpy(radii[pairs[pair]].astype(np.float32)),
            torch.tensor([[0, 1]]),
        )
        depths[frame, pair] = found.depths[:, 0].numpy()
    return depths
