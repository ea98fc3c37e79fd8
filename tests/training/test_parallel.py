"""Two processes under any ZeRO stage do what one process of plain torch does, and stop, skip and fail together."""

import json
import logging
import os
import signal

import pytest
import torch
from launching import deepspeed_launch, torchrun_launch
from minute_runs import before_step, checkpoints_of, learnt_at, lines_of, losses_of

from skeletonllm.training.arguments import recipe_from_dict
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, load_checkpoint
from skeletonllm.training.faults import REQUEUE
from skeletonllm.training.loop import SKIPPED_FILE
from skeletonllm.training.run import train

# Every part learns somewhere, ten steps with all tasks mixed are under two percent of weights beside a backbone that
# rests, and the last stage takes its frames from the cache. Twelve recordings are one step per epoch.
STAGES = dict(
    distill=dict(
        tasks=dict(recognition=1.0, discrimination=1.0, rationale=1.0), epochs=10, learning_rate=1e-3,
    ),
    refine=dict(epochs=2, learning_rate=1e-3),
    whole=dict(train=["projector", "vision", "language"], epochs=2, learning_rate=1e-3),
)  # fmt: skip
ENDS = [10, 12, 14]
# What float32 leaves of sums in another order, after so many steps.
LOSS, DRIFT = 1e-5, 1e-5
ACCUMULATED = dict(micro_batch_size=1)
CHECKPOINTED = dict(activation_checkpointing=True)
PACKED = dict(row_length=160)
LOW = dict(precision="bfloat16", micro_batch_size=4)
LAUNCHES = {
    "plain": torchrun_launch,
    **{zero: lambda *arguments, zero=zero, **how: deepspeed_launch(zero, *arguments, **how)
       for zero in ("zero1", "zero2", "zero3", "zero3_offload")},
}  # fmt: skip


@pytest.fixture(scope="module")
def plan(minute):
    """The recipe as plain values, with other values for ``optimization`` and the rest."""

    def make(stages=STAGES, every=1000, **optimization):
        optimization = {"batch_size": 8, **optimization}
        lora = dict(rank=4, alpha=8, dropout=0.0)  # dropout differs from rank to rank
        return minute(model=dict(lora=lora), optimization=optimization, stages=stages, log_every=1, save_every=every)

    return make


@pytest.fixture
def launch(plan, tmp_path):
    """Train with two processes by an engine into a folder of ``tmp_path``; gives the folder."""

    def start(engine, *, folder="pair", resume=False, expected=0, disturbance="", **changes):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(json.dumps(plan(**changes)))
        arguments = ["--recipe", str(recipe), "-o", str(tmp_path / folder), *(["--resume"] if resume else [])]
        launched = LAUNCHES[engine](*arguments, expected=expected, disturbance=disturbance)
        print(launched.output)  # pytest shows it with a failure
        return tmp_path / folder

    return start


@pytest.fixture
def launch_until(launch):
    """As ``launch``, with SIGTERM to one rank, so that all stop after ``step`` steps."""

    def start(engine, step, *, rank=1, also="", **changes):
        # DeepSpeed's launcher ends with its processes' code, torchrun with one of its own.
        expected = None if engine == "plain" else REQUEUE
        # A signal that comes within a step is obeyed by the next.
        disturbance = f"terminate:{rank}:{step - 2}{also}"
        return launch(engine, expected=expected, disturbance=disturbance, **changes)

    return start


@pytest.fixture(scope="module")
def alone(plan, tmp_path_factory):
    """The run of one process by plain torch, with the whole batch at once."""
    folder = tmp_path_factory.mktemp("alone")
    train(recipe_from_dict(plan()), folder)
    return folder


@pytest.fixture
def go_on_alone(plan):
    """Resume a run in this process by plain torch."""
    return lambda folder, **changes: train(recipe_from_dict(plan(**changes)), folder, resume=True)


def assert_same_run(folder, alone, *, ends=ENDS, loss=LOSS, drift=DRIFT, gradient=1e-4):
    lines, wanted = lines_of(folder), lines_of(alone)
    assert [line["step"] for line in lines] == [line["step"] for line in wanted]
    assert (losses_of(folder) - losses_of(alone)).abs().max() < loss
    for line, other in zip(lines, wanted, strict=True):
        assert line["skipped"] == 0
        # Adam takes gradients of any scale for the same, so their norms are looked at too.
        for key in (key for key in other if key.startswith("gradient_norm")):
            assert line[key] == pytest.approx(other[key], rel=gradient), (line["step"], key)
    for end in ends:
        learnt, other = learnt_at(folder, end), learnt_at(alone, end)
        assert learnt.keys() == other.keys()
        for name, value in learnt.items():
            assert (value - other[name]).abs().mean() < drift, (end, name)


def assert_same_tensors(first, second):
    """Parameters and moments of two checkpoints are equal to the bit."""
    first, second = load_checkpoint(first).tensors, load_checkpoint(second).tensors
    for file in ("model", "optimizer"):
        assert first[file].keys() == second[file].keys()
        for name, value in first[file].items():
            assert torch.equal(value, second[file][name]), name


def checkpoint(folder, step):
    return folder / CHECKPOINT_FOLDER / f"step-{step:06d}"


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("engine", "changes"),
    [
        ("plain", {}),
        ("zero1", {}),
        ("zero2", {**CHECKPOINTED, **PACKED, "micro_batch_size": 2}),
        ("zero3", CHECKPOINTED),
        slow("plain", ACCUMULATED),
        slow("zero1", ACCUMULATED),
        slow("zero2", {}),
        slow("zero2", ACCUMULATED),
        slow("zero2", CHECKPOINTED),
        slow("zero2", PACKED),
        slow("zero3", {}),
        slow("zero3", ACCUMULATED),
        slow("zero3", PACKED),
    ],
)
def test_two_processes_do_what_one_does(launch, alone, engine, changes):
    assert_same_run(launch(engine, **changes), alone)


@pytest.mark.parametrize("changes", [ACCUMULATED, CHECKPOINTED, PACKED], ids=["accumulated", "checkpointed", "packed"])
def test_how_a_batch_is_computed_changes_no_step(plan, alone, tmp_path, changes):
    train(recipe_from_dict(plan(**changes)), tmp_path)
    assert_same_run(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["plain", "zero1", "zero2", "zero3"])
def test_two_processes_do_what_one_does_under_autocast(launch, plan, tmp_path, engine):
    # Same microbatches, because bfloat16 rounds a batch of another shape otherwise; long answers, over whose tokens the
    # roundings even out; and a low rate, since Adam's first steps go by the sign of what may be rounding. ZeRO-3 adds
    # biases after rounding, so it alone comes near the bound.
    stages = dict(distill=dict(epochs=10, learning_rate=2e-4))
    train(recipe_from_dict(plan(stages, **LOW)), tmp_path / "one")
    pair = launch(engine, stages=stages, **LOW)
    assert_same_run(pair, tmp_path / "one", ends=[10], loss=1e-3, drift=1e-3, gradient=0.05)
    if engine != "zero3":  # nothing but the order of two float32 numbers' sum differs
        assert (losses_of(pair) - losses_of(tmp_path / "one")).abs().max() < LOSS


@pytest.mark.slow
def test_offloading_to_the_cpu_changes_no_step(launch, alone):
    cpu_adam = pytest.importorskip("deepspeed.ops.op_builder").CPUAdamBuilder()
    if not cpu_adam.is_compatible():
        pytest.skip("needs a C++ compiler for DeepSpeed's Adam on the CPU")
    # DeepSpeed's Adam multiplies by the weight decay and corrects its moments in another order.
    assert_same_run(launch("zero3_offload"), alone)


def test_a_signal_to_one_rank_stops_all_and_one_process_goes_on(launch_until, alone, go_on_alone):
    folder = launch_until("zero2", 6)
    assert checkpoints_of(folder) == [6] and len(lines_of(folder)) == 6
    go_on_alone(folder)
    assert_same_run(folder, alone)


def test_a_signal_within_the_last_step_of_a_stage_is_obeyed(plan, tmp_path):
    patch = before_step(lambda trainer: os.kill(os.getpid(), signal.SIGTERM) if trainer.step == 1 else None)
    stages = {name: {**STAGES[name], "epochs": 2} for name in ("distill", "refine")}
    try:
        with pytest.raises(SystemExit) as stopped:
            train(recipe_from_dict(plan(stages)), tmp_path)
    finally:
        patch.undo()
    assert stopped.value.code == REQUEUE and checkpoints_of(tmp_path) == [2]


@pytest.mark.slow
def test_a_run_goes_from_engine_to_engine_and_back(launch_until, alone, go_on_alone):
    for engine, step in (("zero2", 2), ("zero3", 4), ("plain", 6), ("zero1", 8)):
        folder = launch_until(engine, step, resume=step > 2)
        assert checkpoints_of(folder)[-1] == step
    # Over the end of a stage, and to that of the next, whose last step is under way when the signal comes.
    launch_until("zero3", 13, rank=0, resume=True)
    assert checkpoints_of(folder)[-1] == 12
    go_on_alone(folder)
    assert_same_run(folder, alone)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["plain", "zero1", "zero2", "zero3"])
def test_by_the_same_engine_a_stopped_run_ends_with_the_same_bits(launch, launch_until, engine):
    stages = {name: STAGES[name] for name in ("distill", "refine")}
    whole = launch(engine, folder="whole", stages=stages)
    stopped = launch_until(engine, 6, folder="stopped", stages=stages)
    launch(engine, folder="stopped", stages=stages, resume=True)
    assert torch.equal(losses_of(stopped), losses_of(whole))
    for end in (10, 12):
        assert_same_tensors(checkpoint(stopped, end), checkpoint(whole, end))


@pytest.mark.parametrize(
    ("engine", "what"),
    [
        ("zero2", "spoil"),
        slow("zero2", "burst"),
        slow("zero1", "burst"),
        slow("zero3", "spoil"),
        slow("zero3", "burst"),
        slow("plain", "spoil"),
        slow("plain", "burst"),
    ],
)
def test_what_is_not_finite_on_one_rank_is_left_out_by_all(launch_until, go_on_alone, engine, what):
    changes = dict(every=1, micro_batch_size=2)
    # In the first of two microbatches of the fifth step, the last before the stop.
    folder = launch_until(engine, 5, rank=0, also=f",{what}:1:4", **changes)
    assert checkpoints_of(folder) == [4, 5]
    assert_same_tensors(checkpoint(folder, 4), checkpoint(folder, 5))
    assert len(load_checkpoint(checkpoint(folder, 5)).tensors["optimizer"]) > 50
    go_on_alone(folder, **changes)
    assert [line["skipped"] for line in lines_of(folder)] == [0] * 4 + [1] + [0] * 9
    (skipped,) = [json.loads(line) for line in (folder / SKIPPED_FILE).read_text().splitlines()]
    assert skipped["step"] == 4 and len(skipped["ids"]) == 8


@pytest.mark.parametrize("engine", ["zero2", slow("zero3"), slow("plain")])
def test_the_death_of_one_rank_ends_all_and_costs_no_more_than_the_steps_since_the_checkpoint(
    launch, alone, go_on_alone, engine, caplog
):
    folder = launch(engine, disturbance="kill:1:7", expected=None, every=3)
    assert checkpoints_of(folder) == [3, 6]
    with caplog.at_level(logging.WARNING):
        go_on_alone(folder, every=3)
    assert "resumed at step 6 of 14" in caplog.text
    assert_same_run(folder, alone)
