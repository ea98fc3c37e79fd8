"""Simulating a batch of references, whatever their lengths and bodies."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.physics.backends import BACKENDS
from skeletonllm.dance.physics.model import SELF, TOUCHING, WRENCH, Physics, build_model
from skeletonllm.dance.physics.reference import SUBSTEPS, Reference

# Steps of the simulator, of all bodies, in one call: keeps the memory of states and controls below half a gigabyte.
_STEPS = 200_000
# Metres, radians and their speeds beyond which a body is nowhere any more.
_LOST = 1e4


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What became of one body, T - 1 frames after the first.

    Args:
        states: (T - 1, 151) places and speeds at the end of each frame, zeros once it is lost.
        lost: the number of the first of these frames in which the simulator had lost the body; None if it never did.
        wrench: (T - 1, 6) newtons and newton metres, in the axes of the reference: root mean square over the steps of
            each frame of what helped.
        feet: (T - 1, 4) newtons: mean force on the floor of each of ``FEET``.
        touching: (T - 1,) the largest number of contacts of the body with itself in the frame.
    """

    states: np.ndarray
    lost: int | None
    wrench: np.ndarray
    feet: np.ndarray
    touching: np.ndarray


def simulate(
    references: Sequence[Reference], physics: Physics, *, threads: int | None = None, backend: str = "mujoco"
) -> list[Trajectory]:
    """Lets bodies follow their references. The same for every number of threads, and for each body whatever others are
    simulated with it.

    Args:
        threads: of the processor. Default: as many as it has for this process.
        backend: a name of ``BACKENDS``.

    Raises:
        ValueError: a backend that is not known.
        ImportError: a backend whose library is missing.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}, expected {' or '.join(sorted(BACKENDS))}")
    threads = threads or len(os.sched_getaffinity(0))
    found: list[Trajectory | None] = [None] * len(references)
    for batch in _batches(references):
        chosen = [references[number] for number in batch]
        models = [build_model(each.body, physics, each.demand) for each in chosen]
        longest = len(chosen[-1].control)
        # Shorter ones hold their last targets; what becomes of them then is not looked at.
        controls = np.stack([np.pad(each.control, ((0, longest - len(each.control)), (0, 0)), mode="edge")
                             for each in chosen])  # fmt: skip
        starts = np.stack([each.start for each in chosen])
        states, sensors = BACKENDS[backend](models, starts, controls, threads)
        for place, number in enumerate(batch):
            steps = len(references[number].control)
            found[number] = trajectory_of(states[place, :steps], sensors[place, :steps])
    return found


def _batches(references: Sequence[Reference]) -> Iterator[list[int]]:
    """Numbers of references, those of like lengths together, the longest last."""
    order = sorted(range(len(references)), key=lambda number: len(references[number].control))
    batch: list[int] = []
    for number in order:
        if batch and (len(batch) + 1) * len(references[number].control) > _STEPS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def is_lost(states: np.ndarray) -> np.ndarray:
    """(...) whether bodies in these states (..., 151) are nowhere any more."""
    return ~(np.abs(states) < _LOST).all(-1)


def trajectory_of(states: np.ndarray, sensors: np.ndarray) -> Trajectory:
    """What a simulator tells of one body, states (S, 151) and sensors (S, N) of S = 4 (T - 1) steps, frame by frame."""
    bad = is_lost(states)
    lost = int(bad.argmax()) // SUBSTEPS if bad.any() else None
    framed = sensors.reshape(-1, SUBSTEPS, sensors.shape[-1]).astype(np.float64)
    states = states[SUBSTEPS - 1 :: SUBSTEPS].copy()
    if lost is not None:
        states[lost:] = 0.0
        framed[lost:] = 0.0
    feet = framed[..., TOUCHING].reshape(*framed.shape[:2], -1, 4)[..., 1:]
    return Trajectory(
        states,
        lost,
        np.sqrt(np.square(framed[..., : len(WRENCH)]).mean(1)),
        np.linalg.norm(feet.mean(1), axis=-1),
        framed[..., SELF].max(1).astype(int),
    )
