"""What is compared: rows, each some generators that differ in their seeds only, and how they dance."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from skeletonllm.dance.diffusion import GUIDANCE
from skeletonllm.dance.generator import SETTINGS, Generator
from skeletonllm.dance.guidance import Correction, FloorGuidance, Projection, RewardGuidance
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.music import MusicFeatures
from skeletonllm.models.trained import MODEL_FOLDER
from skeletonllm.training.arguments import check_least, check_positive
from skeletonllm.training.plain_values import from_plain

REFERENCE = "embedded dances"
"""The row of the real dances to the songs; no other may have its name."""

# It is the name of a folder, too.
_NAME = re.compile(r"\w[\w .+-]*")
# Of a generator's folder: what decides about its dances.
_DECISIVE = (".safetensors", ".json")


class Danced(NamedTuple):
    """A dance, and whether the simulated body got through it each time that it was projected; None if it never was."""

    motion: Motion
    succeeded: bool | None


@dataclass(frozen=True)
class Manner:
    """How a generator dances.

    Args:
        steps: of sampling.
        eta: 0 adds no noise on the way.
        guidance: how far the influence of the music is exaggerated; 1: not.
        guide: rewards that guide, by name, with their weights; see ``guidance.RewardGuidance``.
        guide_steps, guide_iterations, guide_channels: its ``steps``, ``iterations`` and ``channels``.
        floor_guidance: whether the published guidance comes before it, see ``guidance.FloorGuidance``.
        project: at how many of the last steps a simulated body imitates the dance, see ``guidance.Projection``.

    Raises:
        ValueError: numbers out of range, or rewards that cannot guide.
    """

    steps: int = 50
    eta: float = 1.0
    guidance: float = GUIDANCE
    guide: dict = field(default_factory=dict)
    guide_steps: int = RewardGuidance.steps
    guide_iterations: int = RewardGuidance.iterations
    guide_channels: str = RewardGuidance.channels
    floor_guidance: bool = False
    project: int = 0

    def __post_init__(self):
        check_positive(self, "steps")
        check_least(self, 0, "eta", "guidance", "project")
        for name, weight in self.guide.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise ValueError(f"guide: {name} is {weight!r}, expected a weight")
        for correction in self.corrections():
            if correction.steps > self.steps:
                raise ValueError(f"dances corrected at {correction.steps} steps of {self.steps}")

    def corrections(self) -> list[Correction]:
        """What changes dances on their way out of the noise, the projection last."""
        found: list[Correction] = [FloorGuidance()] * self.floor_guidance
        if self.guide:
            found.append(
                RewardGuidance(
                    self.guide,
                    steps=self.guide_steps,
                    iterations=self.guide_iterations,
                    channels=self.guide_channels,
                )
            )
        if self.project:
            found.append(Projection(self.project))
        return found

    def dance(self, generator: Generator, music: MusicFeatures, seed: int) -> Danced:
        """One dance to a song."""
        corrections = self.corrections()
        (motion,) = generator.dance(
            music, seed=seed, steps=self.steps, eta=self.eta, guidance=self.guidance, corrections=corrections
        )
        last = corrections[-1] if corrections else None
        projected = isinstance(last, Projection)
        return Danced(motion, all(result.succeeded for result in last.results) if projected else None)


@dataclass(frozen=True)
class Row:
    """Generators that are one and the same but for their seeds.

    Args:
        name: in tables and of files.
        models: folders of generators or of the runs that made them, or checkpoints of EDGE.
        manner: how they dance.

    Raises:
        ValueError: no models, or a name that no folder may have.
    """

    name: str
    models: tuple[Path, ...]
    manner: Manner = field(default_factory=Manner)

    def __post_init__(self):
        if not _NAME.fullmatch(self.name) or self.name == REFERENCE:
            found = f"a row is called {self.name!r}"
            raise ValueError(f"{found}, expected letters, digits, blanks and .+-_, and not {REFERENCE!r}")
        if not self.models:
            raise ValueError(f"row {self.name}: no models")


def read_rows(given: Sequence[str], changes: Sequence[str] = (), manner: Manner | None = None) -> list[Row]:
    """Rows as a command line names them.

    Args:
        given: ``NAME=MODEL``; several models, which are seeds of one row, have commas between them, or are a pattern
            such as ``runs/tuned-*``.
        changes: of how rows dance, such as ``NAME.steps=10``.
        manner: how all others dance.

    Raises:
        ValueError: another form, a name that comes twice, or a change to what is not there.
        FileNotFoundError: no model of that name.
    """
    models: dict[str, tuple[Path, ...]] = {}
    for each in given:
        name, equals, places = each.partition("=")
        if not equals or not places:
            raise ValueError(f"{each}: expected NAME=MODEL, such as before=runs/dance")
        if name in models:
            raise ValueError(f"{each}: there is a row {name} already; its seeds are NAME=MODEL,MODEL")
        models[name] = tuple(path for place in places.split(",") for path in _found(name, place))
    manners = {name: dataclasses.asdict(manner or Manner()) for name in models}
    for change in changes:
        _change(manners, change)
    return [Row(name, models[name], from_plain(Manner, manners[name], name)) for name in models]


def _found(name: str, place: str) -> list[Path]:
    path = Path(place)
    found = sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
    if not found or not all(each.exists() for each in found):
        raise FileNotFoundError(f"{name}={place}: no such model, expected the folder of a generator or of its run")
    return found


def _change(manners: dict[str, dict], change: str) -> None:
    place, equals, value = change.partition("=")
    # The longest name that fits: names have points, too.
    name = max((name for name in manners if place.startswith(f"{name}.")), key=len, default=None)
    if not equals or name is None:
        expected = " or ".join(f"{name}.KEY=VALUE" for name in manners)
        raise ValueError(f"{change}: changes nothing that is there, expected {expected}")
    content = manners[name]
    *parents, last = place.removeprefix(f"{name}.").split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise ValueError(f"{change}: {parent} has no parts")
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"{change}: not YAML: {error}") from error


def model_digest(path: Path) -> str:
    """sha256 of all that decides about a generator's dances, wherever it lies.

    Raises:
        FileNotFoundError: no generator is there.
    """
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    folder = path if (path / SETTINGS).exists() else path / MODEL_FOLDER
    if not (folder / SETTINGS).is_file():
        raise FileNotFoundError(f"{path}: no generator in it, expected {SETTINGS} or {MODEL_FOLDER}/{SETTINGS}")
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.suffix in _DECISIVE):
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
