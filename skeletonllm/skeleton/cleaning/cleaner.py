"""All of cleaning on one sequence: what is wrong becomes unknown, short gaps are filled, and everything is counted."""

from dataclasses import dataclass

import numpy as np

from skeletonllm.skeleton.cleaning.bones import misplaced_joints
from skeletonllm.skeleton.cleaning.gaps import fill_gaps
from skeletonllm.skeleton.cleaning.outliers import momentary_outliers
from skeletonllm.skeleton.cleaning.report import CleaningReport, CleaningStep
from skeletonllm.skeleton.cleaning.settings import CleaningSettings
from skeletonllm.skeleton.cleaning.smoothing import smooth
from skeletonllm.skeleton.sequence import SkeletonSequence

# Points of a picture all have one depth; bodies have not.
FLAT_METRES = 1e-3
# An outlier can hide behind a worse one. A few rounds find nearly all; the bound is for files made to be never done.
MAX_ROUNDS = 20

DEFAULTS = CleaningSettings()


def clean(sequence: SkeletonSequence, settings: CleaningSettings = DEFAULTS) -> tuple[SkeletonSequence, CleaningReport]:
    """Take out what no sensor saw and no body did, and fill short gaps.

    In this order: joints of little confidence, joints thrown away for a moment, and joints that make bones too long or
    short become unknown; gaps of a short time are filled by straight lines; smoothing, if it is asked for. Who is who,
    and which bodies are nobody, is settled when a file is read.

    A sequence of points of a picture has no lengths of bones: those of a limb that turns towards the camera shrink.

    Returns:
        The sequence with notes of what was changed, the same object if nothing was, and the report. Cleaning what is
        clean changes nothing, except that smoothing smooths again (and that of recordings in which half the frames are
        wrong, cleaning makes what it can).
    """
    joints, valid, confidence = sequence.joints, sequence.valid, sequence.confidence
    steps: list[CleaningStep] = []

    def record(name: str, changed: np.ndarray, what: str) -> None:
        if changed.any():
            steps.append(CleaningStep.of(name, changed, what))

    if confidence is not None:
        doubtful = valid & (confidence < settings.min_confidence)
        valid = valid & ~doubtful
        record("confidence", doubtful, f"masked: confidence below {settings.min_confidence:g}")

    flat = is_flat(joints, valid)
    repaired = _repair(sequence.replace(valid=valid), settings, flat)
    limit = f"{settings.jump_metres:g} m and {settings.jump_acceleration:g} m/s^2"
    record("outliers", repaired.outliers, f"masked: thrown out of their path for a moment, beyond {limit}")
    what = f"masked: bones more than {settings.bone_factor:g} times longer or shorter than they mostly are"
    record("bones", repaired.misplaced, what)
    record("gaps", repaired.filled, f"filled by straight lines: unknown for at most {settings.gap_seconds:g} s")
    if confidence is not None:
        measured = valid & ~repaired.outliers & ~repaired.misplaced
        between, _ = fill_gaps(confidence[..., None], measured, sequence.fps, settings.gap_seconds)
        confidence = np.where(repaired.filled, between[..., 0], confidence)
    joints, valid = repaired.joints, repaired.valid

    if settings.smoothing_seconds > 0:
        joints, smoothed = smooth(joints, valid, sequence.fps, settings.smoothing_seconds)
        record("smoothing", smoothed, f"smoothed over {settings.smoothing_seconds:g} s to either side")

    skipped = ("lengths of bones, as the points lie in a plane",) if flat else ()
    unknown = (int((~mask).sum()) for mask in (sequence.valid, valid))
    report = CleaningReport(tuple(steps), valid.size, *unknown, skipped)
    if not report.changed:
        return sequence, report
    notes = (*sequence.notes, *report.notes())
    return sequence.replace(joints=joints, valid=valid, confidence=confidence, notes=notes), report


def is_flat(joints: np.ndarray, valid: np.ndarray) -> bool:
    """Whether all known joints (T, P, J, 3) lie in one plane before the camera, as points of a picture do."""
    depth = joints[..., 2][valid]
    return bool(len(depth)) and float(np.ptp(depth)) < FLAT_METRES


@dataclass
class _Repaired:
    """Joints (T, P, J, 3), and masks (T, P, J): what is known now, and what was wrong and what filled on the way."""

    joints: np.ndarray
    valid: np.ndarray
    outliers: np.ndarray
    misplaced: np.ndarray
    filled: np.ndarray


def _repair(sequence: SkeletonSequence, settings: CleaningSettings, flat: bool) -> _Repaired:
    """Mask what is wrong and fill what is short, until nothing is wrong with what is known.

    What is usual shifts a little when wrong joints are gone and gaps are filled, so everything is judged again, gaps
    that a straight line did not fit among it, until the judgement stays.
    """
    measured, fps = sequence.valid, sequence.fps
    outliers, misplaced, unfit, unfit_before = (np.zeros_like(measured) for _ in range(4))
    jump = (settings.jump_seconds, settings.jump_metres, settings.jump_acceleration)
    for _ in range(MAX_ROUNDS):
        left = measured & ~outliers & ~misplaced
        path, known = fill_gaps(sequence.joints, left, fps, settings.gap_seconds)
        filled = known & ~left & ~unfit
        known = left | filled
        thrown = momentary_outliers(path, known, fps, *jump)
        off = np.zeros_like(thrown)
        if not flat:
            off = misplaced_joints(path, known & ~thrown, sequence.topology, settings.bone_factor, settings.bone_metres)
        wrong = thrown | off
        outliers |= thrown & left
        misplaced |= off & left
        unfit |= wrong & filled
        filled &= ~unfit
        if not wrong.any():
            if (unfit == unfit_before).all():
                break
            unfit_before, unfit = unfit, np.zeros_like(unfit)
    left = measured & ~outliers & ~misplaced
    return _Repaired(np.where(filled[..., None], path, sequence.joints), left | filled, outliers, misplaced, filled)
