"""The judge. Level 0 needs no training: servos pull every joint towards the reference, and a bounded wrench keeps the
pelvis near its own. At level 1 a trained policy corrects what the servos are told."""

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from skeletonllm.dance.body import Body, default_body, forward_kinematics, qpos_to_pose
from skeletonllm.dance.body.hinges import QPOS_SIZE
from skeletonllm.dance.imitation.fall import has_fallen
from skeletonllm.dance.imitation.ground import ground_term
from skeletonllm.dance.imitation.judgement import Judgement
from skeletonllm.dance.imitation.policy import Policy, steer
from skeletonllm.dance.imitation.terms import tracking_terms, weighted
from skeletonllm.dance.motion import FPS, Motion, resample
from skeletonllm.dance.physics import (
    GRAVITY,
    Physics,
    Reference,
    Trajectory,
    build_model,
    make_reference,
    simulate,
)

# Metres per second: nobody's pelvis goes faster, and what does says nothing of a body.
_FASTEST = 30.0
# Metres.
_NO_LENGTH = 1e-6
PHYSICS = Physics()


class JudgeWarning(UserWarning):
    """A motion could not be judged as the others are, or its body is odd; the message names it."""


def judge(
    motions: Sequence[Motion | np.ndarray | torch.Tensor],
    bodies: Body | Sequence[Body] | None = None,
    *,
    physics: Physics = PHYSICS,
    align: bool = True,
    policy: Policy | None = None,
    threads: int | None = None,
    backend: str = "mujoco",
) -> list[Judgement]:
    """How well a simulated body can imitate each of some motions.

    A motion is resampled to 30 frames per second and moved in height so that its first frame stands on the floor, no
    more: what floats or sinks later does so for the judge, too. The body starts in the first frame with its speeds.

    Judgements depend on nothing but the motion, its body and ``physics``: not on the number of threads, and not on what
    else is judged. What cannot be simulated (vectors that are not finite, or empty; a body that MuJoCo refuses) has a
    reward of zero and a ``problem``, and a ``JudgeWarning`` names it. Limbs of no length are judged, and named by one.

    Args:
        motions: dances, or their vectors (T, 151), as a generator makes them.
        bodies: who dances, or one for each. Default: the average body.
        physics: what holds in the simulated world.
        align: whether the first frame is put on the floor. Otherwise the floor is at z = 0, as motions have it, and one
            that floats from the start is judged so.
        policy: who steers the body. Default: nobody, level 0.
        threads: of the processor. Default: all that this process has.
        backend: a name of ``physics.BACKENDS``.

    Raises:
        ValueError: as many bodies as there are motions were expected; an unknown backend.
        ImportError: the library of the backend is missing.
    """
    if bodies is None or isinstance(bodies, Body):
        bodies = [bodies or default_body()] * len(motions)
    if len(bodies) != len(motions):
        raise ValueError(f"{len(bodies)} bodies for {len(motions)} motions, expected one each")
    found: list[Judgement | None] = [None] * len(motions)
    references = {}
    for number, (motion, body) in enumerate(zip(motions, bodies, strict=True)):
        source = getattr(motion, "source", "") or f"motion {number}"
        try:
            references[number] = prepare(motion, body, physics, align=align, source=source)
        except ValueError as error:
            found[number] = Judgement.refused(source, str(error))
    follow = simulate if policy is None else partial(steer, policy)
    trajectories = follow(list(references.values()), physics, threads=threads, backend=backend)
    for (number, reference), trajectory in zip(references.items(), trajectories, strict=True):
        found[number] = _judged(reference, trajectory, physics)
    for judgement in found:
        for said in filter(None, (judgement.problem, judgement.remark)):
            warnings.warn(f"{judgement.source}: {said}", JudgeWarning, stacklevel=2)
    return found


def prepare(
    motion: Motion | np.ndarray | torch.Tensor,
    body: Body,
    physics: Physics = PHYSICS,
    *,
    align: bool = True,
    source: str = "",
) -> Reference:
    """What a body is to follow, of a motion at any frame rate or of its vectors. Arguments as for ``judge``.

    Raises:
        ValueError: what cannot be simulated.
    """
    if not isinstance(motion, Motion):
        if not len(motion):
            raise ValueError("no frames, expected two at least to move")
        motion = Motion.from_vector(motion, source=source)
    motion = resample(motion, FPS).replace(source=source)
    if motion.num_frames < 2:
        raise ValueError(f"{motion.num_frames} frame of {motion.duration:.3f} s, expected two at least to move")
    fastest = np.linalg.norm(np.diff(motion.root.astype(np.float64), axis=0), axis=-1).max() * FPS
    if not fastest <= _FASTEST:
        raise ValueError(f"the pelvis moves by {fastest:.3g} m/s, expected {_FASTEST:g} at most")
    build_model(body, physics)
    if align:
        motion = motion.lifted(-float(motion.slice(0, 1).lowest(body)[0]))
    return make_reference(motion, body)


def _judged(reference: Reference, trajectory: Trajectory, physics: Physics) -> Judgement:
    body, motion = reference.body, reference.motion
    simulated = _simulated(reference, trajectory)
    terms = tracking_terms(motion, simulated, body)
    fall, problem = _fall(simulated, body), ""
    if trajectory.lost is not None:
        fall = trajectory.lost + 1 if fall is None else min(fall, trajectory.lost + 1)
        problem = f"the simulator lost the body after {fall / FPS:.2f} s"
    rewards = weighted(terms)
    if fall is not None:
        rewards[fall - 1 :] = 0.0
    weight = body.mass * GRAVITY
    feet = trajectory.feet / weight
    shares = np.array([weight, weight * body.standing_height])
    wrench = np.linalg.norm(trajectory.wrench.reshape(-1, 2, 3), axis=-1) / shares
    caps = physics.caps(body)[[0, 3]] * reference.demand / shares
    return Judgement(
        motion.source,
        terms,
        rewards,
        ground_term(motion, body),
        fall,
        wrench[:, 0],
        wrench[:, 1],
        (float(caps[0]), float(caps[1])),
        feet,
        trajectory.touching,
        motion,
        simulated,
        problem,
        _without_length(body),
    )


def _without_length(body: Body) -> str:
    """Which limbs of a body are points; empty if none is."""
    points = np.flatnonzero(np.linalg.norm(body.offsets, axis=-1) < _NO_LENGTH)
    limbs = [f"{body.names[body.parents[joint]]} to {body.names[joint]}" for joint in points if joint]
    return f"no length: {', '.join(limbs)}" if limbs else ""


def _simulated(reference: Reference, trajectory: Trajectory) -> Motion:
    """The frames of the simulation as a motion; of a lost body it stays where it was last seen."""
    qpos = np.concatenate([reference.qpos[:1], trajectory.states[:, :QPOS_SIZE]])
    if trajectory.lost is not None:
        qpos[trajectory.lost + 1 :] = qpos[trajectory.lost]
    root, rotations = qpos_to_pose(qpos)
    contacts = np.concatenate([reference.motion.contacts[:1], trajectory.feet > 0])
    return reference.motion.replace(root=root, rotations=rotations, contacts=contacts)


def _fall(simulated: Motion, body: Body) -> int | None:
    """The first frame in which the body has fallen."""
    fallen = has_fallen(forward_kinematics(body, simulated.root, simulated.rotations)[0])
    return max(1, int(fallen.argmax())) if fallen.any() else None
