"""Stand-ins for what numpy has pickles call: each makes an array or a number from bytes that are there, or refuses.

What numpy writes: ``ndarray.__reduce__``, ``ndarray.__reduce_ex__`` (protocol 5), ``dtype.__reduce__``,
``generic.__reduce__``.
"""

import re
from collections.abc import Callable
from math import prod
from types import FunctionType
from typing import Any

import numpy as np

# Integers, floats and truth values of sizes that every machine has, and text and bytes of fixed length.
_DTYPE = re.compile(r"[<>=|]?([iu][1248]|f[248]|b1|\?|[SU]\d{1,4})")
_ORDERS = ("<", ">", "=", "|")
_MAX_DIMENSIONS = 8
# Along which an array without numbers may still extend.
_MAX_EMPTY = 2**16


class Shell:
    """An array between its creation and the instruction that fills it."""

    def __init__(self) -> None:
        self.array: np.ndarray | None = None


class _DataType:
    """A numpy dtype, whose byte order an instruction sets after its creation."""

    def __init__(self, code: str):
        self.code, self.order = code, "="


def call(function: Any, arguments: tuple[Any, ...]) -> Any:
    """Run a stand-in. Raises ValueError or TypeError if it is none, or the arguments do not suit it."""
    if type(function) is not FunctionType:
        raise TypeError("a call of what is no function")
    return function(*arguments)


def build(target: Any, state: tuple[Any, ...]) -> Any:
    """Set the state of an array or a dtype, and give it back. Raises ValueError or TypeError as ``call`` does."""
    if type(target) is _DataType:
        order, *fields = state[1:5]
        if type(order) is not str or order not in _ORDERS or any(field is not None for field in fields):
            raise ValueError("a dtype with fields")
        target.order = order
        return target
    if type(target) is not Shell:
        raise TypeError("a state for what is no array")
    _, shape, dtype, columns_first, data = state
    target.array = _array(data, dtype, shape, "F" if columns_first else "C")
    return target.array


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """A read-only array over ``data``, which must be exactly as large."""
    if type(shape) is not tuple or type(order) is not str or order not in ("C", "F"):
        raise TypeError("an array without shape or order")
    data, dtype = _raw(data), _numpy(dtype)
    if dtype.kind in "SU":
        raise TypeError("an array of text")
    longest = len(data) or _MAX_EMPTY
    if len(shape) > _MAX_DIMENSIONS or any(type(n) is not int or not 0 <= n <= longest for n in shape):
        raise ValueError("an array of too many or of impossible dimensions")
    if prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for shape {shape} of {dtype}")
    return np.ndarray(shape, dtype, data, order=order)


def _scalar(dtype: Any, data: Any) -> Any:
    data, dtype = _raw(data), _numpy(dtype)
    if dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for a value of {dtype}")
    value = np.frombuffer(data, dtype)[0].item()
    if type(value) is str:
        value.encode()  # refuses halves of surrogate pairs, which nothing could print
    return memoryview(value) if type(value) is bytes else value


def _raw(data: Any) -> memoryview:
    if type(data) is str:  # Python 2 has one type for text and bytes
        return memoryview(data.encode("latin-1"))
    if type(data) is not memoryview:
        raise TypeError("an array without bytes")
    return data


def _numpy(dtype: Any) -> np.dtype:
    if type(dtype) is not _DataType:
        raise TypeError("an array without a dtype")
    return np.dtype(dtype.code).newbyteorder(dtype.order)


def _dtype(code: Any, *_: Any) -> _DataType:
    if type(code) is not str or not _DTYPE.fullmatch(code):
        raise ValueError(f"a dtype of {code[:20] if type(code) is str else type(code).__name__!r}")
    return _DataType(code)


def _reconstruct(*_: Any) -> Shell:
    return Shell()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    return _array(data, dtype, shape, order)


def _encode(text: Any, encoding: Any) -> memoryview:
    """How protocols below 3 write bytes."""
    if type(text) is not str or encoding != "latin1":
        raise TypeError("an encoding of what is no bytes")
    return memoryview(text.encode("latin-1"))


def _bytes(*arguments: Any) -> memoryview:
    """How protocols below 3 write no bytes."""
    if arguments:
        raise TypeError("bytes of something")
    return memoryview(b"")


def _no_function(*_: Any) -> None:
    raise TypeError("numpy.ndarray is not called")


CALLABLES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _no_function,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _bytes,
    ("__builtin__", "bytes"): _bytes,
    # numpy 2 and numpy 1.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("_core", "core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("_core", "core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("_core", "core")},
}
