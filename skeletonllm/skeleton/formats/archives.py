"""Reading ``.npz`` archives without trusting them: only the arrays asked for, each checked before its data are read."""

import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import MAX_BYTES, SkeletonFormatError, check_size, short
from skeletonllm.skeleton.formats.npy import read_array

SIGNATURE = b"PK\x03\x04"
# The list of an archive's members is at its end; that of a .npz is a few hundred bytes long.
_TAIL_BYTES = 65536


def read_arrays(
    path: Path, kinds: Mapping[str, str], required: Sequence[str], expected: str, limit: int = MAX_BYTES
) -> dict[str, np.ndarray]:
    """The arrays of an archive under the keys that are known; other members are not looked at.

    Args:
        path: the archive.
        kinds: allowed numpy kinds of dtype by key, such as ``{"joints": "fiu"}``; object arrays are never read.
        required: keys without which the archive is not what it is taken for.
        expected: the keys in words, for messages.
        limit: bytes that the known arrays may have together.

    Raises:
        SkeletonFormatError: no sound archive, an array that is not sound, or a required key that is missing.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            check_size(path, sum(info.file_size for key, info in members.items() if key in kinds), "archive", limit)
            for key, allowed in kinds.items():
                if key in members:
                    # numpy writes no other kind; the others inflate further and fail in more ways.
                    if members[key].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                        found = f"compression {members[key].compress_type}"
                        raise SkeletonFormatError(path, f"key {key!r}", found, "a stored or deflated array")
                    with archive.open(members[key]) as stream:
                        arrays[key] = read_array(stream, members[key].file_size, path, f"key {key!r}", allowed)
            if any(key not in arrays for key in required):
                found = "the keys " + short(", ".join(sorted(members))) if members else "no keys"
                raise SkeletonFormatError(path, "archive", found, expected)
    except SkeletonFormatError:
        raise
    # All of these are what zipfile raises on damaged archives, RuntimeError for encrypted members among them.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise SkeletonFormatError(path, "archive", f"a damaged zip archive ({short(str(error))})", expected) from error
    return arrays


def holds(head: bytes, path: Path, *keys: str) -> bool:
    """Whether a file begins as an archive and its list of members names all of these arrays."""
    if not head.startswith(SIGNATURE):
        return False
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        tail = file.read(_TAIL_BYTES)
    # In that list, each name stands behind 46 bytes of which the first four are a signature.
    return all(re.search(rb"PK\x01\x02[\s\S]{42}" + key.encode() + rb"\.npy", tail) for key in keys)
