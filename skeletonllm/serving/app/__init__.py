"""The web app: look at recordings, ask about them, dance to songs, compare runs."""

from skeletonllm.serving.app.mounting import mount

__all__ = ["mount"]
