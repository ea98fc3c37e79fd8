"""SMPL (Loper et al. 2015) through the package ``smplx``, with a file that the user has."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from skeletonllm.dance.body.adapters.mesh import CHUNK, BodyMesh
from skeletonllm.dance.body.adapters.smpl_file import read_smpl
from skeletonllm.dance.body.adapters.stretched import stretched_body
from skeletonllm.dance.body.tree import NUM_JOINTS, Body
from skeletonllm.dance.codecs.axes import FILE_TO_DANCE
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT

if TYPE_CHECKING:
    from skeletonllm.dance.motion import Motion


@dataclass(frozen=True, eq=False)
class SmplMesh:
    """SMPL of one shape, see ``BodyMesh``. ``pelvis`` (3,) is where the file has it at rest."""

    body: Body
    faces: np.ndarray
    layer: Any
    betas: torch.Tensor
    pelvis: np.ndarray

    def vertices(self, motion: "Motion") -> np.ndarray:
        """See ``BodyMesh``; with SMPL's own corrections of the skin by the pose."""
        local = torch.from_numpy((FILE_TO_DANCE.T @ motion.rotations @ FILE_TO_DANCE).astype(np.float32))
        found = []
        for start in range(0, len(local), CHUNK):
            part = local[start : start + CHUNK]
            with torch.no_grad():
                posed = self.layer(
                    betas=self.betas.expand(len(part), -1), global_orient=part[:, :1], body_pose=part[:, 1:]
                )
            found.append(posed.vertices.numpy() - self.pelvis)
        return (np.concatenate(found) @ FILE_TO_DANCE.T + motion.root[:, None]).astype(np.float32)


def smplx_mesh(path: str | Path, betas: Sequence[float] | None = None) -> BodyMesh:
    """The body and skin of a SMPL file of 24 joints, ``SMPL_NEUTRAL.pkl`` for example.

    The file is read without running it, so that old ones need neither Python 2 nor chumpy. SMPL and ``smplx`` are
    licensed for non-commercial research only, which is told once.

    Args:
        path: the file.
        betas: of the shape, as many as the file has or fewer. Default: the mean shape.

    Raises:
        ImportError: ``smplx`` is not installed.
        OSError: the file cannot be read.
        ValueError: it holds no such model, or the shape has too many numbers.
    """
    path = Path(path)
    try:
        import smplx
    except ImportError as error:
        raise ImportError(f"{path}: SMPL needs the package smplx: pip install smplx") from error
    data = read_smpl(path)
    known = data.shapedirs.shape[2]
    shape = np.zeros(known) if betas is None else np.asarray(betas, np.float64)
    if shape.ndim != 1 or len(shape) > known or not np.isfinite(shape).all():
        raise ValueError(f"{path}: betas of shape {shape.shape}, expected at most {known} finite numbers")
    parents = tuple(int(parent) for parent in data.kintree_table[0, 1:].astype(np.int64))
    if (ROOT, *parents) != SMPL_24.parents:
        raise ValueError(f"{path}: its joints hang on one another as {parents}, expected those of SMPL")
    _tell_licence()
    layer = smplx.SMPLLayer(model_path=str(path), data_struct=data, num_betas=len(shape))
    skin = data.v_template + data.shapedirs[..., : len(shape)] @ shape
    joints = data.J_regressor @ skin
    at = (joints - joints[0]) @ FILE_TO_DANCE.T
    offsets = at - np.where(np.arange(NUM_JOINTS)[:, None] == 0, at, at[list(SMPL_24.parents)])
    sole = float(((skin - joints[0]) @ FILE_TO_DANCE.T)[:, 2].min())
    faces = np.asarray(data.f, np.int64)
    return SmplMesh(
        stretched_body(offsets, sole), faces, layer, torch.tensor(shape[None], dtype=torch.float32), joints[0]
    )


def body_from_smplx(path: str | Path, betas: Sequence[float] | None = None) -> Body:
    """The body alone, see ``smplx_mesh``."""
    return smplx_mesh(path, betas).body


@cache
def _tell_licence() -> None:
    print(
        "skeletonllm: SMPL and smplx are for non-commercial scientific research only: "
        "https://smpl.is.tue.mpg.de/modellicense",
        file=sys.stderr,
    )
