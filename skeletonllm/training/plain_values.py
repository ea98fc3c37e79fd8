"""Typed settings from plain values, as YAML files have them: what does not fit is refused with its place."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

Defaults = Mapping[type, Callable[[str], dict]]


def read_yaml(path: Path) -> dict:
    """The keys and values of a file. Raises ValueError if it is not YAML, or something else."""
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected keys and values, found a {type(content).__name__}")
    return content


def from_plain(kind: type, content: Any, place: str, defaults: Defaults = types.MappingProxyType({})) -> Any:
    """A dataclass from plain values. Fields may be dataclasses themselves, or dictionaries of them by name.

    Args:
        kind: the dataclass.
        content: keys and values.
        place: what errors begin with.
        defaults: for a dataclass whose values have names, the values that are not given, by name.

    Raises:
        ValueError: keys or types that do not fit.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{place}: found {content!r}, expected keys and values")
    hints = get_type_hints(kind)
    unknown = [key for key in content if key not in hints]
    if unknown:
        raise ValueError(f"{place}: unknown key {', '.join(map(str, unknown))}; known: {', '.join(hints)}")
    values = {}
    for key, value in content.items():
        within, hint = f"{place}: {key}", hints[key]
        if value is None and type(None) in get_args(hint):
            values[key] = None
        elif (single := _dataclass_of(hint)) is not None:
            values[key] = from_plain(single, value, within, defaults)
        elif get_origin(hint) is dict and (named := _dataclass_of(get_args(hint)[1])) is not None:
            values[key] = _named(named, value, within, defaults)
        else:
            values[key] = _checked(hint, value, within)
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _dataclass_of(hint: Any) -> type | None:
    """The dataclass that a field holds, perhaps beside None."""
    kinds = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)


def _named(kind: type, content: Any, place: str, defaults: Defaults) -> dict[str, Any]:
    """Things of a kind by names that the file gives them, each beginning with the defaults of its name."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{place}: found {content!r}, expected names with their keys and values")
    named = {}
    for name, values in content.items():
        if not isinstance(values or {}, Mapping):
            raise ValueError(f"{place}: {name}: found {values!r}, expected keys and values")
        begun = defaults[kind](name) if kind in defaults else {}
        named[str(name)] = from_plain(kind, {**begun, **(values or {})}, f"{place}: {name}", defaults)
    return named


def check_keywords(function: Callable, given: Mapping[str, Any], place: str) -> None:
    """Raises ValueError if a function has no such keyword arguments, or wants them of other types."""
    hints = {key: hint for key, hint in get_type_hints(function).items() if key != "return"}
    unknown = [key for key in given if key not in hints]
    if unknown:
        raise ValueError(f"{place}: unknown key {', '.join(map(str, unknown))}; known: {', '.join(hints)}")
    for key, value in given.items():
        _checked(hints[key], value, f"{place}: {key}")


def _checked(hint: Any, value: Any, place: str):
    """A value of the type that its field names, or lists and dictionaries of them; whole numbers pass for floats."""
    if isinstance(hint, types.GenericAlias):
        kind, of = get_origin(hint), get_args(hint)[-1]
        items = _checked(kind, value, place)
        if kind is dict:
            return {str(key): _checked(of, item, f"{place}: {key}") for key, item in items.items()}
        return kind(_checked(of, item, f"{place}: {number}") for number, item in enumerate(items))
    takes_float = hint in (float, float | None)
    if takes_float and isinstance(value, str):
        # YAML reads 1e-3, without a point, as text.
        try:
            return float(value)
        except ValueError:
            pass
    if takes_float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) and hint is not bool or not isinstance(value, hint):
        raise ValueError(f"{place}: found {value!r}, expected {getattr(hint, '__name__', hint)}")
    return value
