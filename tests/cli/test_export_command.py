"""Exports by the command, and other commands with what it wrote."""

import pytest
from PIL import Image

from skeletonllm import cli
from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.synthesis import synthesize

LABELS = ["raise both arms", "squat", "walk"]
RECIPE = f"""
data: {{options: {{labels: {LABELS}, performers: 4, test_performers: 1, topologies: [coco_17]}}}}
model:
  num_frames: 3
  renderer: {{samples_per_bone: 2}}
  tiny:
    {{image_size: 32, patch_size: 8, vision_hidden_size: 32, vision_layers: 1, hidden_size: 32, layers: 1, heads: 2}}
optimization: {{batch_size: 6, threads: 1}}
stages: {{warmup: {{}}, distill: {{learning_rate: 1e-2, epochs: 2}}}}
pictures_every: 0
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, made by the command."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "minute.yaml").write_text(RECIPE)
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--recipe", str(folder / "minute.yaml"), "--output", str(folder / "run")])
    assert not ended.value.code
    return folder / "run"


@pytest.fixture
def squat(tmp_path):
    write_npz(synthesize("squat", topology="coco_17", performer=7), tmp_path / "squat.npz")
    return tmp_path / "squat.npz"


def test_merged_model_adapters_and_run_answer_alike(run, trained, squat):
    code, expected, _ = run("ask", trained, squat)
    assert code == 0 and "%" in expected
    for kind in ("merged", "adapter"):
        code, printed, _ = run("export", trained, "--to", kind)
        assert code == 0 and str(trained / "export" / kind) in printed.replace("\n", "") and " MB" in printed
        assert run("ask", trained / "export" / kind, squat)[:2] == (0, expected)


def test_an_exported_renderer_draws_as_the_model_does(run, trained, squat, tmp_path):
    assert run("export", trained / "checkpoints" / "step-000006", "--to", "renderer", "-o", tmp_path / "new")[0] == 0
    pictures = []
    for name, weights in {
        "model": trained / "model", "folder": tmp_path / "new", "file": tmp_path / "new" / "renderer.safetensors",
    }.items():  # fmt: skip
        out = tmp_path / f"{name}.png"
        assert run("render", squat, "-o", out, "--frames", 2, "--size", 32, "--weights", weights)[0] == 0
        pictures.append(Image.open(out).convert("RGB").tobytes())
    assert pictures[0] == pictures[1] == pictures[2] and max(pictures[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["NEW", "--to", "merged"], "new holds no whole checkpoint, in checkpoints/step-N"),
        (["RUN", "--to", "renderer", "--published"], "began with released weights (model.renderer_weights)"),
        (["RUN", "--to", "adapter", "--published"], "the published format is one of renderers"),
        (["RUN", "--to", "merged", "-o", "RUN"], "something else than an earlier export to merged"),
        (["EARLY", "--to", "adapter"], "distill is the first stage that trains them"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(run, trained, tmp_path, arguments, message):
    places = {"RUN": trained, "EARLY": trained / "checkpoints" / "step-000002", "NEW": tmp_path / "new"}
    code, printed, said = run("export", *(places.get(argument, argument) for argument in arguments))
    assert code == 2 and not printed and "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("skeletonllm: ")]
    assert message in line


def test_an_unknown_kind_is_refused_with_the_known_ones(run, trained):
    code, _, said = run("export", trained, "--to", "pickle")
    assert code == 2 and "merged" in said and "adapter" in said and "renderer" in said
