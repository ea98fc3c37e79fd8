"""What the commands of the documentation name, as far as it can be made in seconds: recordings, runs, generators.

Each thing is made once per process, when a command first names it, and every command gets a copy of its own.
"""

import re
import shutil
import socket
from functools import cached_property
from pathlib import Path

from fenced_blocks import ROOT
from stage_names import NAMES, names_in, outputs_in
from stage_runs import Runs

# What a command finds in the checkout that it is started from.
CHECKOUT = ("Makefile", "train.py", "skeletonllm", "kernels", "benchmarks", "examples", "ds_configs", "slurm", "tests")
ASSETS = "skeletonllm/assets"


class Stage(Runs):
    """See above."""

    @cached_property
    def server(self) -> str:
        """The address of a server that answers and dances."""
        return self.services.serve(self.generator)

    @property
    def endpoint(self) -> str:
        """The address of a multimodal model."""
        return self.services.endpoint

    @property
    def port(self) -> str:
        """One that nobody uses, another each time."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return str(probe.getsockname()[1])

    def place(self, text: str, workplace: Path) -> None:
        """Copies what a command or a block names into its working folder: neither what is there already, nor what it
        will write."""
        for entry in CHECKOUT:
            if not (workplace / entry).exists():
                (workplace / entry).symlink_to(ROOT / entry)
        if ASSETS in text and (workplace / "skeletonllm").is_symlink():
            _own_assets(workplace / "skeletonllm")
        for name in re.findall(r"small/(\w+)\.yaml", text):
            _copy(self.small_study(name), workplace / "small" / f"{name}.yaml")
        written = outputs_in(text)
        for name in names_in(text):
            if name not in written:
                for number in "12" if "*" in name else "1":
                    target = workplace / name.replace("*", number)
                    if not target.exists():
                        _copy(getattr(self, NAMES[name]), target)


def _own_assets(package: Path) -> None:
    """In the place of a link to the package a folder of links, but with models of its own: results are written beside
    a model."""
    package.unlink()
    package.mkdir()
    for path in (ROOT / "skeletonllm").iterdir():
        if path.name == "assets":
            shutil.copytree(path, package / path.name)
        else:
            (package / path.name).symlink_to(path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)
