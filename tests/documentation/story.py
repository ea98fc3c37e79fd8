"""Parts of a page that belong together: blocks of Python that share names, or a page whose steps build on each other.

Whichever part is asked for first, those before it are run before it, once per process.
"""

import contextlib
import re
from pathlib import Path

from as_run import as_run, filled
from fenced_blocks import Block, Command
from given import GIVEN, INSTEAD
from registries import REGISTRIES, registering
from running import run_line
from stage import Stage

# Pages to follow from the beginning to the end: what a step makes, later ones use.
STORIES = ("docs/own_data.md", "docs/extending.md")
# A block that is a file says in a comment at its beginning where it lies.
_NAMED = re.compile(r"# ([\w./-]+\.\w+)\b")


def named_file(block: Block) -> str | None:
    """The path that a block of YAML or TOML gives itself."""
    found = _NAMED.match(block.text)
    return found[1] if found and block.language != "python" else None


class Story:
    """The parts of a page in a folder of their own.

    Args:
        parts: in the order of the page.
        folder: where they run.
        stage: gives what they name and no part has made.
    """

    def __init__(self, parts: list[Block | Command], folder: Path, stage: Stage):
        self.parts, self.folder, self.stage = parts, folder, stage
        self.names: dict[str, object] = {"__name__": "story"}
        self.failed: str | None = None
        self._done = 0
        self._registered: list[dict] = [{} for _ in REGISTRIES]

    def tell(self, part: Block | Command) -> None:
        """Runs the page up to a part.

        Raises:
            AssertionError: a command ended badly, or an earlier part did.
        """
        while self._done <= self.parts.index(part):
            assert self.failed is None, f"{self.failed} failed before"
            current = self.parts[self._done]
            try:
                with contextlib.chdir(self.folder), registering(self._registered):
                    self._run(current)
            except BaseException:
                self.failed = current.id
                raise
            self._done += 1

    def _run(self, part: Block | Command) -> None:
        if isinstance(part, Command):
            line = as_run(part, self.stage)
            self.stage.place(line, self.folder)
            run_line(line, self.folder, self.stage)
        elif part.language == "python":
            self.stage.place(part.text, self.folder)
            self._run_python(part)
        elif name := named_file(part):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(part.text)

    def _run_python(self, block: Block) -> None:
        for page, text, code in GIVEN:
            if page == block.page and text in block.text:
                self.stage.place(code, self.folder)
                exec(compile(code, "given.py", "exec"), self.names)
        text = block.text
        for found, instead in INSTEAD:
            if found in text:
                text = text.replace(found, filled(instead, self.stage))
        # Lines of a traceback are those of the page.
        exec(compile("\n" * (block.line - 1) + text, block.page, "exec"), self.names)
