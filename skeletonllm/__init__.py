"""Skeleton recordings drawn as pictures, differentiably, and understood by multimodal LLMs.

The public names load on first use, so that importing the package costs nothing.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "read_skeleton": "skeletonllm.skeleton.formats",
    "SkeletonFormatError": "skeletonllm.skeleton.formats",
    "SkeletonSequence": "skeletonllm.skeleton.sequence",
    "Clip": "skeletonllm.skeleton.sequence",
    "sample_clip": "skeletonllm.skeleton.sequence",
    "Topology": "skeletonllm.skeleton.topology",
    "DrAction": "skeletonllm.rendering.draction",
    "SkeletonLLMConfig": "skeletonllm.models",
    "SkeletonLLMForConditionalGeneration": "skeletonllm.models",
    "SkeletonLLMProcessor": "skeletonllm.models",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
