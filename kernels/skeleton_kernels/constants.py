"""Numbers shared by every path of every operation, each with its reason."""

COVARIANCE_EPSILON = 1e-5
"""Added to the diagonal of a projected covariance, in square pixels: the published renderer's value, which keeps a
Gaussian of zero size invertible. (3D Gaussian splatting adds 0.3, which would blur these small bodies.)"""

MIN_DEPTH = 1e-4
"""Lower clamp of camera depth, in metres, wherever depth divides or is normalised: the published renderer's value."""

NEAR_PLANE = 0.05
"""Gaussians nearer than this (metres) are not drawn. The published renderer clamps their depth to `MIN_DEPTH` instead,
which turns whatever stands behind the camera into blobs that cover the picture. Depth sensors start at 0.5 m."""

WORLD_LIMIT = 1e3
"""Coordinates and sizes beyond this (metres) count as missing. Squares of ratios of anything smaller stay finite in
float32, so one broken joint cannot turn a picture or a gradient into NaN."""

DEFAULT_CUTOFF = 1.0 / 2048.0
"""Optical depth under which a Gaussian may be left out at a pixel. What is left out adds up where several Gaussians
fade at the same pixel: with this value whole bodies stay within 1/255 of the dense picture."""
