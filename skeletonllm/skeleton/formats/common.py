"""What all readers share: the error they raise, how they read bytes, and how a recording is put together."""

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

# More than four hours of one person at 30 fps. A file that claims more is not what it says, or wants to be cut first.
MAX_BYTES = 128 * 2**20

# Sensors see a few metres and studios are tens of metres wide: beyond this, a coordinate is noise or another unit.
MAX_METRES = 100.0

# From pictures taken every quarter of an hour to sensors on the body.
MIN_FPS, MAX_FPS = 1e-3, 1e5

# How far the length of a quaternion may be from one: half precision keeps 0.001.
QUATERNION_TOLERANCE = 0.01

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TEXT = re.compile(rb"[\t\r\n\f\x20-\x7e]*")


class SkeletonFormatError(ValueError):
    """A file is not what it claims to be.

    Args:
        path: the file.
        place: where in it: a line, a byte offset, a frame or a key.
        found: what stands there.
        expected: what should.
    """

    def __init__(self, path: str | Path, place: str, found: str, expected: str):
        # All four are passed on so that the error survives pickling between worker processes.
        super().__init__(path, place, found, expected)
        self.path, self.place, self.found, self.expected = path, place, found, expected

    def __str__(self) -> str:
        return f"{self.path}: {self.place}: found {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Format:
    """A file format.

    Args:
        name: registry key.
        description: what such a file holds, for messages.
        suffixes: usual file suffixes, with the dot, lower case.
        sniff: (first bytes, path) -> whether the bytes look like this format.
        read: path -> SkeletonSequence; raises SkeletonFormatError.
        recordings: for files that may hold several recordings: path -> what reads each of them, by its name within
            the file; raises SkeletonFormatError. ``read`` then reads the whole, or the only one (see ``only``). None
            at all means that the file belongs to a recording which another file begins.
        companions: patterns (as of ``fnmatch``) of the names of files, or of ``FOLDER/NAME``, that belong to such
            recordings and are none themselves, such as lists of labels.
    """

    name: str
    description: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes, Path], bool]
    read: Callable[[Path], SkeletonSequence]
    recordings: Callable[[Path], Mapping[str, Callable[[], SkeletonSequence]]] | None = None
    companions: tuple[str, ...] = ()


def only(path: Path, recordings: Mapping[str, Callable[[], SkeletonSequence]]) -> SkeletonSequence:
    """The only recording of a file. Raises SkeletonFormatError that names them if there are several."""
    if len(recordings) != 1:
        names = list(recordings)
        shown = ", ".join(names[:8]) + (f", ... {names[-1]}" if len(names) > 8 else "")
        expected = f"one; name it, such as {path.name}#{names[0]}" if names else "at least one"
        raise SkeletonFormatError(path, "file", f"{len(names)} recordings" + (f" ({shown})" if shown else ""), expected)
    return next(iter(recordings.values()))()


class _Shortener(reprlib.Repr):
    """repr of as much as one line can show: what files hold may be nested, long and large beyond what repr can do."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 8
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 60
        self.maxstring = self.maxlong = self.maxother = 1000

    def repr_int(self, number: int, level: int) -> str:
        # Python writes no integer of more than 4300 digits.
        return repr(number) if number.bit_length() < 4000 else f"an integer of {number.bit_length():,} bits"


def short(value: object, limit: int = 60) -> str:
    """repr, cut to one readable line."""
    text = _Shortener().repr(value[:limit] if isinstance(value, str | bytes) else value)
    text = re.sub(r"\s*\n\s*", " ", text)  # as arrays have
    return text if len(text) <= limit else text[:limit] + "..."


def as_doubles(array: np.ndarray) -> np.ndarray:
    """float64 of any numbers; files may hold NaNs that signal, and longer floats, of which numpy would warn."""
    with np.errstate(invalid="ignore", over="ignore"):
        return array.astype(np.float64)


def is_text(data: bytes) -> bool:
    """Whether all bytes are printable ASCII or white space (a UTF-8 byte order mark may stand first)."""
    return _TEXT.fullmatch(data.removeprefix(BYTE_ORDER_MARK)) is not None


def first_lines(head: bytes) -> list[list[bytes]]:
    """The words of each complete line of ``head``; a last line without its end may be cut and is left out."""
    lines = head.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    return [line.split() for line in (lines[:-1] if len(lines) > 1 else lines)]


def is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def describe(head: bytes) -> str:
    """What the first bytes of a file look like to a person."""
    if not head:
        return "an empty file"
    if re.match(rb"\x80[\x02-\x05]|[c(]\w*copyreg|\(dp0|\(lp0", head):
        return "a Python pickle (not unpickled: that can run any program)"
    if head.startswith(b"\x89HDF") or head.startswith(b"MATLAB 7.3"):
        return "an HDF5 file"
    if head.startswith(b"PK"):
        return "a zip archive"
    if head.startswith(b"\x1f\x8b"):
        return "gzip-compressed data"
    if is_text(head):
        return f"text that begins {short(head.removeprefix(BYTE_ORDER_MARK).decode().strip())}"
    return f"binary data that begins {short(head[:12])}"


def check_size(path: Path, size: int, place: str = "file", limit: int = MAX_BYTES) -> None:
    """Raise SkeletonFormatError if ``size`` bytes are more than any recording needs."""
    if size > limit:
        raise SkeletonFormatError(path, place, f"{size:,} bytes", f"at most {limit:,}")


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The whole file, if it is no larger than ``limit``."""
    check_size(path, path.stat().st_size, limit=limit)
    return path.read_bytes()


def read_lines(path: Path, expected: str) -> list[str]:
    """The lines of an ASCII text file, whichever way they end."""
    return split_lines(path, read_bytes(path).removeprefix(BYTE_ORDER_MARK), expected)


def split_lines(path: Path, data: bytes, expected: str) -> list[str]:
    """The lines of the bytes of an ASCII text file."""
    if not data.strip():
        raise SkeletonFormatError(path, "line 1", "an empty file", expected)
    try:
        return data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = describe(data[:64]) if line == 1 else f"byte {data[error.start]:#04x}, which is not text"
        raise SkeletonFormatError(path, f"line {line}", found, expected) from error


def build_sequence(
    path: Path,
    joints: np.ndarray,
    fps: float,
    topology: Topology | str,
    *,
    valid: np.ndarray | None = None,
    zero_is_missing: bool = False,
    rotations: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    label: str | None = None,
    source: str | None = None,
    notes: tuple[str, ...] = (),
) -> SkeletonSequence:
    """A sequence with unusable joints masked and a note for each reason.

    Args:
        path: the file, for messages.
        joints: (T, P, J, 3) metres in the world frame of SkeletonSequence.
        fps: frames per second.
        topology: the J joints.
        valid: (T, P, J) bool, what the file itself says.
        zero_is_missing: whether a joint exactly at the origin stands for one that was not seen.
        rotations: optional (T, P, J, 4) unit quaternions wxyz; what is none becomes the identity.
        confidence: optional (T, P, J) in [0, 1]; what is not finite counts as zero.
        label, notes: see SkeletonSequence.
        source: the same, default the path.

    Raises:
        SkeletonFormatError: if no joint is left, or the frame rate is none.
    """
    if not MIN_FPS <= fps <= MAX_FPS:
        found, expected = f"{fps:g} frames per second", f"{MIN_FPS:g} to {MAX_FPS:,.0f}"
        raise SkeletonFormatError(path, "frame rate", found, expected)
    valid = np.ones(joints.shape[:3], dtype=bool) if valid is None else valid
    finite = np.isfinite(joints).all(-1)
    with np.errstate(invalid="ignore"):
        near = (np.abs(joints) <= MAX_METRES).all(-1)
    reasons = [
        (~finite, "NaN or infinite coordinates"),
        (finite & ~near, f"coordinates beyond {MAX_METRES:g} m"),
    ]
    if zero_is_missing:
        reasons.append(((joints == 0).all(-1), "coordinates of exactly zero, which mark missing joints"))
    for bad, reason in reasons:
        count = int((bad & valid).sum())
        if count:
            notes += (f"{count} of {bad.size} joints masked: {reason}",)
        valid = valid & ~bad
    if not valid.any():
        found = "; ".join(notes[-len(reasons) :]) if joints.size else "no frames or no persons"
        raise SkeletonFormatError(path, "all frames", f"no usable joint ({found})", "joint positions in metres")
    joints = np.where(valid[..., None], joints, 0.0).astype(np.float32)
    if rotations is not None:
        rotations, count = _unit_quaternions(rotations)
        if count:
            notes += (f"{count} of {valid.size} rotations left out: no unit quaternions",)
    if confidence is not None:
        confidence = np.clip(np.nan_to_num(confidence, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)
    return SkeletonSequence(joints, fps, topology, valid, rotations, label, source or str(path), notes, confidence)


def _unit_quaternions(rotations: np.ndarray) -> tuple[np.ndarray, int]:
    """The identity in place of what is no unit quaternion, and how many those were."""
    with np.errstate(invalid="ignore", over="ignore"):
        wrong = ~(np.abs(np.linalg.norm(rotations, axis=-1) - 1.0) <= QUATERNION_TOLERANCE)
    return np.where(wrong[..., None], np.array([1.0, 0.0, 0.0, 0.0], rotations.dtype), rotations), int(wrong.sum())
