"""Cleaning of recordings: who is who and who is nobody, misplaced joints, short gaps, smoothing; all is counted."""

from skeletonllm.skeleton.cleaning.cleaner import clean
from skeletonllm.skeleton.cleaning.gaps import fill_gaps
from skeletonllm.skeleton.cleaning.report import CleaningReport, CleaningStep
from skeletonllm.skeleton.cleaning.settings import CleaningSettings
from skeletonllm.skeleton.cleaning.spurious import motion, why_spurious
from skeletonllm.skeleton.cleaning.tracking import momentary_jumps, track_bodies

__all__ = [
    "CleaningReport",
    "CleaningSettings",
    "CleaningStep",
    "clean",
    "fill_gaps",
    "momentary_jumps",
    "motion",
    "track_bodies",
    "why_spurious",
]
