"""The command line as a whole: errors in one line, tracebacks on request, and the doctor."""

import json
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from skeletonllm import cli
from skeletonllm.cli.errors import EXTRAS, describe_error
from skeletonllm.skeleton.formats import SkeletonFormatError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (KeyError("no topology 'x'; known: y"), "no topology 'x'; known: y"),
        (FileNotFoundError(2, "No such file or directory", "a.npz"), "a.npz: No such file or directory"),
        (SkeletonFormatError("a.txt", "line 3", "2 words", "3 numbers"), "a.txt: line 3: found 2 words, expected"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_are_told_in_one_line(error, line):
    assert describe_error(error).startswith(line) and "\n" not in describe_error(error)


def test_debug_shows_where_an_error_arose(run, monkeypatch):
    assert run("render", "absent.npz", "-o", "a.gif")[0] == 2
    with pytest.raises(FileNotFoundError):
        cli.main(["--debug", "render", "absent.npz", "-o", "a.gif"])
    monkeypatch.setenv("SKELETONLLM_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["render", "absent.npz", "-o", "a.gif"])
    monkeypatch.delenv("SKELETONLLM_DEBUG")
    assert run("render", "absent.npz", "-o", "a.gif")[0] == 2


def test_a_defect_of_ours_is_not_taken_for_a_wrong_argument(monkeypatch):
    def fail(arguments):
        raise AssertionError("a defect")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(AssertionError, match="a defect"):
        cli.main([])


def test_a_library_that_an_extra_brings_is_named_with_the_extra(run, recording, tmp_path, monkeypatch):
    (tmp_path / "data" / "walk").mkdir(parents=True)
    recording("data/walk/0.npz")
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    code, _, error = run("pack", tmp_path / "data", "-o", tmp_path / "shards", "--workers", 0)
    assert code == 2
    assert error.endswith("skeletonllm: this needs pyarrow, which is not installed: pip install 'skeletonllm[train]'\n")
    monkeypatch.setenv("SKELETONLLM_DEBUG", "1")
    with pytest.raises(ModuleNotFoundError):
        cli.main(["pack", str(tmp_path / "data"), "-o", str(tmp_path / "shards"), "--workers", "0"])


def test_a_library_that_no_extra_brings_is_a_defect_of_ours(monkeypatch):
    def fail(arguments):
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ModuleNotFoundError):
        cli.main([])


def test_extras_bring_what_they_are_named_for():
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    indirect = {"pyarrow": "datasets", "gymnasium": "stable-baselines3"}
    for library, extra in EXTRAS.items():
        package = indirect.get(library, library).replace("_", "-")
        assert any(one.startswith(package) for one in project["optional-dependencies"][extra]), library


def test_every_command_explains_itself(run):
    for command in cli.COMMANDS:
        code, printed, _ = run(command, "--help")
        assert code == 0 and "Usage" in printed
    assert run("no-such-command")[0] == 2


def test_the_doctor_renders_and_names_its_path(run):
    code, printed, _ = run("doctor", "--json")
    found = json.loads(printed)
    assert code == 0 and found["render"]["works"] and found["render"]["seconds"] > 0
    assert found["render"]["path"] in ("cpu", "triton") and found["devices"][0]["type"] == "cpu"
    assert found["packages"]["torch"][0].isdigit() and "deepspeed" in found["packages"]


def test_the_doctor_speaks_to_people(run):
    code, printed, _ = run("doctor")
    assert code == 0 and "renders with" in printed and "transformers" in printed


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device, for which kernels would be compiled")
def test_the_doctor_says_that_there_is_no_gpu_to_warm_up(run):
    code, _, error = run("doctor", "--warmup")
    assert code == 2 and "CUDA device" in error and error.count("\n") == 1
