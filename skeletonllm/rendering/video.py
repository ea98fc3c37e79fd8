"""Frames to files: GIF, MP4, a folder of PNG, or a contact sheet. Files appear whole or not at all."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

# Browsers play frames shorter than this at a tenth of a second instead.
GIF_SHORTEST_FRAME = 0.02
# The palette of a GIF is fitted to this many frames, spread over the recording.
GIF_PALETTE_FRAMES = 16


def to_bytes(frames: torch.Tensor) -> np.ndarray:
    """Frames (N, 3, H, W) in [0, 1] to (N, H, W, 3) uint8. Raises ValueError on another shape or no frame."""
    if frames.ndim != 4 or frames.shape[1] != 3 or 0 in frames.shape:
        raise ValueError(f"frames have shape {tuple(frames.shape)}, expected (N, 3, H, W) with at least one frame")
    pictures = np.empty((len(frames), *frames.shape[2:], 3), np.uint8)
    for picture, frame in zip(pictures, frames.detach(), strict=True):  # one by one: long videos are large
        picture[:] = (frame.float().clamp(0, 1) * 255).round().permute(1, 2, 0).cpu().numpy()
    return pictures


def each_picture(frames: torch.Tensor | Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pictures (H, W, 3) uint8 one by one, so that a long video need not be in memory whole.

    Args:
        frames: (N, 3, H, W) in [0, 1], or pictures (H, W, 3) uint8 of one size.

    Raises:
        ValueError: another shape, pictures of several sizes, or no frame; that of the first one, and of a tensor, at
            once, that of others when their turn comes.
    """
    if isinstance(frames, torch.Tensor):
        if frames.ndim != 4 or frames.shape[1] != 3 or 0 in frames.shape:
            raise ValueError(f"frames have shape {tuple(frames.shape)}, expected (N, 3, H, W) with at least one frame")
        return (to_bytes(frame[None])[0] for frame in frames)  # one by one: long videos are large
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError("no frame, expected pictures (H, W, 3) with at least one")

    def checked(number: int, picture: np.ndarray) -> np.ndarray:
        if picture.ndim != 3 or picture.shape != (*first.shape[:2], 3) or picture.dtype != np.uint8:
            found = f"{picture.dtype} of shape {picture.shape}"
            raise ValueError(f"frame {number} is {found}, expected uint8 of (H, W, 3), the same for all")
        return picture

    rest = (checked(number, picture) for number, picture in enumerate(pictures, 1))
    return chain([checked(0, first)], rest)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A new file beside ``path`` to write to, which takes its place at the end, or goes away after an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def contact_sheet(
    frames: torch.Tensor, times: Sequence[float] | None = None, *, title: str = "", columns: int = 6
) -> Image.Image:
    """One picture of all frames, row by row.

    Args:
        frames: (N, 3, H, W) in [0, 1].
        times: N seconds, written under the frames.
        title: written above them.
        columns: frames per row, at most.

    Raises:
        ValueError: shapes that do not fit.
    """
    pictures = to_bytes(frames)
    count, height, width, _ = pictures.shape
    if times is not None and len(times) != count:
        raise ValueError(f"{len(times)} times for {count} frames")
    # No more empty places than need be: 8 frames make two rows of 4, not 6 and 2.
    rows = -(-count // columns)
    columns = -(-count // rows)
    text = max(10, height // 24)
    gap, strip = max(2, height // 112), text + text // 2
    head = strip if title else 0
    step_x, step_y = width + gap, height + (strip if times is not None else 0) + gap
    sheet = Image.new("RGB", (columns * step_x + gap, head + rows * step_y + gap), (48, 48, 48))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text)
    draw.text((gap, gap), title, font=font, fill=(235, 235, 235))
    for index, picture in enumerate(pictures):
        left, top = gap + index % columns * step_x, head + gap + index // columns * step_y
        sheet.paste(Image.fromarray(picture), (left, top))
        if times is not None:
            place = (left + width / 2, top + height + strip / 2)
            draw.text(place, f"{times[index]:.2f} s", font=font, fill=(235, 235, 235), anchor="mm")
    return sheet


def stack_sheets(sheets: Sequence[Image.Image]) -> Image.Image:
    """Pictures one below the other, aligned on the left."""
    stacked = Image.new("RGB", (max(s.width for s in sheets), sum(s.height for s in sheets)), (48, 48, 48))
    top = 0
    for sheet in sheets:
        stacked.paste(sheet, (0, top))
        top += sheet.height
    return stacked


def write_png(path: str | Path, image: Image.Image) -> None:
    with replacing(path) as unfinished:
        image.save(unfinished, format="PNG")


def write_gif(path: str | Path, frames: torch.Tensor | Iterable[np.ndarray], fps: float) -> None:
    """An endless GIF of frames, see ``each_picture``, with one palette for all, so that still parts do not flicker.

    GIF counts hundredths of a second; frame lengths vary by one so that the whole keeps its speed.

    Raises:
        ValueError: a shape that does not fit, or more frames per second than a GIF can show (50).
    """
    _check_rate(fps)
    if fps * GIF_SHORTEST_FRAME > 1:
        raise ValueError(f"{fps:g} frames per second, but a GIF shows at most {1 / GIF_SHORTEST_FRAME:g}")
    pictures = list(each_picture(frames))
    every = -(-len(pictures) // GIF_PALETTE_FRAMES)
    sample = np.concatenate(pictures[::every])
    palette = Image.fromarray(sample).quantize(256, method=Image.Quantize.FASTOCTREE)
    images = [Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    edges = [round(index * 100 / fps) for index in range(len(images) + 1)]
    milliseconds = [10 * (after - before) for before, after in zip(edges, edges[1:], strict=False)]
    with replacing(path) as unfinished:
        images[0].save(unfinished, format="GIF", save_all=True, append_images=images[1:], duration=milliseconds, loop=0)


def write_mp4(
    path: str | Path, frames: torch.Tensor | Iterable[np.ndarray], fps: float, audio: str | Path | None = None
) -> None:
    """An H.264 video of frames, see ``each_picture``, which are taken one by one. Odd sizes gain a black row or column,
    which the codec needs.

    Args:
        path: the file.
        frames: the pictures.
        fps: of them per second.
        audio: a sound file to be heard; it ends with the pictures, and silence follows where it is shorter.

    Raises:
        ValueError: a shape that does not fit, or a frame rate that is not positive.
        OSError: there is no such sound, or ffmpeg could not write the video, for reasons that it says on stderr.
        RuntimeError: there is no ffmpeg, see ``why_no_mp4``.
    """
    import imageio_ffmpeg

    _check_rate(fps)
    pictures = each_picture(frames)
    if audio is not None:
        Path(audio).stat()
    first = next(pictures)
    height, width, _ = first.shape
    size = (width + width % 2, height + height % 2)
    with replacing(path) as unfinished:
        writer = imageio_ffmpeg.write_frames(
            str(unfinished), size, fps=fps, quality=8, macro_block_size=1, ffmpeg_log_level="error"
        )
        writer.send(None)
        count = 0
        try:
            for picture in chain([first], pictures):
                writer.send(np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0))))
                count += 1
        finally:
            writer.close()
        if audio is not None:
            _add_sound(unfinished, audio, count / fps)
        # ffmpeg says nothing to its caller when it fails.
        try:
            written = imageio_ffmpeg.count_frames_and_secs(str(unfinished))[0]
        except RuntimeError as error:
            raise OSError(f"{path}: ffmpeg left no video that can be read") from error
        if written != count:
            raise OSError(f"{path}: ffmpeg wrote {written} of {count} frames")


def _add_sound(video: Path, audio: str | Path, seconds: float) -> None:
    """Give a video of so many seconds its sound. The sound is cut by its own samples: ffmpeg's ``-shortest`` ends it
    where its buffers happen to be, which is later on a busy machine."""
    import imageio_ffmpeg

    silent = video.with_name(f"{video.stem}.silent{video.suffix}")
    os.replace(video, silent)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(silent), "-i", str(audio)]
    command += ["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac"]
    command += ["-af", f"apad,atrim=end={seconds:.6f}", str(video)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    finally:
        silent.unlink(missing_ok=True)
    if done.returncode:
        raise OSError(f"{audio}: ffmpeg could not add this sound to the video: {done.stderr.strip()}")


def why_no_mp4() -> str | None:
    """Why ``write_mp4`` would find no ffmpeg that runs; None if it would."""
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        return str(error)
    return None


def write_png_folder(folder: str | Path, frames: torch.Tensor) -> None:
    """frame_0000.png, frame_0001.png, ... of frames (N, 3, H, W); numbered files of an earlier run are removed."""
    pictures = to_bytes(frames)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("frame_[0-9][0-9][0-9][0-9].png"):
        earlier.unlink()
    for index, picture in enumerate(pictures):
        write_png(folder / f"frame_{index:04d}.png", Image.fromarray(picture))


def _check_rate(fps: float) -> None:
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"{fps} frames per second, expected a positive number")
