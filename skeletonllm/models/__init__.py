"""The multimodal LLM around the renderer. Importing this registers it with transformers' Auto classes."""

from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration

__all__ = ["SkeletonLLMConfig", "SkeletonLLMForConditionalGeneration", "SkeletonLLMProcessor"]
