"""skeletonllm dance demo: from nothing to dances before and after fine-tuning, in the smallest size."""

import json

import pytest

from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.generator import Generator
from skeletonllm.skeleton.formats import read_skeleton

LEARNING = ["optimization.steps=3", "optimization.batch_size=2", "data.songs=2", "data.seconds=6"]
TUNING = [
    *("data.songs=1", "data.seconds=6", "music=1", "sampling.steps=2"),
    *("optimization.steps=1", "optimization.conditions=1", "optimization.samples=2", "optimization.micro_batch_size=0"),
]


@pytest.mark.slow
def test_a_short_demonstration_trains_fine_tunes_measures_and_writes(tmp_path, run):
    folder = tmp_path / "demo"
    options = [argument for change in LEARNING for argument in ("--change", change)]
    options += [argument for change in TUNING for argument in ("--finetune-change", change)]
    arguments = ["dance", "demo", "-o", folder, "--songs", 2, "--seconds", 6, "--steps", 2, *options]
    code, told, _ = run(*arguments)
    assert code == 0
    assert "overlapping pairs" in told and "post-processed" in told and "after: beats of its own music 0." in told

    results = json.loads((folder / "results.json").read_text())
    rows = results["rows"]
    assert list(rows) == ["before", "before guided", "after", "after guided", "embedded dances"]
    assert rows["embedded dances"]["measures"]["raw"]["beat_alignment_music"]["value"] > 0.6
    assert rows["after guided"]["manner"]["guide"] and not rows["after"]["manner"]["guide"]
    assert len(results["songs"]) == 2 and set(results["minutes"]) == {"training", "fine-tuning", "measuring"}

    assert read_motion(folder / "dance.bvh").num_frames == 180
    assert read_skeleton(folder / "dance.bvh").num_frames >= 180
    assert {"dance.mp4", "dance.gif", "song.wav"} <= {path.name for path in folder.iterdir()}
    assert (folder / "report" / "report.html").is_file() and list((folder / "report" / "videos").iterdir())

    before, after = (Generator.load(folder / name).denoiser.state_dict() for name in ("run", "tuned"))
    assert any((before[name] != after[name]).any() for name in before)

    measured = {path: path.stat().st_mtime_ns for path in (folder / "report" / "measured").rglob("*.json")}
    assert len(measured) == 2 * 5
    assert run(*arguments)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in measured} == measured


def test_a_wrong_change_is_told_before_anything_is_trained(tmp_path, run):
    code, _, told = run("dance", "demo", "-o", tmp_path, "--finetune-change", "rewards.preset=pretty")
    assert code == 2 and "pretty" in told and not (tmp_path / "run").exists()
