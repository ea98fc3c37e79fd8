"""What lies below some folders: runs, evaluations, studies, sweeps of robustness, measurements of efficiency."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skeletonllm.evaluation.results import PREDICTIONS_FILE, SUMMARY_FILE
from skeletonllm.models.trained import MODEL_FOLDER, TRAINING_FILE

RECIPE_FILE, LOG_FILE, PICTURE_FOLDER = "recipe.json", "log.jsonl", "pictures"
TABLE_FILE, ROBUSTNESS_FILE, EFFICIENCY_FILE = "table.json", "robustness.json", "efficiency.json"
# A folder with ten thousand others in it was hardly meant.
DEEPEST, MOST_FOLDERS = 6, 5000
# Of a run; nothing that a report shows lies in them.
_NEVER = {"checkpoints", "tensorboard", "ledger", "frames", "heartbeats", "parts", PICTURE_FOLDER, MODEL_FOLDER}


@dataclass
class Run:
    """A folder of ``skeletonllm train``; what is not there is None or empty, and ``missing`` says so."""

    name: str
    folder: Path
    recipe: dict = field(default_factory=dict)
    lines: list[dict] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def model(self) -> Path | None:
        """The folder of the trained model."""
        model = self.folder / MODEL_FOLDER
        return model if (model / TRAINING_FILE).is_file() else None

    @property
    def pictures(self) -> dict[int, Path]:
        """Step -> picture of what the renderer drew after it."""
        steps = {path.stem.removeprefix("step-"): path for path in (self.folder / PICTURE_FOLDER).glob("step-*.png")}
        return {int(step): path for step, path in sorted(steps.items()) if step.isdecimal()}


@dataclass
class Evaluation:
    """A folder of results; ``owner`` is whose answers they are."""

    owner: str
    folder: Path
    summary: dict
    rows: list[dict]
    missing: list[str]

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass
class Measured:
    """The content of another JSON file, and what it is of."""

    name: str
    path: Path
    content: dict


@dataclass
class Found:
    """All that a report is of. ``problems`` are (path, reason) of what could not be read; ``remarks`` sentences."""

    runs: list[Run] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    studies: list[Measured] = field(default_factory=list)
    robustness: list[Measured] = field(default_factory=list)
    efficiency: list[Measured] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.runs, self.evaluations, self.studies, self.robustness, self.efficiency, self.problems))


def find(places: Sequence[Path]) -> Found:
    """Look through folders and what is in them, at most ``DEEPEST`` deep; links are not followed.

    The cells of a study are part of its table, and are not listed as runs unless they are given themselves.

    Raises:
        FileNotFoundError: a place is not there.
        NotADirectoryError: it is a file.
        ValueError: there is nothing below a place that a report could be of.
    """
    found = Found()
    seen: set[Path] = set()
    # Studies last: a cell that is given by name has been seen as a run by then.
    for place in sorted(map(Path, places), key=lambda place: (place / TABLE_FILE).is_file()):
        if not place.exists():
            raise FileNotFoundError(2, "no such folder", str(place))
        if not place.is_dir():
            raise NotADirectoryError(20, "found a file, expected the folder of a run or of results", str(place))
        if not _look_into(place, found, seen):
            raise ValueError(
                f"{place}: found no run, evaluation, study or measurement in it, expected one of the files "
                f"{RECIPE_FILE}, {LOG_FILE}, {SUMMARY_FILE}, {TABLE_FILE}, {ROBUSTNESS_FILE}, {EFFICIENCY_FILE}"
            )
    _name_apart(found)
    return found


def _look_into(place: Path, found: Found, seen: set[Path]) -> bool:
    """Add what lies at and below a place; whether there is anything."""
    anything, too_many, too_deep = False, False, False
    studies: list[Path] = []
    walk = os.walk(place, onerror=lambda error: _unreadable(found, error))
    for count, (folder, inner, files) in enumerate(walk):
        if too_many := count >= MOST_FOLDERS:
            break
        here = Path(folder)
        inner[:] = sorted(name for name in inner if name not in _NEVER and not name.startswith("."))
        if len(here.relative_to(place).parts) >= DEEPEST:
            too_deep, inner[:] = too_deep or bool(inner), []
        if here.resolve() in seen:
            anything = True
            continue
        before = len(found.studies)
        if _add(here, set(files), found, in_study=any(study in here.parents for study in studies)):
            anything = True
            seen.add(here.resolve())
        if len(found.studies) > before:
            studies.append(here)
    if too_many or too_deep:
        found.remarks.append(f"{place}: only {MOST_FOLDERS} folders, {DEEPEST} deep, were looked through")
    return anything


def _unreadable(found: Found, error: OSError) -> None:
    found.problems.append((str(error.filename), error.strerror or str(error)))


def _add(here: Path, files: set[str], found: Found, in_study: bool) -> bool:
    is_run = bool({RECIPE_FILE, LOG_FILE} & files) or (here / MODEL_FOLDER / TRAINING_FILE).is_file()
    is_evaluation = bool({SUMMARY_FILE, PREDICTIONS_FILE} & files)
    if is_run and not in_study:
        found.runs.append(_run(here))
    if is_evaluation and not in_study:
        found.evaluations.append(_evaluation(here))
    for name, listed in (
        (TABLE_FILE, found.studies), (ROBUSTNESS_FILE, found.robustness), (EFFICIENCY_FILE, found.efficiency)
    ):  # fmt: skip
        if name in files:
            content, reason = read_json(here / name)
            if reason:
                found.problems.append((str(here / name), reason))
            else:
                listed.append(Measured(here.name, here / name, content))
    return is_run or is_evaluation or bool({TABLE_FILE, ROBUSTNESS_FILE, EFFICIENCY_FILE} & files)


def _run(folder: Path) -> Run:
    run = Run(folder.resolve().name, folder)
    run.recipe, reason = read_json(folder / RECIPE_FILE)
    run.missing += [f"{RECIPE_FILE}: {reason}"] * bool(reason)
    run.lines, reason = read_lines(folder / LOG_FILE)
    run.lines = [line for line in run.lines if isinstance(line.get("step"), int)]
    run.missing += [f"{LOG_FILE}: {reason}"] * bool(reason)
    if run.model is None:
        run.missing.append(f"{MODEL_FOLDER}/: not there; the run is not finished")
    return run


def _evaluation(folder: Path) -> Evaluation:
    summary, reason = read_json(folder / SUMMARY_FILE)
    missing = [f"{SUMMARY_FILE}: {reason}"] * bool(reason)
    rows, reason = read_lines(folder / PREDICTIONS_FILE)
    missing += [f"{PREDICTIONS_FILE}: {reason}"] * bool(reason)
    return Evaluation(str(_owner_of(folder, summary)), folder, summary, rows, missing)


def _owner_of(folder: Path, summary: dict) -> Path:
    """Whose answers these are: the run's that they lie in (``RUN/evaluation/NAME``), else the model's that the summary
    names, else the folder's own."""
    whole = folder.resolve()
    if whole.parent.name == "evaluation":
        return whole.parents[1]
    if isinstance(summary.get("model"), str):  # of a server
        return Path(summary["model"])
    if isinstance(summary.get("checkpoint"), str):
        model = Path(os.path.abspath(summary["checkpoint"]))
        return model.parent if model.name == MODEL_FOLDER else model
    return whole


def _name_apart(found: Found) -> None:
    """Names that tell the runs apart: as many of the last parts of their paths as it takes."""
    owners = [str(run.folder.resolve()) for run in found.runs] + [each.owner for each in found.evaluations]
    paths = {owner: Path(owner).parts for owner in dict.fromkeys(owners)}
    count, longest = 1, max(map(len, paths.values()), default=1)
    while count < longest and len({parts[-count:] for parts in paths.values()}) < len(paths):
        count += 1
    names = {owner: "/".join(parts[-count:]) for owner, parts in paths.items()}
    for run in found.runs:
        run.name = names[str(run.folder.resolve())]
    for each in found.evaluations:
        each.owner = names[each.owner]


def read_json(path: Path) -> tuple[dict[str, Any], str | None]:
    """The object in a file, and what is wrong with the file, if anything; then the object is empty."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, "not there"
    except OSError as error:
        return {}, error.strerror or str(error)
    except (ValueError, RecursionError) as error:
        return {}, f"damaged: {error}"
    return (content, None) if isinstance(content, dict) else ({}, "damaged: found no JSON object")


def read_lines(path: Path) -> tuple[list[dict[str, Any]], str | None]:
    """The objects in a file of one per line, without lines that are none, and how many those are, if any."""
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return [], "not there"
    except OSError as error:
        return [], error.strerror or str(error)
    lines, damaged = [], 0
    for text in texts:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict):
            lines.append(line)
        else:
            damaged += 1
    return lines, f"{damaged} of {len(texts)} lines are damaged" if damaged else None if texts else "empty"
