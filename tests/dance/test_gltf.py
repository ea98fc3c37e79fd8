"""glTF files: every table within bounds, and the nodes where the joints are."""

import json
import struct

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.gltf import box_mesh, capsule_mesh, write_glb
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, quaternion_to_matrix

BODY = default_body()
TYPES = {5126: np.float32, 5123: np.uint16}
SIZES = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def tumbling(frames=40, fps=24.0):
    """Every joint turns about an axis of its own, the pelvis more than a whole turn."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(24, 3))
    axes *= np.linspace(1, 0.5, 24)[:, None] / np.linalg.norm(axes, axis=-1, keepdims=True)
    turns = np.linspace(0, 9, frames)
    root = rng.normal(size=(frames, 3))
    return Motion(root, axis_angle_to_matrix(turns[:, None, None] * axes), fps=fps, source="tumbling")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("gltf") / "dance.glb"
    motion = tumbling()
    write_glb(path, motion, BODY)
    data = path.read_bytes()
    magic, version, length, json_length, json_kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, json_kind) == (b"glTF", 2, len(data), b"JSON")
    binary_length, binary_kind = struct.unpack_from("<I4s", data, 20 + json_length)
    assert binary_kind == b"BIN\0" and 28 + json_length + binary_length == length
    assert json_length % 4 == binary_length % 4 == 0
    return motion, json.loads(data[20 : 20 + json_length]), data[28 + json_length :]


def read(document, binary, number):
    """The numbers (N, C) of an accessor."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype, size = TYPES[accessor["componentType"]], SIZES[accessor["type"]]
    assert view["byteLength"] == accessor["count"] * size * np.dtype(dtype).itemsize
    return np.frombuffer(binary, dtype, accessor["count"] * size, view["byteOffset"]).reshape(-1, size)


def test_every_table_is_in_the_file_aligned_and_within_its_bounds(written):
    _, document, binary = written
    assert document["asset"]["version"] == "2.0" and document["buffers"] == [{"byteLength": len(binary)}]
    used = 0
    for number, accessor in enumerate(document["accessors"]):
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0 and view["byteOffset"] >= used
        used = view["byteOffset"] + view["byteLength"]
        values = read(document, binary, number)
        assert np.isfinite(values).all()
        if "min" in accessor:
            assert accessor["min"] == values.min(0).tolist() and accessor["max"] == values.max(0).tolist()
    assert used <= len(binary)


def test_meshes_are_closed_point_outwards_and_are_as_large_as_the_body(written):
    _, document, binary = written
    assert len(document["meshes"]) == 24
    for node, name in zip(document["nodes"], BODY.names, strict=True):
        (primitive,) = document["meshes"][node["mesh"]]["primitives"]
        position = document["accessors"][primitive["attributes"]["POSITION"]]
        assert node["name"] == name and "min" in position  # which the specification demands of positions
        points = read(document, binary, primitive["attributes"]["POSITION"])
        normals = read(document, binary, primitive["attributes"]["NORMAL"])
        triangles = read(document, binary, primitive["indices"]).reshape(-1, 3)
        assert len(points) == len(normals) and triangles.max() < len(points)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
        a, b, c = np.moveaxis(points[triangles].astype(float), 1, 0)
        across = np.cross(b - a, c - a)
        assert ((across * normals[triangles].mean(1)).sum(-1) > -1e-9).all()
        volume = (a * np.cross(b, c)).sum() / 6
        joint = BODY.index(name)
        if joint in BODY.boxes.joints:
            wanted = np.prod(2 * BODY.boxes.half_sizes[BODY.boxes.joints.tolist().index(joint)])
        else:
            length = np.linalg.norm(BODY.capsules.ends[joint] - BODY.capsules.starts[joint])
            radius = BODY.capsules.radii[joint]
            wanted = np.pi * radius**2 * (length + 4 / 3 * radius)
        # A polygon of twenty corners fills 98 % of its circle, and five rings 98 % of half a ball.
        assert volume == pytest.approx(wanted, rel=0.05)
        color = document["materials"][primitive["material"]]["pbrMetallicRoughness"]["baseColorFactor"]
        assert len(color) == 4 and 0 <= min(color) <= max(color) <= 1


def test_nodes_are_where_forward_kinematics_has_the_joints(written):
    motion, document, binary = written
    (animation,) = document["animations"]
    tracks = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "LINEAR"
        times = read(document, binary, sampler["input"])[:, 0]
        np.testing.assert_allclose(times, np.arange(motion.num_frames) / motion.fps, atol=1e-6)
        assert "min" in document["accessors"][sampler["input"]]  # which the specification demands of times
        target = channel["target"]
        tracks[target["node"], target["path"]] = read(document, binary, sampler["output"])
    assert len(tracks) == 25
    (root,) = document["scenes"][document["scene"]]["nodes"]
    assert document["nodes"][root]["translation"] == pytest.approx([0, BODY.standing_height, 0], abs=1e-6)
    wanted = motion.joints(BODY).astype(float)
    for frame in (0, 17, 39):
        places = {}

        def visit(node, turn, place, frame=frame, places=places):
            moved = tracks.get((node, "translation"))
            here = place + turn @ np.array(document["nodes"][node]["translation"] if moved is None else moved[frame])
            x, y, z, w = tracks[node, "rotation"][frame].astype(float)
            places[node] = here
            for child in document["nodes"][node].get("children", []):
                visit(child, turn @ quaternion_to_matrix(np.array([w, x, y, z])), here)

        visit(root, np.eye(3), np.zeros(3))
        found = np.stack([places[joint] for joint in range(24)])
        # Y up, and who faces -y faces +Z: (x, y, z) of the dance is (x, z, -y) there. float32 metres and quaternions.
        np.testing.assert_allclose(found, wanted[frame][:, [0, 2, 1]] * [1, 1, -1], atol=1e-5)


def test_quaternions_are_unit_and_never_go_the_long_way_round(written):
    _, document, binary = written
    (animation,) = document["animations"]
    for channel in animation["channels"]:
        if channel["target"]["path"] == "rotation":
            values = read(document, binary, animation["samplers"][channel["sampler"]]["output"])
            np.testing.assert_allclose(np.linalg.norm(values, axis=-1), 1, atol=1e-6)
            assert ((values[1:] * values[:-1]).sum(-1) > 0).all()


def test_a_ball_is_round_and_a_box_has_flat_sides():
    points, normals, _ = capsule_mesh(np.ones(3), np.ones(3), 0.1)
    np.testing.assert_allclose(np.linalg.norm(points - 1, axis=-1), 0.1)
    np.testing.assert_allclose(points - 1, 0.1 * normals, atol=1e-12)
    points, normals, triangles = box_mesh(np.zeros(3), np.array([1.0, 2.0, 3.0]))
    assert len(points) == 24 and len(triangles) == 12
    assert np.abs(points).max(0).tolist() == np.abs(points).min(0).tolist() == [1, 2, 3]
    assert (np.abs(normals).sum(-1) == 1).all()


def test_a_file_that_is_there_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "dance.glb"
    write_glb(path, tumbling(1), BODY)
    write_glb(path, tumbling(3), BODY)
    assert [entry.name for entry in path.parent.iterdir()] == ["dance.glb"]
    assert struct.unpack_from("<I", path.read_bytes(), 8)[0] == path.stat().st_size
