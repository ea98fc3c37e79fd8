"""FID: the Fréchet distance between the features of some clips and those of real ones (Heusel et al. 2017)."""

import numpy as np

# A feature that spans less than this share of its size is the same in all clips, up to rounding.
_CONSTANT = 1e-6
_LEGACY_FLOOR = 1e-10


def frechet_inception_distance(features: np.ndarray, reference: np.ndarray, legacy: bool = False) -> float:
    """The distance of features (N, D) from those of real clips (R, D), both scaled by ``standardize``.

    It depends on how many clips there are: fewer clips, larger distances. So it has no bootstrap interval, and only
    those of equally many clips can be compared.

    Raises:
        ValueError: fewer than two clips on either side, or features that do not fit.
    """
    scaled, real = standardize(features, reference, legacy), standardize(reference, reference, legacy)
    for what, clips in (("clips", scaled), ("clips of reference", real)):
        if len(clips) < 2:
            raise ValueError(f"FID of {len(clips)} {what}, expected at least 2")
    return frechet_distance(
        scaled.mean(0), np.atleast_2d(np.cov(scaled.T)), real.mean(0), np.atleast_2d(np.cov(real.T))
    )


def standardize(features: np.ndarray, reference: np.ndarray, legacy: bool = False) -> np.ndarray:
    """Features (N, D) minus the mean, over the deviation, of the reference (R, D): (N, E).

    What does not vary in the reference is left out, E <= D. Legacy: it is divided by 10^-10 instead.

    Raises:
        ValueError: features that are not finite or do not fit.
    """
    features, reference = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    for what, values in (("features", features), ("features of reference", reference)):
        if values.ndim != 2 or not values.size or values.shape[1:] != reference.shape[1:]:
            raise ValueError(f"{what} have shape {values.shape}, expected (N, {reference.shape[-1]})")
        if not np.isfinite(values).all():
            raise ValueError(f"{what} of clip {np.flatnonzero(~np.isfinite(values).all(1))[0]} are not finite")
    mean, deviation = reference.mean(0), reference.std(0)
    if legacy:
        return (features - mean) / (deviation + _LEGACY_FLOOR)
    varied = deviation > _CONSTANT * np.maximum(np.abs(reference).max(0), _CONSTANT)
    return ((features - mean) / np.where(varied, deviation, 1.0))[:, varied]


def frechet_distance(mean: np.ndarray, covariance: np.ndarray, mean_2: np.ndarray, covariance_2: np.ndarray) -> float:
    """Between two Gaussians (Dowson and Landau 1982): |mean - mean_2|^2 + tr(C + C_2 - 2 (C C_2)^(1/2))."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The eigenvalues of C C_2, of a matrix that stays symmetric however singular the two are.
    mixed = np.linalg.eigvalsh(root @ covariance_2 @ root)
    trace = np.trace(covariance) + np.trace(covariance_2) - 2 * np.sqrt(np.maximum(mixed, 0)).sum()
    return float(np.square(mean - mean_2).sum() + trace)
