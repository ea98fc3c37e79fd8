"""Hostile and damaged files for tests."""

import struct
import time
import zlib

import numpy as np
import pytest

from skeletonllm.skeleton.formats import SkeletonFormatError, read_skeleton

# The promise of every reader is two seconds, in time of this process; a core that is shared takes up to twice as long.
SECONDS = 4.0


class Bomb:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def refuse(path, match=None, format=None):
    """The error of a file that must be refused in time."""
    start = time.process_time()
    with pytest.raises(SkeletonFormatError, match=match) as caught:
        read_skeleton(path, format)
    assert time.process_time() - start < SECONDS
    error = caught.value
    assert error.path == path and error.place and error.found and error.expected
    assert str(path) in str(error) and len(str(error)) < 1000 and "\n" not in str(error)
    return error


def npy(shape="(2, 22, 3)", descr="'<f4'", data=b"", version=b"\x01\x00"):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + data


def matlab(element, mark=b"IM"):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01" + mark + element


def variable(shape, name=b"d_skel", numbers=b"", declared=None, kind=9, array_class=6):
    def element(kind, data, size=None):
        return struct.pack("<II", kind, len(data) if size is None else size) + data + bytes(-len(data) % 8)

    body = element(6, struct.pack("<II", array_class, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    body += element(1, name) + element(kind, numbers, declared)
    return struct.pack("<II", 14, len(body)) + body


def compressed(element):
    data = zlib.compress(element)
    return struct.pack("<II", 15, len(data)) + data


NUMBERS = np.ones(20 * 3 * 2).tobytes()
