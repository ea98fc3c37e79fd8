"""What the generator learns from: dances with their music, and the clips of five seconds that are cut from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from skeletonllm.dance.audio import SOUNDS, find_song
from skeletonllm.dance.body import Body, default_body
from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.motion import FPS, FRAMES, Motion
from skeletonllm.dance.music import MusicFeatures, music_features
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import embedded_pairs
from skeletonllm.dance.training.recipe import DanceData
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.data.walk import visible_files
from skeletonllm.skeleton.formats import is_companion


@dataclass(frozen=True, eq=False)
class Piece:
    """A dance and its music, as long as the shorter of them: ``vectors`` (T, 151) and ``music`` (T, F) float32, and the
    ``beats`` of the music in seconds, if they are known."""

    name: str
    vectors: np.ndarray
    music: np.ndarray
    beats: np.ndarray | None = None


def load_pieces(
    data: DanceData, body: Body | None = None, *, phase: bool = False, progress: bool = False
) -> list[Piece]:
    """All pieces of a source, whose music has the ``phase`` of the beat, too, or not.

    Raises:
        ValueError: a folder without dances, a dance without music, or one that cannot be read; or all are too short.
    """
    body = body or default_body()
    found = _embedded(data, body, phase) if data.source == "embedded" else _recorded(data, body, phase)
    total = data.songs if data.source == "embedded" else None
    pieces = list(tqdm(found, "dances and music", total, disable=not progress))
    if not any(len(piece.vectors) >= FRAMES for piece in pieces):
        longest = max((len(piece.vectors) for piece in pieces), default=0) / FPS
        where = data.root or "embedded dances"
        raise ValueError(f"{where}: the longest dance with music lasts {longest:.1f} s, expected {FRAMES / FPS:g}")
    return pieces


def _embedded(data: DanceData, body: Body, phase: bool) -> Iterator[Piece]:
    pairs = embedded_pairs(data.songs, data.seed, data.seconds, split="train", body=body, flaws=data.flaws)
    for number, (song, motion) in enumerate(pairs):
        yield _piece(f"song {number}", motion, music_features((song.samples, song.rate)), phase)


def _recorded(data: DanceData, body: Body, phase: bool) -> Iterator[Piece]:
    root = Path(data.root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder, expected dances")
    files = [path for path in visible_files(root) if path.suffix.lower() not in SOUNDS and not is_companion(path)]
    if not files:
        raise ValueError(f"{root}: no dances in it")
    for path in files:
        folder = Path(data.music) if data.music else path.parent
        song = find_song(str(path), folder)
        if song is None:
            raise ValueError(f"{path}: no music for this dance; expected {folder / path.stem}.wav, or {SOUNDS[1:]}")
        yield _piece(path.relative_to(root).as_posix(), read_motion(path, body), music_features(song), phase)


def _piece(name: str, motion: Motion, music: MusicFeatures, phase: bool) -> Piece:
    length = min(motion.num_frames, music.num_frames)
    heard = music.with_phase() if phase else music
    return Piece(name, motion.to_vector()[:length], heard.values[:length], music.beat_times)


class Clips:
    """The clips of all pieces, normalised, and which of them a step learns from: a function of its number.

    Args:
        pieces: dances with music.
        normalizer, music_normalizer: of their channels.
        stride: seconds from one clip of a piece to the next.
        batch_size: clips per step.
        seed: of the order.
        frames: of a clip.

    Raises:
        ValueError: fewer clips than a batch.
    """

    def __init__(
        self,
        pieces: list[Piece],
        normalizer: Normalizer,
        music_normalizer: Normalizer | None,
        *,
        stride: float,
        batch_size: int,
        seed: int,
        frames: int = FRAMES,
    ):
        self.names = [piece.name for piece in pieces]
        self._beats = [piece.beats for piece in pieces]
        self.vectors = [torch.from_numpy(normalizer.normalize(piece.vectors)) for piece in pieces]
        heard = [
            piece.music if music_normalizer is None else music_normalizer.normalize(piece.music) for piece in pieces
        ]
        self.music = [torch.from_numpy(values) for values in heard]
        step = max(1, round(stride * FPS))
        self.places = [
            (number, first)
            for number, piece in enumerate(pieces)
            for first in range(0, len(piece.vectors) - frames + 1, step)
        ]
        self.batch_size, self.seed, self.frames = batch_size, seed, frames
        if len(self.places) < batch_size:
            raise ValueError(f"{len(self.places)} clips are fewer than the batch size {batch_size}")

    def __len__(self) -> int:
        return len(self.places)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.places) // self.batch_size

    def chosen(self, step: int) -> list[int]:
        """Numbers of the clips of a step; within an epoch none comes twice."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(mixed_seed(self.seed, epoch)))
        return order[place * self.batch_size : (place + 1) * self.batch_size].tolist()

    def id(self, number: int) -> str:
        """Which piece a clip is of, and where in it."""
        piece, first = self.places[number]
        return f"{self.names[piece]} at {first / FPS:.1f} s"

    def beats(self, number: int) -> np.ndarray | None:
        """The beats of the music of a clip in seconds from its start, if they are known."""
        piece, first = self.places[number]
        beats = self._beats[piece]
        if beats is None:
            return None
        beats = beats - first / FPS
        return beats[(beats >= 0) & (beats < self.frames / FPS)]

    def stack(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """Dances (B, frames, 151) and music (B, frames, F) of clips, normalised."""
        places = [self.places[number] for number in numbers]
        dances = [self.vectors[piece][first : first + self.frames] for piece, first in places]
        return torch.stack(dances), torch.stack(
            [self.music[piece][first : first + self.frames] for piece, first in places]
        )
