"""The training loop."""

import json
import logging
import math
import time
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import get_cosine_schedule_with_warmup

from skeletonllm.data.examples import RecognitionExamples
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.trained import MODEL_FOLDER, Trained, save_trained
from skeletonllm.training.arguments import Recipe
from skeletonllm.training.checkpoint import load_newest_checkpoint, pack_optimizer, save_checkpoint, unpack_optimizer
from skeletonllm.training.faults import StopRequest
from skeletonllm.training.parts import parameter_groups, set_trainable

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a model on recognition examples.

    Writes ``log.jsonl``, ``checkpoints/step-N`` and, at the end, ``model/``, a folder for ``from_pretrained`` with a
    ``training.json`` that says which labels were learnt and by which recipe.

    Args:
        model, processor: what learns, and what prepares its input.
        examples: batches by step.
        recipe: how it learns.
        folder: where everything is written.
    """

    def __init__(
        self,
        model: SkeletonLLMForConditionalGeneration,
        processor: SkeletonLLMProcessor,
        examples: RecognitionExamples,
        recipe: Recipe,
        folder: Path,
    ):
        self.model, self.processor, self.examples, self.recipe = model, processor, examples, recipe
        self.folder = Path(folder)
        self.checkpoints = self.folder / "checkpoints"
        settings = recipe.optimization
        self.total_steps = max(1, round(settings.epochs * examples.steps_per_epoch))
        set_trainable(model, recipe.train)
        groups = parameter_groups(model, settings.learning_rate, settings.renderer_learning_rate, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        warmup = math.ceil(settings.warmup_share * self.total_steps)
        self.scheduler = get_cosine_schedule_with_warmup(self.optimizer, warmup, self.total_steps)
        self.step = 0

    def train(self, resume: bool = False) -> Path:
        """Run to the end and return the folder of the trained model.

        Raises:
            FileExistsError: the folder holds a run already, and ``resume`` is not set or has nothing to go on from.
            FloatingPointError: a loss or a gradient that is not finite; no weight was changed by it.
            SystemExit: stopped by Ctrl-C or SIGTERM after a checkpoint was written; its code is 128 + the signal.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self._resume()
        elif any(self.checkpoints.glob("step-*")) or (self.folder / MODEL_FOLDER).exists():
            raise FileExistsError(f"{self.folder} holds a run already; resume it, or choose another folder")
        self._rewind_log()
        (self.folder / "recipe.json").write_text(json.dumps(self.recipe.as_dict(), indent=1))
        self.model.train()
        window = _Window()
        bar = tqdm(total=self.total_steps, initial=self.step, desc="training", mininterval=1.0)
        with bar, StopRequest() as stop:
            while self.step < self.total_steps:
                window.add(self._one_step())
                bar.update()
                if self.step % self.recipe.log_every == 0 or self.step == self.total_steps:
                    line = self._log(window)
                    bar.set_postfix(loss=f"{line['loss']:.3f}")
                    window = _Window()
                if self.step == self.total_steps:
                    break
                if self.step % self.recipe.save_every == 0 or stop.signal_number is not None:
                    self.save()
                if stop.signal_number is not None:
                    logger.warning("stopped after step %d; go on with --resume", self.step)
                    raise SystemExit(128 + stop.signal_number)
        return self._finish()

    def _one_step(self) -> dict:
        begin = time.perf_counter()
        examples = self.examples.batch(self.step)
        inputs = self.processor(
            [example.clip for example in examples],
            [example.prompt for example in examples],
            [example.answer for example in examples],
        )
        clips = inputs.pop("clips")
        prepared = time.perf_counter()
        frames = self.model.render(clips)
        rendered = time.perf_counter()
        loss = self.model(**inputs, frames=frames).loss
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {self.step}: loss is {loss.item()} on {[e.id for e in examples]}")
        loss.backward()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.optimization.max_gradient_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"step {self.step}: gradient norm is {norm.item()} on {[e.id for e in examples]}")
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        self.step += 1
        end = time.perf_counter()
        return dict(
            loss=loss.item(), gradient_norm=norm.item(), samples=len(examples), tokens=inputs["input_ids"].numel(),
            seconds=end - begin, data_seconds=prepared - begin, render_seconds=rendered - prepared,
        )  # fmt: skip

    def _log(self, window: "_Window") -> dict:
        rates = {f"learning_rate/{group['name']}": group["lr"] for group in self.optimizer.param_groups}
        line = dict(step=self.step, epoch=self.step / self.examples.steps_per_epoch, **window.summary(), **rates)
        line["eta_seconds"] = round((self.total_steps - self.step) * line["seconds_per_step"])
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        return line

    def _rewind_log(self) -> None:
        """Drop the lines of steps that are done again, and a line that a crash cut off."""
        path = self.folder / "log.jsonl"
        if path.exists():
            whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            path.write_text("".join(line for line in whole if json.loads(line)["step"] <= self.step))

    def save(self) -> None:
        """Write a checkpoint of the trainable part and of everything that the next steps depend on."""
        learning = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        tensors = dict(model=learning, optimizer=pack_optimizer(self.optimizer), random=dict(cpu=torch.get_rng_state()))
        state = dict(scheduler=self.scheduler.state_dict(), recipe=self.recipe.as_dict())
        save_checkpoint(self.checkpoints, self.step, tensors, state)

    def _resume(self) -> None:
        found = load_newest_checkpoint(self.checkpoints)
        if found is None:
            if (self.folder / MODEL_FOLDER).exists():
                raise FileExistsError(f"{self.folder} holds a finished run and no checkpoint to go on from")
            logger.warning("%s holds no checkpoint; the run begins anew", self.checkpoints)
            return
        step, tensors, state = found
        if state["recipe"] != self.recipe.as_dict():
            raise ValueError(f"{self.checkpoints}: the run was begun with another recipe; see recipe.json there")
        learning = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if learning.keys() != tensors["model"].keys():
            differing = sorted(learning.keys() ^ tensors["model"].keys())
            raise ValueError(f"{self.checkpoints}: the checkpoint and the model differ in {', '.join(differing[:5])}")
        with torch.no_grad():
            for name, parameter in learning.items():
                parameter.copy_(tensors["model"][name])
        unpack_optimizer(self.optimizer, tensors["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        for group, rate in zip(self.optimizer.param_groups, self.scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
        torch.set_rng_state(tensors["random"]["cpu"])
        self.step = step
        logger.warning("resumed at step %d of %d", step, self.total_steps)

    def _finish(self) -> Path:
        self.model.eval()
        final = self.folder / MODEL_FOLDER
        save_trained(final, Trained(self.model, self.processor, self.examples.labels, self.recipe.as_dict()))
        return final


class _Window:
    """Sums over the steps between two log lines."""

    def __init__(self):
        self.steps: list[dict] = []

    def add(self, step: dict) -> None:
        self.steps.append(step)

    def summary(self) -> dict:
        total = {key: sum(step[key] for step in self.steps) for key in self.steps[0]}
        count, seconds = len(self.steps), total["seconds"]
        return dict(
            loss=total["loss"] / count,
            gradient_norm=total["gradient_norm"] / count,
            seconds_per_step=seconds / count,
            samples_per_second=total["samples"] / seconds,
            tokens_per_second=total["tokens"] / seconds,
            data_share=total["data_seconds"] / seconds,
            render_forward_share=total["render_seconds"] / seconds,
        )
