"""Who trains and who tests: the protocols of data sets by name, a user's own as YAML, and the guard that holds them.

A user's file has some of these keys, and no others::

    base: ntu120/cross-subject       # a split by name, or instead of it:
    among: {setup: [1, 2, 3]}        # recordings that the split is about; default: all
    train: {performer: [1, 2]}       # recordings for training; all conditions must hold
    test: {performer: [3]}           # recordings for testing; default: those that do not train
    unseen: [reading, 12]            # labels, or numbers of actions, that never train, and that alone test
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from skeletonllm.data.labels import known_labels, refuse_unknown
from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.ntu import TRAINING_PERFORMERS

NEITHER = "neither"
_KEYS = ("base", "among", "train", "test", "unseen")
_ZERO_SHOT = "its unseen classes are not published; write a YAML file with base: ntu120/cross-subject and unseen: [...]"


class LeakError(ValueError):
    """A recording that is held out for testing would be learnt from."""


@dataclass(frozen=True)
class Split:
    """A protocol.

    Args:
        name: for messages.
        trains, tests: whether a recording is on that side, whatever its class; no recording is on both.
        attributes: that recordings must have.
        unseen: labels, and numbers of actions, that never train, and that alone test. Empty: every class does both.
    """

    name: str
    trains: Callable[[Recording], bool]
    tests: Callable[[Recording], bool]
    attributes: tuple[str, ...] = ()
    unseen: frozenset[str | int] = frozenset()

    def is_unseen(self, recording: Recording) -> bool:
        """Whether a recording is of a class that never trains."""
        return recording.label in self.unseen or recording.attributes.get("action") in self.unseen

    def side(self, recording: Recording) -> str:
        """``train``, ``test`` or ``neither``.

        Raises:
            ValueError: the recording lacks an attribute, or is on both sides.
        """
        self._check_attributes(recording)
        trains, tests = self.trains(recording), self.tests(recording)
        if trains and tests:
            raise ValueError(f"split {self.name}: {recording.id} would both train and test")
        if trains and not self.is_unseen(recording):
            return "train"
        return "test" if tests and (self.is_unseen(recording) or not self.unseen) else NEITHER

    def assign(self, recordings: Iterable[Recording]) -> list[Recording]:
        """The recordings with ``split`` as it is here, for ``select``.

        Raises:
            ValueError: a recording does not fit, or an unseen label is neither among them nor that of a known data set.
        """
        recordings = list(recordings)
        labels = {recording.label for recording in recordings}
        unseen = [label for label in self.unseen if isinstance(label, str)]
        refuse_unknown(unseen, labels | set(known_labels()), f"split {self.name}: unseen")
        return [replace(recording, split=self.side(recording)) for recording in recordings]

    def _check_attributes(self, recording: Recording) -> None:
        for name in self.attributes:
            if name not in recording.attributes:
                known = ", ".join(recording.attributes) or "none"
                raise ValueError(f"split {self.name} needs the attribute {name!r}; {recording.id} has {known}")


@dataclass(frozen=True)
class Guard:
    """Keeps what is held out away from a job.

    Args:
        split: the protocol.
        job: for messages, such as ``training``.
    """

    split: Split
    job: str = "training"

    def refusal(self, recording: Recording) -> str | None:
        """Why a recording must not be learnt from, None if it may be."""
        side = self.split.side(recording)
        if side == "train":
            return None
        if self.split.is_unseen(recording):
            return f"{recording.label!r} is an unseen class"
        known = ", ".join(f"{name} {recording.attributes[name]}" for name in self.split.attributes)
        if side == "test" or self.split.tests(recording):
            return f"it is for testing ({known})" if known else "it is for testing"
        return f"it is not in the split ({known})" if known else "it is not in the split"

    def allows(self, recording: Recording) -> bool:
        """Whether a recording may be learnt from."""
        return self.refusal(recording) is None

    def check(self, recordings: Iterable[Recording]) -> None:
        """Raises LeakError, which names the first recording and the reason, if one must not be learnt from."""
        recordings = list(recordings)
        refused = [(recording.id, why) for recording in recordings if (why := self.refusal(recording))]
        if refused:
            raise LeakError(
                f"{self.job} would touch {len(refused)} of {len(recordings)} recordings that split {self.split.name} "
                f"keeps from it; the first is {refused[0][0]}: {refused[0][1]}"
            )


def _conditions(wanted: Mapping[str, Iterable[int]]) -> Callable[[Recording], bool]:
    """Whether all attributes have one of the wanted numbers."""
    wanted = {name: frozenset(numbers) for name, numbers in wanted.items()}
    return lambda recording: all(recording.attributes[name] in numbers for name, numbers in wanted.items())


def make_split(
    name: str,
    train: Mapping[str, Iterable[int]],
    test: Mapping[str, Iterable[int]] | None = None,
    among: Mapping[str, Iterable[int]] | None = None,
    unseen: Iterable[str | int] = (),
) -> Split:
    """A split by the numbers that attributes have.

    Args:
        name: for messages.
        train: attribute -> its numbers in training; all conditions must hold.
        test: the same for testing; None: whatever does not train.
        among: the same for recordings that the split is about; None: all.
        unseen: labels or numbers of actions that never train.
    """
    unseen = frozenset(unseen)
    within, trains = _conditions(among or {}), _conditions(train)
    tests = _conditions(test) if test is not None else lambda recording: not trains(recording)
    attributes = dict.fromkeys([*(among or {}), *train, *(test or {})])
    if any(isinstance(label, int) for label in unseen):
        attributes["action"] = None
    return Split(
        name,
        lambda recording: within(recording) and trains(recording),
        lambda recording: within(recording) and tests(recording),
        tuple(attributes),
        unseen,
    )


# Held-out classes of NTU RGB+D: 5 and 12 of SynSE (Gupta et al. 2021), 20 and 30 of PURLS (Zhu et al. 2024).
NTU60_UNSEEN = {
    "55-5": (11, 12, 20, 27, 57),
    "48-12": (4, 6, 10, 13, 16, 41, 43, 48, 52, 57, 59, 60),
    "40-20": (1, 13, 14, 15, 16, 17, 18, 23, 24, 27, 30, 31, 32, 36, 37, 43, 44, 49, 57, 58),
    "30-30": (
        1, 2, 3, 7, 8, 9, 11, 13, 14, 16, 17, 19, 21, 22, 26,
        27, 28, 32, 33, 34, 40, 43, 46, 48, 49, 52, 53, 56, 59, 60,
    ),
}  # fmt: skip
NTU120_ZERO_SHOT = ("110-10", "96-24", "80-40", "60-60")
_NTU60 = {"setup": range(1, 18), "action": range(1, 61)}
_NTU120 = {"setup": range(1, 33), "action": range(1, 121)}
_BY_PERFORMER = {"performer": TRAINING_PERFORMERS}

SPLITS: dict[str, Split] = {
    split.name: split
    for split in (
        # The usual protocol of each data set, which its source knows.
        Split("usual", lambda recording: recording.split == "train", lambda recording: recording.split == "test"),
        # For a model that is never tested on this data.
        Split("everything", lambda recording: True, lambda recording: False),
        make_split("ntu60/cross-subject", _BY_PERFORMER, among=_NTU60),
        make_split("ntu60/cross-view", {"camera": [2, 3]}, {"camera": [1]}, _NTU60),
        *(make_split(f"ntu60/{name}", _BY_PERFORMER, None, _NTU60, ids) for name, ids in NTU60_UNSEEN.items()),
        make_split("ntu120/cross-subject", _BY_PERFORMER, among=_NTU120),
        make_split("ntu120/cross-setup", {"setup": range(2, 33, 2)}, {"setup": range(1, 33, 2)}, _NTU120),
        make_split("nw_ucla/cross-view", {"view": [1, 2]}, {"view": [3]}),
        # A trial is what no other data set numbers, so that nobody else's performers pass for these.
        make_split("utd_mhad/cross-subject", {"performer": [1, 3, 5, 7]}, among={"trial": range(1, 5)}),
    )
}


def load_split(name: str | Path) -> Split:
    """A split by its name in ``SPLITS``, or from a user's YAML file.

    Raises:
        ValueError: there is no such split, or the file does not describe one; names the file and the key.
    """
    if str(name) in SPLITS:
        return SPLITS[str(name)]
    if str(name) in [f"ntu120/{classes}" for classes in NTU120_ZERO_SHOT]:
        raise ValueError(f"split {name}: {_ZERO_SHOT}")
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"no split {str(name)!r}; known: {', '.join(SPLITS)}, or the path of a YAML file")
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected some of the keys {', '.join(_KEYS)}")
    return _from_content(content, path)


def _from_content(content: dict, path: Path) -> Split:
    if unknown := [str(key) for key in content if key not in _KEYS]:
        raise ValueError(f"{path}: unknown key {', '.join(unknown)}; known: {', '.join(_KEYS)}")
    unseen = _unseen(content.get("unseen", []), f"{path}: unseen")
    if "base" in content:
        if others := [key for key in ("among", "train", "test") if key in content]:
            raise ValueError(f"{path}: base has conditions of its own, which leaves no place for {', '.join(others)}")
        if content["base"] not in SPLITS:
            raise ValueError(f"{path}: base: no split {content['base']!r}; known: {', '.join(SPLITS)}")
        base = SPLITS[content["base"]]
        needed = ("action",) if any(isinstance(label, int) for label in unseen) else ()
        attributes = tuple(dict.fromkeys([*base.attributes, *needed]))
        return replace(base, name=str(path), attributes=attributes, unseen=base.unseen | unseen)
    if "train" not in content:
        raise ValueError(f"{path}: train: missing; expected conditions such as {{performer: [1, 2]}}, or a base")
    parts = {key: _numbers(content[key], f"{path}: {key}") for key in ("train", "test", "among") if key in content}
    return make_split(str(path), **parts, unseen=unseen)


def _numbers(content: object, place: str) -> dict[str, list[int]]:
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{place}: found {content!r}, expected conditions such as {{performer: [1, 2]}}")
    for name, numbers in content.items():
        if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
            raise ValueError(f"{place}: {name}: found {numbers!r}, expected a list of numbers such as [1, 2]")
    return {str(name): numbers for name, numbers in content.items()}


def _unseen(content: object, place: str) -> frozenset[str | int]:
    if not isinstance(content, list) or not all(type(label) in (int, str) for label in content):
        raise ValueError(f"{place}: found {content!r}, expected labels or numbers of actions such as [reading, 12]")
    return frozenset(content)
