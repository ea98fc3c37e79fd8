"""One step of learning to dance, for the loop that all training shares."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from skeletonllm.dance.body import Body
from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.diffusion import Diffusion, Draw
from skeletonllm.dance.losses import Losses, motion_losses
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.training.generator_loop import GeneratorLoop
from skeletonllm.dance.training.pieces import Clips
from skeletonllm.dance.training.recipe import DanceRecipe
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.faults import TimeLimit
from skeletonllm.training.loop import Measured
from skeletonllm.training.shares import microbatches_of


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


class DanceTrainer(GeneratorLoop):
    """Trains a denoiser on dances.

    Order, noise and what is heard of a clip are functions of the seed, the step and the clip's place in the batch, so
    that any number of processes learns from the same. Dropout depends on the rank.

    Args:
        learner: what learns.
        clips: what from.
        recipe, folder, ranks, deepspeed, time_limit: see ``GeneratorLoop``.
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
        self.clips = clips
        super().__init__(
            learner.train(),
            recipe,
            "dance",
            folder,
            ranks,
            deepspeed,
            time_limit,
            terms=["dance"],
            measures=[f"{term}_sum" for term in Losses._fields[1:]],
            steps_per_epoch=clips.steps_per_epoch,
        )

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

    def facts(self) -> dict:
        return dict(recipe=self.recipe.as_dict(), clips=len(self.clips))
