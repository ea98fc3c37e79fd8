"""What docs/own_data.md says is said when something is wrong is what is said, word for word."""

import json
import re
from pathlib import Path

import pytest
from fenced_blocks import blocks_of
from story import named_file

from skeletonllm.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own_data.md"
TEXT = PAGE.read_text()


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Path:
    """The studio of the page, with its files as the page has them, in the folder that is returned."""
    folder = tmp_path_factory.mktemp("own_data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks_of(TEXT, "docs/own_data.md"):
            if block.language == "python":
                exec(compile(block.text, block.page, "exec"), {})
            elif name := named_file(block):
                Path(name).parent.mkdir(exist_ok=True)
                Path(name).write_text(block.text)
        said(None, "pack", "list.csv", "--root", "studio", "-o", "shards", "--workers", "0")
    return folder


def said(capsys, *words: str) -> str:
    """What a command says on stderr, its last line."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    if capsys is None:
        assert not ended.value.code
        return ""
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_table_without_its_layout(studio, tmp_path, capsys, monkeypatch):
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / "d01-plie-1.csv").write_bytes((studio / "studio" / "d01-plie-1.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "inspect", "studio/d01-plie-1.csv") in TEXT


def test_a_number_that_is_none(studio, capsys, monkeypatch):
    monkeypatch.chdir(studio)
    lines = Path("studio/d01-plie-1.csv").read_text().splitlines()
    lines[11] = re.sub(r"^(\d+),[^,]*", r"\1,oops", lines[11])
    Path("broken.csv").write_text("\n".join(lines))
    assert f"`{said(capsys, 'inspect', '--format', 'studio/skeleton-layout.yaml', 'broken.csv')}`" in TEXT


def test_a_file_that_was_cut_off(studio, monkeypatch):
    monkeypatch.chdir(studio)
    Path("some").mkdir()
    for name in ("skeleton-layout.yaml", "d01-plie-1.csv"):
        Path("some", name).write_bytes(Path("studio", name).read_bytes())
    Path("some/d02-plie-1.csv").write_bytes(Path("studio/d02-plie-1.csv").read_bytes()[:3000])
    said(None, "pack", "some", "-o", "few", "--workers", "0")
    (rejected,) = map(json.loads, Path("few/rejected.jsonl").read_text().splitlines())
    assert f"`{rejected['reason']}`" in TEXT


def test_a_layout_a_list_a_split_and_a_recipe_with_a_mistake(studio, capsys, monkeypatch):
    monkeypatch.chdir(studio)
    Path("bad.yaml").write_text(Path("studio/skeleton-layout.yaml").read_text().replace("up: z", "up: zed"))
    Path("badlist.csv").write_text("file,label,performer\nd01-plie-1.csv,plie,anna\n")
    Path("leak.yaml").write_text(Path("by_dancer.yaml").read_text().replace("[8, 9, 10]", "[7, 8]"))
    train = ("train", "--recipe", "studio.yaml", "-o", "runs/none", "--dry-run", "model.backbone=tiny")
    for words in (
        ("formats", "check", "bad.yaml"),
        ("pack", "badlist.csv", "--root", "studio", "-o", "none"),
        (*train, "data.protocol=leak.yaml"),
        (*train, "stages.studio.epoch=3"),
    ):
        assert f"`{said(capsys, *words)}`" in TEXT
