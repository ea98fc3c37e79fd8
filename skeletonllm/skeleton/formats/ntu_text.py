"""The text of an NTU RGB+D ``.skeleton`` file as arrays.

Line 1 tells the number of frames; each frame the number of its bodies; each body ten properties, of which the first
is the sensor's id, the number of joints and twelve numbers for each joint.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import BYTE_ORDER_MARK, SkeletonFormatError, read_bytes, short, split_lines
from skeletonllm.skeleton.formats.decimals import padded, parse_decimals
from skeletonllm.skeleton.topologies import KINECT_V2

NUM_JOINTS = KINECT_V2.num_joints
JOINT_COLUMNS = 12
BODY_COLUMNS = 10
# A Kinect v2 follows six people at most; half an hour at 30 fps is longer than any recording of an action.
MAX_BODIES = 6
MAX_FRAMES = 1800 * 30
# Ten minutes of one person and more; what is not written as usual is read several times slower.
MAX_TEXT_BYTES, MAX_UNUSUAL_BYTES = 48 * 2**20, 16 * 2**20
# The sensor writes 64 bits. Python reads no integer of more than 4300 digits.
MAX_ID_DIGITS = 100
# Words of a body: its properties, the number of joints, the joints.
_BODY_WORDS = BODY_COLUMNS + 1 + NUM_JOINTS * JOINT_COLUMNS
# Columns of a joint: position, quaternion and tracking state. The others are pixels.
_PLACE, _TURN = slice(0, 3), slice(7, 11)
_STATE = 11
# Words of a joint that hold decimals, and the last one, from the first word of the body.
_JOINTS = BODY_COLUMNS + 1 + JOINT_COLUMNS * np.arange(NUM_JOINTS)
_LAST = _JOINTS + _STATE
_SPACE, _LINE_END = b" \n"
# So many bodies keep all arrays in the processor's cache.
_BODIES_AT_ONCE = 256


@dataclass
class Detections:
    """All bodies of a file in file order: D bodies of J joints.

    Args:
        num_frames: of the file.
        frames: (D,) int64, the frame of each body.
        body_ids: the sensor's ids, integers of any size.
        positions: (D, J, 3) float64 metres.
        quaternions: (D, J, 4) float64 wxyz, if they were asked for.
        state: (D, J) float64: 0 not tracked, 1 inferred, 2 tracked.
    """

    num_frames: int
    frames: np.ndarray
    body_ids: list[int]
    positions: np.ndarray
    quaternions: np.ndarray | None
    state: np.ndarray


def parse(path: Path, quaternions: bool = False) -> Detections:
    """Read a file: as a whole if it is written as usual, else, or to say what is wrong, line by line.

    Args:
        path: the file.
        quaternions: whether to read the orientations too, which takes half as long again.

    Raises:
        SkeletonFormatError: names the line.
    """
    text = read_bytes(path, MAX_TEXT_BYTES).removeprefix(BYTE_ORDER_MARK)
    found = parse_usual(text, quaternions)
    if found is None:
        if len(text) > MAX_UNUSUAL_BYTES:
            unusual = f"{len(text):,} bytes, not all of them numbers with one space or line end behind each"
            raise SkeletonFormatError(path, "file", unusual, f"at most {MAX_UNUSUAL_BYTES:,} that are not")
        found = parse_lines(path, split_lines(path, text, "the number of frames"))
    return found


def parse_usual(text: bytes, quaternions: bool = False) -> Detections | None:
    """All numbers at once where words are parted by one space or one line end; None where anything is unusual.

    Of the other numbers that a joint has, such as pixels, which nothing uses, only the characters are looked at.
    """
    size = len(text)
    if b"\r" in text:
        text = text.translate(None, b"\r")  # three times as fast as to replace the pairs
    returns = size - len(text)
    text = text if text.endswith(b"\n") else text + b"\n"
    size, text = len(text), padded(text)
    found = _ends_of_words(np.frombuffer(text, np.uint8, size))
    if found is None:
        return None
    ends, line_ends = found
    top = text[: ends[0]]
    if not top.isdigit() or len(top) > len(str(MAX_FRAMES)) or int(top) > MAX_FRAMES:
        return None
    found = _places(text, ends, int(top))
    if found is None:
        return None
    heads, frames, bodies = found
    characters = np.frombuffer(text, np.uint8)
    counts = ends[heads]
    lines = 1 + len(heads) + len(bodies) * (2 + NUM_JOINTS)
    fits = (characters[counts] == _LINE_END).all() and (counts - ends[heads - 1] == 2).all()
    if not fits or characters[ends[0]] != _LINE_END or line_ends != lines:
        return None
    if returns not in (0, lines - 1, lines):  # each line ends with one, or none does
        return None
    ids = _body_ids(text, ends, bodies)
    if ids is None:
        return None
    shape = len(bodies), NUM_JOINTS
    positions, turns, state = np.empty((*shape, 3)), np.empty((*shape, 4)) if quaternions else None, np.empty(shape)
    for start in range(0, len(bodies), _BODIES_AT_ONCE):
        chosen = slice(start, start + _BODIES_AT_ONCE)
        found = _parse_states(text, ends, bodies[chosen])
        if found is None:
            return None
        state[chosen] = found
        try:
            positions[chosen] = _parse_columns(text, ends, bodies[chosen], _PLACE)
            if turns is not None:
                turns[chosen] = _parse_columns(text, ends, bodies[chosen], _TURN)
        except ValueError:
            return None  # reading line by line finds out where
    return Detections(int(top), frames, ids, positions, turns, state)


def _places(text: bytes, ends: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Which words tell the number of bodies in each frame, the frame of each body, which word begins each body."""

    def told(position: int) -> int:
        return text[ends[position - 1] + 1] - ord("0") if position < len(ends) else MAX_BODIES + 1

    first = told(1)
    stride = 1 + first * _BODY_WORDS
    if 0 < first <= MAX_BODIES and len(ends) == 1 + num_frames * stride:
        # As many words as there are if all frames have as many bodies as the first.
        heads = 1 + stride * np.arange(num_frames)
        if (np.frombuffer(text, np.uint8)[ends[heads - 1] + 1] == first + ord("0")).all():
            bodies = heads[:, None] + (1 + _BODY_WORDS * np.arange(first))
            return heads, np.repeat(np.arange(num_frames), first), bodies.ravel()
    heads, frames, bodies, position = [], [], [], 1
    for frame in range(num_frames):
        count = told(position)
        if not 0 <= count <= MAX_BODIES:
            return None
        heads.append(position)
        frames += [frame] * count
        bodies += range(position + 1, position + 1 + count * _BODY_WORDS, _BODY_WORDS)
        position += 1 + count * _BODY_WORDS
    if position != len(ends) or not bodies:
        return None
    return np.array(heads), np.array(frames), np.array(bodies)


def _ends_of_words(characters: np.ndarray) -> tuple[np.ndarray, int] | None:
    """Where each word has ended, and how many of them end a line; None if characters stand there that are unusual.

    Gaps that follow one another make empty words, which are no numbers and one too many for their line.
    """
    gaps = characters <= _SPACE
    ends = np.flatnonzero(gaps)
    found = characters[ends]
    line_ends = np.count_nonzero(found == _LINE_END)
    if gaps[0] or np.count_nonzero(found == _SPACE) + line_ends != len(ends):
        return None
    if characters.max() > ord("9") and not set(characters[characters > ord("9")].tolist()) <= set(b"eE"):
        return None
    return ends, line_ends


def _body_ids(text: bytes, ends: np.ndarray, bodies: np.ndarray) -> list[int] | None:
    """The sensor's ids, if the lines above the joints of each body are as they should be."""
    characters = np.frombuffer(text, np.uint8)
    properties, told = ends[bodies + (BODY_COLUMNS - 1)], ends[bodies + BODY_COLUMNS]
    fits = (
        (characters[properties] == _LINE_END).all()
        and (characters[told] == _LINE_END).all()
        and (told - properties == 3).all()
        and (characters[told[:, None] - (2, 1)] == np.frombuffer(b"%d" % NUM_JOINTS, np.uint8)).all()
    )
    begin, lengths = ends[bodies - 1] + 1, ends[bodies] - ends[bodies - 1] - 1
    length = int(lengths[0])
    if not fits or not 0 < length <= MAX_ID_DIGITS:
        return None
    if (lengths == length).all():
        ids = characters[begin[:, None] + np.arange(length)].view(f"S{length}").ravel().tolist()
    else:
        ids = [text[start:end] for start, end in zip(begin.tolist(), ends[bodies].tolist(), strict=True)]
    numbers = {id: int(id) for id in set(ids) if id.isdigit() and len(id) <= MAX_ID_DIGITS}
    return [numbers[id] for id in ids] if len(numbers) == len(set(ids)) else None


def _parse_states(text: bytes, ends: np.ndarray, bodies: np.ndarray) -> np.ndarray | None:
    """The tracking states (D, J) of bodies, given the ends of words and which one begins each; None if unusual."""
    characters = np.frombuffer(text, np.uint8)
    last = bodies[:, None] + _LAST
    state_ends = ends[last]
    state = characters[state_ends - 1] - np.uint8(ord("0"))
    fits = (characters[state_ends] == _LINE_END).all() and (state <= 9).all()
    return state if fits and (state_ends - ends[last - 1] == 2).all() else None


def _parse_columns(text: bytes, ends: np.ndarray, bodies: np.ndarray, columns: slice) -> np.ndarray:
    """Columns (D, J, N) that stand side by side. Raises ValueError if one is no number."""
    # Columns come first in memory: arrays of whole columns are gone through faster than many short rows.
    words = bodies[:, None] + _JOINTS + np.arange(columns.start - 1, columns.stop)[:, None, None]
    found = ends[words]
    return np.moveaxis(parse_decimals(text, found[:-1] + 1, found[1:]), 0, -1)


def parse_lines(path: Path, lines: list[str]) -> Detections:
    """Word by word; see ``parse``."""

    def count(index: int, what: str, most: int) -> int:
        words = lines[index].split() if index < len(lines) else []
        if len(words) != 1 or not words[0].isdigit() or len(words[0]) > 18 or int(words[0]) > most:
            raise SkeletonFormatError(path, f"line {index + 1}", found_at(index), f"{what} (0 to {most})")
        return int(words[0])

    def found_at(index: int) -> str:
        return short(lines[index].strip()) if index < len(lines) else "the end of the file"

    num_frames = count(0, "the number of frames", MAX_FRAMES)
    frames, body_ids, values, position = [], [], [], 1
    for frame in range(num_frames):
        num_bodies = count(position, f"the number of bodies in frame {frame} of {num_frames}", MAX_BODIES)
        position += 1
        for body in range(num_bodies):
            where = f"of body {body} in frame {frame} of {num_frames}"
            header = lines[position].split() if position < len(lines) else []
            if len(header) != BODY_COLUMNS or not header[0].isdigit() or len(header[0]) > MAX_ID_DIGITS:
                expected = f"the id and {BODY_COLUMNS - 1} properties {where}"
                raise SkeletonFormatError(path, f"line {position + 1}", found_at(position), expected)
            if count(position + 1, f"the number of joints {where}", 10**6) != NUM_JOINTS:
                found = f"{found_at(position + 1)} joints"
                raise SkeletonFormatError(path, f"line {position + 2}", found, f"{NUM_JOINTS} joints {where}")
            position += 2
            rows = [line.split() for line in lines[position : position + NUM_JOINTS]]
            for joint in range(NUM_JOINTS):
                if joint >= len(rows) or len(rows[joint]) != JOINT_COLUMNS:
                    index = position + joint
                    expected = f"{JOINT_COLUMNS} numbers for joint {joint} {where}"
                    raise SkeletonFormatError(path, f"line {index + 1}", found_at(index), expected)
            try:
                values.append(np.array([[float(word) for word in row] for row in rows]))
            except ValueError as error:
                place = f"lines {position + 1} to {position + NUM_JOINTS}"
                raise SkeletonFormatError(path, place, short(str(error)), f"numbers {where}") from error
            frames.append(frame)
            body_ids.append(int(header[0]))
            position += NUM_JOINTS
    rest = next((index for index in range(position, len(lines)) if lines[index].strip()), None)
    if rest is not None:
        expected = f"the end of the file after {num_frames} frames"
        raise SkeletonFormatError(path, f"line {rest + 1}", found_at(rest), expected)
    numbers = np.array(values).reshape(-1, NUM_JOINTS, JOINT_COLUMNS)
    return Detections(
        num_frames,
        np.array(frames, dtype=np.int64),
        body_ids,
        numbers[..., _PLACE],
        numbers[..., _TURN],
        numbers[..., _STATE],
    )
