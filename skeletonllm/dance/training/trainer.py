"""One step of learning to dance, for the loop that all training shares."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from skeletonllm.dance.body import Body
from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.diffusion import Diffusion, Draw
from skeletonllm.dance.losses import Losses, motion_losses
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.training.pieces import Clips
from skeletonllm.dance.training.recipe import DanceOptimization, DanceRecipe
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.training.checkpoint import Checkpoint
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import EngineSettings, make_engine
from skeletonllm.training.faults import TimeLimit
from skeletonllm.training.loop import Loop, LoopSettings, Measured
from skeletonllm.training.preparation import low_precision, share_batch
from skeletonllm.training.shares import microbatches_of
from skeletonllm.training.stages import Span

EMA = "ema"
_PREFIX = "denoiser."


class Learner(nn.Module):
    """A denoiser together with what its losses need, so that an engine sees one model with one forward pass."""

    def __init__(self, denoiser: Denoiser, body: Body, normalizer: Normalizer):
        super().__init__()
        self.denoiser, self.diffusion, self.body, self.normalizer = denoiser, Diffusion(), body, normalizer

    def forward(self, motion: Tensor, music: Tensor, draw: Draw) -> Losses:
        """The losses of normalised dances (B, T, 151) to music (B, T, F)."""
        predicted = self.diffusion.predict(self.denoiser, motion, music, draw)
        # Of a chain of eight joints, bfloat16 would lose centimetres.
        with torch.autocast(motion.device.type, enabled=False):
            return motion_losses(predicted.float(), motion, self.body, self.normalizer)


@dataclass
class Microbatch:
    """What a rank computes at once, on the CPU, and the ids of its clips."""

    motion: Tensor
    music: Tensor
    draw: Draw
    ids: list[str]


class DanceTrainer(Loop):
    """Trains a denoiser, and keeps the running mean of its weights.

    Order, noise and what is heard of a clip are functions of the seed, the step and the clip's place in the batch, so
    that any number of processes learns from the same. Dropout depends on the rank.

    Args:
        learner: what learns.
        clips: what from.
        recipe: how.
        folder, ranks, time_limit: see ``Loop``.
        deepspeed: a DeepSpeed configuration, or None for plain torch.

    Raises:
        ValueError: a batch that the ranks cannot share evenly, or parameters shared out by ZeRO-3, of which there is
            no running mean.
    """

    def __init__(
        self,
        learner: Learner,
        clips: Clips,
        recipe: DanceRecipe,
        folder: Path,
        ranks: Ranks,
        deepspeed: dict | None = None,
        time_limit: TimeLimit | None = None,
    ):
        if deepspeed is not None and deepspeed["zero_optimization"]["stage"] > 2:
            raise ValueError("ZeRO stage 3 is of no use for a denoiser, whose running mean needs its whole weights")
        settings = recipe.optimization
        self.clips, self.recipe = clips, recipe
        self.size, accumulation = share_batch(settings, ranks)
        low = low_precision(settings, ranks)
        learner.to(ranks.device).train()
        computing = EngineSettings(self.size, accumulation, settings.max_gradient_norm, low)
        super().__init__(
            make_engine(learner, parameter_groups(learner, settings), computing, ranks, deepspeed),
            LoopSettings(
                seed=settings.seed,
                warmup_share=settings.warmup_share,
                workers=0,
                log_every=recipe.log_every,
                save_every=recipe.save_every,
                pictures_every=0,
                keep_last=recipe.keep_last,
                keep_best=False,
                patience_minutes=recipe.patience_minutes,
            ),
            Span("dance", 0, settings.steps),
            folder,
            ranks,
            terms=["dance"],
            measures=[f"{term}_sum" for term in Losses._fields[1:]],
            steps_per_epoch=clips.steps_per_epoch,
            time_limit=time_limit,
        )
        self.mean = AveragedModel(learner.denoiser, multi_avg_fn=get_ema_multi_avg_fn(settings.ema))

    def share_of(self, step: int) -> list[Microbatch]:
        motion, music = self.clips.stack(numbers := self.clips.chosen(step))
        noise = torch.Generator().manual_seed(mixed_seed(self.settings.seed, step))
        draw = self.engine.model.diffusion.draw(motion.shape, noise)
        shares = microbatches_of(range(len(numbers)), self.ranks.rank, self.ranks.world_size, self.size)
        return [
            Microbatch(
                motion[places],
                music[places],
                Draw(*(drawn[places] for drawn in draw)),
                [self.clips.id(numbers[place]) for place in places],
            )
            for places in shares
        ]

    def ids_of(self, step: int) -> list[str]:
        return [self.clips.id(number) for number in self.clips.chosen(step)]

    def compute(self, share: list[Microbatch]) -> Measured:
        sums, count = torch.zeros(len(Losses._fields), dtype=torch.float64), 0
        for number, microbatch in enumerate(share):
            motion, music, *drawn = (
                value.to(self.ranks.device) for value in (microbatch.motion, microbatch.music, *microbatch.draw)
            )
            losses = self.engine.forward(motion=motion, music=music, draw=Draw(*drawn))
            self.engine.backward(losses.total, last=number + 1 == len(share))
            sums += torch.stack(losses).detach().double().cpu() * len(motion)
            count += len(motion)
        return Measured(sums[:1], torch.tensor([count], dtype=torch.float64), sums[1:])

    def updated(self) -> None:
        self.mean.update_parameters(self.engine.model.denoiser)

    def extra_tensors(self) -> dict[str, dict[str, Tensor]]:
        return {EMA: {name: value.detach().cpu() for name, value in self.mean.state_dict().items()}}

    def facts(self) -> dict:
        return dict(recipe=self.recipe.as_dict(), clips=len(self.clips))

    def restore(self, checkpoint: Checkpoint) -> None:
        super().restore(checkpoint)
        self.mean.load_state_dict(checkpoint.tensors[EMA])


def learnt_by(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The weights of the denoiser as the optimiser left them."""
    return {name.removeprefix(_PREFIX): value for name, value in checkpoint.tensors["model"].items()}


def mean_of(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The running mean of the weights of the denoiser."""
    kept = {name.removeprefix("module."): value for name, value in checkpoint.tensors[EMA].items()}
    del kept["n_averaged"]
    return kept


def parameter_groups(module: nn.Module, settings: DanceOptimization) -> list[dict]:
    """What learns of a module: matrices with weight decay, and vectors without."""
    groups = {"matrices": [], "vectors": []}
    for parameter in module.parameters():
        if parameter.requires_grad:
            groups["matrices" if parameter.ndim > 1 else "vectors"].append(parameter)
    decay = {"matrices": settings.weight_decay, "vectors": 0.0}
    return [
        dict(name=f"denoiser {kind}", params=group, lr=settings.learning_rate, weight_decay=decay[kind])
        for kind, group in groups.items()
        if group
    ]
