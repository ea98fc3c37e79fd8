"""skeletonllm dance demo: from nothing to a dance that can be looked at, in the smallest size."""

import json

import pytest

from skeletonllm.dance.codecs import read_motion
from skeletonllm.skeleton.formats import read_skeleton


@pytest.mark.slow
def test_a_short_demonstration_trains_dances_measures_and_writes(tmp_path, run):
    folder = tmp_path / "demo"
    changes = ["optimization.steps=3", "optimization.batch_size=2", "data.songs=2", "data.seconds=6"]
    options = [argument for change in changes for argument in ("--change", change)]
    code, told, _ = run("dance", "demo", "-o", folder, "--songs", 2, "--seconds", 6, *options)
    assert code == 0
    assert "beat alignment" in told and "own music" in told and "foot skating" in told
    results = json.loads((folder / "results.json").read_text())
    assert results["matched"]["by rule"]["beat_alignment_music"]["own"]["value"] > 0.6
    assert len(results["metrics"]["clips"]) == 2
    assert read_motion(folder / "dance.bvh").num_frames == 180
    assert read_skeleton(folder / "dance.bvh").num_frames >= 180
    assert {"dance.mp4", "dance.gif", "song.wav"} <= {path.name for path in folder.iterdir()}
