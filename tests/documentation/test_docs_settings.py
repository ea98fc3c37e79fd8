"""Every block of YAML or TOML of the documentation is read by what reads such files."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fenced_blocks import Block, all_blocks

from skeletonllm.data.splits import load_split
from skeletonllm.skeleton.formats.custom import load_layout
from skeletonllm.studies.spec import load_study
from skeletonllm.training.arguments import load_recipe

# What a part of a recipe stands in: it says nothing of the rest.
RECIPE = {"data": {}, "model": {}, "stages": {"scratch": {"train": ["renderer"], "epochs": 1, "learning_rate": 1e-3}}}


def read_recipe(path: Path) -> None:
    path.write_text(yaml.safe_dump(RECIPE | yaml.safe_load(path.read_text())))
    load_recipe(str(path))


def read_study(path: Path) -> None:
    found = load_study(str(path), {"nw_ucla": str(path.parent)})
    assert found.variants and found.tests


def read_toml(path: Path) -> None:
    tomllib.loads(path.read_text())


# Keys at the top by which a kind of file is known, and what reads it.
KINDS: tuple[tuple[set[str], Callable], ...] = (
    ({"kind"}, load_layout),
    ({"variants"}, read_study),
    ({"stages"}, read_recipe),
    ({"data"}, read_recipe),
    ({"train"}, load_split),
    ({"base"}, load_split),
)
SETTINGS = [block for block in all_blocks() if block.language in ("yaml", "toml")]


def reader_of(block: Block) -> Callable:
    """Raises LookupError for a block that is none of these files."""
    if block.language == "toml":
        return read_toml
    keys = set(yaml.safe_load(block.text))
    for needed, reader in KINDS:
        if needed <= keys:
            return reader
    raise LookupError(f"{block.id}: a file with {', '.join(sorted(keys))} is none that is known here")


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.id)
def test_a_file_of_settings_is_read(block, tmp_path):
    path = tmp_path / f"shown.{block.language}"
    path.write_text(block.text)
    reader_of(block)(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: csv\ncolumn: x\n", "column"),
        ("recipe: nw_ucla\nvariants: {a: {change: []}}\ntests: {t: {}}\nseeds: [0]\n", "change"),
        ("data: {sources: folder}\n", "sources"),
        ("train: {performer: one}\n", "performer"),
    ],
    ids=["layout", "study", "recipe", "split"],
)
def test_a_wrong_one_is_refused(text, told, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        reader_of(Block("page.md", 1, "yaml", text))(path)


def test_every_block_is_marked_as_something_that_is_checked():
    known = {"bash", "python", "yaml", "toml", "text", ""}
    assert {block.language for block in all_blocks()} <= known
