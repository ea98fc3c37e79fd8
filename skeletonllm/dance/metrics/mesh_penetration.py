"""Pen. Rate as the field measures it: pairs of triangles of the body's mesh that cross each other."""

from skeletonllm.dance.body.triangles import crossing_triangles
from skeletonllm.dance.metrics.performance import Performance


def mesh_penetration(performance: Performance, legacy: bool = False) -> float | None:
    """Mean number of crossing pairs of triangles per frame, None where the dancer has no mesh (``body.adapters``).

    Pairs that share a vertex are left out, each other pair counts once. As in the field, no part of the body is
    excepted, so that the creases of crotch and armpits count; so this is the legacy form as well. Skeleton2Stage
    looks for eight partners of a triangle at most, here all are found.
    """
    if performance.mesh is None:
        return None
    counts = [
        len(crossing_triangles(vertices, performance.mesh.faces))
        for vertices in performance.mesh.vertices(performance.motion)
    ]
    return sum(counts) / len(counts)
