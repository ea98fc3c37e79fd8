"""The animated view in three dimensions: bodies as capsules on a floor, in a page that needs nothing else."""

from skeletonllm.serving.app.view.bodies import Mark, View, view_of_dance, view_of_sequence
from skeletonllm.serving.app.view.page import Sound, page

__all__ = ["Mark", "Sound", "View", "page", "view_of_dance", "view_of_sequence"]
