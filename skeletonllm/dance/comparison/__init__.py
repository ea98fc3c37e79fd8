"""Generators beside each other: the same songs danced by all, every dance measured once, and the report of it."""

from skeletonllm.dance.comparison.measures import LEGACY, MEASURES
from skeletonllm.dance.comparison.measuring import Unit, measure_all, units_of
from skeletonllm.dance.comparison.overview import overview
from skeletonllm.dance.comparison.report import write_report
from skeletonllm.dance.comparison.rows import REFERENCE, Danced, Manner, Row, read_rows
from skeletonllm.dance.comparison.shown import Pair, pairs_of
from skeletonllm.dance.comparison.songs import Song, embedded_songs, songs_of
from skeletonllm.dance.comparison.summary import SETS, summarize
from skeletonllm.dance.comparison.tables import Table, tables_of

__all__ = [
    "LEGACY",
    "MEASURES",
    "REFERENCE",
    "SETS",
    "Danced",
    "Manner",
    "Pair",
    "Row",
    "Song",
    "Table",
    "Unit",
    "embedded_songs",
    "measure_all",
    "overview",
    "pairs_of",
    "read_rows",
    "songs_of",
    "summarize",
    "tables_of",
    "units_of",
    "write_report",
]
