"""The package of docs/extending.md, as pip leaves it: every command knows what it brings."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from skeletonllm.evaluation.grading import grade
from skeletonllm.evaluation.questions import Posed
from skeletonllm.tasks import TASKS, Task

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
TINY = "{image_size: 32, patch_size: 8, vision_hidden_size: 32, vision_layers: 1, hidden_size: 32, layers: 1, heads: 2}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A folder with ``lab`` installed in it: the blocks of the page that define what its ``pyproject.toml`` names."""
    site = tmp_path_factory.mktemp("site")
    (project,) = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    groups = project["project"]["entry-points"]
    names = {value.removeprefix("lab:") for points in groups.values() for value in points.values()}
    defined = rf"^(?:class )?(?:{'|'.join(names)})(?: = |\()"
    blocks = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if re.search(defined, block, re.M)]
    assert len(blocks) == len(names) == 4
    (site / "lab.py").write_text("\n\n".join(blocks))
    info = site / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    lines = (f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in points.items()) for group, points in groups.items())
    (info / "entry_points.txt").write_text("\n".join(lines))
    return site


def run(lab: Path, folder: Path, code: str) -> str:
    paths = os.pathsep.join(map(str, (lab, ROOT, ROOT / "kernels")))
    environment = dict(os.environ, PYTHONPATH=paths, OMP_NUM_THREADS="1")
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert "passed over" not in ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_a_run_with_a_task_a_backbone_and_a_renderer_of_ones_own_learns_and_is_tested(lab, tmp_path):
    run(
        lab,
        tmp_path,
        f"""
from skeletonllm.cli import main
def command(*words):
    try:
        main(list(words))
    except SystemExit as end:
        assert not end.code, words
command("train", "--recipe", "synthetic", "-o", "run", "stages.scratch.tasks={{limbs: 1}}", "model.family=idefics3",
        "model.renderer={{kind: height}}", "model.tiny={TINY}", "model.num_frames=2", "stages.scratch.epochs=1",
        "data.options={{topologies: [coco_17], performers: 1, test_performers: 1}}", "optimization.threads=1",
        "pictures_every=0")
command("evaluate", "run", "--task", "limbs", "--blind", "-o", "tested")
""",
    )
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["backbone_config"]["model_type"] == "idefics3" and config["renderer"]["kind"] == "height"
    tested = json.loads((tmp_path / "tested" / "summary.json").read_text())
    assert tested["task"] == "limbs"
    lines = (tmp_path / "tested" / "predictions.jsonl").read_text().splitlines()
    assert {json.loads(line)["answer"] for line in lines} == {"ARMS", "LEGS"}
    assert set(tested["metrics"]) == {"score", "understood"} and "interval_95" in tested["metrics"]["score"]


@pytest.mark.slow
def test_dances_are_measured_by_a_metric_of_ones_own(lab, tmp_path):
    said = run(
        lab,
        tmp_path,
        """
from skeletonllm.dance.metrics import METRICS, evaluate_motions
from skeletonllm.dance.synthesis import embedded_pairs
motions = [motion for _, motion in embedded_pairs(2, seconds=2)]
found = evaluate_motions(motions)["metrics"]["hands_up"]
print(list(METRICS)[-1], found["unit"], found["raw"]["count"])
""",
    )
    assert said.split() == ["hands_up", "%", "2"]


@pytest.mark.parametrize("grades", [{"score": 1.5}, {"score": float("nan")}, {"hits": 1.0}])
def test_a_task_that_gives_no_score_from_0_to_1_is_refused_by_name(monkeypatch, grades):
    monkeypatch.setitem(TASKS, "limbs", Task(lambda subject, generator: ("?", "LEGS"), lambda right, said: grades))
    with pytest.raises(ValueError, match="task limbs grades walk-1#0 .* expected a score from 0 to 1"):
        grade(Posed("walk-1#0", "walk-1", 0, "limbs", "limbs", "?", "LEGS"), "legs")


def test_a_task_of_ones_own_is_graded_by_itself(monkeypatch):
    judged = Task(lambda subject, generator: ("?", "LEGS"), lambda right, said: {"score": float(said.upper() == right)})
    monkeypatch.setitem(TASKS, "limbs", judged)
    posed = Posed("walk-1#0", "walk-1", 0, "limbs", "limbs", "?", "LEGS")
    assert grade(posed, "legs") == {"score": 1.0} and grade(posed, "arms") == {"score": 0.0}
