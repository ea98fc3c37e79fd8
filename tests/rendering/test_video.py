"""Pictures in files: the right colours, order, timing and size, and never half a file."""

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from skeletonllm.rendering.video import (
    contact_sheet,
    replacing,
    stack_sheets,
    to_bytes,
    write_gif,
    write_mp4,
    write_png_folder,
)

COLORS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]])


def flashes(count: int = 5, height: int = 32, width: int = 48) -> torch.Tensor:
    """Frames (N, 3, H, W) that are each of one colour at the top and black below."""
    frames = COLORS[torch.arange(count) % len(COLORS), :, None, None].expand(count, 3, height, width).clone()
    frames[:, :, height // 2 :] = 0
    return frames


def test_bytes_are_rounded_and_rows_stay_rows():
    frames = torch.zeros(1, 3, 2, 3)
    frames[0, 0, 1, 2], frames[0, 2, 0, 0], frames[0, 1, 0, 1] = 0.5, 7.0, -1.0
    picture = to_bytes(frames)[0]
    assert picture.shape == (2, 3, 3) and picture.dtype == np.uint8
    assert picture[1, 2].tolist() == [128, 0, 0] and picture[0, 0].tolist() == [0, 0, 255] and picture[0, 1].max() == 0


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 8, 3), (0, 3, 8, 8), (1, 2, 3, 8, 8)])
def test_other_shapes_are_refused_by_name(shape, tmp_path):
    with pytest.raises(ValueError, match=r"expected \(N, 3, H, W\)"):
        write_gif(tmp_path / "a.gif", torch.zeros(shape), 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [7.0, 12.5, 15.0, 29.97])
def test_a_gif_has_every_frame_in_order_at_its_speed(tmp_path, fps):
    frames = flashes(30)
    write_gif(tmp_path / "a.gif", frames, fps)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.size == (48, 32) and gif.info["loop"] == 0
        shown = [(np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(gif)]
    assert len(shown) == 30
    # Five colours and black fit any palette; JPEG-like losses have no place here.
    assert all(np.abs(a.astype(int) - b).max() <= 1 for (a, _), b in zip(shown, to_bytes(frames), strict=True))
    # Each frame is right to a hundredth of a second, and so is the whole: the roundings do not add up.
    assert all(abs(duration - 1000 / fps) < 10 for _, duration in shown)
    assert sum(duration for _, duration in shown) == pytest.approx(30 * 1000 / fps, abs=5)


def test_black_stays_black_in_a_gif_of_soft_pictures(tmp_path):
    ramp = torch.linspace(0, 1, 64)
    tint = torch.tensor([1.0, 0.6, 0.2])[:, None, None]
    frames = torch.stack([tint * ramp.roll(shift).expand(3, 64, 64) for shift in (0, 9)])
    frames[..., :20, :] = 0
    write_gif(tmp_path / "a.gif", frames, 10)
    with Image.open(tmp_path / "a.gif") as gif:
        shown = np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)])
    assert shown[:, :20].max() == 0
    assert np.abs(shown.astype(int) - to_bytes(frames)).mean() < 3


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 60])
def test_rates_that_a_gif_cannot_show_are_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="frames per second"):
        write_gif(tmp_path / "a.gif", flashes(), fps)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47)])
def test_a_video_has_every_frame_in_order_at_its_speed(tmp_path, height, width):
    frames = flashes(20, height, width)
    write_mp4(tmp_path / "a.mp4", frames, 12.5)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    about = next(reader)
    pictures = [np.frombuffer(data, np.uint8).reshape(*about["source_size"][::-1], 3) for data in reader]
    assert about["source_size"] == (48, 32 + height % 2 * 2) and about["fps"] == 12.5
    assert len(pictures) == 20
    for picture, frame in zip(pictures, to_bytes(frames), strict=True):
        # Away from edges, where the halved colour resolution blurs, the codec keeps colours within a few per cent.
        assert np.abs(picture[4:12, 4:40].astype(int) - frame[4:12, 4:40]).max() < 24


def test_a_contact_sheet_shows_each_frame_once_with_its_time():
    frames = flashes(5, 48, 64)
    sheet = np.asarray(contact_sheet(frames, [0.0, 0.1, 0.2, 0.3, 0.4], columns=3))
    for color in COLORS:
        pixels = (sheet == (color * 255).byte().numpy()).all(-1).nonzero()
        assert len(pixels[0]) == 24 * 64
    # Reading order: red stands in the first row on the left, magenta in the second row in the middle.
    red, green, _, yellow, magenta = (
        [int(axis.min()) for axis in (sheet == (color * 255).byte().numpy()).all(-1).nonzero()] for color in COLORS
    )
    assert red[0] == green[0] < yellow[0] == magenta[0]
    assert red[1] == yellow[1] < green[1] == magenta[1]
    plain = np.asarray(contact_sheet(frames, columns=3))
    assert plain.shape[0] < sheet.shape[0] and plain.shape[1] == sheet.shape[1]  # room for the times, and text in it
    assert (sheet.min(-1) > 150).sum() > 50 > (plain.min(-1) > 150).sum()


def test_a_contact_sheet_leaves_few_places_empty():
    assert contact_sheet(flashes(8)).width == contact_sheet(flashes(4)).width
    with pytest.raises(ValueError, match="3 times for 5 frames"):
        contact_sheet(flashes(5), [0, 1, 2])


def test_sheets_are_stacked_in_order():
    sheets = [Image.new("RGB", (10, 4), "red"), Image.new("RGB", (20, 6), "blue")]
    stacked = stack_sheets(sheets)
    assert stacked.size == (20, 10)
    assert stacked.getpixel((0, 3)) == (255, 0, 0) and stacked.getpixel((19, 4)) == (0, 0, 255)


def test_a_folder_holds_numbered_frames_and_none_of_an_earlier_longer_run(tmp_path):
    (tmp_path / "notes.png").write_bytes(b"mine")
    write_png_folder(tmp_path, flashes(5))
    write_png_folder(tmp_path, flashes(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"frame_000{i}.png" for i in range(3)] + ["notes.png"]
    with Image.open(tmp_path / "frame_0001.png") as picture:
        assert picture.getpixel((5, 5)) == (0, 255, 0)


def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(b"earlier")
    with pytest.raises(RuntimeError, match="disk"), replacing(path) as unfinished:
        unfinished.write_bytes(b"half")
        assert path.read_bytes() == b"earlier"
        raise RuntimeError("disk")
    assert path.read_bytes() == b"earlier" and list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path):
    write_gif(tmp_path / "new" / "folder" / "a.gif", flashes(1), 10)
    with Image.open(tmp_path / "new" / "folder" / "a.gif") as gif:
        assert gif.n_frames == 1
