"""Dances beside each other to look at: videos with the music, limbs that stand in each other red, and sheets."""

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skeletonllm.dance.audio import write_wav
from skeletonllm.dance.comparison.measuring import Unit
from skeletonllm.dance.comparison.songs import Song
from skeletonllm.dance.files import GIF_FPS
from skeletonllm.dance.pictures import draw_dance, side_by_side
from skeletonllm.rendering import video

VIDEOS = "videos"

_SIZE, _SHEET_SIZE, _SHEET_FRAMES = 360, 200, 6


@dataclass(frozen=True)
class Pair:
    """Two dances to the same song, as the generators made them."""

    song: Song
    left: Unit
    right: Unit

    @property
    def name(self) -> str:
        """Of files."""
        return f"{self.song.name}-{self.left.row}-{self.right.row}"


def pairs_of(units: Sequence[Unit], songs: Sequence[Song], first: str, beside: Sequence[str], count: int) -> list[Pair]:
    """The first dances of the first row, beside those of others.

    Args:
        units: of the comparison.
        songs: all of them; of the first ``count``.
        first, beside: names of rows, of whose models the first dance.
    """
    of = {(unit.row, unit.song): unit for unit in units if unit.model == 0}
    return [
        Pair(song, of[first, place], of[name, place]) for place, song in enumerate(songs[:count]) for name in beside
    ]


def write_video(pair: Pair, folder: Path, progress: Callable[[int], object] = lambda frames: None) -> Path:
    """A video of a pair, unless one is there that is newer than the dances. A GIF where ffmpeg does not run.

    Args:
        pair: what to show.
        folder: of the comparison.
        progress: told how many frames were drawn.

    Returns:
        Where it is.
    """
    moving = video.why_no_mp4() is None
    path = folder / VIDEOS / f"{pair.name}{'.mp4' if moving else '.gif'}"
    if path.is_file() and path.stat().st_mtime > max(each.dance.stat().st_mtime for each in (pair.left, pair.right)):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    every = 1 if moving else int(np.ceil(pair.song.heard.fps / GIF_FPS))
    frames, fps = _frames(pair, every, progress), pair.song.heard.fps / every
    if not moving:
        video.write_gif(path, frames, fps)
        return path
    with tempfile.TemporaryDirectory() as place:
        sound = Path(place) / "song.wav"
        write_wav(sound, *pair.song.sound)
        video.write_mp4(path, frames, fps, audio=sound)
    return path


def _frames(pair: Pair, every: int, progress: Callable[[int], object]) -> Iterator[np.ndarray]:
    dances = [unit.danced() for unit in (pair.left, pair.right)]
    drawn = [draw_dance(motion, body, size=_SIZE, which=range(0, motion.num_frames, every)) for motion, body in dances]
    for picture in side_by_side(*drawn, captions=(pair.left.row, pair.right.row)):
        yield picture
        progress(1)


def sheet(pair: Pair) -> bytes:
    """A PNG of moments of both dances, one below the other."""
    rows = []
    for unit in (pair.left, pair.right):
        motion, body = unit.danced()
        places = np.linspace(0, motion.num_frames - 1, _SHEET_FRAMES).round().astype(int)
        frames = torch.from_numpy(np.stack(list(draw_dance(motion, body, size=_SHEET_SIZE, which=places))))
        times = (places / motion.fps).tolist()
        rows.append(video.contact_sheet(frames.movedim(-1, 1) / 255, times, title=unit.row, columns=_SHEET_FRAMES))
    file = io.BytesIO()
    video.stack_sheets(rows).save(file, "PNG", optimize=True)
    return file.getvalue()
