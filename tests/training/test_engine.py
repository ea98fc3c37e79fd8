"""Ways to compute the same steps: they give the same losses, whatever memory or time they save."""

import itertools

import pytest
import torch
from minute_runs import assert_same, before_step, learnt_at, lines_of, losses_of

from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import EngineSettings, PlainEngine, load_deepspeed_config
from skeletonllm.training.parts import learning_parameters, part_of
from skeletonllm.training.preparation import share_batch
from skeletonllm.training.run import train

STEPS = 10
# float32 sums in another order, on losses of 4 to 7 nats, carried through ten steps.
ROUNDING = 1e-5
# Samples of three tasks, so of lengths from 60 to 200 tokens, in ten steps.
MIXED = dict(
    train=["renderer", "projector", "vision", "language", "lora"],
    tasks=dict(recognition=1.0, discrimination=1.0, rationale=1.0),
    epochs=STEPS / 3, learning_rate=1e-3, renderer_learning_rate=1e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def computed(recipe, tmp_path_factory):
    """Runs ten steps with some settings; gives the folder and the run's trainer."""
    found = {}

    def compute(**settings):
        key = str(sorted(settings.items()))
        if key not in found:
            folder = tmp_path_factory.mktemp("computed")
            # Dropout draws other numbers for another split of a batch.
            asked = recipe(
                scratch=MIXED, model=dict(lora=dict(rank=4, alpha=8, dropout=0.0)), optimization=settings, log_every=1
            )
            trainers = []
            patch = before_step(trainers.append)
            try:
                train(asked, folder)
            finally:
                patch.undo()
            found[key] = folder, trainers[-1]
        return found[key]

    return compute


def losses_by_task(folder):
    return [{key: value for key, value in line.items() if key.startswith("loss")} for line in lines_of(folder)]


def assert_same_losses(first, second, tolerance=ROUNDING):
    assert len(lines_of(first)) == STEPS
    for one, other in zip(losses_by_task(first), losses_by_task(second), strict=True):
        assert one == pytest.approx(other, abs=tolerance)
    norms, wanted = ([line["gradient_norm"] for line in lines_of(folder)] for folder in (first, second))
    assert norms == pytest.approx(wanted, rel=10 * tolerance)  # of 2 to 20, so as far off as the losses are


def test_the_samples_of_a_step_differ_in_task_and_length_and_its_losses_from_step_to_step(computed):
    folder, trainer = computed()
    assert losses_of(folder).unique().numel() == STEPS
    lengths = {len(trainer.processor.answer_ids(question.answer)) for question in trainer.examples.questions(0)}
    assert len(lengths) > 1


@pytest.mark.parametrize(
    "settings",
    [
        dict(micro_batch_size=1),
        dict(micro_batch_size=2),
        dict(row_length=400),
        dict(row_length=400, micro_batch_size=2),
        dict(group_by_length=False, micro_batch_size=2),
        dict(activation_checkpointing=True),
        dict(activation_checkpointing=True, row_length=400, micro_batch_size=2),
    ],
    ids=str,
)
def test_splitting_packing_sorting_and_recomputing_change_no_loss(computed, settings):
    assert_same_losses(computed(**settings)[0], computed()[0])


def test_activations_computed_again_give_the_same_weights(computed):
    again, kept = (learnt_at(computed(**settings)[0], STEPS) for settings in (dict(activation_checkpointing=True), {}))
    assert again.keys() == kept.keys()
    for name, value in kept.items():
        # The same operations in the same order; what is left is what threads may do.
        torch.testing.assert_close(again[name], value, atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize(("checkpointing", "passes"), [(False, 1), (True, 2)])
def test_activations_are_really_computed_again(computed, checkpointing, passes):
    trainer = computed(**dict(activation_checkpointing=True) if checkpointing else {})[1]
    backbone = trainer.engine.model.backbone.model
    for layers in (backbone.language_model.layers, backbone.vision_tower.encoder.layer):
        calls = []
        hook = layers[0].mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        trainer._one_step(trainer.share_of(0), None)
        hook.remove()
        assert len(calls) == passes


def test_samples_really_share_rows(computed):
    (microbatch,) = computed(row_length=400)[1].share_of(0)
    assert len(microbatch.inputs["input_ids"]) < 4 == len(microbatch.ids)
    assert len(computed()[1].share_of(0)[0].inputs["input_ids"]) == 4


@pytest.mark.parametrize("micro_batch_size", [1, 2])
def test_a_microbatch_has_the_samples_that_are_asked_for(computed, micro_batch_size):
    microbatches = computed(micro_batch_size=micro_batch_size)[1].share_of(0)
    assert [len(microbatch.ids) for microbatch in microbatches] == [micro_batch_size] * (4 // micro_batch_size)


def test_grouping_by_length_keeps_the_samples_of_every_step_and_pads_less(computed):
    padding = []
    steps = []
    for grouped in (True, False):
        trainer = computed(group_by_length=grouped, micro_batch_size=2)[1]
        shares = [trainer.share_of(step) for step in range(STEPS)]
        steps.append([sorted(id for microbatch in share for id in microbatch.ids) for share in shares])
        masks = [microbatch.inputs["attention_mask"] for microbatch in itertools.chain(*shares)]
        padding.append(sum(int((mask == 0).sum()) for mask in masks))
    assert steps[0] == steps[1]
    assert padding[0] < 0.8 * padding[1]


def test_without_grouping_a_step_keeps_the_order_of_its_questions(computed):
    trainer = computed(group_by_length=False, micro_batch_size=2)[1]
    ids = [id for microbatch in trainer.share_of(3) for id in microbatch.ids]
    assert ids == [question.id for question in trainer.examples.questions(3)]


def test_bfloat16_keeps_what_learns_and_the_renderer_in_float32(four_recipe, tmp_path):
    found = []
    patch = before_step(lambda trainer: found.append(trainer))
    stages = {name: dict(learning_rate=1e-3, epochs=1) for name in ("distill", "refine")}
    losses = []
    try:
        for precision in ("bfloat16", "float32"):
            folder = tmp_path / precision
            train(four_recipe(stages=stages, optimization=dict(precision=precision), log_every=1), folder)
            losses.append(losses_of(folder))
    finally:
        patch.undo()
    for trainer in found[:6]:
        learning = set(learning_parameters(trainer.engine.model).values())
        for name, parameter in trainer.engine.model.named_parameters():
            exact = parameter in learning or part_of(name) == "renderer"
            assert parameter.dtype == (torch.float32 if exact else torch.bfloat16), name
        assert {part_of(name) for name in learning_parameters(trainer.engine.model)} == set(trainer.span.stage.train)
    assert {p.dtype for trainer in found[6:] for p in trainer.engine.model.parameters()} == {torch.float32}
    # Eight bits of mantissa, so a few thousandths of 7 nats.
    torch.testing.assert_close(losses[0], losses[1], atol=0.1, rtol=0)
    assert not torch.equal(losses[0], losses[1])


def test_frames_and_their_gradients_are_float32_under_autocast(recipe, tmp_path):
    found = []

    def watch(trainer):
        def note(module, inputs, frames):
            found.append(frames.dtype)
            frames.register_hook(lambda gradient: found.append(gradient.dtype))

        if trainer.step == 0:
            trainer.engine.model.renderer.register_forward_hook(note)

    patch = before_step(watch)
    try:
        train(recipe(scratch=dict(train=["renderer"], epochs=1), optimization=dict(precision="bfloat16")), tmp_path)
    finally:
        patch.undo()
    assert found == [torch.float32] * 6


@pytest.mark.slow
def test_compiled_layers_give_the_same_losses(computed):
    folder, trainer = computed(compile=True)
    layer = trainer.engine.model.backbone.model.language_model.layers[0]
    assert layer._compiled_call_impl is not None
    # Fused float32 operations round elsewhere.
    assert_same_losses(folder, computed()[0], tolerance=1e-4)


def test_a_batch_is_shared_evenly_or_not_at_all(recipe):
    settings = recipe(optimization=dict(batch_size=12, micro_batch_size=2)).optimization
    assert share_batch(settings, Ranks()) == (2, 6)
    assert share_batch(settings, Ranks(rank=1, world_size=3)) == (2, 2)
    whole = recipe(optimization=dict(batch_size=12)).optimization
    assert share_batch(whole, Ranks(world_size=3)) == (4, 1)
    with pytest.raises(ValueError, match="batch_size 12 cannot be shared evenly by 5 processes"):
        share_batch(whole, Ranks(world_size=5))
    with pytest.raises(ValueError, match="a process has 3 samples per step, no multiple of micro_batch_size 2"):
        share_batch(settings, Ranks(world_size=4))


class Line(torch.nn.Module):
    """One matrix and one vector, with a gradient that is known: inputs and 1."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, 2))
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        return (self.weight * inputs).sum() + self.bias.sum()


def engine_of(limit=100.0, accumulation=1):
    model = Line()
    groups = [
        dict(name=name, params=[p], lr=rate, weight_decay=0.0)
        for (name, p), rate in zip(model.named_parameters(), (0.1, 0.2), strict=True)
    ]
    return PlainEngine(model, groups, EngineSettings(1, accumulation, limit, None), Ranks()), model


def test_gradients_are_means_over_microbatches_and_their_squares_are_by_group():
    engine, _ = engine_of(accumulation=2)
    for inputs, last in ((torch.tensor([2.0, 0.0]), False), (torch.tensor([4.0, 8.0]), True)):
        engine.backward(engine.forward(inputs=inputs), last)
    assert engine.gradient_squares().tolist() == [3.0**2 + 4.0**2, 1.0]


def test_a_step_takes_each_groups_rate_times_the_factor():
    engine, model = engine_of()
    engine.backward(engine.forward(inputs=torch.tensor([3.0, 4.0])), True)
    engine.step(0.5, norm=26**0.5)
    # The first step of Adam is as long as the rate, whatever the gradient.
    torch.testing.assert_close(model.weight.detach(), torch.full((1, 2), -0.05))
    torch.testing.assert_close(model.bias.detach(), torch.tensor([-0.1]))
    assert model.weight.grad is None


@pytest.mark.parametrize("limit", [1.0, 100.0])
def test_gradients_longer_than_the_limit_are_scaled_down_to_it(limit):
    engine, _ = engine_of(limit)
    engine.backward(engine.forward(inputs=torch.tensor([3.0, 4.0])), True)
    norm = float(engine.gradient_squares().sum().sqrt())
    engine.step(1.0, norm)
    squares = sum(float(v.square().sum()) for k, v in engine.optimizer_state().items() if k.endswith("exp_avg"))
    # The first moment is a tenth of the gradient after one step.
    assert squares**0.5 == pytest.approx(0.1 * min(limit, 26**0.5), rel=1e-5)


def test_discarded_gradients_change_neither_weights_nor_moments():
    engine, model = engine_of()
    engine.backward(engine.forward(inputs=torch.tensor([3.0, 4.0])), True)
    engine.step(1.0, 5.0)
    before = {**engine.parameters(), **engine.optimizer_state()}
    engine.backward(engine.forward(inputs=torch.tensor([torch.nan, 4.0])), True)
    engine.discard()
    assert_same({**engine.parameters(), **engine.optimizer_state()}, before)
    assert model.weight.grad is None


def test_moments_go_out_and_in_by_name():
    first, _ = engine_of()
    assert first.optimizer_state() == {}
    for inputs in ([3.0, 4.0], [1.0, -1.0]):
        first.backward(first.forward(inputs=torch.tensor(inputs)), True)
        first.step(1.0, 1.0)
    state = first.optimizer_state()
    assert state["step"] == 2 and set(state) == {
        "step", "weight/exp_avg", "weight/exp_avg_sq", "bias/exp_avg", "bias/exp_avg_sq",
    }  # fmt: skip
    second, model = engine_of()
    model.load_state_dict(first.parameters())
    second.load_optimizer_state(state)
    for engine in (first, second):
        engine.backward(engine.forward(inputs=torch.tensor([0.5, 2.0])), True)
        engine.step(1.0, 1.0)
    assert_same(second.parameters(), first.parameters())
    assert_same(second.optimizer_state(), first.optimizer_state())


def test_only_parameters_that_begin_so_are_given():
    engine, _ = engine_of()
    assert set(engine.parameters()) == {"weight", "bias"} and set(engine.parameters("wei")) == {"weight"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a DeepSpeed configuration with a zero_optimization stage"),
        ("[]", "not a DeepSpeed configuration"),
        ("{}", "not a DeepSpeed configuration with a zero_optimization stage: KeyError"),
        ('{"zero_optimization": {"stage": 0}}', "ZeRO stage 0, expected 1, 2 or 3; without ZeRO leave --deepspeed"),
    ],
)
def test_what_is_no_deepspeed_configuration_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "zero.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"zero.json: {message}"):
        load_deepspeed_config(path)
