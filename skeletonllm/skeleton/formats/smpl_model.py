"""Body models that the user has: files of SMPL, SMPL-H or SMPL-X, of which only the joints at rest are taken."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.archives import SIGNATURE, read_arrays
from skeletonllm.skeleton.formats.common import SkeletonFormatError
from skeletonllm.skeleton.formats.pickles import load_pickle
from skeletonllm.skeleton.smpl_body import NUM_SHARED, RestBody

VARIABLE = "SKELETONLLM_SMPL_MODEL"
"""The environment variable that names the file of a body model."""

# The largest model (SMPL-X with 400 shapes in double precision) has 110 MB under these keys.
_MAX_BYTES = 256 * 2**20
_KINDS = {"v_template": "f", "shapedirs": "f", "J_regressor": "f"}
_EXPECTED = (
    "an SMPL, SMPL-H or SMPL-X model with the plain arrays v_template (V, 3), shapedirs (V, 3, B), J_regressor (J, V); "
    "a .pkl with sparse or chumpy arrays has to be saved as .npz first"
)
# The joints of each model whose mean is the left and the right hand: SMPL's own, or the knuckles of the four fingers.
_HANDS = {
    24: ((22,), (23,)),
    52: ((22, 25, 28, 31), (37, 40, 43, 46)),
    55: ((25, 28, 31, 34), (40, 43, 46, 49)),
}


@dataclass(frozen=True)
class SmplModel:
    """The joints at rest of a model, as they depend on the shape of the body.

    Args:
        name: the file's name.
        joints: (24, 3) metres in the order of ``smpl_24``, of the mean shape.
        shapes: (24, 3, B) metres per unit of each shape parameter.
    """

    name: str
    joints: np.ndarray
    shapes: np.ndarray

    def body(self, betas: np.ndarray | None) -> RestBody:
        """The body of this shape (B,), or of the mean shape; parameters that the model does not have are left out."""
        used = 0 if betas is None else min(len(betas), self.shapes.shape[-1])
        joints = self.joints
        if used:
            with np.errstate(invalid="ignore", over="ignore"):
                joints = joints + self.shapes[..., :used] @ betas[:used]
        shape = f"of the shape given by {used} betas" if used else "of mean shape"
        return RestBody(joints, f"bones of the body model {self.name}, {shape}")


def user_model(path: Path | None = None) -> SmplModel | None:
    """The model of this file, else of the one that the environment names, else None.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: no body model.
    """
    named = path or os.environ.get(VARIABLE)
    if not named:
        return None
    path = Path(named)
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(path: Path, modified: int) -> SmplModel:
    """Read a model once, as long as its file is the same."""
    with path.open("rb") as file:
        packed = file.read(len(SIGNATURE)) == SIGNATURE
    arrays = read_arrays(path, _KINDS, list(_KINDS), _EXPECTED, _MAX_BYTES) if packed else _plain_pickle(path)
    template, shapes, regressor = (arrays[key] for key in _KINDS)
    count, vertices = regressor.shape if regressor.ndim == 2 else (0, 0)
    if count not in _HANDS:
        found = f"shape {regressor.shape}"
        raise SkeletonFormatError(path, "key 'J_regressor'", found, f"(J, V), J one of {sorted(_HANDS)}")
    for key, array, allowed in (("v_template", template, 2), ("shapedirs", shapes, 3)):
        if array.ndim != allowed or array.shape[:2] != (vertices, 3):
            expected = f"({vertices}, 3{', B' if allowed == 3 else ''}) as J_regressor has {vertices} vertices"
            raise SkeletonFormatError(path, f"key {key!r}", f"shape {array.shape}", expected)
    with np.errstate(invalid="ignore", over="ignore"):
        joints = _with_hands(regressor @ template)
        shapes = _with_hands((regressor @ shapes.reshape(vertices, -1)).reshape(count, 3, -1))
    if not (np.isfinite(joints).all() and np.isfinite(shapes).all()):
        raise SkeletonFormatError(path, "joints at rest", "NaN or infinite places", _EXPECTED)
    return SmplModel(path.name, joints, shapes)


def _plain_pickle(path: Path) -> dict[str, np.ndarray]:
    content = load_pickle(path, _EXPECTED)
    for key in _KINDS:
        value = content.get(key) if isinstance(content, dict) else None
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            raise SkeletonFormatError(path, f"key {key!r}", f"a {type(value).__name__}", _EXPECTED)
    return {key: content[key] for key in _KINDS}


def _with_hands(joints: np.ndarray) -> np.ndarray:
    """(24, ...) joints of ``smpl_24`` from (J, ...) of a model."""
    hands = [joints[list(members)].mean(0, keepdims=True) for members in _HANDS[len(joints)]]
    return np.concatenate([joints[:NUM_SHARED], *hands]).astype(np.float64)
