"""The demo, shortened to a few steps: every file that it promises is there and true."""

import json

import pytest
from PIL import Image

from skeletonllm.cli import main


@pytest.mark.slow
def test_the_demo_writes_pictures_models_results_and_a_report(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["demo", "-o", str(tmp_path), "--epochs", "0.05"])
    assert end.value.code in (0, None)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results.keys() == {"learning", "frozen"}
    for by_topology in results.values():
        assert by_topology.keys() == {"kinect_v2", "smpl_22", "coco_17"}
        for summary in by_topology.values():
            assert summary["count"] == 20 * len(summary["candidates"]) >= 300
    page = (tmp_path / "report.html").read_text()
    for name in ("renderers.png", "losses.png", "confusion_smpl_22.png", "wave_right_hand.gif", "shake_hands.gif"):
        assert name in page
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > 100
    assert "coco_17" in capsys.readouterr().out
