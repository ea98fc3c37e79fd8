"""Every block of Python of the documentation runs, and pages to follow from beginning to end can be followed."""

import pytest
from fenced_blocks import Block, Command, all_blocks, commands_of
from not_run import is_run
from story import STORIES, Story, named_file


def parts_of(page: str) -> list[Block | Command]:
    """What of a page is told in order: blocks of Python, and of a page to follow its files and commands, too."""
    parts = []
    for block in all_blocks():
        if block.page != page:
            continue
        if block.language == "python" or (page in STORIES and named_file(block)):
            parts.append(block)
        elif page in STORIES:
            parts += commands_of(block)
    return [part for part in parts if is_run(part)]


PARTS = {page: parts for page in dict.fromkeys(block.page for block in all_blocks()) if (parts := parts_of(page))}


def test_the_pages_to_follow_are_there():
    assert set(STORIES) <= set(PARTS)


def parameters():
    for parts in PARTS.values():
        marks = [pytest.mark.slow] * any(isinstance(part, Command) for part in parts)
        for part in parts:
            yield pytest.param(part, id=part.id, marks=marks)


@pytest.fixture(scope="session")
def stories(stage, tmp_path_factory):
    """The stories of this process by page, each as far as it was told."""
    begun = {}

    def find(page: str) -> Story:
        if page not in begun:
            begun[page] = Story(PARTS[page], tmp_path_factory.mktemp("story"), stage)
        return begun[page]

    return find


@pytest.mark.parametrize("part", list(parameters()))
def test_a_part_of_a_page_runs(part, stories, monkeypatch, stage):
    monkeypatch.setenv("SKELETONLLM_CACHE", str(stage.folder / "cache"))
    stories(part.page).tell(part)


def test_a_wrong_part_fails_and_what_builds_on_it_does_not_run(stage, tmp_path):
    parts = [Block("page.md", line, "python", text) for line, text in enumerate(["a = 1", "a += b", "a = 2"])]
    story = Story(parts, tmp_path, stage)
    with pytest.raises(NameError):
        story.tell(parts[2])
    assert story.names["a"] == 1
    with pytest.raises(AssertionError, match="page.md:1 failed before"):
        story.tell(parts[2])
