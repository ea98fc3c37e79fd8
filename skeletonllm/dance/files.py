"""Dances to files: videos with the music in them, motion for other programs, and what is read again without loss."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skeletonllm.dance.audio import read_audio, write_wav
from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs import bvh, npz
from skeletonllm.dance.gltf import write_glb
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.pictures import draw_dance
from skeletonllm.rendering import video

Music = str | Path | tuple[np.ndarray, int]

# Twice as many make a file twice as large, and browsers stumble.
GIF_FPS = 15.0
SHEET_FRAMES = 12


@dataclass(frozen=True, eq=False)
class Show:
    """What is written.

    Args:
        motion: the dance.
        body: who dances.
        music: a sound file, or samples and their rate; None: silence.
        size: side of the pictures, pixels.
        follow: see ``draw_dance``.
        progress: called with 1 after each frame that was drawn.
    """

    motion: Motion
    body: Body
    music: Music | None = None
    size: int = 360
    follow: bool = True
    progress: Callable[[int], object] | None = None

    def pictures(self, which: Sequence[int] | None = None) -> Iterator[np.ndarray]:
        """Frames (size, size, 3) uint8, of these numbers or all."""
        for picture in draw_dance(self.motion, self.body, size=self.size, follow=self.follow, which=which):
            yield picture
            if self.progress is not None:
                self.progress(1)


@dataclass(frozen=True)
class Written:
    """``path``: the file that was written. ``notes``: what it does not hold, and why it is another than was asked for,
    a sentence each."""

    path: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DanceWriter:
    """A kind of file: what it is, in a few words, and the function that writes it."""

    description: str
    write: Callable[[Path, Show], Written]


def write_dance(
    path: str | Path,
    motion: Motion,
    body: Body,
    *,
    music: Music | None = None,
    size: int = 360,
    follow: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Written:
    """Write a dance as the file's suffix says, one of ``DANCE_WRITERS``. The file appears whole or not at all.

    Args:
        path: the file; one that is there is replaced, folders are made.
        motion, body, music, size, follow, progress: see ``Show``. Videos end with the dance.

    Raises:
        ValueError: a suffix that is not known, a size that cannot be drawn, or music that is none.
        OSError: the file cannot be written, or there is no such music.
    """
    path = Path(path)
    writer = DANCE_WRITERS.get(path.suffix.lower())
    if writer is None:
        known = ", ".join(f"{suffix} ({one.description})" for suffix, one in DANCE_WRITERS.items())
        found = path.suffix or "a file without a suffix"
        raise ValueError(f"{path}: cannot write {found} of a dance; known: {known}")
    return writer.write(path, Show(motion, body, music, size, follow, progress))


def _mp4(path: Path, show: Show) -> Written:
    reason = video.why_no_mp4()
    if reason is not None:
        written = _gif(path.with_suffix(".gif"), show)
        return Written(written.path, (f"no video, since ffmpeg does not run ({reason}): a GIF instead", *written.notes))
    with tempfile.TemporaryDirectory() as folder:
        sound = None if show.music is None else _sound(show.music, Path(folder))
        video.write_mp4(path, show.pictures(), show.motion.fps, audio=sound)
    return Written(path, ())


def _sound(music: Music, folder: Path) -> Path:
    """A sound file that ffmpeg reads. Raises what ``read_audio`` and ``check_samples`` raise."""
    if isinstance(music, tuple):
        path = folder / "music.wav"
        write_wav(path, *music)
        return path
    read_audio(music)  # before all the drawing, and with a clearer word than that of ffmpeg
    return Path(music)


def _gif(path: Path, show: Show) -> Written:
    every = int(np.ceil(show.motion.fps / GIF_FPS))
    frames = range(0, show.motion.num_frames, every)
    video.write_gif(path, show.pictures(frames), show.motion.fps / every)
    return Written(path, () if show.music is None else ("a GIF has no music",))


def _png(path: Path, show: Show) -> Written:
    last = show.motion.num_frames - 1
    places = np.unique(np.linspace(0, last, SHEET_FRAMES).round().astype(int))
    frames = torch.from_numpy(np.stack(list(show.pictures(places)))).movedim(-1, 1) / 255
    times = (places / show.motion.fps).tolist()
    video.write_png(path, video.contact_sheet(frames, times, title=Path(show.motion.source).name))
    return Written(path, ())


def _bvh(path: Path, show: Show) -> Written:
    with video.replacing(path) as unfinished:
        bvh.write(show.motion, show.body, unfinished)
    return Written(path, ("BVH holds no contacts",))


def _npz(path: Path, show: Show) -> Written:
    with video.replacing(path) as unfinished:
        npz.write(show.motion, show.body, unfinished)
    return Written(path, ())


def _glb(path: Path, show: Show) -> Written:
    write_glb(path, show.motion, show.body)
    return Written(path, ("glTF holds no contacts",))


DANCE_WRITERS: dict[str, DanceWriter] = {
    ".mp4": DanceWriter("a video with the music", _mp4),
    ".gif": DanceWriter("moving pictures without sound", _gif),
    ".png": DanceWriter(f"a sheet of {SHEET_FRAMES} pictures", _png),
    ".bvh": DanceWriter("rotations, for Blender and motion capture programs", _bvh),
    ".npz": DanceWriter("the dance, to be read again without loss", _npz),
    ".glb": DanceWriter("glTF 2.0, the moving body for Blender and viewers", _glb),
}
