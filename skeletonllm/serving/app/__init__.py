"""The web app: look at recordings, ask about them, dance to songs, compare runs."""

from skeletonllm.serving.app.mounting import mount_app

__all__ = ["mount_app"]
