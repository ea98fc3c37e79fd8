"""NTU text read as a whole gives the numbers that reading it word by word gives, or leaves the file alone."""

import random

import numpy as np
import pytest

from skeletonllm.skeleton.formats.decimals import padded, parse_decimals
from skeletonllm.skeleton.formats.ntu_text import parse_lines, parse_usual


def words_of(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(" "))
    return np.concatenate(([0], ends[:-1] + 1))[1:], ends[1:]


def parsed(words: list[str]) -> np.ndarray:
    text = "12345678 {} ".format(" ".join(words)).encode()
    return parse_decimals(padded(text), *words_of(text))


def same(found, expected) -> bool:
    arrays = ("frames", "positions", "quaternions", "state")
    return (found.num_frames, found.body_ids) == (expected.num_frames, expected.body_ids) and all(
        getattr(found, name).tobytes() == getattr(expected, name).tobytes() for name in arrays
    )


def test_decimals_of_every_form_are_those_of_float_to_the_bit():
    draw = random.Random(0)
    words = [f"{draw.uniform(-9.999, 9.999):.{decimals}f}" for decimals in range(12) for _ in range(500)]
    words += [repr(draw.gauss(0, 10.0**power)) for power in range(-9, 9) for _ in range(50)]
    words += ["0", "-0", "-0.0", "7", "-7", "10", "+1.5", ".5", "5.", "-.5", "1e-05", "2.5E+3", "nan", "-inf", "1_0.5"]
    expected = np.array([float(word) for word in words])
    assert parsed(words).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "word", ["1.2.3", "1-2", "--1", "-", ".", "1.2a", "1.a", "1./", "/.5", ":", "1.:5", "0x10", "a"]
)
def test_a_word_that_is_no_number_is_refused_wherever_it_stands(word):
    for words in ([word, "1.5"], ["1.5", word], ["0.25", word, "0"]):
        with pytest.raises(ValueError):
            parsed(words)


def test_real_files_give_the_same_read_either_way(shared):
    for path in sorted((shared / "data" / "ntu_rgbd_samples").glob("*.skeleton")):
        text = path.read_bytes()
        found = parse_usual(text, quaternions=True)
        assert found is not None, f"{path.name} is not read as a whole"
        assert same(found, parse_lines(path, text.decode().splitlines()))


@pytest.mark.parametrize("bodies", [[1], [2, 1, 0, 2], [0, 0, 1], [1] * 70])
def test_frames_of_any_number_of_bodies_are_read_as_a_whole(write_ntu, body, bodies):
    path = write_ntu(
        [[body(7 + index, (index, 0.1 * frame, 3)) for index in range(count)] for frame, count in enumerate(bodies)]
    )
    text = path.read_bytes()
    expected = parse_lines(path, text.decode().splitlines())
    assert len(expected.body_ids) == sum(bodies)
    for written in (text, text.rstrip(b"\n"), text.replace(b"\n", b"\r\n")):
        assert same(parse_usual(written, quaternions=True), expected)


def test_whatever_is_written_otherwise_is_left_to_the_careful_reader(write_ntu, body):
    text = write_ntu([[body(1, (0, 0, 3))]] * 3).read_bytes()
    row = text.split(b"\n")[4]
    cut = row.rpartition(b" ")[0]
    unusual = [
        text[1:], b"4" + text[1:], text + b"7\n", text + b"\n", text[: len(text) // 2], b"", b"\n", b"0\n",
        text.replace(b" ", b"  ", 1), text.replace(b" ", b"\t", 1), text.replace(b" ", b"\x00", 1),
        text.replace(b"\n25\n", b"\n24\n", 1), text.replace(b"\n25\n", b"\n2.5\n", 1),
        text.replace(row, cut, 1), text.replace(row, cut + b"\n2", 1), text.replace(row, row + b" 2", 1),
        text.replace(row, cut + b" x", 1), text.replace(row, row.replace(b"0.", b"0.1.", 1), 1),
        text.replace(b"\n1 0", b"\n1.5 0", 1), text.replace(b"\n1 0", b"\n" + b"1" * 200 + b" 0", 1),
        text.replace(b"0.75", b"high", 1), text.replace(b" 0.1 -0.2 ", b"\n0.1 -0.2 ", 1),
    ]  # fmt: skip
    assert parse_usual(text) is not None
    for number, changed in enumerate(unusual):
        assert changed != text and parse_usual(changed, quaternions=True) is None, number
