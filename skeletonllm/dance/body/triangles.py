"""Which triangles of a mesh cross each other.

First those whose bounding boxes meet are found by a grid: a triangle is entered in every cell that its box touches,
and triangles of one cell are compared. Then, for each pair, the exact test: the planes must cut both, and an edge of
one must pass through the other.
"""

import numpy as np

# Of the mean extent of a triangle, and of the largest: cells of this size hold few triangles, and a triangle few cells.
_CELL, _COARSEST = 1.5, 1 / 16
# Pairs that are compared at once, so that memory stays small.
_CHUNK = 2**18
_EDGES = ((0, 1), (1, 2), (2, 0))


def crossing_triangles(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 2) numbers i < j of triangles that pass through each other, each pair once.

    Triangles with a vertex in common are never said to, nor those that only touch or lie in one plane.

    Args:
        vertices: (V, 3) places.
        faces: (F, 3) numbers of vertices.
    """
    corners = np.asarray(vertices, np.float64)[faces]
    found = [np.zeros((0, 2), np.int64)]
    for pairs in _close_pairs(corners):
        one, other = faces[pairs[:, 0]], faces[pairs[:, 1]]
        pairs = pairs[~(one[:, :, None] == other[:, None, :]).any((1, 2))]
        found.append(pairs[_cross(corners[pairs[:, 0]], corners[pairs[:, 1]])])
    return np.concatenate(found)


def _close_pairs(corners: np.ndarray):
    """Yields (N, 2): the pairs i < j whose bounding boxes meet, each once, some at a time."""
    low, high = corners.min(1), corners.max(1)
    extent = (high - low).max(1)
    if not len(corners) or not extent.max() > 0:
        return
    cell = max(_CELL * extent.mean(), _COARSEST * extent.max())
    origin = low.min(0)
    first, last = (np.floor((edge - origin) / cell).astype(np.int64) for edge in (low, high))
    size = last.max(0) + 1
    spans = last - first + 1
    entries = spans.prod(1)
    triangle = np.repeat(np.arange(len(corners)), entries)
    place = np.arange(len(triangle)) - np.repeat(entries.cumsum() - entries, entries)
    span = spans[triangle]
    steps = np.stack([place // (span[:, 1] * span[:, 2]), place // span[:, 2] % span[:, 1], place % span[:, 2]], 1)
    cells = _number(first[triangle] + steps, size)
    order = np.argsort(cells, kind="stable")
    triangle, cells = triangle[order], cells[order]
    # Each entry is compared with those behind it in its cell.
    after = np.searchsorted(cells, cells, side="right") - np.arange(len(cells)) - 1
    done = 0
    for stop in [*np.flatnonzero(np.diff(after.cumsum() // _CHUNK)) + 1, len(cells)]:
        count = after[done:stop]
        left = np.repeat(np.arange(done, stop), count)
        right = left + 1 + np.arange(len(left)) - np.repeat(count.cumsum() - count, count)
        done = stop
        one, other = triangle[left], triangle[right]
        meet = (low[one] <= high[other]).all(1) & (low[other] <= high[one]).all(1)
        one, other, of_cell = one[meet], other[meet], cells[left[meet]]
        # Two boxes may meet in several cells; the one in which what they share begins counts.
        own = _number(np.maximum(first[one], first[other]), size) == of_cell
        yield np.sort(np.stack([one[own], other[own]], 1), 1)


def _number(cell: np.ndarray, size: np.ndarray) -> np.ndarray:
    return (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) bool of triangles (N, 3, 3)."""
    crossed = np.zeros(len(one), bool)
    # Most pairs of close triangles have one on one side of the other's plane.
    which = np.flatnonzero(_cut(one, other))
    which = which[_cut(other[which], one[which])]
    one, other = one[which], other[which]
    hit = np.zeros(len(which), bool)
    for edges, triangle in ((one, other), (other, one)):
        for start, stop in _EDGES:
            hit |= _pierced(edges[:, start], edges[:, stop], triangle)
    crossed[which] = hit
    return crossed


def _cut(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether the plane of each first triangle has corners of the second on both sides."""
    normal = np.cross(one[:, 1] - one[:, 0], one[:, 2] - one[:, 0])
    side = np.einsum("nki,ni->nk", other - one[:, :1], normal)
    return (side.min(1) < 0) & (side.max(1) > 0)


def _pierced(start: np.ndarray, stop: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Whether the way from start to stop (N, 3) passes through the inside of triangles (N, 3, 3)."""
    a, b, c = triangle[:, 0], triangle[:, 1], triangle[:, 2]
    ends = _volume(a, b, c, start) * _volume(a, b, c, stop) < 0
    around = np.sign([_volume(start, stop, *edge) for edge in ((a, b), (b, c), (c, a))])
    return ends & (np.abs(around.sum(0)) == 3)


def _volume(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Six times the volume of tetrahedra with these corners (N, 3), with a sign."""
    return (np.cross(b - a, c - a) * (d - a)).sum(-1)
