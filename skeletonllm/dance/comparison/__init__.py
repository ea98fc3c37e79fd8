"""Generators beside each other: the same songs danced by all, every dance measured once, and the report of it."""

from skeletonllm.dance.comparison.measures import LEGACY, MEASURES
from skeletonllm.dance.comparison.measuring import Unit, measure_all, units_of
from skeletonllm.dance.comparison.rows import REFERENCE, Manner, Row, read_rows
from skeletonllm.dance.comparison.songs import Song, embedded_songs, songs_of
from skeletonllm.dance.comparison.summary import SETS, summarize

__all__ = [
    "LEGACY",
    "MEASURES",
    "REFERENCE",
    "SETS",
    "Manner",
    "Row",
    "Song",
    "Unit",
    "embedded_songs",
    "measure_all",
    "read_rows",
    "songs_of",
    "summarize",
    "units_of",
]
