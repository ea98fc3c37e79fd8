"""Files of formats that keep places of joints in space, from recordings whose joints are all known."""

import json
from pathlib import Path

import numpy as np
from scipy.io import savemat

from skeletonllm.skeleton.formats import msr_action3d, utd_mhad
from skeletonllm.skeleton.formats.utkinect import NUMBERS_PER_SECOND
from skeletonllm.skeleton.sequence import SkeletonSequence


def _in_order(sequence: SkeletonSequence, names: tuple[str, ...]) -> np.ndarray:
    """(T, J, 3) metres of the first person, joint by joint as named."""
    return sequence.joints[:, 0, [sequence.topology.index(name) for name in names]]


def _lines(rows: np.ndarray) -> str:
    return "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in rows)


def write_ntu(sequence: SkeletonSequence, path: Path) -> None:
    """Every joint as tracked; places in the sensor's two pictures and quaternions are zero."""
    lines = [str(sequence.num_frames)]
    for persons in sequence.joints.tolist():
        lines.append(str(len(persons)))
        for body, joints in enumerate(persons):
            lines += [f"7205759403792{body:04d} 0 1 1 1 1 0 0 0 2", str(len(joints))]
            lines += [f"{x:.7f} {y:.7f} {z:.7f} 0 0 0 0 0 0 0 0 2" for x, y, z in joints]
    path.write_text("\n".join(lines) + "\n")


def write_gtu(sequence: SkeletonSequence, path: Path) -> None:
    path.write_text(_lines(sequence.joints[:, 0].reshape(-1, 3)))


def write_msr_action3d(sequence: SkeletonSequence, path: Path) -> None:
    joints = _in_order(sequence, msr_action3d.FILE_ORDER).reshape(-1, 3)
    path.write_text(_lines(np.concatenate([joints, np.ones((len(joints), 1))], -1)))


def write_utkinect(sequence: SkeletonSequence, path: Path) -> None:
    step = round(NUMBERS_PER_SECOND / sequence.fps)
    rows = sequence.joints[:, 0].reshape(sequence.num_frames, -1)
    path.write_text("".join(f"{step * frame} {_lines(row[None])}" for frame, row in enumerate(rows)))


def write_nw_ucla(sequence: SkeletonSequence, path: Path) -> None:
    path.write_text(json.dumps({"file_name": path.stem, "skeletons": sequence.joints[:, 0].round(6).tolist()}))


def write_utd_mhad(sequence: SkeletonSequence, path: Path) -> None:
    savemat(path, {"d_skel": np.moveaxis(_in_order(sequence, utd_mhad.FILE_ORDER), 0, 2).astype(float)})
