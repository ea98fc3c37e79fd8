"""What the documentation registers is there for its own commands only: other tests go over all that is registered."""

from collections.abc import Iterator
from contextlib import contextmanager

from skeletonllm.dance.metrics import METRICS
from skeletonllm.dance.rewards import REWARDS
from skeletonllm.models.backbones import FAMILIES
from skeletonllm.rendering.registry import RENDERERS
from skeletonllm.tasks import TASKS

REGISTRIES = (METRICS, REWARDS, FAMILIES, RENDERERS, TASKS)


@contextmanager
def registering(own: list[dict]) -> Iterator[None]:
    """Until the block ends, the registries have what they had and ``own``, one mapping for each; what the block adds
    is put there."""
    before = [dict(registry) for registry in REGISTRIES]
    for registry, more in zip(REGISTRIES, own, strict=True):
        registry.update(more)
    try:
        yield
    finally:
        for registry, known, more in zip(REGISTRIES, before, own, strict=True):
            more |= {name: registry[name] for name in registry if name not in known}
            for name in more:
                registry.pop(name, None)
