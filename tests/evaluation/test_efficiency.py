"""Costs of an answer: every count is one that can be made by hand, and no part is missing or counted twice."""

import json

import pytest
import torch
from typer.testing import CliRunner

from skeletonllm.cli import app
from skeletonllm.evaluation.efficiency import (
    PARTS,
    compare_rendering,
    count_parameters,
    efficiency_rows,
    measure,
    usual_question,
    whole_pictures,
)
from skeletonllm.evaluation.marks import LiveTensors, differences, marked
from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import Trained, save_trained
from skeletonllm.skeleton.formats import read_skeleton, write_npz
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt

LABELS = ["bow", "clap"]
FRAMES, SIZE, WIDTH, WORDS = 3, 32, 32, 5
SIZES = dict(num_frames=FRAMES, image_size=SIZE, patch_size=8, vision_hidden_size=WIDTH, vision_layers=1,
             hidden_size=WIDTH, layers=1, heads=2, renderer=dict(samples_per_bone=1))  # fmt: skip


def build(**settings) -> Trained:
    torch.manual_seed(0)
    return Trained(*build_tiny([build_prompt(LABELS)], **(SIZES | settings)), LABELS, {})


@pytest.fixture(scope="module")
def trained():
    return build()


@pytest.fixture(scope="module")
def question(trained, tmp_path_factory):
    file = tmp_path_factory.mktemp("recordings") / "bow.npz"
    write_npz(synthesize("bow", topology="kinect_v2", performer=1), file)
    return usual_question(trained, file, WORDS)


@pytest.fixture(scope="module")
def found(trained, question):
    return measure(trained, question, 3, "cpu")


def inputs_of(trained, question):
    return trained.processor([trained.processor.sample(read_skeleton(question.file))], [question.prompt])


def test_parameters_are_those_of_the_model_each_counted_once(trained):
    counts = count_parameters(trained.model)
    assert counts["all"] == sum(each.numel() for each in trained.model.parameters())
    assert counts["renderer"] == sum(each.numel() for each in trained.model.renderer.parameters())
    named = dict(trained.model.backbone.named_parameters())
    tower = sum(each.numel() for name, each in named.items() if "language_model" not in name and "lm_head" not in name)
    assert counts["vision"] == tower > 0


def test_an_answer_is_cut_into_render_vision_prefill_and_a_pass_for_each_further_token(trained, question):
    marks = marked(trained.model, inputs_of(trained, question), WORDS, lambda: 0)
    assert [name for name, _ in marks] == ["render", "vision", "prefill", *["decode"] * (WORDS - 1), "end"]
    assert not {"render", "render_patches"} & set(vars(trained.model.renderer)), "the renderer is as it was"


def test_tokens_are_those_that_the_language_model_reads(trained, question, found):
    ids = inputs_of(trained, question)["input_ids"]
    assert found["tokens"]["visual"] == FRAMES * trained.model.config.tokens_per_frame
    assert found["tokens"]["visual"] + found["tokens"]["text"] == ids.shape[1] and found["tokens"]["answer"] == WORDS


def test_operations_of_the_language_model_are_those_of_its_matrices(trained, found):
    """A layer's matrices once for every token, two operations a multiply-add; attention 4 n m d; the head once."""
    decoder, head = trained.model.backbone.get_decoder(), trained.model.backbone.get_output_embeddings()
    matrices = 2 * sum(each.weight.numel() for each in decoder.modules() if isinstance(each, torch.nn.Linear))
    read = found["tokens"]["visual"] + found["tokens"]["text"]
    attention = 4 * WIDTH * len(decoder.layers)
    expected = read * matrices + attention * read**2 + 2 * head.weight.numel()
    # Rotary angles are a product of matrices too, of no more than one head's width and the tokens.
    assert found["parts"]["prefill"]["flops"] == pytest.approx(expected, rel=0.01)
    seen = sum(read + number for number in range(1, WORDS)) / (WORDS - 1)
    one = matrices + attention * seen + 2 * head.weight.numel()
    assert found["parts"]["decode"]["flops"] == pytest.approx(one, rel=0.01)


def test_every_part_has_its_time_and_memory_and_the_whole_is_their_sum(found):
    parts = found["parts"]
    assert list(parts) == [*PARTS, "whole"] and found["repeats"] == 3 and found["dtype"] == "float32"
    assert all(0 < parts[part]["seconds_p50"] <= parts[part]["seconds_p95"] for part in parts)
    assert all(parts[part]["peak_bytes"] > 0 for part in PARTS)
    assert parts["render"]["peak_bytes"] >= FRAMES * 3 * SIZE**2 * 4  # the pictures themselves, float32
    assert parts["parse"]["flops"] is None and len(efficiency_rows(found)) == 1 + len(PARTS) + 1


def test_what_lies_between_marks_belongs_to_the_part_that_began():
    assert differences([("a", 1), ("b", 4), ("b", 5), ("end", 7)]) == [("a", 3), ("b", 1), ("b", 2)]


def test_bytes_are_counted_while_tensors_live_and_views_are_none():
    old = torch.zeros(1000)
    with LiveTensors() as live:
        first = torch.ones(1000)  # 4,000 bytes
        second = first + old
        first.view(10, 100).add_(1)
        old.mul_(2)
        assert (live.live, live.peak) == (8000, 8000)
        del first
        assert (live.live, live.peak) == (4000, 8000)
        third = second * 2
        assert (live.live, live.peak) == (8000, 8000)
        del second, third
    assert live.live == 0


def test_the_dense_reference_draws_the_same_pictures(trained, question):
    compared = compare_rendering(trained, question, 2, "cpu")
    # What the default cut-off leaves out of whole bodies is within 1/255, see skeleton_kernels.constants.
    assert compared["largest_difference"] < 1 / 255
    assert compared["ours"]["seconds_p50"] > 0 < compared["reference"]["seconds_p50"]


def test_foreground_patches_read_fewer_tokens_than_whole_pictures_and_cost_fewer_operations(question):
    trained = build(foreground={}, image_size=64)  # cells of 16 pixels, 16 of them
    fewer = measure(trained, question, 1, "cpu")
    with whole_pictures(trained):
        whole = measure(trained, question, 1, "cpu")
    assert trained.model.config.foreground == {}
    assert 0 < fewer["tokens"]["visual"] < whole["tokens"]["visual"] == FRAMES * trained.model.config.tokens_per_frame
    assert fewer["tokens"]["text"] == whole["tokens"]["text"]
    assert fewer["parts"]["vision"]["flops"] < whole["parts"]["vision"]["flops"]


def test_the_command_writes_what_it_measured(trained, tmp_path):
    save_trained(tmp_path / "model", trained)
    result = CliRunner().invoke(app, ["efficiency", str(tmp_path / "model"), "--repeats", "1", "--tokens", "3"])
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "model" / "efficiency.json").read_text())
    assert set(written["devices"]) == {"cpu"} | ({"cuda"} if torch.cuda.is_available() else set())
    assert set(written["devices"]["cpu"]["parts"]) == {*PARTS, "whole"} and written["versions"]["torch"]
    assert "dense reference" in result.output


def test_an_answer_too_short_to_have_a_further_pass_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match="at least 2"):
        usual_question(trained, tmp_path, 1)
