"""The documentation: links lead somewhere, commands exist, and the site builds."""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

sys.path.append(str(Path(__file__).with_name("documentation")))

from fenced_blocks import FENCED, PAGES, ROOT, blocks_of, commands_of, spans_of  # noqa: E402

from skeletonllm.cli import app  # noqa: E402

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# What launches the command, or is set for it, goes before its name.
BEFORE = r"^(?:[A-Z_]+=\S+ |(?:torchrun|deepspeed) .*?(?:-m |--module )?)?skeletonllm(?= |$)"


def anchors(text: str) -> set[str]:
    """Those of the headings, as forges and mkdocs.yml make them: small letters, no punctuation, - for each blank."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


def broken_links(page: Path) -> list[str]:
    """Links inside the project that lead to no file or no heading."""
    prose = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page.read_text()))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    return broken


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command line of the package, in blocks and within sentences, without comments, behind its
    name."""
    lines = [command.text for block in blocks_of(text, "page") for command in commands_of(block)]
    # FILE|FOLDER and [--option] say what may be given.
    spans = [span.text for span in spans_of(text, "page")]
    lines += [re.sub(r"[\[\]|]", " ", span) for span in spans if span.startswith("skeletonllm ")]
    for line in lines:
        if re.match(BEFORE, line):
            yield shlex.split(re.sub(BEFORE, "", line), comments=True)


def mistake(words: list[str]) -> str | None:
    """What is wrong with a command line: an unknown command, or options that it does not have. Nothing is run."""
    command = typer.main.get_command(app)
    context = click.Context(command, info_name="skeletonllm")
    while hasattr(command, "commands"):
        if not words:
            return None if getattr(command, "invoke_without_command", False) else "a group without a command"
        if words[0] not in command.commands:
            if getattr(command, "invoke_without_command", False) and words[0].startswith("-"):
                break
            return f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    options = {name for one in command.get_params(context) for name in [*one.opts, *one.secondary_opts]}
    given = (re.match(r"--[a-z][\w-]*|-[a-zA-Z](?![\w.])", word) for word in words)
    unknown = [found[0] for found in given if found and found[0] not in options]
    return f"no option {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_and_headings(page):
    assert broken_links(page) == []


def test_a_link_to_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One, two: `three`\n[a](#one-two-three) [b](#four) [c](page.md#one-two-three) [d](gone.md)\n")
    assert broken_links(page) == ["#four", "gone.md"]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_their_options_exist(page):
    wrong = {" ".join(words): found for words in commands(page.read_text()) if (found := mistake(words))}
    assert wrong == {}


def test_commands_are_found_and_judged():
    block = (
        "```bash\nskeletonllm ask a.bvh \\\n  --nowhere 1   # --neither\nX=1 skeletonllm dance sing\nmake demo\n```\n"
        "By `skeletonllm convert A|B\n[--somehow]` or `skeletonllm`.\n"
    )
    words = list(commands(block))
    assert words == [["ask", "a.bvh", "--nowhere", "1"], ["dance", "sing"], ["convert", "A", "B", "--somehow"]]
    assert [mistake(each) for each in words] == ["no option --nowhere", "no command sing", "no option --somehow"]
    assert mistake(["ask", "a.bvh", "--candidate", "walk"]) is None
    # A page whose commands are not recognised as such would pass unseen.
    assert len(list(commands((ROOT / "README.md").read_text()))) > 30


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    missing = [name for name in ("mkdocs", "material", "mkdocstrings") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'skeletonllm[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    reference = (tmp_path / "site" / "api" / "skeleton.html").read_text()
    assert 'id="skeletonllm.skeleton.formats.read_skeleton"' in reference
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?([^\s\">]+)", page.read_text())
        loaded += re.findall(r"<link[^>]* rel=\"?(?:stylesheet|preconnect)\"?[^>]*>", page.read_text())
        assert not [one for one in loaded if "//" in one], page.name
