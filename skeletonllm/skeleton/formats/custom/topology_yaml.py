"""Topologies as people write them: a mapping with ``name``, ``joints`` and optionally ``bones``, in a YAML file."""

from pathlib import Path

from skeletonllm.skeleton.formats.common import short
from skeletonllm.skeleton.formats.custom.yaml_document import Document, Keys, load_yaml, nearest
from skeletonllm.skeleton.topology import MOST_DESCRIBED_JOINTS, PARTS, SIDES, Topology, build_topology

_TOPOLOGY_KEYS = ("name", "joints", "bones")
_JOINT_KEYS = ("name", "parent", "part", "side")
_EXPECTED = "a mapping with name and joints"
_ROW = "a mapping with name, part and, but for the root, parent"


def read_topology_yaml(path: str | Path) -> Topology:
    """The topology of a YAML file; see ``topologies.load_topology`` for its keys.

    Raises:
        SkeletonFormatError: names line and key of what is missing or wrong.
    """
    document = load_yaml(Path(path), _EXPECTED)
    return parse_topology(document, document.content)


def parse_topology(document: Document, content: object, keys: Keys = (), name: str | None = None) -> Topology:
    """The topology that a part of a YAML file describes.

    Args:
        document: the file.
        content: the part.
        keys: what leads to it.
        name: of a topology that has none of its own.

    Raises:
        SkeletonFormatError: names line and key of what is missing or wrong.
    """
    _check_mapping(document, content, keys, _TOPOLOGY_KEYS, _EXPECTED)
    name = content.get("name", name)
    if not isinstance(name, str) or not name:
        raise document.wrong((*keys, "name"), _found(content, "name"), "a name")
    rows = content.get("joints")
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_DESCRIBED_JOINTS:
        found = f"{len(rows)} joints" if isinstance(rows, list) else _found(content, "joints")
        raise document.wrong((*keys, "joints"), found, f"a list of 1 to {MOST_DESCRIBED_JOINTS} joints")
    for index, row in enumerate(rows):
        _check_joint(document, row, (*keys, "joints", index))
    names = [row["name"] for row in rows]
    for index, row in enumerate(rows):
        if names.index(row["name"]) < index:
            raise document.wrong((*keys, "joints", index, "name"), f"{row['name']!r} again", "each joint once")
        if row.get("parent") is not None:
            _check_name(document, row["parent"], names, (*keys, "joints", index, "parent"))
    bones = _bones(document, content.get("bones"), names, (*keys, "bones"))
    try:
        built = build_topology(name, [(row["name"], row.get("parent"), row["part"]) for row in rows], bones)
    except ValueError as error:
        raise document.wrong((*keys, "joints"), str(error), "a tree with one root, the joint without parent") from error
    sides = tuple(row.get("side", side) for row, side in zip(rows, built.sides, strict=True))
    return Topology(built.name, built.joints, built.parents, built.bones, built.parts, sides)


def _check_joint(document: Document, row: object, keys: Keys) -> None:
    _check_mapping(document, row, keys, _JOINT_KEYS, _ROW)
    if not isinstance(row.get("name"), str) or not row["name"]:
        raise document.wrong((*keys, "name"), _found(row, "name"), "the name of a joint")
    if row.get("part") not in PARTS:
        found = _found(row, "part") + nearest(row.get("part"), PARTS)
        raise document.wrong((*keys, "part"), found, f"one of {', '.join(PARTS)}")
    if row.get("side", SIDES[0]) not in SIDES:
        raise document.wrong((*keys, "side"), _found(row, "side"), f"one of {', '.join(SIDES)}")


def _bones(document: Document, bones: object, names: list[str], keys: Keys) -> list[tuple[int, int]] | None:
    if bones is None:
        return None
    if not isinstance(bones, list):
        raise document.wrong(keys, short(bones), "a list of pairs of joints")
    for index, bone in enumerate(bones):
        if not isinstance(bone, list) or len(bone) != 2 or bone[0] == bone[1]:
            raise document.wrong((*keys, index), short(bone), "two joints, such as [neck, head]")
        for joint in bone:
            _check_name(document, joint, names, (*keys, index))
    return [(names.index(a), names.index(b)) for a, b in bones]


def _check_name(document: Document, joint: object, names: list[str], keys: Keys) -> None:
    if joint not in names:
        raise document.wrong(keys, short(joint) + nearest(joint, names), "one of the joints of this topology")


def _check_mapping(document: Document, content: object, keys: Keys, known: tuple[str, ...], expected: str) -> None:
    if not isinstance(content, dict):
        raise document.wrong(keys, short(content), expected)
    for key in content:
        if key not in known:
            raise document.wrong((*keys, key), f"an unknown key{nearest(key, known)}", f"one of {', '.join(known)}")


def _found(content: dict, key: str) -> str:
    return short(content[key]) if key in content else "nothing"
