"""What cleaning changed, counted."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CleaningStep:
    """One kind of change.

    Args:
        name: ``confidence``, ``outliers``, ``bones``, ``gaps`` or ``smoothing``.
        joints: joints changed, each frame counted.
        frames: frames in which there are some.
        persons: persons of whom there are some.
        what: what was done with them and why.
    """

    name: str
    joints: int
    frames: int
    persons: int
    what: str

    @classmethod
    def of(cls, name: str, changed: np.ndarray, what: str) -> "CleaningStep":
        """Of a (T, P, J) bool mask."""
        return cls(name, int(changed.sum()), int(changed.any((1, 2)).sum()), int(changed.any((0, 2)).sum()), what)


@dataclass(frozen=True)
class CleaningReport:
    """Every change that was made to a sequence.

    Args:
        steps: what changed something, in the order in which it was done.
        total: T x P x J joints of the sequence.
        unknown_before: those of them that were unknown.
        unknown_after: those that are unknown now.
        skipped: checks that this sequence does not allow, and why.
    """

    steps: tuple[CleaningStep, ...]
    total: int
    unknown_before: int
    unknown_after: int
    skipped: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    def count(self, name: str) -> int:
        """Joints changed by the step of this name."""
        return sum(step.joints for step in self.steps if step.name == name)

    def notes(self) -> tuple[str, ...]:
        """A sentence for each step, for the notes of the sequence."""
        return tuple(
            f"cleaning: {step.joints} of {self.total} joints ({step.frames} frames, {step.persons} persons) {step.what}"
            for step in self.steps
        )

    def __str__(self) -> str:
        lines = self.notes() or ("cleaning: nothing changed",)
        unknown = f"unknown joints: {self.unknown_before} before, {self.unknown_after} after"
        return "\n".join((*lines, *(f"not checked: {why}" for why in self.skipped), unknown))
