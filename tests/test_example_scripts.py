"""The scripts that a user starts from: each runs from the command line, on its own, and leaves what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skeletonllm import read_skeleton
from skeletonllm.dance.shipped import SHIPPED_FOLDER
from skeletonllm.skeleton.formats.bvh_writer import write_bvh
from skeletonllm.skeleton.synthesis import synthesize

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(name: str, *arguments: str, folder: Path) -> str:
    """What a script prints, run in a folder of its own."""
    places = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *map(str, arguments)],
        cwd=folder, env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def walk(tmp_path):
    write_bvh(synthesize("walk", performer=3, topology="smpl_22", noise=0), tmp_path / "walk.bvh")
    return tmp_path / "walk.bvh"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short_and_say_how_they_are_run(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in text


def test_look_at_a_recording(walk, tmp_path):
    from PIL import Image

    said = run("look_at_a_recording", walk, "-o", "walk.png", "--size", "64", folder=tmp_path)
    sequence = read_skeleton(walk)
    assert f"{sequence.topology.name}, 1 person" in said and f"{sequence.num_frames} frames" in said
    with Image.open(tmp_path / "walk.png") as sheet:
        assert sheet.width >= 6 * 64  # two rows of six frames
        assert len(sheet.convert("RGB").getcolors(1 << 20)) > 100


def test_ask_about_it(walk, tmp_path):
    said = run("ask_about_it", walk, "--candidate", "walk", "--candidate", "jump", folder=tmp_path)
    shares = [float(line.split("%")[0]) for line in said.partition("Which of 2?")[2].strip().splitlines()]
    assert len(shares) == 2 and sum(shares) == pytest.approx(100, abs=0.2)  # each is rounded to a tenth


def test_ask_the_server(walk, tmp_path):
    for needed in ("openai", "fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(needed, reason="needs the extra `serve`, and a client")
    places = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    command = [sys.executable, "-m", "skeletonllm", "serve", "--port", "0", "--api-only"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": places}, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            address = server.stdout.readline().split()[-1]
            words = run("ask_the_server", walk, "--server", address, folder=tmp_path)
            ranked = run("ask_the_server", walk, "--candidate", "walk", "--candidate", "jump", "--server", address,
                         folder=tmp_path)  # fmt: skip
            made_up = run("ask_the_server", "--server", address, folder=tmp_path)
        finally:
            server.terminate()
    asked, answered = words.splitlines()
    assert asked == "skeletonllm-tiny, about walk.bvh: Describe the motion." and len(answered.split()) > 2
    shares = [float(line.split("%")[0]) for line in ranked.splitlines() if "%" in line]
    assert len(shares) == 2 and sum(shares) == pytest.approx(100, abs=0.2)
    assert "about wave.npz" in made_up and len(made_up.splitlines()) == 2


@pytest.mark.slow
def test_train_on_a_folder(tmp_path):
    for label in ("bow", "squat"):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for performer in range(5):
            recording = synthesize(label, performer=performer, topology="smpl_22", noise=0)
            write_bvh(recording, tmp_path / "mine" / label / f"{performer}.bvh")
    said = run("train_on_a_folder", "mine", "-o", "run", "--epochs", "1", folder=tmp_path)
    assert "bow" in said and "squat" in said and "%" in said
    assert (tmp_path / "run" / "model" / "training.json").is_file()


@pytest.mark.slow
def test_dance_to_a_song_then_wish_something_of_it(tmp_path):
    pytest.importorskip("librosa", reason="needs librosa, which hears music")
    said = run("dance_to_a_song", "-o", "out", "--seconds", "3", "--steps", "4", folder=tmp_path)
    assert "penetration_rate" in said and (tmp_path / "out" / "dance.mp4").stat().st_size > 1000
    assert read_skeleton(tmp_path / "out" / "dance.bvh").duration == pytest.approx(3, abs=0.1)
    small = ("data.songs=2", "data.seconds=6", "data.stride=0.5", "music=4", "sampling.steps=4",
             "optimization.conditions=2", "optimization.samples=2", "optimization.micro_batch_size=2")  # fmt: skip
    changes = [argument for change in small for argument in ("--change", change)]
    tuned = run("my_own_reward", SHIPPED_FOLDER, "-o", "tuned", "--steps", "1", *changes, folder=tmp_path)
    assert "fine-tuned" in tuned and (tmp_path / "tuned" / "model").is_dir()


def test_my_own_reward_judges_dances_of_which_hands_hang_below_the_head(tmp_path):
    said = run("my_own_reward", folder=tmp_path)
    heights = [float(line.split(": ")[-1].removesuffix(" m")) for line in said.strip().splitlines()]
    assert len(heights) == 4 and all(-1.2 < height < 0.7 for height in heights)  # within an arm's reach of the head
