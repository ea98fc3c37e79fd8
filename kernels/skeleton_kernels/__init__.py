"""Fused operations on skeletons. Needs torch only; the GPU paths also need triton."""

from .penetration import non_neighbouring_pairs, penetration
from .splat import splat, splat_bones

__all__ = ["non_neighbouring_pairs", "penetration", "splat", "splat_bones"]
