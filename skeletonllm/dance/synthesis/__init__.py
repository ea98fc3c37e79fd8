"""Songs and dances made by rule: what trains and tests the generator without any download."""

from skeletonllm.dance.audio import write_wav
from skeletonllm.dance.synthesis.dances import MANNERS, make_dance
from skeletonllm.dance.synthesis.flaws import add_flaws
from skeletonllm.dance.synthesis.moves import MOVES
from skeletonllm.dance.synthesis.pairs import Pair, embedded_pairs, embedded_song
from skeletonllm.dance.synthesis.songs import KEYS, STYLES, Song, make_song

__all__ = [
    "KEYS",
    "MANNERS",
    "MOVES",
    "STYLES",
    "Pair",
    "Song",
    "add_flaws",
    "embedded_pairs",
    "embedded_song",
    "make_dance",
    "make_song",
    "write_wav",
]
