"""AIST++: dances as poses of SMPL bodies in a pickle, which is read without being run (Li et al. 2021)."""

import re
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, as_doubles, short
from skeletonllm.skeleton.formats.pickles import load_pickle, pickle_mentions
from skeletonllm.skeleton.formats.smpl_motion import build_smpl_sequence, read_poses
from skeletonllm.skeleton.sequence import SkeletonSequence

FPS = 60.0
GENRES = {
    "BR": "break", "PO": "pop", "LO": "lock", "MH": "middle hip-hop", "LH": "LA-style hip-hop", "HO": "house",
    "WA": "waack", "KR": "krump", "JS": "street jazz", "JB": "ballet jazz",
}  # fmt: skip
_NAME = re.compile(r"g([A-Z]{2})_s[A-Z]{2}_c\w+_d\d+_m\w+_ch\d+")
_EXPECTED = "a dictionary with the arrays smpl_poses (T, 72), smpl_trans (T, 3) and, if need be, smpl_scaling"
_POSES, _TRANSLATION, _SCALING = "smpl_poses", "smpl_trans", "smpl_scaling"


def read(path: Path, model: Path | None = None) -> SkeletonSequence:
    """Read one dance as ``smpl_24`` with rotations; ``model`` as in ``amass.read``."""
    content = load_pickle(path, _EXPECTED)
    if not isinstance(content, dict):
        raise SkeletonFormatError(path, "top level", f"a {type(content).__name__}", _EXPECTED)
    poses = read_poses(path, _POSES, _numbers(path, content, _POSES))
    translation = _numbers(path, content, _TRANSLATION)
    if translation.shape != (len(poses), 3):
        found, expected = f"shape {translation.shape}", f"({len(poses)}, 3), as there are {len(poses)} poses"
        raise SkeletonFormatError(path, f"key {_TRANSLATION!r}", found, expected)
    scaling = 1.0
    notes = (f"{FPS:g} frames per second assumed (AIST++; the file does not say), Y up",)
    if _SCALING in content:
        scaling = _scaling(path, content[_SCALING])
        notes += (f"places divided by {_SCALING} = {scaling:.5g} to metres",)
    else:
        notes += (f"metres assumed: there is no {_SCALING}",)
    name = _NAME.fullmatch(path.stem)
    genre = GENRES.get(name.group(1)) if name else None
    with np.errstate(over="ignore"):
        translation = as_doubles(translation) / scaling
    return build_smpl_sequence(
        path,
        poses,
        translation,
        FPS,
        up="y",
        model=model,
        label=f"{genre} dance" if genre else None,
        notes=notes,
    )


def _numbers(path: Path, content: dict, key: str) -> np.ndarray:
    value = content.get(key)
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        found = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else short(value)
        raise SkeletonFormatError(path, f"key {key!r}", found, _EXPECTED)
    return value


def _scaling(path: Path, value: object) -> float:
    value = value.reshape(-1).tolist() if isinstance(value, np.ndarray) and value.size == 1 else [value]
    if type(value[0]) not in (int, float) or not (np.isfinite(value[0]) and value[0] > 0):
        raise SkeletonFormatError(path, f"key {_SCALING!r}", short(value[0]), "a positive number")
    return float(value[0])


def sniff(head: bytes, path: Path) -> bool:
    return pickle_mentions(head, path, _POSES, _TRANSLATION)


FORMAT = Format("aist", "AIST++ pickle, smpl_poses (T, 72) in radians", (".pkl",), sniff, read)
