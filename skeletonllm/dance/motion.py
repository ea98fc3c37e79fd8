"""A dance as the generator sees it: feet that stand, a pelvis that travels, and rotations of 24 joints."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from skeletonllm.dance.body import Body, forward_kinematics, lowest_points
from skeletonllm.dance.body.tree import as_matrices
from skeletonllm.skeleton.kinematics import matrix_to_quaternion, matrix_to_rotation_6d, quaternion_to_matrix
from skeletonllm.skeleton.sequence import SkeletonSequence

FPS = 30.0
FRAMES = 150
"""Of one piece of dance, five seconds, as the generator makes it."""

NUM_CONTACTS, NUM_ROOT, NUM_ROTATIONS = 4, 3, 24 * 6
CONTACTS = slice(0, NUM_CONTACTS)
ROOT = slice(NUM_CONTACTS, NUM_CONTACTS + NUM_ROOT)
ROTATIONS = slice(NUM_CONTACTS + NUM_ROOT, NUM_CONTACTS + NUM_ROOT + NUM_ROTATIONS)
VECTOR_SIZE = ROTATIONS.stop
"""The channels of a vector, 151: contacts, place of the pelvis, six numbers per joint."""

# Rounding of float32 matrices, and of files with six decimals.
_ORTHOGONAL = 1e-3
# Frames closer in angle than this, as a cosine, are joined by a straight line: the sine would vanish.
_NEARLY_SAME = 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames of one dancer, Z up, the floor at z = 0; at rest the body faces -y with its left at +x.

    Args:
        root: (T, 3) float32 metres, where the pelvis is.
        rotations: (T, 24, 3, 3) float32, or (T, 24, 6), see ``body.forward_kinematics``.
        contacts: (T, 4) float32 from 0 (moves) to 1 (stands) of ``contacts.CONTACT_JOINTS``. Default: none stands.
        fps: frames per second.
        source: where it came from, for messages.
        notes: what was assumed on the way, a sentence each.

    Raises:
        ValueError: shapes that do not fit, no frames, a number that is not finite, contacts outside [0, 1], matrices
            that are no rotations or a frame rate that is not positive; the message names the first such frame.
    """

    root: np.ndarray
    rotations: np.ndarray
    contacts: np.ndarray | None = None
    fps: float = FPS
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        frames = len(self.root)
        if frames < 1:
            raise ValueError(f"{self._who}: no frames, expected at least one")
        root = _checked(self, "root", self.root, (frames, NUM_ROOT))
        given = _checked(self, "rotations", self.rotations, (frames, *np.shape(self.rotations)[1:]))
        try:
            rotations = as_matrices(given)
        except ValueError as error:
            raise ValueError(f"{self._who}: {error}") from error
        contacts = np.zeros((frames, NUM_CONTACTS)) if self.contacts is None else self.contacts
        contacts = _checked(self, "contacts", contacts, (frames, NUM_CONTACTS))
        outside = np.flatnonzero(((contacts < 0) | (contacts > 1)).any(1))
        if len(outside):
            found = contacts[outside[0]].tolist()
            raise ValueError(f"{self._who}: contacts of frame {outside[0]} are {found}, expected from 0 to 1")
        with np.errstate(over="ignore", invalid="ignore"):
            product = rotations @ np.swapaxes(rotations, -1, -2)
            wrong = (np.abs(product - np.eye(3)).max((-1, -2)) > _ORTHOGONAL) | (np.linalg.det(rotations) < 0)
        if wrong.any():
            frame, joint = np.argwhere(wrong)[0]
            raise ValueError(f"{self._who}: frame {frame}, joint {joint}: the matrix is no rotation")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"{self._who}: fps is {self.fps}, expected a positive number")
        for name, value in (("root", root), ("rotations", rotations), ("contacts", contacts), ("fps", float(self.fps))):
            object.__setattr__(self, name, value)

    @property
    def _who(self) -> str:
        return self.source or "motion"

    @property
    def num_frames(self) -> int:
        return len(self.root)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_frames / self.fps

    def replace(self, **changes) -> "Motion":
        """A copy with some fields changed."""
        return replace(self, **changes)

    def slice(self, start: int, stop: int) -> "Motion":
        """Frames start to stop, the end excluded."""
        part = slice(start, stop)
        return self.replace(root=self.root[part], rotations=self.rotations[part], contacts=self.contacts[part])

    def pose(self, body: Body) -> tuple[np.ndarray, np.ndarray]:
        """Joints (T, 24, 3) metres and frames (T, 24, 3, 3) of a body that dances this, float32."""
        return forward_kinematics(body, self.root, self.rotations)

    def joints(self, body: Body) -> np.ndarray:
        """(T, 24, 3) float32 metres."""
        return self.pose(body)[0]

    def lowest(self, body: Body) -> np.ndarray:
        """(T,) metres: the height of the lowest point of the body's surface."""
        return lowest_points(body, *self.pose(body))

    def lifted(self, metres: float) -> "Motion":
        """The same motion so much higher."""
        return self.replace(root=self.root + np.array([0.0, 0.0, metres], np.float32))

    def to_vector(self) -> np.ndarray:
        """(T, 151) float32: contacts, root, and the first two columns of each rotation matrix."""
        rotations = matrix_to_rotation_6d(self.rotations).reshape(self.num_frames, NUM_ROTATIONS)
        return np.concatenate([self.contacts, self.root, rotations], -1)

    @classmethod
    def from_vector(
        cls, vector: np.ndarray | torch.Tensor, fps: float = FPS, source: str = "", notes: tuple[str, ...] = ()
    ) -> "Motion":
        """The motion of (T, 151) numbers, which need not be exact: contacts are clipped, rotations made orthogonal.

        Raises:
            ValueError: another shape, or a number that is not finite.
        """
        if isinstance(vector, torch.Tensor):
            vector = vector.detach().float().cpu().numpy()
        if vector.ndim != 2 or vector.shape[1] != VECTOR_SIZE:
            raise ValueError(f"{source or 'motion'}: vector has shape {vector.shape}, expected (T, {VECTOR_SIZE})")
        rotations = vector[:, ROTATIONS].reshape(len(vector), -1, 6)
        return cls(vector[:, ROOT], rotations, np.clip(vector[:, CONTACTS], 0.0, 1.0), fps, source, notes)

    def to_sequence(self, body: Body) -> SkeletonSequence:
        """The dance in front of the camera, see ``codecs.sequence.to_sequence``."""
        from skeletonllm.dance.codecs.sequence import to_sequence

        return to_sequence(self, body)

    @classmethod
    def from_sequence(cls, sequence: SkeletonSequence, body: Body) -> "Motion":
        """The first person of a recording as a dance of this body, see ``codecs.sequence.from_sequence``."""
        from skeletonllm.dance.codecs.sequence import from_sequence

        return from_sequence(sequence, body)


def resample(motion: Motion, fps: float) -> Motion:
    """The same motion at ``fps`` frames per second: rotations along great arcs (slerp, Shoemake 1985), root and
    contacts along straight lines. Nothing is smoothed before frames are left out.

    Raises:
        ValueError: a frame rate that is not a positive number.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}, expected a positive number")
    if fps == motion.fps:
        return motion
    last = motion.num_frames - 1
    # A thousandth of a frame more: rates such as 29.97 are rounded, and should not cost the last frame.
    places = np.minimum(np.arange(int(last * fps / motion.fps + 1e-3) + 1) * (motion.fps / fps), last)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, last)
    share = (places - before)[:, None]

    def between(array: np.ndarray) -> np.ndarray:
        return array[before] * (1 - share) + array[after] * share

    quaternions = matrix_to_quaternion(motion.rotations.astype(np.float64))
    return motion.replace(
        root=between(motion.root),
        rotations=quaternion_to_matrix(slerp(quaternions[before], quaternions[after], share[..., None])),
        contacts=np.clip(between(motion.contacts), 0.0, 1.0),
        fps=float(fps),
        notes=(*motion.notes, f"resampled from {motion.fps:g} to {fps:g} frames per second"),
    )


def slerp(start: np.ndarray, stop: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) the share (..., 1) of the shorter way from start to stop."""
    cosine = (start * stop).sum(-1, keepdims=True)
    stop = np.where(cosine < 0, -stop, stop)
    cosine = np.abs(cosine)
    angle = np.arccos(np.clip(cosine, 0.0, 1.0))
    straight = cosine > _NEARLY_SAME
    sine = np.where(straight, 1.0, np.sin(angle))
    first = np.where(straight, 1 - share, np.sin((1 - share) * angle) / sine)
    return first * start + np.where(straight, share, np.sin(share * angle) / sine) * stop


def _checked(motion: Motion, name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    values = np.array(values, dtype=np.float32)
    if values.shape != shape:
        raise ValueError(f"{motion._who}: {name} has shape {values.shape}, expected {shape}")
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(1))
    if len(bad):
        raise ValueError(f"{motion._who}: {name} of frame {bad[0]} is not finite ({len(bad)} of {len(values)} frames)")
    return values
