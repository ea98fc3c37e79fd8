"""Cleaning of recordings: who is who from frame to frame, which bodies are nobody, and short gaps."""

from skeletonllm.skeleton.cleaning.gaps import fill_gaps
from skeletonllm.skeleton.cleaning.spurious import motion, why_spurious
from skeletonllm.skeleton.cleaning.tracking import momentary_jumps, track_bodies

__all__ = ["fill_gaps", "momentary_jumps", "motion", "track_bodies", "why_spurious"]
