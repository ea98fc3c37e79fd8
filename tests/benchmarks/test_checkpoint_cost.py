"""The benchmark of checkpoints: it saves what a run would, and its rows have every column."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import checkpoint_cost


def test_what_is_saved_are_parameters_and_both_moments():
    tensors = checkpoint_cost.checkpoint_of({"a": torch.Size([2, 3]), "b": torch.Size([4])})
    assert {name: value.shape for name, value in tensors["model"].items()} == {"a": (2, 3), "b": (4,)}
    assert set(tensors["optimizer"]) == {"a/exp_avg", "a/exp_avg_sq", "b/exp_avg", "b/exp_avg_sq", "step"}


def test_a_row_has_every_column_and_counts_what_is_there(tmp_path):
    row = checkpoint_cost.measure("small", {"a": torch.Size([500, 500])}, step=0.5, folder=tmp_path, repeats=1)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == len(checkpoint_cost.COLUMNS)
    assert cells[1] == "250,000" and cells[2] == "3.0"  # three times four bytes each


def test_what_is_learnt_of_a_large_backbone_is_counted_without_its_weights():
    parameters, step = checkpoint_cost.backbone_case("InternVL3-1B-hf")
    assert any(".lora_" in name for name in parameters) and any(name.startswith("renderer.") for name in parameters)
    assert 15e6 < sum(shape.numel() for shape in parameters.values()) < 30e6 and step > 0
