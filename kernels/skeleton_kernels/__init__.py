"""Fused operations on skeletons. Needs torch only; the GPU paths also need triton."""

from .splat import splat, splat_bones

__all__ = ["splat", "splat_bones"]
