"""An export of a run under ZeRO-3, whose processes hold a share of each tensor."""

import pytest
import yaml
from launching import deepspeed_launch
from safetensors.torch import load_file

from skeletonllm.training.arguments import recipe_from_dict
from skeletonllm.training.checkpoint import load_checkpoint
from skeletonllm.training.export import export
from skeletonllm.training.run import train

STAGES = dict(
    warmup=dict(renderer_learning_rate=1e-3),
    distill=dict(learning_rate=1e-3, renderer_learning_rate=1e-3),
)
CLOSE = 1e-5


@pytest.fixture(scope="module")
def checkpoints(minute, tmp_path_factory):
    """The last checkpoints of one run by ZeRO-3 and by plain torch."""
    folder = tmp_path_factory.mktemp("zero")
    content = minute(stages=STAGES, model=dict(lora=dict(rank=4, alpha=8, dropout=0.0)))
    (folder / "minute.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    deepspeed_launch("zero3", "--recipe", str(folder / "minute.yaml"), "-o", str(folder / "zero"))
    train(recipe_from_dict(content), folder / "plain")
    return load_checkpoint(folder / "zero"), load_checkpoint(folder / "plain")


@pytest.mark.parametrize("kind", ["merged", "adapter", "renderer"])
def test_the_export_of_a_zero_3_run_is_that_of_the_plain_run(checkpoints, tmp_path, kind):
    zero, plain = (export(each, kind, tmp_path / each.path.parents[1].name) for each in checkpoints)
    files = sorted(path.relative_to(plain) for path in plain.rglob("*.safetensors"))
    assert files
    for file in files:
        found, wanted = load_file(zero / file), load_file(plain / file)
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert found[name].numel() and found[name].shape == tensor.shape, name
            assert (found[name] - tensor).abs().max() < CLOSE, name


def test_both_runs_went_far_from_where_they_began(checkpoints):
    for checkpoint in checkpoints:
        learnt = checkpoint.tensors["model"]
        adapters = [value for name, value in learnt.items() if ".lora_B." in name]  # which begin at zero
        assert adapters and all(value.abs().max() > 100 * CLOSE for value in adapters)
