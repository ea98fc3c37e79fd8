"""The files of SMPL, read without running them.

They are pickles of Python 2 that hold numpy arrays, sparse matrices of scipy and arrays of chumpy, a library that is
no longer kept. Numbers are taken out of the last two; any other class is refused.
"""

import io
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

# Of each array the shape; None: any.
_SHAPES: dict[str, tuple[int | None, ...]] = {
    "v_template": (None, 3), "f": (None, 3), "shapedirs": (None, 3, None), "posedirs": (None, 3, 207),
    "J_regressor": (24, None), "weights": (None, 24), "kintree_table": (2, 24),
}  # fmt: skip
_NUMPY = {
    (module, name)
    for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("ndarray", "dtype", "_reconstruct", "scalar")
}
_PYTHON = {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor"), ("_codecs", "encode")}
_OBJECT = {("__builtin__", "object"), ("builtins", "object")}


def read_smpl(path: Path) -> SimpleNamespace:
    """The arrays of a SMPL file (``.pkl`` or ``.npz``) of 24 joints, as ``smplx`` names them.

    Raises:
        OSError: it cannot be read.
        ValueError: no such file; the message names what was found instead.
    """
    data = path.read_bytes()
    try:
        found = _from_npz(data) if data[:2] == b"PK" else _Reader(io.BytesIO(data), encoding="latin1").load()
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}, expected a SMPL model (.pkl or .npz)") from error
    arrays = {}
    for name, shape in _SHAPES.items():
        if not isinstance(found, dict) or name not in found:
            raise ValueError(f"{path}: no {name}, expected a SMPL model with {', '.join(_SHAPES)}")
        array = _numbers(found[name])
        fits = array.ndim == len(shape) and all(
            want in (None, size) for want, size in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in "fiu":
            wanted = str(shape).replace("None", "any")
            raise ValueError(f"{path}: {name} is {array.dtype} of shape {array.shape}, expected numbers of {wanted}")
        arrays[name] = array
    return SimpleNamespace(**arrays)


class _Held:
    """Stands for an object of chumpy or scipy: only what it held is looked at."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) in _OBJECT:
            return object
        if (module, name) in _NUMPY | _PYTHON:
            return super().find_class(module, name)
        if module.partition(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return _Held
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _from_npz(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if name in _SHAPES}


def _numbers(value: object) -> np.ndarray:
    held = vars(value) if isinstance(value, _Held) else {}
    if "x" in held:  # chumpy
        return np.asarray(held["x"])
    if {"data", "indices", "indptr"} <= held.keys():  # a sparse matrix by columns
        dense = np.zeros(held.get("_shape", held.get("shape")))
        dense[held["indices"], np.repeat(np.arange(dense.shape[1]), np.diff(held["indptr"]))] = held["data"]
        return dense
    return np.asarray(value)
