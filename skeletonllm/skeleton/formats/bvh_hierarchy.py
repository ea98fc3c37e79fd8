"""The first half of a BVH file: which joints hang on which, how far apart, and which numbers move them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import BYTE_ORDER_MARK, SkeletonFormatError, short
from skeletonllm.skeleton.formats.mocap import MAX_NODES
from skeletonllm.skeleton.topology import ROOT

# A joint takes some 150 bytes.
MAX_HIERARCHY_BYTES = 2**20
CHANNELS = ("xposition", "yposition", "zposition", "xrotation", "yrotation", "zrotation")

_START = re.compile(r"\s*HIERARCHY\b", re.IGNORECASE)
_ITEM = re.compile(
    r"""\s*(?:
        (?P<kind>ROOT|JOINT|End[ \t]+Site)\b[ \t]*(?P<name>[^\n{}]*)
        | (?P<brace>[{}])
        | OFFSET\s+(?P<x>[^\s{}]+)\s+(?P<y>[^\s{}]+)\s+(?P<z>[^\s{}]+)
        | CHANNELS\s+(?P<count>\d{1,3})(?P<channels>(?:\s+[XYZ](?:position|rotation)\b)*)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_EXPECTED = "ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace"


@dataclass(frozen=True)
class Hierarchy:
    """N joints and end sites, each behind its parent.

    Args:
        names: of the file; an end site has the name of the joint that it ends.
        parents: -1 for the root.
        offsets: (N, 3) from the parent, in the file's unit.
        channels: of each, entries of ``CHANNELS`` in the order of the numbers.
        ends: which are end sites.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    ends: tuple[int, ...]

    @property
    def num_channels(self) -> int:
        return sum(map(len, self.channels))


@dataclass
class _Node:
    name: str
    parent: int
    is_end: bool
    offset: tuple[float, ...] | None = None
    channels: tuple[str, ...] = field(default_factory=tuple)


def parse_hierarchy(path: Path, data: bytes) -> tuple[Hierarchy, int]:
    """Read up to the brace that closes the root.

    Returns:
        the hierarchy, and the byte behind it.

    Raises:
        SkeletonFormatError: names the line.
    """
    start = len(BYTE_ORDER_MARK) if data.startswith(BYTE_ORDER_MARK) else 0
    # One character per byte, so that places are places in the file; names are cleaned of what is not ASCII anyway.
    text = data[: start + MAX_HIERARCHY_BYTES].decode("latin-1")

    def error(position: int, found: str, expected: str) -> SkeletonFormatError:
        line = text.count("\n", 0, position) + 1
        return SkeletonFormatError(path, f"line {line}", found, expected)

    begin = _START.match(text, start)
    if not begin:
        raise error(start, short(text[start : start + 40].strip()) if text.strip() else "an empty file", "HIERARCHY")
    position = begin.end()
    nodes: list[_Node] = []
    open_nodes: list[int] = []
    declared = False  # whether a node's own brace is still to come
    while not nodes or open_nodes or declared:
        item = _ITEM.match(text, position)
        if not item:
            rest = text[position:].lstrip()
            position = len(text) - len(rest)
            raise error(position, short(rest.split("\n", 1)[0].strip()) if rest else "the end of the text", _EXPECTED)
        place = item.end() if item["brace"] else item.start() + len(item[0]) - len(item[0].lstrip())
        if item["kind"]:
            kind = item["kind"].split()[0].upper()
            if declared or (kind == "ROOT") == bool(open_nodes) or (open_nodes and nodes[open_nodes[-1]].is_end):
                raise error(place, short(item[0].strip()), "'{'" if declared else "one ROOT, and joints inside it")
            if len(nodes) == MAX_NODES:
                raise error(place, f"more than {MAX_NODES} joints", f"at most {MAX_NODES}")
            parent = open_nodes[-1] if open_nodes else ROOT
            is_end = kind == "END"
            nodes.append(_Node(nodes[parent].name if is_end else item["name"].strip(), parent, is_end))
            declared = True
        elif item["brace"] == "{":
            if not declared:
                raise error(place, "'{'", "a joint before it")
            open_nodes.append(len(nodes) - 1)
            declared = False
        elif declared or not open_nodes:
            raise error(place, short(item[0].strip()), "'{' behind a joint")
        elif item["brace"] == "}":
            node = nodes[open_nodes.pop()]
            if node.offset is None:
                raise error(place, f"the end of {short(node.name)} without OFFSET", "OFFSET and three numbers")
        else:
            node = nodes[open_nodes[-1]]
            if item["count"] is None:
                node.offset = _offset(item)
                if node.offset is None:
                    raise error(place, short(item[0].strip()), "OFFSET and three numbers")
            else:
                node.channels = tuple(item["channels"].lower().split())
                wrong = len(node.channels) != int(item["count"]) or len(set(node.channels)) != len(node.channels)
                if wrong or node.is_end:
                    expected = "CHANNELS, how many, and as many different names such as Xposition or Zrotation"
                    raise error(place, short(" ".join(item[0].split())), expected)
        position = item.end()
    hierarchy = Hierarchy(
        names=tuple(node.name for node in nodes),
        parents=tuple(node.parent for node in nodes),
        offsets=np.array([node.offset for node in nodes]),
        channels=tuple(node.channels for node in nodes),
        ends=tuple(index for index, node in enumerate(nodes) if node.is_end),
    )
    if hierarchy.num_channels == 0:
        raise error(position, "no CHANNELS in any joint", "channels that move the joints")
    return hierarchy, position


def _offset(item: re.Match) -> tuple[float, ...] | None:
    try:
        offset = tuple(float(item[axis]) for axis in "xyz")
    except ValueError:
        return None
    return offset if np.isfinite(offset).all() else None
