"""The demo, shortened to a few steps: every file that it promises is there and true."""

import json

import pytest
from PIL import Image

from skeletonllm.cli import main
from skeletonllm.cli.demo import END, SHORTER, START

STAGES = ("warmup", "discriminate", "distill", "refine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a demo that did a tenth of its steps with a tenth of the people."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.raises(SystemExit) as end:
        main(["demo", "-o", str(folder), "--share", "0.1"])
    assert end.value.code in (0, None)
    return folder


@pytest.mark.slow
def test_the_demo_writes_pictures_results_and_a_report_of_every_stage(folder):
    results = json.loads((folder / "results.json").read_text())
    assert list(results) == [START, *(f"after {stage}" for stage in STAGES), *SHORTER]
    for by_topology in results.values():
        assert by_topology.keys() == {"kinect_v2", "smpl_22", "coco_17"}
        for summary in by_topology.values():
            assert summary["count"] == len(summary["candidates"]) == 16
    page = (folder / "report.html").read_text()
    for name in ("renderers.png", "losses.png", "confusion_smpl_22.png", "wave_right_hand.gif", "shake_hands.gif"):
        assert name in page
        with Image.open(folder / name) as picture:
            assert picture.size[0] > 100
    assert all(text in page for text in ("coco_17", END, "palette"))


@pytest.mark.slow
def test_the_shorter_runs_leave_out_what_they_say(folder):
    stages = {}
    for run in ("refine_without_discriminate", "refine_without_distill"):
        lines = (folder / run / "log.jsonl").read_text().splitlines()
        stages[run] = list(dict.fromkeys(json.loads(line)["stage"] for line in lines))
    assert list(stages.values()) == [["distill", "refine"], ["refine"]]
