"""Where a result comes from: versions of what computed it, and the commit of this code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from skeletonllm import __version__

LIBRARIES = ("torch", "transformers", "numpy", "sacrebleu", "rouge-score", "bert-score")


def provenance() -> dict:
    """Plain values for JSON: ``versions`` by name, None for what is not installed, and the ``commit``."""
    versions: dict[str, str | None] = {"skeletonllm": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {"versions": versions, "commit": commit_of(Path(__file__).resolve().parents[2])}


def commit_of(folder: Path) -> str | None:
    """The commit that a checkout is at, with ``+`` if files of it were changed; None if the folder is no checkout."""
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (FileNotFoundError, subprocess.CalledProcessError):  # no git, or a checkout that it does not trust
        return None
    return commit + "+" * bool(changed)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
