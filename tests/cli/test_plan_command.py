"""skeletonllm plan: what it prints, and what it refuses."""

import json

import pytest


@pytest.fixture
def planned(run):
    """The plan as JSON."""

    def plan(*arguments) -> dict:
        code, printed, error = run("plan", "--json", *arguments)
        assert code == 0 and not error
        return json.loads(printed)

    return plan


def test_tables_say_what_is_exact_what_is_estimated_and_on_what_it_rests(run):
    code, printed, error = run(
        "plan", "--backbone", "OpenGVLab/InternVL3-8B-hf", "--gpus", 64, "--zero", 2, "--frames", 12
    )
    assert code == 0 and not error
    printed = " ".join(printed.split())
    for part in ("Parameters (exact)", "7,612,820,992", "fits in 141 GB", "bottleneck", "NVIDIA H200 data sheet"):
        assert part in printed, part
    for estimate in ("Memory per GPU", "Arithmetic per sample", "Sent per GPU and step", "Speed"):
        assert "(estimate)" in printed.split(estimate)[1][:40], estimate
    assert "12 frames of 448 x 448" in printed and "products reach 40% of the peak" in printed


def test_json_holds_the_same_plan(planned):
    plan = planned("--gpus", 16, "--batch-size", 64, "--micro-batch-size", 2, "--stage", "warmup")
    assert plan["setting"]["batch_size"] == 64 and plan["setting"]["trainable"] == ["renderer"]
    assert plan["shape"]["parameters"]["lora"] == 0 and plan["visual_tokens"] == 3072
    assert plan["fits"] and plan["memory_total"] > 2 * plan["shape"]["parameters"]["language"]


def test_options_reach_the_plan(planned):
    small = planned("--backbone", "InternVL3-1B-hf")
    assert small["setting"]["sample"]["image_size"] == 448
    assert planned("--backbone", "InternVL3-1B-hf", "--image-size", 224)["visual_tokens"] == 768
    assert planned("--backbone", "InternVL3-1B-hf", "--text-tokens", 10, "--answer-tokens", 5)["tokens"] == 3087
    keeping = planned("--backbone", "InternVL3-1B-hf", "--no-activation-checkpointing")
    assert keeping["memory_total"] > small["memory_total"]
    assert keeping["model_utilisation"] > small["model_utilisation"]
    older = planned("--backbone", "InternVL3-1B-hf", "--hardware", "a100", "--persons", 2, "--utilisation", 0.3)
    assert older["samples_per_second"]["nothing overlaps"] < small["samples_per_second"]["nothing overlaps"] / 3
    assert older["flops"]["renderer"]["forward"] == 2 * small["flops"]["renderer"]["forward"]
    doubled = planned("--backbone", "InternVL3-1B-hf", "--lora-rank", 64)["shape"]["parameters"]["lora"]
    assert doubled == 2 * small["shape"]["parameters"]["lora"]


def test_frames_of_the_last_stage_come_from_the_cache(planned):
    plan = planned("--stage", "refine")
    assert plan["flops"]["renderer"]["forward"] == 0 and plan["flops"]["vision"]["backward"] == 0
    assert any("cache" in line for line in plan["assumptions"])


def test_a_backbone_too_large_for_a_gpu_is_said_not_to_fit(run):
    code, printed, _ = run("plan", "--backbone", "InternVL3-78B-hf", "--hardware", "h100", "--gpus", 8)
    assert code == 0 and "does not fit in 80 GB" in printed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--backbone", "nobody/nothing"), "InternVL3-78B-hf"),
        (("--stage", "finetune"), "unknown stage"),
        (("--hardware", "abacus"), "h200, h100, a100"),
        (("--gpus", "12"), "multiple of"),
        (("--image-size", "450"), "450"),
    ],
    ids=["backbone", "stage", "hardware", "gpus", "image-size"],
)
def test_a_wrong_argument_is_one_line_on_stderr(run, arguments, told):
    code, printed, error = run("plan", *arguments)
    assert code == 2 and not printed and told in error and error.count("\n") == 1
