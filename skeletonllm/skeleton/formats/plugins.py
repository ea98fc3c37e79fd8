"""Formats that other people's packages bring: entry points of the group ``skeletonllm.formats``, each a Format."""

from collections.abc import Mapping

from skeletonllm.skeleton.formats.common import Format
from skeletonllm.skeleton.plugins import brought

GROUP = "skeletonllm.formats"


def plugin_formats(known: Mapping[str, Format]) -> dict[str, Format]:
    """The formats of installed packages by their names; what is wrong with one is told as ``brought`` does.

    Args:
        known: the formats that are there, whose names are taken.

    Raises:
        ValueError: two formats have one name.
    """
    return brought(GROUP, "format", lambda one: isinstance(one, Format), known, lambda one: one.name)
