"""Training a model through one stage of a recipe."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from skeletonllm.data.examples import Examples
from skeletonllm.data.recordings import digest_of_order
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.rendering.cache import FrameCache
from skeletonllm.training.arguments import Recipe
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import EngineSettings, make_engine
from skeletonllm.training.faults import TimeLimit
from skeletonllm.training.loop import Loop, LoopSettings, Measured
from skeletonllm.training.parts import parameter_groups
from skeletonllm.training.preparation import low_precision, prepare, share_batch
from skeletonllm.training.progress import Log, RendererClock, sheet_of
from skeletonllm.training.shares import arrange, microbatches_of
from skeletonllm.training.stages import StageSpan

PICTURED_CLIPS = 3
RENDERER = "renderer."


@dataclass
class Microbatch:
    """What a rank computes at once: the model's inputs on the CPU, and task and id of each sample."""

    inputs: dict
    tasks: list[str]
    ids: list[str]


class Trainer(Loop):
    """Trains a model through one stage, and writes ``pictures/`` of what its renderer draws.

    Args:
        model, processor: what learns, and what prepares its input.
        examples: questions by step.
        recipe: how it learns.
        span: the stage and its steps.
        folder, ranks, learnt, ends, until, time_limit: see ``Loop``.
        deepspeed: a DeepSpeed configuration, or None for plain torch.

    Raises:
        ValueError: a batch that the ranks cannot share evenly.
    """

    span: StageSpan

    def __init__(
        self,
        model: SkeletonLLMForConditionalGeneration,
        processor: SkeletonLLMProcessor,
        examples: Examples,
        recipe: Recipe,
        span: StageSpan,
        folder: Path,
        ranks: Ranks,
        deepspeed: dict | None = None,
        learnt: dict[str, torch.Tensor] | None = None,
        ends: Sequence[int] = (),
        until: int | None = None,
        time_limit: TimeLimit | None = None,
    ):
        self.processor, self.examples, self.recipe = processor, examples, recipe
        self.order = digest_of_order(examples.recordings.all_recordings())
        settings, stage = recipe.optimization, span.stage
        self.low_precision = low_precision(settings, ranks)
        self.micro_batch_size, self.accumulation = share_batch(settings, ranks)
        self.image_token = model.config.frame_token_id
        prepare(model, settings, stage.train, self.low_precision, ranks)
        # Copies, because ZeRO-3 takes the model's own renderer apart: one to draw pictures for people, and one, where
        # the renderer rests, to draw frames for the cache.
        self.painter = copy.deepcopy(model.renderer).cpu()
        self.cache, renderer = None, model.renderer
        if stage.variants and "renderer" not in stage.train:
            self.cache, renderer = FrameCache(folder / "frames"), copy.deepcopy(model.renderer)
        self.renderer, self.image_size = renderer, model.config.image_size
        self.clock = RendererClock(renderer, ranks.device)
        groups = parameter_groups(model, stage.learning_rate, stage.renderer_learning_rate, settings.weight_decay)
        computing = EngineSettings(
            self.micro_batch_size, self.accumulation, settings.max_gradient_norm, self.low_precision
        )
        super().__init__(
            make_engine(model, groups, computing, ranks, deepspeed),
            _loop_settings(recipe),
            span,
            folder,
            ranks,
            terms=sorted(stage.tasks),
            measures=("visual_tokens", "text_tokens", "renderer_seconds"),
            steps_per_epoch=examples.steps_per_epoch,
            learnt=learnt,
            ends=ends,
            until=until,
            time_limit=time_limit,
        )

    def share_of(self, step: int) -> list[Microbatch]:
        settings = self.recipe.optimization
        arranged = arrange(self.examples.questions(step), settings.group_by_length)
        microbatches = []
        for questions in microbatches_of(arranged, self.ranks.rank, self.ranks.world_size, self.micro_batch_size):
            examples = [self.examples.example(question) for question in questions]
            inputs = self.processor(
                [example.clip for example in examples],
                [example.prompt for example in examples],
                [example.answer for example in examples],
                row_length=settings.row_length,
            )
            microbatches.append(
                Microbatch(inputs, [example.task for example in examples], [example.id for example in examples])
            )
        return microbatches

    def ids_of(self, step: int) -> list[str]:
        return [question.id for question in self.examples.questions(step)]

    def compute(self, share: Sequence[Microbatch]) -> Measured:
        losses = torch.zeros(len(self.terms), dtype=torch.float64)
        counts = torch.zeros_like(losses)
        visual = text = 0
        for number, microbatch in enumerate(share):
            outputs = self.engine.forward(**self._to_device(microbatch.inputs), use_cache=False)
            self.engine.backward(outputs.sample_losses.mean(), last=number + 1 == len(share))
            self.clock.end()
            for task, loss in zip(microbatch.tasks, outputs.sample_losses.detach().double().cpu(), strict=True):
                losses[self.terms.index(task)] += loss
                counts[self.terms.index(task)] += 1
            ids = microbatch.inputs["input_ids"]
            seen = int((ids == self.image_token).sum())
            visual, text = visual + seen, text + _filled(microbatch.inputs) - seen
        others = [visual, text, self.clock.seconds() / self.ranks.world_size]
        return Measured(losses, counts, torch.tensor(others, dtype=torch.float64))

    def _to_device(self, inputs: dict) -> dict:
        moved = {key: value.to(self.ranks.device) for key, value in inputs.items()}
        if self.cache is not None:
            moved["frames"] = self.cache.render(self.renderer, moved.pop("clips"), self.image_size)
        return moved

    def picture(self, log: Log | None) -> None:
        """Draw a few clips, always the same, with the renderer as it is now."""
        learning = self.engine.parameters(RENDERER)
        if log is None:
            return
        self.painter.load_state_dict({**self.painter.state_dict(), **_without_prefix(learning)})
        labels = self.examples.labels
        shown = {labels[index * len(labels) // PICTURED_CLIPS] for index in range(PICTURED_CLIPS)}
        recordings = self.examples.recordings
        first = {one.label: index for index, one in reversed([*enumerate(recordings.all_recordings())])}
        clips = {label: self.processor.sample(recordings[first[label]][1]) for label in sorted(shown)}
        log.picture(sheet_of(self.painter, list(clips.values()), list(clips)), self.step)

    def facts(self) -> dict:
        return dict(recipe=self.recipe.as_dict(), labels=self.examples.labels, order=self.order)


def _loop_settings(recipe: Recipe) -> LoopSettings:
    return LoopSettings(
        seed=recipe.optimization.seed,
        warmup_share=recipe.optimization.warmup_share,
        workers=recipe.data.workers,
        log_every=recipe.log_every,
        save_every=recipe.save_every,
        pictures_every=recipe.pictures_every,
        keep_last=recipe.keep_last,
        keep_best=recipe.keep_best,
        patience_minutes=recipe.patience_minutes,
    )


def _filled(inputs: dict) -> int:
    """Tokens that are not padding."""
    if "sample_ids" in inputs:
        return int((inputs["sample_ids"] >= 0).sum())
    return int(inputs["attention_mask"].sum())


def _without_prefix(parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(RENDERER): value for name, value in parameters.items()}
