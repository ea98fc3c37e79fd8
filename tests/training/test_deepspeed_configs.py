"""The shipped DeepSpeed configurations: everything ``auto`` in them is filled, by us and by transformers alike."""

import json
from pathlib import Path

import pytest
import torch

from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import EngineSettings, load_deepspeed_config
from skeletonllm.training.zero import resolve

FILES = sorted((Path(__file__).resolve().parents[2] / "ds_configs").glob("*.json"))
STAGES = {"zero1": 1, "zero2": 2, "zero3": 3, "zero3_offload": 3}
SETTINGS = EngineSettings(samples=4, accumulation=3, max_gradient_norm=0.7, low_precision=torch.bfloat16)
LEARNING = 12345

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def resolved(path, processes=1, settings=SETTINGS):
    pytest.importorskip("deepspeed")
    return resolve(load_deepspeed_config(path), settings, Ranks(world_size=processes), LEARNING)


def accepted(config):
    """DeepSpeed's own reading of a configuration."""
    from deepspeed.runtime.config import DeepSpeedConfig

    return DeepSpeedConfig(config)


def test_each_stage_has_its_file():
    assert [path.stem for path in FILES] == list(STAGES)


@every_file
def test_a_run_fills_in_what_is_auto(path):
    config = resolved(path, processes=2)
    assert '"auto"' not in json.dumps(config)
    wanted = {
        "train_batch_size": 24,
        "train_micro_batch_size_per_gpu": 4,
        "gradient_accumulation_steps": 3,
        "gradient_clipping": 0.7,
    }
    assert {key: config[key] for key in wanted} == wanted
    assert config["zero_optimization"]["stage"] == STAGES[path.stem]
    # A bucket of DeepSpeed's default size would be two gigabytes beside adapters of a few megabytes.
    assert config["zero_optimization"]["reduce_bucket_size"] == LEARNING


@every_file
def test_deepspeed_accepts_it(path):
    config = accepted(resolved(path))
    zero = config.zero_config
    assert zero.stage == STAGES[path.stem] and config.torch_autocast_enabled
    assert config.torch_autocast_dtype is torch.bfloat16
    offloaded = [part is not None and part.device == "cpu" for part in (zero.offload_optimizer, zero.offload_param)]
    assert offloaded == [path.stem == "zero3_offload"] * 2


@every_file
def test_gradients_of_linear_layers_are_not_rounded_on_their_way(path):
    assert accepted(resolved(path)).torch_autocast_lower_precision_safe_modules == []


@every_file
def test_without_low_precision_there_is_no_autocast(path):
    settings = EngineSettings(samples=4, accumulation=3, max_gradient_norm=0.7, low_precision=None)
    assert not accepted(resolved(path, settings=settings)).torch_autocast_enabled


@every_file
def test_transformers_trainer_fills_in_what_is_auto_too(path, tmp_path):
    pytest.importorskip("deepspeed")
    from transformers import PretrainedConfig, TrainingArguments
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    class Model:
        config = PretrainedConfig(hidden_size=64)

    arguments = TrainingArguments(str(tmp_path), use_cpu=True, per_device_train_batch_size=4)
    read = HfTrainerDeepSpeedConfig(str(path))
    assert (read.is_zero2(), read.is_zero3()) == (STAGES[path.stem] == 2, STAGES[path.stem] == 3)
    assert read.is_offload() == (path.stem == "zero3_offload")
    read.trainer_config_process(arguments)
    read.trainer_config_finalize(arguments, Model, num_training_steps=10)
    assert '"auto"' not in json.dumps(read.config)
    assert accepted(read.config).zero_config.stage == STAGES[path.stem]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_batch_size": 25}, "train_batch_size is 25, the recipe makes it 24"),
        ({"gradient_clipping": 1.0}, "gradient_clipping is 1.0, the recipe makes it 0.7"),
        ({"bf16": {"enabled": True}}, "bf16 would take the renderer out of float32"),
        ({"fp16": {"enabled": True}}, "fp16 would take the renderer out of float32"),
    ],
)
def test_what_contradicts_the_recipe_is_refused(changes, message):
    pytest.importorskip("deepspeed")
    with pytest.raises(ValueError, match=message):
        resolve({"zero_optimization": {"stage": 2}, **changes}, SETTINGS, Ranks(world_size=2), LEARNING)
