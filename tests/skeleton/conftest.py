"""NTU files and layouts made for tests."""

from pathlib import Path

import numpy as np
import pytest

from skeletonllm.skeleton.topologies import KINECT_V2

# A person who stands and faces the camera, metres from the pelvis: left at smaller x.
STANDING = {
    "pelvis": (0, 0, 0), "spine": (0, 0.3, 0), "neck": (0, 0.6, 0), "head": (0, 0.75, 0), "chest": (0, 0.5, 0),
    "left_shoulder": (-0.2, 0.5, 0), "left_elbow": (-0.25, 0.25, 0), "left_wrist": (-0.27, 0, 0),
    "left_hand": (-0.27, -0.08, 0), "left_hand_tip": (-0.27, -0.15, 0), "left_thumb": (-0.23, -0.1, 0),
    "left_hip": (-0.1, -0.02, 0), "left_knee": (-0.1, -0.42, 0), "left_ankle": (-0.1, -0.8, 0),
    "left_foot": (-0.1, -0.85, -0.1),
}  # fmt: skip


def _standing() -> np.ndarray:
    joints = np.zeros((KINECT_V2.num_joints, 3))
    for index, name in enumerate(KINECT_V2.joints):
        joints[index] = STANDING[name.replace("right_", "left_")]
        if name.startswith("right_"):
            joints[index, 0] *= -1
    return joints


@pytest.fixture
def standing() -> np.ndarray:
    """(25, 3) metres, pelvis at the origin."""
    return _standing()


class Body:
    """A body of an NTU file.

    Args:
        body_id: the sensor's id.
        joints: (25, 3) metres, or the position of the pelvis of a standing person.
        state: tracking state of all joints, or one for each.
    """

    def __init__(self, body_id, joints, state=2, quaternion=(0.0, 0.0, 0.0, 0.0)):
        joints = np.asarray(joints, dtype=float)
        self.body_id = body_id
        self.joints = _standing() + joints if joints.ndim == 1 else joints
        self.state = np.broadcast_to(state, len(self.joints))
        self.quaternion = quaternion

    def lines(self) -> list[str]:
        rows = [f"{self.body_id} 0 1 1 1 1 0 0.1 -0.2 2", str(len(self.joints))]
        for joint, state in zip(self.joints, self.state, strict=True):
            rows.append(" ".join(str(value) for value in (*joint, 0, 0, 0, 0, *self.quaternion, state)))
        return rows


def ntu_text(frames: list[list[Body]], end: str = "\n") -> str:
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body in bodies:
            lines += body.lines()
    return end.join(lines) + end


@pytest.fixture
def body():
    """The class of bodies of an NTU file."""
    return Body


@pytest.fixture
def write_ntu(tmp_path):
    """Writes lists of bodies, one list per frame, as an NTU file."""

    def write(frames, name="S001C001P001R001A001.skeleton", end="\n"):
        path = tmp_path / name
        path.write_bytes(ntu_text(frames, end).encode())
        return path

    return write


@pytest.fixture
def layout(tmp_path):
    """Writes the YAML of a layout."""

    def write(text: str, name: str = "lab.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
