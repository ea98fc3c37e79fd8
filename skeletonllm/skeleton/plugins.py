"""What other people's packages bring: entry points of a group of ours, found when something is first looked for."""

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib.metadata import entry_points
from typing import Any, TypeVar

Thing = TypeVar("Thing")


def brought(
    group: str,
    kind: str,
    fits: Callable[[Any], bool],
    known: Mapping[str, Any],
    name_of: Callable[[Any], str] | None = None,
) -> dict[str, Any]:
    """What installed packages bring under the entry points of ``group``, by name.

    One that cannot be imported, or is of another kind, is passed over with a warning that names it.

    Args:
        group: such as ``skeletonllm.formats``.
        kind: what such a thing is called, for messages.
        fits: whether an object is of the kind.
        known: what is there by name; a module may have put there itself what it brings.
        name_of: what an object calls itself. None: it has the name of its entry point.

    Raises:
        ValueError: another one has the name.
    """
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        package = point.dist.name if point.dist else "a package"
        told = f"{package}: the {kind} {point.name!r} ({point.value})"
        try:
            thing = point.load()
        except Exception as error:  # anything can go wrong in somebody else's module
            warnings.warn(f"{told} is passed over: {type(error).__name__}: {error}", stacklevel=2)
            continue
        if not fits(thing):
            warnings.warn(f"{told} is passed over: {_called(thing)} and no {kind.capitalize()}", stacklevel=2)
            continue
        name = point.name if name_of is None else name_of(thing)
        if found.get(name, known.get(name, thing)) is not thing:
            raise ValueError(f"{told} is called {name!r} as another {kind} is; rename it or uninstall {package}")
        found[name] = thing
    return found


class Registry(MutableMapping[str, Thing]):
    """Things of one kind by name: our own, in their order, and behind them those of installed packages.

    Packages are asked at the first look, not when this is made: what they bring may be made of what is made here.

    Args:
        group, kind, fits, name_of: as of ``brought``.
        own: ours.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        fits: Callable[[Any], bool],
        own: Mapping[str, Thing],
        name_of: Callable[[Any], str] | None = None,
    ):
        self._things, self._looked = dict(own), False
        self._group, self._kind, self._fits, self._name_of = group, kind, fits, name_of

    def _all(self) -> dict[str, Thing]:
        if not self._looked:
            self._looked = True  # before: the modules of packages may look here, too
            try:
                self._things.update(brought(self._group, self._kind, self._fits, self._things, self._name_of))
            except ValueError:
                self._looked = False
                raise
        return self._things

    def __getitem__(self, name: str) -> Thing:
        return self._all()[name]

    def __setitem__(self, name: str, thing: Thing) -> None:
        """Add one in this process. Raises ValueError if it is not of the kind."""
        if not self._fits(thing):
            raise ValueError(f"{name!r} is {_called(thing)} and no {self._kind.capitalize()}")
        self._all()[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _called(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__
