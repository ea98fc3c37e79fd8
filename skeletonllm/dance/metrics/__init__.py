"""How plausible, lively and musical a dance is: every metric of the field, one file each.

Each is measured in a form that holds for any clip, and with ``legacy=True`` as the scripts of the field measure it,
defects included, so that numbers can be set beside published ones.
"""

from skeletonllm.dance.metrics.evaluation import FORMS, evaluate_motions, summarize
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.metrics.registry import FEATURES, METRICS, SET_METRICS, Metric

__all__ = [
    "FEATURES",
    "FORMS",
    "METRICS",
    "SET_METRICS",
    "Metric",
    "Performance",
    "evaluate_motions",
    "summarize",
]
