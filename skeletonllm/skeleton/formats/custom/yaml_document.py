"""YAML in which every value knows its line, so that whoever wrote it is told where it is wrong."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skeletonllm.skeleton.formats.common import SkeletonFormatError, read_bytes, short

MAX_YAML_BYTES = 200_000
# Anchors let a short file stand for an endless one.
MAX_VALUES = 50_000
# Keys and names are told in messages.
MAX_CHARACTERS = 500

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """What a YAML file says.

    Args:
        path: the file.
        content: mappings with text as keys, lists, texts, numbers, booleans and None.
        lines: the line of each value, counted from one, by the keys and indices that lead to it.
    """

    path: Path
    content: Any
    lines: dict[Keys, int]

    def wrong(self, keys: Keys, found: str, expected: str) -> SkeletonFormatError:
        """The error of a value, at its line; at the line of what should hold it where it is missing."""
        known = next(keys[:end] for end in range(len(keys), -1, -1) if keys[:end] in self.lines)
        place = f"line {self.lines[known]}"
        return SkeletonFormatError(self.path, f"{place}, key {spell(keys)!r}" if keys else place, found, expected)


def spell(keys: Keys) -> str:
    """Keys as people write them: ``joints[3].parent``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def nearest(word: object, known: Iterable[str]) -> str:
    """A half-sentence with the known word that is most like this one, or nothing if none is."""
    known = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(word)[:100].lower(), known, n=1, cutoff=0.6)
    return f" (did you mean {known[near[0]]!r}?)" if near else ""


def load_yaml(path: Path, expected: str) -> Document:
    """Parse a YAML file.

    Args:
        path: the file.
        expected: what it should hold, for messages.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: no YAML, no mapping, a key that is no text or is given twice, or more than anybody writes.
    """
    import yaml

    if path.exists() and not path.is_file():
        raise SkeletonFormatError(path, "path", "no regular file", expected)
    data = read_bytes(path, MAX_YAML_BYTES)
    try:
        loader = yaml.SafeLoader(data.decode("utf-8-sig"))
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SkeletonFormatError(path, f"line {line}", short(str(error.problem)), "YAML") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SkeletonFormatError(path, "content", short(" ".join(str(error).split())), "YAML") from error
    document = Document(path, None, {(): 1})
    if not isinstance(root, yaml.MappingNode):
        found = "an empty file" if root is None else f"no mapping but {short(str(data[:40], 'utf-8', 'replace'))}"
        raise document.wrong((), found, expected)

    def plain(node: yaml.Node, keys: Keys) -> Any:
        document.lines[keys] = node.start_mark.line + 1
        if len(document.lines) > MAX_VALUES:
            raise document.wrong((), f"more than {MAX_VALUES:,} values", expected)
        if isinstance(node, yaml.SequenceNode):
            return [plain(child, (*keys, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            content = {}
            for key_node, child in node.value:
                key = scalar(key_node, keys)
                if not isinstance(key, str):
                    document.lines[keys] = key_node.start_mark.line + 1
                    raise document.wrong(keys, f"the key {short(key)}", "keys that are text (quote what is not)")
                if key in content:
                    document.lines[*keys, key] = key_node.start_mark.line + 1
                    raise document.wrong((*keys, key), "the same key again", "each key once")
                content[key] = plain(child, (*keys, key))
                # A value may begin below its key; people look for the key.
                document.lines[*keys, key] = key_node.start_mark.line + 1
            return content
        return scalar(node, keys)

    def scalar(node: yaml.Node, keys: Keys) -> Any:
        if len(node.value) > MAX_CHARACTERS:
            document.lines[keys] = node.start_mark.line + 1
            raise document.wrong(keys, f"{len(node.value):,} characters", f"at most {MAX_CHARACTERS}")
        try:
            value = loader.construct_object(node)
        # Besides its own errors, PyYAML lets through what Python raises on texts that do not suit their tags.
        except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            document.lines[keys] = node.start_mark.line + 1
            raise document.wrong(keys, short(" ".join(str(error).split())), "text, a number, yes or no") from error
        return value if isinstance(value, str | int | float | None) else str(value)

    try:
        content = plain(root, ())
    except RecursionError as error:
        raise document.wrong((), "lists within lists without end", expected) from error
    return Document(path, content, document.lines)
