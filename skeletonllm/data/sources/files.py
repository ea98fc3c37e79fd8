"""What sources of files have in common."""

import re
from functools import partial
from pathlib import Path

from skeletonllm.skeleton.formats import read_skeleton


def named_files(root: Path, pattern: str) -> list[tuple[Path, dict[str, int]]]:
    """Files below a folder whose whole name fits a pattern of named numbers, in the order of their paths."""
    expression = re.compile(pattern)
    found = ((path, expression.fullmatch(path.name)) for path in sorted(root.rglob("*")))
    return [(path, {key: int(value) for key, value in match.groupdict().items()}) for path, match in found if match]


def reader(path: Path, format: str | None = None):
    """What reads a file later, and can be sent to another process."""
    return partial(read_skeleton, path, format)
