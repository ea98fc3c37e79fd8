"""Formats that other people's packages bring: entry points of the group ``skeletonllm.formats``, each a Format."""

import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points

from skeletonllm.skeleton.formats.common import Format

GROUP = "skeletonllm.formats"


def plugin_formats(known: Mapping[str, Format]) -> dict[str, Format]:
    """The formats of installed packages by their names.

    One that cannot be imported, or is no Format, is passed over with a warning that names it.

    Args:
        known: the formats that are there, whose names are taken.

    Raises:
        ValueError: two formats have one name.
    """
    found: dict[str, Format] = {}
    for point in entry_points(group=GROUP):
        package = point.dist.name if point.dist else "a package"
        told = f"{package}: the format {point.name!r} ({point.value})"
        try:
            format = point.load()
        except Exception as error:  # anything can go wrong in somebody else's module
            warnings.warn(f"{told} is passed over: {type(error).__name__}: {error}", stacklevel=2)
            continue
        if not isinstance(format, Format):
            warnings.warn(f"{told} is passed over: {type(format).__name__} and no Format", stacklevel=2)
            continue
        if format.name in known or format.name in found:
            raise ValueError(f"{told} is called {format.name!r} as another format is; rename it or uninstall {package}")
        found[format.name] = format
    return found
