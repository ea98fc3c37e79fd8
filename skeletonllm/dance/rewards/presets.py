"""Sets of rewards with their weights, by name."""

from collections.abc import Mapping

PRESETS: Mapping[str, Mapping[str, float]] = {
    "plausible": {
        "imitation": 0.15,
        "ground": 0.2,
        "penetration": 0.25,
        "anti_freezing": 0.3,
        "beat": 0.1,
    },
    "gradients": {
        "ground": 0.2,
        "penetration": 0.25,
        "skating": 0.1,
        "smoothness": 0.02,
        "anti_freezing": 2.0,
        "exaggeration": 1.0,
        "likeness": 0.15,
    },
    "paper": {"imitation_paper": 0.51, "anti_freezing_paper": 0.49, "ground_paper": 0.01},
}
"""Weights are of advantages, that is of rewards in standard deviations. In ``paper`` both are those that Skeleton2Stage
released. In ``plausible`` the first three, which a still body is good at, are held by two that it is bad at."""
