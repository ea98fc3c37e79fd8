"""Pairs of triangles that cross: of meshes where they can be counted by hand, and of a dancer's skin."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.body.triangles import crossing_triangles
from skeletonllm.dance.metrics import METRICS, Performance, evaluate_motions
from skeletonllm.dance.motion import Motion

BODY = default_body()
# Twelve triangles of a box, by the corners (0, 0, 0), (0, 0, 1), (0, 1, 0), ...
BOX = np.array([
    [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
    [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
])  # fmt: skip
TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def box(low, high):
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    return np.array(low) + corners * (np.array(high) - low)


def together(*meshes):
    vertices, faces, before = [], [], 0
    for places, triangles in meshes:
        vertices.append(places)
        faces.append(triangles + before)
        before += len(places)
    return np.concatenate(vertices), np.concatenate(faces)


def test_a_prism_through_a_cube_cuts_sixteen_pairs_of_triangles():
    # It enters and leaves within one triangle of a face each: four sides of two triangles, twice.
    mesh = together((box([0, 0, 0], [1, 1, 1]), BOX), (box([0.21, 0.72, -1], [0.24, 0.76, 2]), BOX))
    pairs = crossing_triangles(*mesh)
    assert len(pairs) == 16 and len({tuple(pair) for pair in pairs.tolist()}) == 16
    assert (pairs[:, 0] < 12).all() and (pairs[:, 1] >= 12).all()
    assert len(crossing_triangles(*together((box([0, 0, 0], [1, 1, 1]), BOX), (box([2, 0, 0], [3, 1, 1]), BOX)))) == 0


def test_the_tip_of_a_tetrahedron_in_the_side_of_another_cuts_three_pairs():
    base = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0], [1, 1, 2.0]])
    tip = np.array([[0.8, 0.7, -1], [1.2, 0.8, -1], [0.9, 1.2, -1], [0.9, 0.8, 0.2]])
    assert len(crossing_triangles(*together((base, TETRAHEDRON), (tip, TETRAHEDRON)))) == 3


def test_triangles_that_touch_lie_in_one_plane_or_share_a_vertex_do_not_cross():
    inside = box([0, 0, 0], [1, 1, 1])
    # A box on top of another, and one that is a part of it: faces lie in the same planes.
    assert len(crossing_triangles(*together((inside, BOX), (box([0, 0, 1], [1, 1, 2]), BOX)))) == 0
    flat = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [1, 0.5, -1], [0.5, 0.5, 1], [0.6, 0.9, 1.0]])
    apart = np.array([[0, 1, 2], [3, 4, 5]])
    assert len(crossing_triangles(flat, apart)) == 1
    joined = np.array([[0, 1, 2], [0, 4, 3]])
    crossed = flat.copy()
    crossed[3] = [1, 1, -1]
    assert len(crossing_triangles(crossed, joined)) == 0
    # With a vertex of its own in the same place it does.
    assert len(crossing_triangles(crossed[[0, 1, 2, 0, 4, 3]], np.arange(6).reshape(2, 3))) == 1


def pierces(start, stop, triangle):
    """Solves for where the line meets the plane, another way than by volumes."""
    a, b, c = triangle
    t, u, v = np.linalg.solve(np.stack([start - stop, b - a, c - a], 1), start - a)
    return 0 < t < 1 and u > 0 and v > 0 and u + v < 1


@pytest.mark.parametrize("largest", [1.0, 30.0], ids=["alike", "one_huge"])
def test_all_crossing_pairs_of_a_heap_are_found_once(largest):
    rng = np.random.default_rng(0)
    corners = rng.normal(size=(90, 1, 3)) + rng.normal(size=(90, 3, 3))
    corners[7] *= largest
    wanted = set()
    for i in range(90):
        for j in range(i):
            one, other = corners[j], corners[i]
            if any(
                pierces(edges[k], edges[k - 1], target)
                for edges, target in ((one, other), (other, one))
                for k in range(3)
            ):
                wanted.add((j, i))
    found = crossing_triangles(corners.reshape(-1, 3), np.arange(270).reshape(-1, 3))
    assert len(wanted) > 80
    assert sorted(map(tuple, found.tolist())) == sorted(wanted)


def test_a_mesh_of_nothing_crosses_nothing():
    assert crossing_triangles(np.zeros((3, 3)), np.array([[0, 1, 2]])).shape == (0, 2)
    assert crossing_triangles(np.zeros((0, 3)), np.zeros((0, 3), int)).shape == (0, 2)


class CubeWithPrism:
    """A skin of a cube, and a prism that goes through it in every other frame."""

    body = BODY
    faces = together((box([0, 0, 0], [1, 1, 1]), BOX), (box([0, 0, 0], [1, 1, 1]), BOX))[1]

    def vertices(self, motion):
        cube = box([0, 0, 0], [1, 1, 1])
        prisms = [box([0.21, 0.72 + 3 * (frame % 2), -1], [0.24, 0.76 + 3 * (frame % 2), 2])
                  for frame in range(motion.num_frames)]  # fmt: skip
        return np.stack([np.concatenate([cube, prism]) for prism in prisms])


def test_the_rate_is_the_mean_over_the_frames_and_needs_a_mesh():
    motion = Motion(np.zeros((20, 3)), np.broadcast_to(np.eye(3), (20, 24, 3, 3)))
    metric = METRICS["mesh_penetration"]
    assert metric.measure(Performance(motion, BODY), False) is None
    dressed = Performance(motion, BODY, mesh=CubeWithPrism())
    assert metric.measure(dressed, False) == metric.measure(dressed, True) == 8
    found = evaluate_motions([motion], BODY, mesh=CubeWithPrism())["metrics"]["mesh_penetration"]
    assert found["raw"]["mean"] == found["post_processed"]["mean"] == 8
    assert evaluate_motions([motion], BODY)["metrics"]["mesh_penetration"]["raw"]["mean"] is None
