"""What the documentation shows between fences: blocks with their page and line, and the commands among them."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*/README.md")),
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCED = re.compile(r"^[ \t]*```.*?^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
SHELL = ("bash", "sh", "console")
# By which a line of a block without a language is known to be a command. "skeletonllm: ..." is what the program says.
PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(?:skeletonllm|python3?|make|pip|sh|torchrun|deepspeed|sbatch|curl)(?: |$)"
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: its path in the checkout.
        line: number of the first line behind the fence.
        language: as marked, or an empty string.
        text: without the indentation that the fence has.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command line, with its continuations joined, and its comment kept.

    Args:
        page: its path in the checkout.
        line: number of its first line.
        text: the line.
    """

    page: str
    line: int
    text: str

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """The fenced blocks of a page.

    Raises:
        ValueError: a block that is never closed.
    """
    opened = None
    for number, line in enumerate(text.splitlines(), start=1):
        fence = re.fullmatch(r"\s*```+\s*(\w*).*", line)
        if opened is None and fence:
            opened = number, fence[1], []
        elif opened is not None and re.fullmatch(r"\s*```+\s*", line):
            first, language, lines = opened
            yield Block(page, first + 1, language, textwrap.dedent("\n".join(lines)) + "\n")
            opened = None
        elif opened is not None:
            opened[2].append(line)
    if opened is not None:
        raise ValueError(f"{page}:{opened[0]}: a block that is never closed")


def commands_of(block: Block) -> Iterator[Command]:
    """Every command of a block of shell, and what looks like one in a block without a language."""
    if block.language and block.language not in SHELL:
        return
    begun, number = "", 0
    for offset, line in enumerate(block.text.splitlines()):
        if not begun:
            if not line.strip() or line.startswith("#") or not (block.language or PROGRAM.match(line)):
                continue
            number = block.line + offset
        begun += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield Command(block.page, number, begun)
            begun = ""


def spans_of(text: str, page: str) -> Iterator[Command]:
    """What stands between backquotes in the sentences of a page, on one line each, whether it is a command or not."""
    sentences = FENCED.sub(lambda fenced: "\n" * fenced[0].count("\n"), text)
    for span in re.finditer(r"`([^`]+)`", sentences):
        yield Command(page, 1 + sentences.count("\n", 0, span.start()), " ".join(span[1].split()))


def programs_of(text: str, page: str) -> Iterator[Command]:
    """Programs that sentences name with what they are started with; of a program alone only its name is said. Commands
    of ours in sentences are left out, as they are often but parts."""
    for span in spans_of(text, page):
        line = re.sub(r" \[.*?\]", "", span.text)
        if re.match(r"(?:python3? \S+|deepspeed|torchrun|sh \S+) \S", line) and "..." not in line:
            yield Command(span.page, span.line, line)


def all_blocks() -> list[Block]:
    """Those of all pages, in order."""
    return [block for page in PAGES for block in blocks_of(page.read_text(), str(page.relative_to(ROOT)))]


def all_commands() -> list[Command]:
    """Those of the blocks of all pages, and programs in their sentences."""
    found = [command for block in all_blocks() for command in commands_of(block)]
    for page in PAGES:
        found += programs_of(page.read_text(), str(page.relative_to(ROOT)))
    return found
