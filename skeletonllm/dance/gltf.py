"""Dances as glTF 2.0, in one binary file (.glb) that Blender and its like open: a node per joint, turned by
quaternions, with the body's capsules hanging on it. Metres, Y up; whoever faces -y in the dance faces +Z.

The layout is that of the specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.
"""

import json
import struct
from pathlib import Path

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.axes import FILE_TO_DANCE
from skeletonllm.dance.flesh import capsule_colors
from skeletonllm.dance.motion import Motion
from skeletonllm.rendering.video import replacing
from skeletonllm.skeleton.kinematics import matrix_to_quaternion, normalize
from skeletonllm.skeleton.topology import ROOT

# Codes of the specification.
_MAGIC, _VERSION, _JSON, _BINARY = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
_COMPONENTS = {np.dtype(np.float32): 5126, np.dtype(np.uint16): 5123}
_SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
_VERTICES, _INDICES = 34962, 34963

_ROUGHNESS = 0.8
# Of a capsule: points around, and rings of each round end.
_AROUND, _RINGS = 20, 5
# The colours of pictures are those of screens (sRGB); those of glTF are amounts of light.
_GAMMA = 2.2


def write_glb(path: str | Path, motion: Motion, body: Body) -> None:
    """Write a dance as a .glb file: positions and rotations of every frame, straight lines and great arcs between."""
    file = _File()
    nodes = [
        {"name": name, "translation": _to_file(offset).tolist()}
        for name, offset in zip(body.names, body.offsets, strict=True)
    ]
    for joint, parent in enumerate(body.parents):
        if parent == ROOT:
            # At rest, before the animation is played, the body stands on the floor.
            nodes[joint]["translation"] = _to_file([0.0, 0.0, body.standing_height]).tolist()
        else:
            nodes[parent].setdefault("children", []).append(joint)
    meshes, materials = [], []
    for joint, (points, normals, triangles), color in _pieces(body):
        attributes = {
            "POSITION": file.add(_to_file(points), target=_VERTICES, bounds=True),
            "NORMAL": file.add(_to_file(normals), target=_VERTICES),
        }
        indices = file.add(triangles.reshape(-1).astype(np.uint16), target=_INDICES)
        material = {
            "name": body.names[joint],
            "pbrMetallicRoughness": {
                "baseColorFactor": [*np.power(color, _GAMMA).round(4).tolist(), 1.0],
                "metallicFactor": 0.0,
                "roughnessFactor": _ROUGHNESS,
            },
        }
        nodes[joint]["mesh"] = len(meshes)
        meshes.append(
            {
                "name": body.names[joint],
                "primitives": [{"attributes": attributes, "indices": indices, "material": len(materials)}],
            }
        )
        materials.append(material)
    document = {
        "asset": {"version": "2.0", "generator": "skeletonllm"},
        "scene": 0,
        "scenes": [{"nodes": [body.parents.index(ROOT)]}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": materials,
        "animations": [_animation(file, motion, body)],
    }
    with replacing(path) as unfinished:
        unfinished.write_bytes(file.join(document))


def _animation(file: "_File", motion: Motion, body: Body) -> dict:
    times = file.add((np.arange(motion.num_frames) / motion.fps).astype(np.float32), bounds=True)
    local = FILE_TO_DANCE.T @ motion.rotations.astype(np.float64) @ FILE_TO_DANCE
    quaternions = matrix_to_quaternion(local)
    # Of the two quaternions of a rotation the one nearer to that before, as players go from one to the next.
    turns = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1, keepdims=True))
    quaternions[1:] *= np.cumprod(np.where(turns < 0, -1.0, 1.0), 0)
    quaternions = normalize(quaternions)[..., [1, 2, 3, 0]].astype(np.float32)
    root = body.parents.index(ROOT)
    outputs = [(root, "translation", _to_file(motion.root))]
    outputs += [(joint, "rotation", quaternions[:, joint]) for joint in range(len(body.names))]
    return {
        "name": motion.source or "dance",
        "samplers": [
            {"input": times, "output": file.add(values), "interpolation": "LINEAR"} for _, _, values in outputs
        ],
        "channels": [
            {"sampler": number, "target": {"node": node, "path": path}}
            for number, (node, path, _) in enumerate(outputs)
        ],
    }


def _to_file(points: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) in the axes of the body, Z up, to those of the file."""
    return (np.asarray(points, np.float64) @ FILE_TO_DANCE).astype(np.float32)


def _pieces(body: Body) -> list[tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]]:
    """Of each capsule its joint, its mesh in the joint's frame and its colour; boxes in the place of the feet."""
    boxes = {int(joint): index for index, joint in enumerate(body.boxes.joints)}
    pieces = []
    for (joint, start, end, radius), color in zip(zip(*body.capsules, strict=True), capsule_colors(body), strict=True):
        box = boxes.get(int(joint))
        if box is None:
            mesh = capsule_mesh(start, end, float(radius))
        else:
            mesh = box_mesh(body.boxes.centres[box], body.boxes.half_sizes[box])
        pieces.append((int(joint), mesh, color))
    return pieces


def capsule_mesh(start: np.ndarray, end: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (V, 3) on the surface, outward normals (V, 3), and triangles (F, 3) counter-clockwise from outside."""
    axis = normalize(end - start) if np.any(end != start) else np.array([0.0, 0.0, 1.0])
    across = normalize(np.cross(axis, np.eye(3)[np.abs(axis).argmin()]))
    other = np.cross(axis, across)
    angles = 2 * np.pi * np.arange(_AROUND) / _AROUND
    ring = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * other
    # From pole to pole; the equator is there twice, at both ends of the straight part.
    heights = np.linspace(-np.pi / 2, np.pi / 2, 2 * _RINGS + 1)
    heights = np.insert(heights, _RINGS, 0.0)
    normals = np.cos(heights)[:, None, None] * ring + np.sin(heights)[:, None, None] * axis
    ends = np.where((np.arange(len(heights)) <= _RINGS)[:, None], start, end)
    points = ends[:, None] + radius * normals
    row, column = (grid.ravel() for grid in np.mgrid[: len(heights) - 1, :_AROUND])
    here, right = row * _AROUND + column, row * _AROUND + (column + 1) % _AROUND
    triangles = np.stack([here, right, right + _AROUND, here, right + _AROUND, here + _AROUND], -1).reshape(-1, 3)
    return points.reshape(-1, 3), normals.reshape(-1, 3), triangles


def box_mesh(centre: np.ndarray, half_sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As ``capsule_mesh``, of a box along the axes."""
    points, normals, triangles = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            out, side = sign * np.eye(3)[axis], np.eye(3)[(axis + 1) % 3]
            up = np.cross(out, side)
            first = len(points)
            points += [centre + half_sizes * (out + x * side + y * up) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            normals += [out] * 4
            triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    return np.array(points), np.array(normals), np.array(triangles)


class _File:
    """The binary part of a file, and the tables that say what is in it."""

    def __init__(self):
        self._data = bytearray()
        self._views: list[dict] = []
        self._accessors: list[dict] = []

    def add(self, values: np.ndarray, *, target: int | None = None, bounds: bool = False) -> int:
        """Add (N,) or (N, C) numbers; returns the number of their accessor. ``bounds``: say their least and largest."""
        values = np.ascontiguousarray(values)
        rows = values.reshape(len(values), -1)
        view = {"buffer": 0, "byteOffset": len(self._data), "byteLength": values.nbytes}
        accessor = {
            "bufferView": len(self._views),
            "componentType": _COMPONENTS[values.dtype],
            "count": len(values),
            "type": _SHAPES[rows.shape[1]],
        }
        if target is not None:
            view["target"] = target
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self._data += values.astype(values.dtype.newbyteorder("<")).tobytes()
        self._data += bytes(-len(self._data) % 4)
        self._views.append(view)
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def join(self, document: dict) -> bytes:
        """The whole file: the document as JSON, and the numbers."""
        tables = {
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._data)}],
        }
        text = json.dumps(document | tables, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON) + text
        chunks += struct.pack("<II", len(self._data), _BINARY) + bytes(self._data)
        return struct.pack("<III", _MAGIC, _VERSION, 12 + len(chunks)) + chunks
