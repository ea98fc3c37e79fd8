"""What a study is: which variants of which recipe are trained, from where, and on what they are tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from skeletonllm.training.plain_values import from_plain, read_yaml

SKELETON_NETWORK = "st_gcn"


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Args:
        changes: of the recipe, such as ``model.num_frames=8``. Those of ``model`` hold for the foundation too.
        recipe: another one than the study's.
        foundation: whether it begins with the study's foundation, if there is one.
        program: None for a run of ``skeletonllm train``, or ``st_gcn``, the classical skeleton network.
        tests: names of those that it is put to; empty: all.
        options: of that network's training, see ``skeletonllm.evaluation.baselines.learning.Learning``.
    """

    changes: list = field(default_factory=list)
    recipe: str | None = None
    foundation: bool = True
    program: str | None = None
    tests: list = field(default_factory=list)
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.program not in (None, SKELETON_NETWORK):
            raise ValueError(f"program is {self.program!r}, expected {SKELETON_NETWORK} or nothing")


@dataclass(frozen=True)
class Foundation:
    """A run from which others go on, with the start seed of the recipe; one for all variants of a like model."""

    recipe: str = "synthetic"
    changes: list = field(default_factory=list)


@dataclass(frozen=True)
class Examination:
    """A test of recognition: arguments of ``skeletonllm evaluate``.

    Args:
        data, root, options, split, protocol, where, shared_labels: as there.
    """

    data: str = "synthetic"
    root: str | None = None
    options: dict = field(default_factory=dict)
    split: str = "test"
    protocol: str = "usual"
    where: dict = field(default_factory=dict)
    shared_labels: bool = False


@dataclass(frozen=True)
class Study:
    """A table: variants by name, each trained with every seed and put to every test.

    Args:
        name: of the study.
        description: what is asked.
        recipe: of every run, a shipped one or the path of a YAML file.
        changes: to it.
        seeds: of order, augmentation and untrained weights.
        foundation: what the runs go on from.
        variants: the first is the one with which the others are compared.
        tests: by name.
    """

    name: str
    description: str = ""
    recipe: str = "synthetic"
    changes: list = field(default_factory=list)
    seeds: list = field(default_factory=lambda: [0, 1, 2])
    foundation: Foundation | None = None
    variants: dict[str, Variant] = field(default_factory=dict)
    tests: dict[str, Examination] = field(default_factory=dict)

    def __post_init__(self):
        if not (self.variants and self.tests and self.seeds):
            raise ValueError("a study has variants, tests and seeds")
        if wrong := [seed for seed in self.seeds if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0]:
            raise ValueError(f"seeds: found {wrong[0]!r}, expected whole numbers from 0")
        for name, variant in self.variants.items():
            if unknown := [test for test in variant.tests if test not in self.tests]:
                raise ValueError(f"variants: {name}: no test {unknown[0]!r}; there are {', '.join(self.tests)}")
        if len(folders := {folder_name(name) for name in self.variants}) < len(self.variants):
            raise ValueError(f"variants: two of them would share a folder; folders are {', '.join(sorted(folders))}")


def folder_name(name: str) -> str:
    """A variant's name as that of its folder."""
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in name)


def shipped_studies() -> dict[str, Path]:
    """The studies of the package by name."""
    folder = Path(str(resources.files("skeletonllm.recipes"))) / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_study(name: str, roots: Mapping[str, str]) -> Study:
    """A shipped study by name, or one from a YAML file.

    Args:
        name: which.
        roots: the folder of each data set that the study names in braces, such as ``{nw_ucla}``.

    Raises:
        ValueError: no such study, a key or value that a study does not have, or a folder that is not given.
    """
    path = shipped_studies().get(name, Path(name))
    if not path.is_file():
        raise ValueError(f"no study {name!r}; shipped: {', '.join(shipped_studies())}, or the path of a .yaml file")
    content = _filled(read_yaml(path), roots, str(path))
    return from_plain(Study, {"name": path.stem, **content}, str(path))


def _filled(content: Any, roots: Mapping[str, str], place: str) -> Any:
    """The same with ``{name}``, where it is all of a text or follows an equals sign, replaced by a folder."""
    if isinstance(content, Mapping):
        return {key: _filled(value, roots, f"{place}: {key}") for key, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_filled(value, roots, place) for value in content]
    if not isinstance(content, str):
        return content
    before, equals, value = content.rpartition("=")
    name = value[1:-1]
    if value != f"{{{name}}}" or not name.isidentifier():
        return content
    if name not in roots:
        raise ValueError(f"{place}: needs the folder of {name}: --root {name}=FOLDER")
    return f"{before}{equals}{roots[name]}"
