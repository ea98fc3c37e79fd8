"""skeletonllm dance report: tables, files and what is refused, on generators that learnt nothing."""

import json

import numpy as np
import pytest
import torch

from skeletonllm.dance.comparison import songs as comparison_songs
from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.music import BEATS, NUM_FEATURES, MusicFeatures
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song

SECONDS, STEPS = 1, 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    sizes = DenoiserConfig(width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=NUM_FEATURES)
    motion = Normalizer.fit([make_dance(make_song(0, 10, 120), 0).to_vector()])
    folder = tmp_path_factory.mktemp("model")
    Generator(Denoiser(sizes), motion, Normalizer(np.zeros(NUM_FEATURES), np.ones(NUM_FEATURES))).save(folder)
    return folder


@pytest.fixture
def report(run, tmp_path, monkeypatch):
    """Runs the command on two short embedded songs, whose beats are heard without librosa."""

    def hear(sound):
        frames = round(30 * len(sound[0]) / sound[1])
        values = np.zeros((frames, NUM_FEATURES))
        values[::15, BEATS] = 1
        return MusicFeatures(values, np.arange(0, frames, 15))

    monkeypatch.setattr(comparison_songs, "music_features", hear)

    def report(*arguments):
        quick = ("--songs", 2, "--seconds", SECONDS, "--steps", STEPS, "--device", "cpu")
        return run("dance", "report", *arguments, "-o", tmp_path / "report", *quick)

    return report


def test_a_report_prints_its_tables_and_writes_its_files(report, model, tmp_path):
    rows = (f"before={model}", f"guided={model}", "--change", "guided.guide.ground=1")
    code, told, error = report(*rows, "--shown", 1)
    assert code == 0, error
    for title in ("On the floor", "Imitated by a simulated body", "FID and diversity", "Beside the paper"):
        assert title in told
    folder = tmp_path / "report"
    names = {path.name for path in folder.iterdir()}
    assert names == {"comparison.json", "report.html", "report.md", "measured", "videos"}
    assert [path.stem for path in (folder / "videos").iterdir()] == ["embedded-1-before-guided"]
    found = json.loads((folder / "comparison.json").read_text())
    assert list(found["rows"]) == ["before", "guided", "embedded dances"]
    assert found["rows"]["guided"]["manner"]["guide"] == {"ground": 1}
    assert found["rows"]["guided"]["manner"]["steps"] == STEPS
    # A second time nothing is danced.
    before = {path: path.stat().st_mtime_ns for path in (folder / "measured").rglob("*.npz")}
    code, again, _ = report(*rows, "--shown", 0)
    assert code == 0 and again.splitlines()[:20] == told.splitlines()[:20]
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "measured").rglob("*.npz")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "nothing: expected NAME=MODEL"),
        (("before=nowhere",), "before=nowhere: no such model"),
        (("before=.", "--beside", "after"), "--beside after: no such row beside the first; there are none"),
        (("before=.", "--music", "nowhere"), "nowhere: no such folder, expected songs"),
        (("before=.", "--rewards", "mine.py"), "mine.py: no such file"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(report, arguments, said):
    code, _, error = report(*arguments)
    assert code == 2 and said in error and "Traceback" not in error
