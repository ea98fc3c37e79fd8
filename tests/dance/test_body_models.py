"""Bodies of other projects: SMPL from a made-up file of its form, and Anny where it is installed."""

import importlib.util
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body, forward_kinematics
from skeletonllm.dance.body.adapters import (
    anny_mesh,
    body_from_anny,
    body_from_smplx,
    read_body_model,
    smplx,
    smplx_mesh,
)
from skeletonllm.dance.codecs.axes import FILE_TO_DANCE
from skeletonllm.dance.metrics import METRICS, Performance
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix
from skeletonllm.skeleton.topologies import SMPL_24

BODY = default_body()
# As many vertices as SMPL has: smplx picks some of them by number.
VERTICES = 6890


def made_up_smpl():
    """A file of SMPL's form, 10 % larger than our body: at each joint a tetrahedron of 2 cm that moves with it, beside
    vertices at the joints. Two numbers of shape: all of it larger, and the thighs longer."""
    places = np.zeros((24, 3))
    for joint, parent in enumerate(SMPL_24.parents):
        places[joint] = BODY.offsets[joint] + (places[parent] if joint else 0)
    # Not at the origin, as in SMPL.
    joints = 1.1 * places @ FILE_TO_DANCE + [0.0, -0.2, 0.03]
    corners = 0.02 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    skin = np.concatenate([joints, (joints[:, None] + corners).reshape(-1, 3)])
    belongs = np.concatenate([np.arange(24), np.repeat(np.arange(24), 4)])
    skin = np.concatenate([skin, np.repeat(joints[:1], VERTICES - len(skin), 0)])
    belongs = np.concatenate([belongs, np.zeros(VERTICES - len(belongs), int)])
    longer = np.zeros_like(skin)
    for joint in (4, 5, 7, 8, 10, 11):
        longer[belongs == joint, 1] = -1.0
    weights = np.zeros((VERTICES, 24))
    weights[np.arange(VERTICES), belongs] = 1
    regressor = np.zeros((24, VERTICES))
    regressor[np.arange(24), np.arange(24)] = 1
    faces = 24 + 4 * np.arange(24)[:, None, None] + np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    parents = np.array(SMPL_24.parents, np.int64)
    parents[0] = 2**32 - 1
    return {
        "v_template": skin, "f": faces.reshape(-1, 3).astype(np.uint32), "shapedirs": np.stack([skin, longer], -1),
        "posedirs": np.zeros((VERTICES, 3, 207)), "J_regressor": regressor, "weights": weights,
        "kintree_table": np.stack([parents, np.arange(24)]),
    }  # fmt: skip


class Layer:
    """What is used of ``smplx.SMPLLayer``, without corrections by the pose."""

    def __init__(self, model_path, data_struct, num_betas):
        self.data, self.num_betas = data_struct, num_betas

    def __call__(self, betas, global_orient, body_pose):
        assert betas.shape[1] == self.num_betas and body_pose.shape[1:] == (23, 3, 3)
        skin = self.data.v_template + np.einsum("vck,bk->bvc", self.data.shapedirs[..., : self.num_betas], betas)
        joints = self.data.J_regressor @ skin
        local = np.concatenate([global_orient, body_pose], 1)
        frames, at = [local[:, 0]], [joints[:, 0]]
        for joint, parent in enumerate(SMPL_24.parents[1:], start=1):
            frames.append(frames[parent] @ local[:, joint])
            at.append(at[parent] + (frames[parent] @ (joints[:, joint] - joints[:, parent])[..., None])[..., 0])
        belongs = self.data.weights.argmax(1)
        turned = np.stack(frames, 1)[:, belongs] @ (skin - joints[:, belongs])[..., None]
        return SimpleNamespace(vertices=torch.tensor(turned[..., 0] + np.stack(at, 1)[:, belongs]).float())


@pytest.fixture(params=["same_interface", "package"])
def package(request, monkeypatch):
    """A stand-in with the interface of smplx, which is not for everyone; and smplx itself where it is installed."""
    if request.param == "package":
        if importlib.util.find_spec("smplx") is None:
            pytest.skip("needs smplx")
    else:
        stand_in = ModuleType("smplx")
        stand_in.SMPLLayer = Layer
        monkeypatch.setitem(sys.modules, "smplx", stand_in)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.npz"
    np.savez(path, **made_up_smpl())
    return path


def some_motion(frames=3):
    rng = np.random.default_rng(0)
    return Motion(rng.normal(size=(frames, 3)), axis_angle_to_matrix(0.5 * rng.normal(size=(frames, 24, 3))))


def test_the_joints_of_the_skin_are_those_of_the_body_in_any_pose(package, file, capsys):
    smplx._tell_licence.cache_clear()
    mesh = smplx_mesh(file)
    np.testing.assert_allclose(mesh.body.offsets, 1.1 * BODY.offsets, atol=1e-6)
    assert mesh.body.standing_height == pytest.approx(-lowest_of(mesh), abs=1e-6)
    motion = some_motion()
    vertices = mesh.vertices(motion)
    assert vertices.shape == (3, VERTICES, 3) and mesh.faces.shape == (96, 3)
    # The first vertices are at the joints; float32 metres.
    np.testing.assert_allclose(vertices[:, :24], motion.joints(mesh.body), atol=1e-5)
    # The skin turns with the joints, not against them.
    joints, frames = forward_kinematics(mesh.body, motion.root, motion.rotations)
    corner = frames[:, 20] @ FILE_TO_DANCE @ np.array([0.02, 0.02, 0.02])
    np.testing.assert_allclose(vertices[:, 24 + 4 * 20], joints[:, 20] + corner, atol=1e-5)
    smplx_mesh(file)
    assert capsys.readouterr().err.count("non-commercial") == 1


def lowest_of(mesh):
    rest = Motion(np.zeros((1, 3)), np.broadcast_to(np.eye(3), (1, 24, 3, 3)))
    return float(mesh.vertices(rest)[..., 2].min())


def test_the_shape_moves_joints_and_skin_alike(package, file):
    average, tall = body_from_smplx(file), smplx_mesh(file, [0.0, 0.05])
    longer = tall.body.offsets - average.offsets
    np.testing.assert_allclose(longer[[4, 5]], [[0, 0, -0.05]] * 2, atol=1e-6)
    assert np.abs(np.delete(longer, [4, 5], 0)).max() < 1e-6
    motion = some_motion()
    np.testing.assert_allclose(tall.vertices(motion)[:, :24], motion.joints(tall.body), atol=1e-5)
    assert body_from_smplx(file, [0.1]).leg_length == pytest.approx(1.1 * average.leg_length, rel=1e-5)


def test_skin_that_stands_in_itself_is_counted(package, file):
    motion = some_motion(20).replace(rotations=np.broadcast_to(np.eye(3), (20, 24, 3, 3)))
    mesh = smplx_mesh(file)
    clear = METRICS["mesh_penetration"].measure(Performance(motion, mesh.body, mesh=mesh), False)
    # The right arm is swung over to the left hand's side: the tetrahedra at both elbows' ends come together.
    rotations = motion.rotations.copy()
    half = np.pi / 2
    rotations[:, 16] = axis_angle_to_matrix(np.array([0, 0, -half + 0.24]))
    rotations[:, 17] = axis_angle_to_matrix(np.array([0, 0, half - 0.24]))
    near = Performance(motion.replace(rotations=rotations), mesh.body, mesh=mesh)
    assert METRICS["mesh_penetration"].measure(near, False) >= clear == 0


def test_old_pickles_of_chumpy_and_scipy_are_read_without_either(package, file, tmp_path, monkeypatch):
    arrays = made_up_smpl()
    sparse = pytest.importorskip("scipy.sparse")
    arrays["J_regressor"] = sparse.csc_matrix(arrays["J_regressor"])
    chumpy = ModuleType("chumpy.ch")
    chumpy.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    monkeypatch.setitem(sys.modules, "chumpy", ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", chumpy)
    held = chumpy.Ch()
    held.x = arrays["shapedirs"]
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({**arrays, "shapedirs": held, "bs_type": "lrotmin"}, protocol=2))
    monkeypatch.delitem(sys.modules, "chumpy.ch")
    monkeypatch.delitem(sys.modules, "chumpy")
    np.testing.assert_array_equal(smplx_mesh(path).body.offsets, smplx_mesh(file).body.offsets)


class Harm:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (b"", "model.pkl: Ran out of input, expected a SMPL model"),
        (pickle.dumps(Harm()), r"model.pkl: it names builtins.print, expected a SMPL model"),
        (pickle.dumps([1]), "model.pkl: no v_template, expected a SMPL model with"),
        (pickle.dumps({"v_template": np.zeros((3, 2))}), r"v_template is float64 of shape \(3, 2\), expected numbers"),
        (b"PK\x03\x04 damaged", "model.pkl: .*expected a SMPL model"),
    ],
    ids=["empty", "harmful", "list", "shape", "damaged_npz"],
)
def test_what_is_no_smpl_file_is_refused_and_never_run(package, tmp_path, capsys, change, told):
    path = tmp_path / "model.pkl"
    path.write_bytes(change)
    with pytest.raises(ValueError, match=told):
        smplx_mesh(path)
    assert "ran" not in capsys.readouterr().out


def test_too_many_numbers_of_shape_a_missing_file_and_another_tree_are_refused(package, file, tmp_path):
    with pytest.raises(ValueError, match=r"betas of shape \(3,\), expected at most 2 finite"):
        smplx_mesh(file, [0, 0, 0])
    with pytest.raises(FileNotFoundError):
        smplx_mesh(tmp_path / "none.npz")
    arrays = made_up_smpl()
    arrays["kintree_table"][0, 5] = 3
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match="hang on one another as"):
        smplx_mesh(tmp_path / "other.npz")


def test_missing_packages_and_unknown_models_are_named(file, monkeypatch):
    for name in ("smplx", "anny"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install smplx"):
        read_body_model(f"smplx:{file}")
    with pytest.raises(ImportError, match="pip install anny"):
        read_body_model("anny")
    for wrong in ("skel", "smplx", "anny:file", ""):
        with pytest.raises(ValueError, match="expected smplx:PATH of a SMPL file, anny"):
            read_body_model(wrong)


@pytest.mark.slow
def test_anny_is_a_person_of_our_axes_whose_skin_follows_the_joints():
    pytest.importorskip("anny")
    mesh = anny_mesh()
    rest = mesh.standing()
    offsets = mesh.body.offsets
    # A T-pose that faces -y with the left at +x; Anny's left is its right mirrored.
    for side, out in (("left", 1), ("right", -1)):
        for joint in ("elbow", "wrist"):
            offset = offsets[mesh.body.index(f"{side}_{joint}")]
            assert out * offset[0] == pytest.approx(np.linalg.norm(offset)) and 0.15 < abs(offset[0]) < 0.35
        for joint in ("knee", "ankle"):
            assert -0.5 < offsets[mesh.body.index(f"{side}_{joint}"), 2] < -0.3
        assert offsets[mesh.body.index(f"{side}_foot"), 1] < -0.1
    assert 1.5 < np.ptp(rest[:, 2]) < 1.8 and np.ptp(rest[:, 0]) > 1.5
    assert mesh.body.standing_height == pytest.approx(-rest[:, 2].min(), abs=1e-4)
    still = np.broadcast_to(np.eye(3), (20, 24, 3, 3)).copy()
    still[:, 18] = axis_angle_to_matrix(np.array([0, 0, -1.0]))
    bent = mesh.vertices(Motion(np.zeros((20, 3)), still))
    assert np.abs(bent[0] - rest)[rest[:, 0] < 0.2].max() < 1e-5
    hand = rest[:, 0] > mesh.body.offsets[[13, 16, 18, 20], 0].sum()
    wanted = still[0, 18] @ (rest[hand] - joints_at_rest(mesh)[18]).T
    np.testing.assert_allclose(bent[0][hand], wanted.T + joints_at_rest(mesh)[18], atol=0.02)
    # An arm across the chest crosses it, a T-pose nothing but what shoulders and hips fold.
    folded = still.copy()
    folded[:, 16] = axis_angle_to_matrix(np.array([0, 0, -1.9]))
    rate = METRICS["mesh_penetration"].measure
    quiet = Motion(np.zeros((20, 3)), np.broadcast_to(np.eye(3), (20, 24, 3, 3)))
    rates = [rate(Performance(motion.slice(0, 15), mesh.body, mesh=mesh), False)
             for motion in (quiet, quiet.replace(rotations=folded))]  # fmt: skip
    assert rates[0] < 5 and rates[1] > 20
    assert body_from_anny({"height": 1.0}).leg_length > mesh.body.leg_length + 0.05
    with pytest.raises(ValueError, match="phenotype size = 0.5, expected 0 to 1 for one of gender, age"):
        anny_mesh({"size": 0.5})


def joints_at_rest(mesh):
    return forward_kinematics(mesh.body, np.zeros(3), np.broadcast_to(np.eye(3), (24, 3, 3)))[0]
