"""Simulated bodies on a GPU do what those of the processor do."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.physics import Physics, make_reference, simulate
from skeletonllm.dance.synthesis import make_dance, make_song

pytest.importorskip("mujoco")
pytest.importorskip("mujoco_warp", reason="needs MuJoCo Warp: pip install 'skeletonllm[warp]'")
BODY = default_body()


def test_dances_on_a_gpu_are_those_of_the_processor_whoever_is_beside_them():
    dances = [make_dance(make_song(seed, 3, 100, style="hip_hop"), seed) for seed in range(4)]
    references = [make_reference(dance, BODY) for dance in dances] * 16
    found = simulate(references, Physics(), backend="warp")
    alone = simulate(references[:1], Physics(), backend="warp")
    wanted = simulate(references[:4], Physics()) * 16
    for one, true in zip([*found, *alone], [*wanted, wanted[0]], strict=True):
        assert one.lost is None
        # Metres and radians; single precision, and contacts that come a step earlier or later in three seconds.
        assert np.abs(one.states[:, :76] - true.states[:, :76]).max() < 0.02
