"""Segment: a stretch of a recording in which something is done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """What is done from when to when.

    Args:
        label: the action.
        start, stop: seconds from the beginning of the recording.

    Raises:
        ValueError: it does not last.
    """

    label: str
    start: float
    stop: float

    def __post_init__(self):
        if not 0 <= self.start < self.stop:
            raise ValueError(f"segment {self.label!r} from {self.start} s to {self.stop} s")

    def moved(self, seconds: float) -> "Segment":
        """The same, so much later."""
        return Segment(self.label, self.start + seconds, self.stop + seconds)
