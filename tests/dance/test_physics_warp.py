"""MuJoCo Warp in the place of MuJoCo: the same bodies do the same, and who has not got it is told how to get it."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from skeletonllm.cli import main
from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import bvh
from skeletonllm.dance.imitation.artefacts import through_trunk
from skeletonllm.dance.motion import FPS, Motion
from skeletonllm.dance.physics import BACKENDS, Physics, build_model, make_reference, simulate

pytest.importorskip("mujoco")
BODY = default_body()
SMALL = default_body({"thigh": 0.9, "forearm": 1.1})
# What it compiles, once for all calls on a machine, takes minutes.
needs_warp = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("mujoco_warp") is None, reason="needs MuJoCo Warp: pip install 'skeletonllm[warp]'"),
]


def standing(seconds, body=BODY, height=0.0):
    frames = round(seconds * FPS)
    root = np.tile([0.0, 0.0, body.standing_height + height], (frames, 1))
    return Motion(root, np.tile(np.eye(3), (frames, 24, 1, 1)), source="standing")


@pytest.fixture(scope="module")
def references():
    """One that stands on its feet, one with a forearm in the belly, a longer and smaller one that falls."""
    inside = through_trunk(standing(0.4), BODY)
    return [
        make_reference(standing(0.4), BODY),
        make_reference(inside, BODY),
        make_reference(standing(0.6, SMALL, height=0.05), SMALL),
    ]


@pytest.fixture(scope="module")
def on_warp(references):
    return simulate(references, Physics(), backend="warp")


def assert_same(found, true):
    """Up to single precision: 1e-7 of a metre or radian was measured, a thousand times more where a contact begins a
    step earlier or later."""
    np.testing.assert_allclose(found.states[:, :76], true.states[:, :76], atol=1e-4)
    # Newtons and newton metres, of bodies that weigh 687 N.
    np.testing.assert_allclose(found.wrench, true.wrench, atol=0.7)
    np.testing.assert_allclose(found.feet, true.feet, atol=7)
    np.testing.assert_array_equal(found.touching, true.touching)


def test_whoever_has_not_got_it_is_told_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    reference = make_reference(standing(0.2), BODY)
    with pytest.raises(ImportError, match=r"mujoco-warp: pip install 'skeletonllm\[warp\]'"):
        simulate([reference], Physics(), backend="warp")
    bvh.write(reference.motion, BODY, tmp_path / "standing.bvh")
    with pytest.raises(SystemExit) as ended:
        main(["dance", "judge", str(tmp_path / "standing.bvh"), "--backend", "warp"])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "pip install 'skeletonllm[warp]'" in told and "Traceback" not in told


class TestWithWarp:
    pytestmark = needs_warp

    def test_bodies_do_what_they_do_in_mujoco(self, references, on_warp):
        for found, true in zip(on_warp, simulate(references, Physics(), threads=1), strict=True):
            assert found.lost is None
            assert_same(found, true)
        # Limbs press on each other where they do in MuJoCo, and only there.
        assert [found.touching.max() > 0 for found in on_warp] == [False, True, False]

    def test_each_body_of_a_batch_does_what_it_does_alone(self, references, on_warp):
        for reference, together in zip(references, on_warp, strict=True):
            assert_same(simulate([reference], Physics(), backend="warp")[0], together)

    def test_a_body_that_is_nowhere_harms_nobody_else(self, references):
        models = [build_model(BODY, Physics()) for _ in range(2)]
        starts, controls = (np.stack([getattr(references[0], name)] * 2) for name in ("start", "control"))
        starts[0, 2] = np.nan
        controls = controls[:, :4]
        states, sensors = BACKENDS["warp"](models, starts, controls, 1)
        alone = BACKENDS["warp"](models[:1], starts[1:], controls[1:], 1)
        assert np.isnan(states[0]).any()
        np.testing.assert_allclose(states[1], alone[0][0], atol=1e-4)
        np.testing.assert_allclose(sensors[1], alone[1][0], atol=0.05)

    def test_the_help_of_each_is_bounded_as_its_own_reference_demands(self, references):
        # Hanging 30 cm too low they are pulled up with all that is allowed.
        models = [build_model(BODY, Physics(), (demand, 1.0)) for demand in (1.0, 2.0)]
        start = references[0].start.copy()
        start[2] -= 0.3
        controls = np.stack([references[0].control[:1]] * 2)
        _, sensors = BACKENDS["warp"](models, np.stack([start] * 2), controls, 1)
        assert sensors[:, 0, 2] == pytest.approx([0.3 * BODY.mass * 9.81, 0.6 * BODY.mass * 9.81], rel=1e-5)
