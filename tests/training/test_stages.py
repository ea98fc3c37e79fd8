"""The declared stages, and where their steps lie in a run."""

import pytest

from skeletonllm.training.arguments import load_recipe
from skeletonllm.training.stages import STAGES, Stage, choose, schedule


def test_the_four_stages_are_those_of_the_method():
    assert [(name, set(stage.train), set(stage.tasks)) for name, stage in STAGES.items()] == [
        ("warmup", {"renderer"}, {"recognition"}),
        ("discriminate", {"renderer", "projector"}, {"discrimination"}),
        ("distill", {"renderer", "projector", "lora"}, {"rationale"}),
        ("refine", {"projector", "lora"}, {"recognition"}),
    ]
    assert [stage.epochs for stage in STAGES.values()] == [1, 1, 1, 3]
    assert all(stage.renderer_learning_rate > 10 * stage.learning_rate for stage in STAGES.values())
    # Its frames are drawn once and cached.
    assert STAGES["refine"].variants > 0


def test_spans_lie_one_behind_the_other_and_stages_without_epochs_are_left_out():
    stages = {name: Stage(train=["renderer"], epochs=epochs) for name, epochs in (("a", 2), ("b", 0), ("c", 0.5))}
    spans = schedule(stages, steps_per_epoch=10)
    assert [(span.name, span.first, span.last) for span in spans] == [("a", 0, 20), ("c", 20, 25)]


def test_a_stage_has_a_step_at_least():
    (span,) = schedule({"a": Stage(train=["renderer"], epochs=0.01)}, steps_per_epoch=10)
    assert (span.first, span.last) == (0, 1)


def test_one_stage_or_all_are_chosen_and_an_unknown_one_is_told_which_there_are():
    spans = schedule(STAGES, steps_per_epoch=10)
    assert choose(spans, "all") == spans
    assert [span.name for span in choose(spans, "distill")] == ["distill"]
    with pytest.raises(ValueError, match="no stage 'tune'.*warmup, discriminate, distill, refine, or all"):
        choose(spans, "tune")


def test_a_stage_without_epochs_cannot_be_chosen():
    spans = schedule(load_recipe("synthetic", ["stages={warmup: {}, refine: {epochs: 0}}"]).stages, steps_per_epoch=10)
    with pytest.raises(ValueError, match="no stage 'refine' in the recipe; it has warmup, or all"):
        choose(spans, "refine")


def test_every_stage_has_a_schedule_of_its_own_that_rises_then_falls_to_zero():
    for span in schedule(STAGES, steps_per_epoch=40):
        factors = [span.learning_rate_factor(step, 0.1) for step in range(span.first, span.last)]
        warmup = len(factors) // 10
        assert factors[0] == pytest.approx(1 / (warmup + 1))
        assert factors[: warmup + 1] == sorted(factors[: warmup + 1]) and factors[warmup] == 1
        assert factors[warmup:] == sorted(factors[warmup:], reverse=True) and 0 < factors[-1] < 0.01
        assert span.learning_rate_factor(span.last, 0.1) == pytest.approx(0, abs=1e-12)
        # Half a cosine: half way down in the middle.
        assert span.learning_rate_factor(span.first + warmup + (len(factors) - warmup) // 2, 0.1) == pytest.approx(0.5)


def test_without_a_warmup_the_first_step_has_the_whole_rate():
    (span,) = schedule({"a": Stage(train=["renderer"])}, steps_per_epoch=4)
    assert span.learning_rate_factor(0, 0.0) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(train=[]), r"train is \[\], expected some of renderer, projector, lora, vision, language"),
        (dict(train=["head"]), r"train is \['head'\], expected some of"),
        (dict(tasks={}), "tasks are none, expected recognition, discrimination, rationale"),
        (dict(tasks={"recall": 1.0}), "tasks are recall, expected"),
        (dict(tasks={"recognition": 0}), "tasks: recognition: found 0, expected a number above 0"),
        (dict(tasks={"recognition": True}), "tasks: recognition: found True"),
        (dict(tasks={"recognition": "often"}), "tasks: recognition: found 'often'"),
        (dict(epochs=-1.0), "epochs is -1.0, expected 0 or more"),
        (dict(learning_rate=float("nan")), "learning_rate is nan, expected 0 or more"),
        (dict(renderer_learning_rate=-1.0), "renderer_learning_rate is -1.0, expected 0 or more"),
        (dict(variants=-1), "variants is -1, expected 0 or more"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Stage(**{"train": ["renderer"], **values})
