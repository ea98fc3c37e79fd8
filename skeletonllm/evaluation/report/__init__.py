"""Results on paper: tables of text, a plain page, and the page that compares runs (``page``)."""

from skeletonllm.evaluation.report.sections import Section, write_page
from skeletonllm.evaluation.report.tables import (
    describe_accuracy,
    describe_advantage,
    metric_rows,
    per_class_rows,
    percent,
)

__all__ = [
    "Section",
    "describe_accuracy",
    "describe_advantage",
    "metric_rows",
    "per_class_rows",
    "percent",
    "write_page",
]
