"""Bodies of other projects, with their skin: for users who have them. Nothing here is needed, and nothing is shipped.

A body model gives the 24 joints their places, and a mesh, so that pairs of triangles can be counted as the field does
(``metrics.mesh_penetration``). One file per model, and one registry.
"""

from collections.abc import Callable

from skeletonllm.dance.body.adapters.anny import anny_mesh, body_from_anny
from skeletonllm.dance.body.adapters.mesh import BodyMesh, SkinnedMesh
from skeletonllm.dance.body.adapters.smplx import body_from_smplx, smplx_mesh

__all__ = [
    "BODY_MODELS",
    "BodyMesh",
    "SkinnedMesh",
    "anny_mesh",
    "body_from_anny",
    "body_from_smplx",
    "read_body_model",
    "smplx_mesh",
]

BODY_MODELS: dict[str, tuple[str, Callable[..., BodyMesh]]] = {
    "smplx": ("smplx:PATH of a SMPL file", smplx_mesh),
    "anny": ("anny", anny_mesh),
}
"""By name: how it is written, and what makes it of the path where there is one."""


def read_body_model(name: str) -> BodyMesh:
    """The model that ``smplx:PATH`` or ``anny`` names.

    Raises:
        ImportError: the package of the model is not installed.
        OSError: the file cannot be read.
        ValueError: an unknown model, a file too few or too many, or one that holds no such model.
    """
    kind, _, path = name.partition(":")
    ways = ", ".join(written for written, _ in BODY_MODELS.values())
    if kind not in BODY_MODELS or bool(path) != (":" in BODY_MODELS[kind][0]):
        raise ValueError(f"body model {name!r}, expected {ways}")
    make = BODY_MODELS[kind][1]
    return make(path) if path else make()
