"""ZeRO (arXiv 1910.02054) through DeepSpeed: optimiser states, gradients and parameters shared out over ranks."""

import copy
from collections.abc import Container, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skeletonllm.training.distributed import Ranks, name_accelerator
from skeletonllm.training.engine import BETAS, MOMENTS, Engine, EngineSettings, sum_of_squares
from skeletonllm.training.parts import learning_parameters, part_of


def without_shared_memory() -> None:
    """Keep DeepSpeed from compiling its shared-memory collectives on CPUs.

    They need a compiler and 20 seconds, and a process killed meanwhile leaves a lock on which every later run waits for
    ever. Results are the same to the bit.
    """
    name_accelerator()
    import deepspeed.ops

    if "deepspeed_shm_comm" in deepspeed.ops.__compatible_ops__:
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


# DeepSpeed makes its buckets of gradients whole, 500 million numbers by default, however few parameters learn.
MOST_BUCKETED = 500_000_000


def resolve(config: dict, settings: EngineSettings, ranks: Ranks, learning: int) -> dict:
    """A configuration with every ``auto`` that this run decides replaced by its value.

    Args:
        config: as in the file.
        settings, ranks: what decides.
        learning: number of parameters that learn; a bucket need not hold more.

    Raises:
        ValueError: it gives a value of its own that differs from the run's, or asks for bf16 or fp16 parameters: what
            learns stays in float32 under autocast.
    """
    config = copy.deepcopy(config)
    for section in ("bf16", "fp16"):
        if config.get(section, {}).get("enabled", False):
            raise ValueError(f"DeepSpeed configuration: {section} would take the renderer out of float32; leave it out")
    decided = {
        "train_batch_size": settings.samples * settings.accumulation * ranks.world_size,
        "train_micro_batch_size_per_gpu": settings.samples,
        "gradient_accumulation_steps": settings.accumulation,
        "gradient_clipping": settings.max_gradient_norm,
    }
    for key, value in decided.items():
        if config.setdefault(key, "auto") not in ("auto", value):
            raise ValueError(f"DeepSpeed configuration: {key} is {config[key]}, the recipe makes it {value}")
        config[key] = value
    if config.setdefault("torch_autocast", "auto") == "auto":
        # Without modules that are safe in low precision, gradients of float32 parameters are added up in float32 too.
        # DeepSpeed would round those of linear layers to bfloat16 first, more so the more processes there are.
        enabled = settings.low_precision is not None
        config["torch_autocast"] = {"enabled": enabled, "dtype": "bfloat16", "lower_precision_safe_modules": []}
    for key in ("reduce_bucket_size", "allgather_bucket_size"):
        if config["zero_optimization"].get(key) == "auto":
            config["zero_optimization"][key] = min(MOST_BUCKETED, max(1, learning))
    # For what is still auto DeepSpeed's own defaults stand.
    zero = {key: value for key, value in config["zero_optimization"].items() if value != "auto"}
    return {**{key: value for key, value in config.items() if value != "auto"}, "zero_optimization": zero}


@contextmanager
def loading_in_shares(ranks: Ranks) -> Iterator[None]:
    """While it is open, ``from_pretrained`` leaves each rank only its ZeRO-3 share of every parameter.

    So a backbone is loaded that fits into no single GPU. Shares are in float32 until ``set_precision``.
    """
    without_shared_memory()
    import deepspeed
    from transformers.integrations import HfDeepSpeedConfig

    deepspeed.init_distributed(dist_backend="nccl" if ranks.device.type == "cuda" else "gloo")
    # For loading alone, and heeded as long as it lives; the engine is made with a configuration of its own.
    batch = dict(train_micro_batch_size_per_gpu=1, train_batch_size=ranks.world_size)
    told = HfDeepSpeedConfig({"zero_optimization": {"stage": 3}, **batch})
    yield
    del told


@torch.no_grad()
def make_whole(model: nn.Module, parts: Container[str]) -> None:
    """Give every rank the whole of some parts that were loaded in shares: small ones, which learn."""
    import deepspeed

    for name, parameter in list(model.named_parameters()):
        if part_of(name) in parts and hasattr(parameter, "ds_id"):
            owner, _, attribute = name.rpartition(".")
            with deepspeed.zero.GatheredParameters([parameter]):
                whole = nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
            setattr(model.get_submodule(owner), attribute, whole)


class ZeroEngine(Engine):
    """A ``DeepSpeedEngine`` under ZeRO stage 1, 2 or 3."""

    def __init__(self, model: nn.Module, groups: list[dict], settings: EngineSettings, ranks: Ranks, config: dict):
        super().__init__(model, groups, settings, ranks)
        without_shared_memory()
        import deepspeed

        self.learning = learning_parameters(model)
        self.config = resolve(config, settings, ranks, sum(p.numel() for p in self.learning.values()))
        self.stage = self.config["zero_optimization"]["stage"]
        if self.config["zero_optimization"].get("offload_optimizer", {}).get("device", "none") != "none":
            optimizer = deepspeed.ops.adam.DeepSpeedCPUAdam(groups, betas=BETAS, adamw_mode=True)
        else:
            optimizer = torch.optim.AdamW(groups, betas=BETAS)
        deepspeed.init_distributed(dist_backend="nccl" if ranks.device.type == "cuda" else "gloo")
        self.engine, self.zero, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=self.config)
        self.optimizer = self.zero.optimizer

    def forward(self, **inputs):
        return self.engine(**inputs)

    def backward(self, loss, last):
        self.engine.backward(loss)
        if not last:
            self.engine.step()  # counts the microbatch; weights change at the last one only

    def gradient_squares(self):
        squares = torch.zeros(len(self.names), dtype=torch.float64)
        for index, gradients in self._gradients():
            squares[index] += sum_of_squares(gradients).cpu()
        return squares

    def step(self, factor, norm):
        for group, rate in zip(self.zero.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.engine.step()

    def discard(self):
        # DeepSpeed leaves a step out whose gradients are not finite, and clears all of its buffers then.
        for _, gradients in self._gradients():
            for gradient in gradients:
                gradient.fill_(torch.nan)
        self.engine.step()

    def parameters(self, prefix=""):
        from deepspeed.utils import safe_get_full_fp32_param

        asked = {name: p for name, p in self.learning.items() if name.startswith(prefix)}
        return {name: safe_get_full_fp32_param(p).detach().cpu().clone() for name, p in asked.items()}

    def optimizer_state(self):
        from deepspeed.utils import safe_get_full_optimizer_state

        entries = [self.optimizer.state[flat] for flat in self._flat_parameters() if flat in self.optimizer.state]
        if not entries:
            return {}
        self._link_moments()
        state = {
            f"{name}/{key}": safe_get_full_optimizer_state(parameter, key).cpu()
            for name, parameter in self.learning.items()
            for key in MOMENTS
        }
        return {**state, "step": torch.tensor(int(entries[0]["step"]))}

    def load_optimizer_state(self, state):
        if not state:
            return
        steps = state["step"]
        for flat in self._flat_parameters():
            # DeepSpeed's own Adam counts in Python, torch's in a tensor.
            count = steps.float().clone() if isinstance(self.optimizer, torch.optim.AdamW) else int(steps)
            self.optimizer.state[flat] = {"step": count, **{key: torch.zeros_like(flat) for key in MOMENTS}}
        self._link_moments()
        for name, parameter in self.learning.items():
            for key in MOMENTS:
                self._set_moment(parameter, key, state[f"{name}/{key}"])

    def _link_moments(self) -> None:
        """Let parameters find their moments under ZeRO 1 and 2.

        DeepSpeed links them once, behind the first step of the first group, when the others have no moments yet.
        """
        if self.stage < 3:
            self.zero._hp_optimizer_states_linked = False
            self.zero._lazy_init_hp_params_optimizer_state()

    def _set_moment(self, parameter: nn.Parameter, key: str, value: torch.Tensor) -> None:
        """This rank's share of a whole moment. DeepSpeed's own setter fails where the last share is padded."""
        from deepspeed.utils import safe_set_full_optimizer_state, safe_set_local_optimizer_state

        value = value.to(self.ranks.device)
        if self.stage < 3:
            safe_set_full_optimizer_state(parameter, value, key)
            return
        share = parameter.ds_tensor.ds_numel
        padded = torch.zeros(share * self.ranks.world_size, device=value.device)
        padded[: value.numel()] = value.flatten()
        mine = padded[share * self.ranks.rank : share * (self.ranks.rank + 1)]
        safe_set_local_optimizer_state(parameter, mine, key)

    def _flat_parameters(self) -> list[torch.Tensor]:
        """What the inner optimiser really steps: one flat float32 tensor per group or sub-group."""
        return self.zero.fp32_partitioned_groups_flat if self.stage == 3 else self.zero.single_partition_of_fp32_groups

    def _gradients(self) -> list[tuple[int, list[torch.Tensor]]]:
        """(index of a group, gradients of this rank's share in it) after the last ``backward`` of a step."""
        if self.stage == 3:
            groups = self.zero.sub_group_to_group_id
            flat = enumerate(self._flat_parameters())
            if self.zero.offload_optimizer:
                return [(groups[index], [parameter.grad]) for index, parameter in flat]
            return [(groups[index], self.zero.averaged_gradients[index]) for index, _ in flat]
        if self.zero.cpu_offload:
            return [(index, [parameter.grad]) for index, parameter in enumerate(self._flat_parameters())]
        return [(index, self.zero.averaged_gradients[index]) for index in range(len(self.names))]

    def close(self):
        self.engine.destroy()
