"""Success rate: dances that a simulated body gets through."""

from skeletonllm.dance.metrics.performance import Performance

_PERCENT = 100.0


def success_rate(performance: Performance, legacy: bool = False) -> float | None:
    """100 if the simulated body was still up at the end, 0 if it fell, None if no simulator has judged."""
    return None if performance.succeeded is None else _PERCENT * performance.succeeded
