"""The rehearsal: it finds what is out of order, its pieces are DeepSpeed's, and its sizes those of real files."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from minute_runs import Crash, crash_before
from pieces_of_deepspeed import groups_of, numbered

from skeletonllm.data.examples import Examples
from skeletonllm.training.build import build_model
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.lora import attach_lora
from skeletonllm.training.parts import set_trainable
from skeletonllm.training.planning import order
from skeletonllm.training.planning.failures import best_interval, overhead
from skeletonllm.training.planning.memory import share
from skeletonllm.training.planning.order import check_order, pretended
from skeletonllm.training.planning.shards import Slice, balance_of, shard_map
from skeletonllm.training.planning.storage import Disk, assumed_disk, measured_disk
from skeletonllm.training.rehearsal import Circumstances, checkpoint_of, rehearse
from skeletonllm.training.run import Run, train
from skeletonllm.training.shares import arrange, microbatches_of
from skeletonllm.training.stages import StageSpan

LABELS = ["raise both arms", "squat", "walk"]
BACKBONE = "OpenGVLab/InternVL3-1B-hf"
PIECES = Path(__file__).with_name("pieces_of_deepspeed.py")
# 48 recordings, so an epoch has three steps of sixteen.
SIXTEEN = dict(
    data=dict(options=dict(labels=LABELS, performers=16, test_performers=0, topologies=["coco_17"])),
    optimization=dict(batch_size=16, micro_batch_size=1),
)
GROUPS = [[("a", 10), ("b", 3)], [("c", 1)]]


@pytest.fixture
def listed(recipe):
    """A recipe of three tasks, and a function that makes its examples anew, without clips."""
    tasks = dict(recognition=1.0, discrimination=1.0, rationale=1.0)
    asked = recipe(**SIXTEEN, scratch=dict(tasks=tasks))
    run = Run(asked, Path("unused"), Ranks(), None, "all", None)
    return asked, lambda: run._examples(run.spans[0], None)


@pytest.fixture(scope="module")
def pieces():
    """What ranks hold according to DeepSpeed, by ZeRO stage, rank and number of ranks."""
    pytest.importorskip("deepspeed")
    ran = subprocess.run([sys.executable, PIECES], capture_output=True, text=True, check=True, timeout=300)
    return {tuple(case): set(numbers) for case, numbers in json.loads(ran.stdout)}


def test_a_process_can_pretend_to_be_any_rank():
    for rank, world_size in ((0, 64), (511, 512)):
        with pretended(rank, world_size) as ranks:
            assert (ranks.rank, ranks.world_size) == (rank, world_size)
            assert torch.distributed.get_rank() == rank
            ranks.barrier()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("settings", [dict(micro_batch_size=1), dict(), dict(group_by_length=False)], ids=str)
def test_a_rank_is_rehearsed_with_the_samples_that_its_trainer_takes(recipe, tmp_path, settings):
    asked = recipe(optimization=settings, scratch=dict(tasks=dict(recognition=1.0, rationale=1.0)))
    for rank in range(2):
        run = Run(asked, tmp_path, Ranks(rank, 2), None, "all", None)
        trainer = run._trainer(run.spans[0], None)
        questions = arrange(trainer.examples.questions(4), asked.optimization.group_by_length)
        size = settings.get("micro_batch_size", 2)
        expected = [[question.id for question in some] for some in microbatches_of(questions, rank, 2, size)]
        assert [microbatch.ids for microbatch in trainer.share_of(4)] == expected
        assert sum(map(len, expected)) == 2


def test_every_sample_is_computed_once_on_any_number_of_ranks_and_across_resumes(listed):
    asked, make_examples = listed
    found = check_order(make_examples, asked.optimization, [16, 1, 8], steps=7)
    assert (found.steps, found.steps_per_epoch, found.left_out) == (7, 3, 0)
    assert found.legs == ((0, 2, 16), (2, 4, 1), (4, 7, 16))


def test_an_epoch_is_gone_through_even_if_few_steps_are_asked_for(recipe):
    run = Run(recipe(), Path("unused"), Ranks(), None, "all", None)  # twelve recordings, batches of four
    settings = replace(run.recipe.optimization, batch_size=1)
    found = check_order(lambda: Examples(run.recordings, None, 1, run.recipe.augmentation), settings, [1], steps=3)
    assert found.steps == found.steps_per_epoch == 12


def test_recordings_that_fill_no_batch_are_counted(recipe):
    run = Run(recipe(optimization=dict(batch_size=5)), Path("unused"), Ranks(), None, "all", None)
    found = check_order(lambda: run._examples(run.spans[0], None), run.recipe.optimization, [5, 1], steps=3)
    assert (found.steps_per_epoch, found.left_out) == (2, 2)


def test_two_ranks_with_the_same_sample_are_found(listed, monkeypatch):
    def wrong(arranged, rank, world_size, size):
        return microbatches_of(arranged, 2 if rank == 3 else rank, world_size, size)

    monkeypatch.setattr(order, "microbatches_of", wrong)
    with pytest.raises(RuntimeError, match="step 0, rank 3 of 8: computes another sample than its own"):
        check_order(listed[1], listed[0].optimization, [8], steps=3)


def test_a_rank_that_leaves_samples_out_is_found(listed, monkeypatch):
    def wrong(arranged, rank, world_size, size):
        return microbatches_of(arranged, rank, world_size, size)[: 1 if rank == 5 else None]

    monkeypatch.setattr(order, "microbatches_of", wrong)
    with pytest.raises(RuntimeError, match="step 0, rank 5 of 8: not 2 microbatches of 1"):
        check_order(listed[1], listed[0].optimization, [8], steps=3)


def test_a_resume_into_other_questions_is_found(listed):
    asked, make_examples = listed
    made = []

    def forgetful():
        made.append(make_examples())
        made[-1].seed = len(made) == 3  # the first goes through, the second begins, the third goes on
        return made[-1]

    with pytest.raises(RuntimeError, match="step 2: other questions after a resume on 4 ranks"):
        check_order(forgetful, asked.optimization, [8, 4], steps=6)


def test_a_recording_that_comes_twice_in_an_epoch_is_found(listed):
    asked, make_examples = listed

    def repeating():
        examples = make_examples()
        questions = examples.questions
        examples.questions = lambda step: questions(0 if step == 2 else step)
        return examples

    with pytest.raises(RuntimeError, match="step 2: a recording comes twice in an epoch"):
        check_order(repeating, asked.optimization, [8], steps=3)


@pytest.mark.parametrize(
    ("ranks", "changes", "message"),
    [
        (12, {}, "batch_size 16 cannot be shared evenly by 12 processes"),
        (64, {}, "batch_size 16 cannot be shared evenly by 64 processes"),
        (8, dict(micro_batch_size=3), "no multiple of micro_batch_size 3"),
        (64, dict(batch_size=64), "48 recordings are fewer than the batch size 64"),
        (12, dict(batch_size=48), "12 GPUs: expected up to 8, or a multiple of it"),
    ],
)
def test_ranks_that_do_not_fit_the_batch_or_their_nodes_are_refused(recipe, ranks, changes, message):
    asked = recipe(data=SIXTEEN["data"], optimization={**SIXTEEN["optimization"], **changes})
    with pytest.raises(ValueError, match=message):
        rehearse(asked, BACKBONE, "scratch", [ranks], steps=3)


def test_stages_and_circumstances_that_there_are_not_are_refused(recipe, listed):
    with pytest.raises(ValueError, match="no stage 'distill' in the recipe"):
        rehearse(recipe(**SIXTEEN), BACKBONE, "distill", [8])
    with pytest.raises(ValueError, match="ZeRO stage is 0"):
        Circumstances(zero=0)
    with pytest.raises(ValueError, match="gpu_hours_per_failure is 0"):
        Circumstances(gpu_hours_per_failure=0)
    with pytest.raises(ValueError, match="steps is 2, expected 3 or more"):
        check_order(listed[1], listed[0].optimization, [8], steps=2)
    with pytest.raises(ValueError, match="expected more than 0"):
        assumed_disk(read=0.0)


def test_pieces_are_those_that_deepspeed_makes(pieces):
    model = numbered()
    first = {name: int(parameter.flatten()[0]) for name, parameter in model.named_parameters()}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    learning = [[(names[id(p)], p.numel()) for p in group["params"]] for group in groups_of(model)]
    everything = [[(name, p.numel()) for name, p in model.named_parameters()]]
    assert len(learning) == 3 and len(pieces) > 4
    for (stage, rank, world_size), numbers in pieces.items():
        slices = shard_map(everything if stage == 3 else learning, world_size, stage)[rank]
        expected = {first[name] + place for name, start, stop in slices for place in range(start, stop)}
        assert numbers == expected, (stage, rank, world_size)


@pytest.mark.parametrize("zero", [1, 2, 3])
@pytest.mark.parametrize("world_size", [1, 2, 7, 64])
def test_pieces_are_complete_disjoint_and_even(zero, world_size):
    groups = [[("large", 1001), ("small", 5)], [("alone", 301)]]
    held = shard_map(groups, world_size, zero)
    balance = balance_of(groups, held, zero)
    assert len(held) == world_size
    assert balance.most <= sum(share(size, world_size) + 1 for group in groups for _, size in group)
    total = sum(size for group in groups for _, size in group)
    assert balance.least <= total / world_size <= balance.most
    # Rows are padded to a multiple of twice the ranks, or of the ranks in stage 3.
    rows, alignment = (3, 1) if zero == 3 else (2, 2)
    assert 0 <= balance.padding < rows * alignment * world_size


def test_pieces_are_laid_end_to_end_within_a_group_and_cut_each_for_itself_in_stage_three():
    a = Slice
    assert shard_map(GROUPS, 2, zero=2) == [[a("a", 0, 8), a("c", 0, 1)], [a("a", 8, 10), a("b", 0, 3)]]
    assert shard_map(GROUPS, 2, zero=3) == [
        [a("a", 0, 5), a("b", 0, 2), a("c", 0, 1)],
        [a("a", 5, 10), a("b", 2, 3)],
    ]
    with pytest.raises(ValueError, match="ZeRO stage 0"):
        shard_map(GROUPS, 2, zero=0)


@pytest.mark.parametrize(
    "wrong",
    [
        [[Slice("a", 0, 8), Slice("c", 0, 1)], [Slice("a", 8, 10), Slice("b", 1, 3)]],
        [[Slice("a", 0, 8), Slice("c", 0, 1)], [Slice("a", 7, 10), Slice("b", 0, 3)]],
        [[Slice("a", 0, 8), Slice("c", 0, 1)], [Slice("a", 8, 9), Slice("b", 0, 3)]],
        [[Slice("a", 0, 8)], [Slice("a", 8, 10), Slice("b", 0, 3)]],
    ],
    ids=["gap", "twice", "end lost", "parameter lost"],
)
def test_pieces_that_do_not_make_the_whole_are_found(wrong):
    with pytest.raises(RuntimeError, match="held twice or by no rank|ranks hold"):
        balance_of(GROUPS, wrong, zero=2)


def test_a_checkpoint_has_the_size_that_was_counted(four_recipe, four_spans, tmp_path):
    asked = four_recipe(save_every=1, keep_last=100)
    span = four_spans["distill"]
    patch = crash_before(span.first + 1)
    try:
        with pytest.raises(Crash):
            train(asked, tmp_path)
    finally:
        patch.undo()
    folder = tmp_path / "checkpoints" / f"step-{span.first + 1:06d}"
    model, _ = build_model(asked.model, LABELS, 0)
    attach_lora(model, asked.model.lora, 0)
    set_trainable(model, span.stage.train)
    counted = checkpoint_of(model, asked, span)
    assert counted.model == (folder / "model.safetensors").stat().st_size
    assert counted.optimizer == (folder / "optimizer.safetensors").stat().st_size
    alone = StageSpan("foundation", 0, 3, asked.stages["foundation"])
    assert checkpoint_of(model, asked, alone).model < counted.model  # nothing before it


def test_the_disk_is_measured_where_it_is_and_left_as_it_was(tmp_path):
    disk = measured_disk(tmp_path, size=2**20)
    assert str(tmp_path) in disk.source and "measured" in disk.source
    assert min(disk.write, disk.read, disk.hashing) > 0
    assert not list(tmp_path.iterdir())
    assert "assumed: one process writes 3 GB/s, all nodes together read 7 GB/s" in assumed_disk(3e9, 7e9).source


def test_a_disk_is_shared_by_those_who_read_and_hashing_is_not():
    disk = Disk(write=10.0, read=100.0, hashing=50.0, source="")
    assert disk.save_seconds(200) == 20 + 4
    assert disk.verify_seconds(200) == 2 + 4
    assert disk.verify_seconds(200, readers=3) == 6 + 4


@pytest.mark.parametrize(("hours", "minutes"), [(24, 117), (6, 57), (0.25, 9.1)])
def test_the_best_interval_is_that_of_the_published_examples(hours, minutes):
    # Daly (2006), figures 3 to 5: saves of 5 minutes; rounded there to the digits given.
    assert best_interval(300, 3600 * hours) / 60 == pytest.approx(minutes, abs=0.05 if minutes < 10 else 0.5)


@pytest.mark.parametrize(("save", "per_failure"), [(5, 300_000), (60, 3600), (300, 3600)])
def test_no_other_interval_loses_less(save, per_failure):
    best = best_interval(save, per_failure)
    least = overhead(best, save, 120, per_failure)
    for factor in (0.5, 0.8, 0.95, 1.05, 1.25, 2):
        assert overhead(factor * best, save, 120, per_failure) > least
    # With failures that hardly ever come, saves are all that is lost.
    assert overhead(100, 5, 120, 1e12) == pytest.approx(0.05, rel=1e-3)
    assert best_interval(10, 5) == 5


def test_more_ranks_wait_longer_for_the_disk_and_fail_more_often(recipe):
    asked = recipe(**SIXTEEN, stages=dict(refine=dict(epochs=1)))
    disk = Disk(write=1e9, read=1e9, hashing=1e9, source="")
    found = rehearse(asked, BACKBONE, "refine", [16, 8], Circumstances(zero=3, disk=disk), steps=3)
    sixteen, eight = found.clusters
    assert found.recordings == 48 and found.preparation.frame_bytes > 0
    assert eight.seconds_per_failure == 2 * sixteen.seconds_per_failure
    weights = 2 * sixteen.plan.shape.total_parameters
    for cluster, nodes in ((sixteen, 2), (eight, 1)):
        assert cluster.restart_seconds["backbone, every node"] == pytest.approx(nodes * weights / 1e9)
        assert cluster.seconds["frames from the disk"] == 16 * found.preparation.frame_bytes / 1e9
        assert cluster.least_lost <= cluster.lost
        assert cluster.plan.setting.accumulation == 16 // cluster.world_size
        assert cluster.weights.most <= cluster.plan.shape.total_parameters / cluster.world_size * 1.01
        # Padding is all that comes on top of an even share, at most one element a parameter and rank.
        learning = sum(cluster.plan.shape.parameters[part] for part in ("projector", "lora"))
        assert learning / cluster.world_size <= cluster.moments.most < learning / cluster.world_size + 1000
    assert eight.seconds["network between nodes"] == 0 < sixteen.seconds["network between nodes"]
    slow = Circumstances(disk=Disk(write=1e9, read=1e5, hashing=1e9, source=""))
    assert rehearse(asked, BACKBONE, "refine", [8], slow, steps=3).clusters[0].bottleneck == "frames from the disk"
