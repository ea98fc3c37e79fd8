"""Steps that train a denoiser, whatever from: its parameters in groups, and the running mean of its weights."""

from pathlib import Path

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from skeletonllm.dance.training.recipe import GeneratorOptimization, GeneratorRecipe
from skeletonllm.training.checkpoint import Checkpoint
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import EngineSettings, make_engine
from skeletonllm.training.faults import TimeLimit
from skeletonllm.training.loop import Loop, LoopSettings
from skeletonllm.training.preparation import low_precision, share_batch
from skeletonllm.training.stages import Span

EMA = "ema"
_PREFIX = "denoiser."


class GeneratorLoop(Loop):
    """A loop whose checkpoints have the running mean of a denoiser's weights beside the weights.

    Args:
        module: what an engine sees as its model, with a ``denoiser``.
        recipe: how it learns, and how often progress is told.
        name: of what is done.
        folder, ranks, time_limit: see ``Loop``.
        deepspeed: a DeepSpeed configuration, or None for plain torch.
        calls: forward passes that learn from a microbatch.
        told: ``terms``, ``measures`` and ``steps_per_epoch`` of ``Loop``.

    Raises:
        ValueError: a batch that the ranks cannot share evenly, or parameters shared out by ZeRO-3, of which there is
            no running mean.
    """

    def __init__(
        self,
        module: nn.Module,
        recipe: GeneratorRecipe,
        name: str,
        folder: Path,
        ranks: Ranks,
        deepspeed: dict | None,
        time_limit: TimeLimit | None,
        *,
        calls: int = 1,
        **told,
    ):
        if deepspeed is not None and deepspeed["zero_optimization"]["stage"] > 2:
            raise ValueError("ZeRO stage 3 is of no use for a denoiser, whose running mean needs its whole weights")
        settings = recipe.optimization
        self.recipe = recipe
        self.size, batches = share_batch(settings, ranks)
        self.low = low_precision(settings, ranks)
        module.to(ranks.device)
        computing = EngineSettings(self.size, batches * calls, settings.max_gradient_norm, self.low)
        super().__init__(
            make_engine(module, _parameter_groups(module, settings), computing, ranks, deepspeed),
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
            Span(name, 0, settings.steps),
            folder,
            ranks,
            time_limit=time_limit,
            **told,
        )
        self.mean = AveragedModel(module.denoiser, multi_avg_fn=get_ema_multi_avg_fn(settings.ema))

    def updated(self) -> None:
        self.mean.update_parameters(self.engine.model.denoiser)

    def extra_tensors(self) -> dict[str, dict[str, Tensor]]:
        return {EMA: {name: value.detach().cpu() for name, value in self.mean.state_dict().items()}}

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


def _parameter_groups(module: nn.Module, settings: GeneratorOptimization) -> list[dict]:
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
