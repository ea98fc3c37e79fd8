"""Rationales of a large model, the teacher, for recordings that a small one shall learn to reason about.

The teacher sees the frames that the student sees, and is told the true action; what it writes is held against the
label and against the joints before anybody learns from it.
"""

from skeletonllm.data.teacher.budget import Caps
from skeletonllm.data.teacher.endpoint import Endpoint, EndpointError, RequestPolicy
from skeletonllm.data.teacher.frames import Frames, Sampling
from skeletonllm.data.teacher.job import is_for_training, teach
from skeletonllm.data.teacher.rationales import attach_rationales
from skeletonllm.data.teacher.settings import Summary, TeacherSettings

__all__ = [
    "Caps", "Endpoint", "EndpointError", "Frames", "RequestPolicy", "Sampling", "Summary", "TeacherSettings",
    "attach_rationales", "is_for_training", "teach",
]  # fmt: skip
