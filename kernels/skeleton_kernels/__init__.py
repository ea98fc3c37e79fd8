"""Fused operations on skeletons. Needs torch only; the GPU paths also need triton."""

from .penetration import non_neighbouring_pairs, penetration
from .skin import skin
from .splat import splat, splat_bones, splat_patches

__all__ = ["non_neighbouring_pairs", "penetration", "skin", "splat", "splat_bones", "splat_patches"]
