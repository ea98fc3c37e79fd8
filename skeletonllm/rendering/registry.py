"""Kinds of renderers by name, and renderers from settings and from files.

Installed packages bring further kinds, each a class, as entry points of the group ``skeletonllm.renderers``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.fixed.projection import Projection
from skeletonllm.rendering.fixed.stick_figure import StickFigure
from skeletonllm.rendering.fixed.trajectory_map import TrajectoryMap
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.rendering.weights import PUBLISHED_FORMAT, RENDERER_FORMAT, load_tensors
from skeletonllm.skeleton.plugins import Registry

DEFAULT_KIND = "draction"  # of settings that name no kind, as all did before there were others
RENDERERS: Registry[type[Renderer]] = Registry(
    "skeletonllm.renderers",
    "renderer",
    lambda thing: isinstance(thing, type) and issubclass(thing, Renderer),
    {
        DEFAULT_KIND: DrAction,
        "stick_figure": StickFigure,
        "projection": Projection,
        "trajectory_map": TrajectoryMap,
    },
)


def kind_of(settings: Mapping[str, Any]) -> str:
    """The kind that a renderer's settings name. Raises ValueError if there is no such kind."""
    kind = settings.get("kind", DEFAULT_KIND)
    if not isinstance(kind, str) or kind not in RENDERERS:
        raise ValueError(f"unknown kind of renderer {kind!r}, expected one of {', '.join(RENDERERS)}")
    return kind


def build_renderer(settings: Mapping[str, Any]) -> Renderer:
    """An untrained renderer.

    Args:
        settings: ``kind``, one of ``RENDERERS``, by default ``draction``; and the keyword arguments of that kind, or
            the ``settings`` of a renderer with released weights.

    Raises:
        ValueError: no such kind, or a keyword argument or value that it does not take.
    """
    chosen = {key: value for key, value in settings.items() if key != "kind"}
    kind = kind_of(settings)
    try:
        return DrAction.from_settings(chosen) if kind == DEFAULT_KIND else RENDERERS[kind](**chosen)
    except TypeError as error:  # a keyword argument that it does not have
        raise ValueError(f"settings of a {kind} renderer: {error}") from error


def read_renderer(path: str | Path) -> Renderer:
    """A renderer of any kind from a file of its ``save``, or from one of released weights, whichever it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is of neither format, or what it holds does not fit its settings.
    """
    metadata, tensors = load_tensors(path, (RENDERER_FORMAT, PUBLISHED_FORMAT))
    if metadata["format"] == PUBLISHED_FORMAT:
        return DrAction.from_published(path)
    try:
        renderer = build_renderer(json.loads(metadata["settings"]))
        renderer.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path}: damaged renderer: {error}") from error
    return renderer
