"""Many simulated bodies, each at its own frame of its own reference, that take one frame together.

Training and judging step them alike. A policy adds to what the servos of level 0 are told: an action is 75 numbers from
-1 to 1, an offset for each of the 69 hinges, ``HINGE_OFFSET`` at most, and for the six servos of the wrench one that by
itself asks for all that these may give.
"""

from collections.abc import Sequence

import numpy as np

from skeletonllm.dance.body import Body, forward_kinematics, qpos_to_pose
from skeletonllm.dance.body.hinges import NUM_HINGES, QPOS_SIZE
from skeletonllm.dance.body.tree import NUM_JOINTS
from skeletonllm.dance.imitation.terms import Moving
from skeletonllm.dance.motion import FPS
from skeletonllm.dance.physics import (
    BACKENDS,
    GRAVITY,
    SUBSTEPS,
    WRENCH,
    Physics,
    Reference,
    build_model,
    turning_speeds,
)

HINGE_OFFSET = 0.2
"""Radians."""
ACTION_SIZE = NUM_HINGES * (NUM_JOINTS - 1) + len(WRENCH)


class Library:
    """References end to end, M frames in all, with what a body that follows them is compared with.

    Args:
        references: whom to follow.
        physics: the world they are followed in.

    Raises:
        ValueError: a body that MuJoCo refuses.
    """

    def __init__(self, references: Sequence[Reference], physics: Physics):
        self.references = list(references)
        self.bodies = list({id(each.body): each.body for each in references}.values())
        numbers = {id(body): number for number, body in enumerate(self.bodies)}
        self.body_of = np.array([numbers[id(each.body)] for each in references])
        self.lengths = np.array([each.motion.num_frames for each in references])
        self.first = np.cumsum(self.lengths) - self.lengths
        self.models = [build_model(each.body, physics, each.demand) for each in references]
        self.scales = np.stack([_scales(model) for model in self.models])
        # Newtons and newton metres of weight, and weight at the height of the pelvis.
        weights = [[each.body.mass * GRAVITY] for each in references]
        self.weights = np.array([weight * 3 + [weight[0] * each.body.standing_height] * 3
                                 for weight, each in zip(weights, references, strict=True)])  # fmt: skip
        parts = [_of_reference(each) for each in references]
        self.states, self.control = (np.concatenate([part[key] for part in parts]) for key in ("states", "control"))
        self.moving = Moving(*(np.concatenate([part[key] for part in parts]) for key in Moving._fields))

    def place(self, which: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Where among the M frames is a frame of a reference."""
        return self.first[which] + frames

    def pose(self, which: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rotations (N, 24, 3, 3), joints (N, 24, 3) and frames (N, 24, 3, 3) of bodies in states (N, 151)."""
        root, rotations = qpos_to_pose(states[:, :QPOS_SIZE])
        joints, frames = np.empty((len(root), NUM_JOINTS, 3)), np.empty_like(rotations)
        for number, body in enumerate(self.bodies):
            mine = self.body_of[which] == number
            joints[mine], frames[mine] = forward_kinematics(body, root[mine], rotations[mine])
        return rotations, joints, frames


class Followers:
    """N bodies on their way.

    Args:
        library: whom they may follow.
        count: N.
        threads: of the processor.
        backend: a name of ``physics.BACKENDS``.

    Raises:
        ValueError: a backend that is not known.

    Attributes:
        which, frames: (N,) the reference that a body follows, and the frame of it in which it is.
        states: (N, 151) places and speeds.
        moving: the same as rotations, speeds, joints and frames.
    """

    def __init__(self, library: Library, count: int, *, threads: int = 1, backend: str = "mujoco"):
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend {backend!r}, expected {' or '.join(sorted(BACKENDS))}")
        self.library, self.threads, self.rollouts = library, threads, BACKENDS[backend]
        self.which, self.frames = np.zeros(count, int), np.zeros(count, int)
        self.states = library.states[np.zeros(count, int)]
        self.moving = Moving(*(values[np.zeros(count, int)] for values in library.moving))

    def put(self, who: np.ndarray, which: np.ndarray, frames: np.ndarray) -> None:
        """Some bodies (numbers ``who``) into frames of references, moving as these do."""
        places = self.library.place(which, frames)
        self.which[who], self.frames[who] = which, frames
        self.states[who] = self.library.states[places]
        for mine, theirs in zip(self.moving, self.library.moving, strict=True):
            mine[who] = theirs[places]

    def wanted(self) -> Moving:
        """What the references do in the frames in which the bodies are."""
        places = self.library.place(self.which, self.frames)
        return Moving(*(values[places] for values in self.library.moving))

    def step(self, actions: np.ndarray, who: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """One frame on.

        Args:
            actions: (N, 75), taken from -1 to 1.
            who: numbers of the bodies that move; the others stay. Default: all.

        Returns:
            States (N, 4, 151) and sensors (N, 4, ...) of the simulator's steps, of those that move.
        """
        library = self.library
        who = np.arange(len(self.which)) if who is None else who
        which = self.which[who]
        steps = (library.place(which, self.frames[who]) * SUBSTEPS)[:, None] + np.arange(SUBSTEPS)
        controls = library.control[steps]
        controls[..., :ACTION_SIZE] += (np.clip(actions[who], -1, 1) * library.scales[which])[:, None]
        models = [library.models[number] for number in which]
        states, sensors = self.rollouts(models, self.states[who], controls, self.threads)
        self.frames[who] += 1
        self.states[who] = states[:, -1]
        self.look(who)
        return states, sensors

    def look(self, who: np.ndarray) -> None:
        """Bring ``moving`` up to the states of some bodies, one frame after it was."""
        rotations, joints, frames = self.library.pose(self.which[who], self.states[who])
        between = np.stack([self.moving.rotations[who, 1:], rotations[:, 1:]])
        for mine, new in zip(self.moving, (rotations, turning_speeds(between, FPS)[0], joints, frames), strict=True):
            mine[who] = new


def _scales(model) -> np.ndarray:
    """(75,) offsets, in radians or metres, of the targets of the servos that an action of 1 is."""
    wrench = slice(-len(WRENCH), None)
    help_ = model.actuator_forcerange[wrench, 1] / model.actuator_gainprm[wrench, 0]
    return np.concatenate([np.full(ACTION_SIZE - len(WRENCH), HINGE_OFFSET), help_])


def _of_reference(reference: Reference) -> dict[str, np.ndarray]:
    """All frames of a reference: states, controls of the steps from each (the last is repeated), and ``Moving``."""
    body: Body = reference.body
    rotations = reference.motion.rotations.astype(np.float64)
    joints, frames = forward_kinematics(body, reference.qpos[:, :3], rotations)
    lines = np.concatenate([reference.qpos[:, :3], reference.qpos[:, 7:]], -1)
    speeds = np.gradient(lines, 1 / FPS, axis=0)
    turns = turning_speeds(rotations, FPS)
    spin = np.concatenate([turns[:, 0], turns[-1:, 0]])
    return {
        "states": np.concatenate([reference.qpos, speeds[:, :3], spin, speeds[:, 3:]], -1),
        "control": np.concatenate([reference.control, np.repeat(reference.control[-1:], SUBSTEPS, axis=0)]),
        "rotations": rotations,
        "speeds": np.concatenate([turns[:1, 1:], turns[:, 1:]]),
        "joints": joints,
        "frames": frames,
    }
