"""AMASS: poses of SMPL-H, SMPL or SMPL-X bodies as ``.npz`` (Mahmood et al. 2019)."""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.archives import holds, read_arrays
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, as_doubles
from skeletonllm.skeleton.formats.smpl_motion import build_smpl_sequence, read_poses
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.smpl_body import MODELS

# The second name came with the SMPL-X release.
_RATES = ("mocap_framerate", "mocap_frame_rate")
_KINDS = {"poses": "f", "trans": "f", "betas": "f"} | dict.fromkeys(_RATES, "fiu")
_EXPECTED = f"the keys poses, trans and {' or '.join(_RATES)}, and optionally betas"
MAX_FPS = 10_000.0
# Rates that are off by no more than this part were computed from rounded times.
_RATE_TOLERANCE = 1e-5


def read(path: Path, model: Path | None = None) -> SkeletonSequence:
    """Read one motion as ``smpl_24`` with rotations.

    Args:
        path: the file.
        model: file of an SMPL, SMPL-H or SMPL-X model, else the one that ``SKELETONLLM_SMPL_MODEL`` names; without
            either, bones are those of an average body.
    """
    arrays = read_arrays(path, _KINDS, ["poses", "trans"], _EXPECTED)
    poses = read_poses(path, "poses", arrays["poses"])
    if arrays["trans"].shape != (len(poses), 3):
        found, expected = f"shape {arrays['trans'].shape}", f"({len(poses)}, 3), as poses have {len(poses)} frames"
        raise SkeletonFormatError(path, "key 'trans'", found, expected)
    fps = _frame_rate(path, arrays)
    return build_smpl_sequence(
        path,
        poses,
        as_doubles(arrays["trans"]),
        fps,
        up="z",
        betas=as_doubles(arrays["betas"]).reshape(-1) if "betas" in arrays else None,
        floor_known=True,
        model=model,
        notes=(
            f"{MODELS[poses.shape[1]]} poses of AMASS: {fps:g} frames per second as the file says, metres, Z up",
            "soft tissue and markers are not read",
        ),
    )


def _frame_rate(path: Path, arrays: dict[str, np.ndarray]) -> float:
    key = next((key for key in _RATES if key in arrays), None)
    if key is None:
        raise SkeletonFormatError(path, "archive", "no frame rate", _EXPECTED)
    if arrays[key].size != 1:
        raise SkeletonFormatError(path, f"key {key!r}", f"shape {arrays[key].shape}", "one value")
    fps = float(arrays[key].item())
    if not 0 < fps <= MAX_FPS:
        raise SkeletonFormatError(path, f"key {key!r}", f"{fps:g}", f"a positive number up to {MAX_FPS:g}")
    return float(round(fps)) if abs(fps - round(fps)) < _RATE_TOLERANCE * fps else fps


def sniff(head: bytes, path: Path) -> bool:
    return holds(head, path, "poses", "trans")


FORMAT = Format("amass", "AMASS .npz, poses (T, 156) of SMPL-H in radians, trans (T, 3)", (".npz",), sniff, read)
