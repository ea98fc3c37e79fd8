"""From the YAML file of a layout to the Layout, with every mistake named by its line and key."""

import re
from pathlib import Path

from skeletonllm.skeleton.formats.common import short
from skeletonllm.skeleton.formats.custom.array_files import KEYS as ARRAY_KEYS
from skeletonllm.skeleton.formats.custom.array_files import parse_npy, parse_npz
from skeletonllm.skeleton.formats.custom.checked import Checked
from skeletonllm.skeleton.formats.custom.json_files import KEYS as JSON_KEYS
from skeletonllm.skeleton.formats.custom.json_files import parse_json
from skeletonllm.skeleton.formats.custom.layout import COORDINATES, Layout
from skeletonllm.skeleton.formats.custom.table_files import KEYS as TABLE_KEYS
from skeletonllm.skeleton.formats.custom.table_files import parse_table
from skeletonllm.skeleton.formats.custom.topology_yaml import parse_topology, read_topology_yaml
from skeletonllm.skeleton.formats.custom.yaml_document import load_yaml, nearest
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import Topology

_KINDS = {
    "csv": (parse_table, TABLE_KEYS),
    "npy": (parse_npy, ARRAY_KEYS["npy"]),
    "npz": (parse_npz, ARRAY_KEYS["npz"]),
    "json": (parse_json, JSON_KEYS),
}
_COMMON_KEYS = (
    "name", "description", "kind", "topology", "values", "joints", "unit", "up", "handed", "place", "tracked",
    "missing", "fps", "files",
)  # fmt: skip
_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
_UNKNOWN_UNITS = ("auto", "px")
_SECONDS = {"s": 1.0, "ms": 1e3, "us": 1e6}
_UPS = {
    "turned": ("x", "y", "z", "-x", "-y", "-z", "auto"),
    "kept": ("x", "y", "z", "-x", "-y", "-z", "auto"),
    "camera": ("y", "-y"),
    "picture": ("-y", "y"),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LABEL = "{label}"


def parse_layout(path: Path, taken: frozenset[str] = frozenset()) -> Layout:
    """Read and check a layout.

    Args:
        path: the YAML file.
        taken: names that other formats have.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: names line and key of what is wrong, and what was expected.
    """
    document = load_yaml(path, "a layout: a mapping with kind, topology, fps and where the joints are")
    checked = Checked(document)
    kind = checked.choice("kind", tuple(_KINDS))
    parse_source, own_keys = _KINDS[kind]
    known = (*_COMMON_KEYS, *own_keys)
    for key in document.content:
        if key not in known:
            others = [other for other, (_, keys) in _KINDS.items() if key in keys]
            found = f"a key of {' and '.join(others)} layouts" if others else f"an unknown key{nearest(key, known)}"
            raise checked.wrong(key, f"for {kind} one of {', '.join(known)}", found)
    topology = _topology(checked, path)
    source, joints, values = parse_source(checked, topology)
    for coordinate in COORDINATES[:2]:
        if coordinate not in values:
            raise checked.wrong("values", "x and y, and optionally z and confidence")
    if "confidence" in values and checked.get("confidence") is not None:
        raise checked.wrong("confidence", "confidence among the values, or apart, but not both")
    place = _place(checked, flat="z" not in values)
    up = checked.choice("up", _UPS[place], "auto" if "auto" in _UPS[place] else _UPS[place][0])
    return Layout(
        path=path,
        name=_name(checked, path, taken),
        description=checked.text("description", "text") or f"{kind.upper()} as {path.name} describes it",
        topology=topology,
        values=values,
        joints=joints,
        source=source,
        unit=_unit(checked, place),
        up=None if up == "auto" else up,
        mirrored=checked.choice("handed", ("right", "left"), "right") == "left",
        place=place,
        tracked=checked.switch("tracked", default=kind != "json"),
        missing=_missing(checked, kind),
        fps=_fps(checked, own_keys),
        time=checked.text("time", "the column or key of the times of the frames") if "time" in own_keys else None,
        second=_SECONDS[checked.choice("time_unit", tuple(_SECONDS), "s")],
        label=checked.text("label", "the column or key of the label") if "label" in own_keys else None,
        confidence=checked.text("confidence", "the key of the confidences") if "confidence" in own_keys else None,
        files=_files(checked),
    )


def _name(checked: Checked, path: Path, taken: frozenset[str]) -> str:
    name = checked.text("name", "a name") or path.stem
    if not _NAME.fullmatch(name):
        raise checked.wrong("name", "letters, digits, - and _", short(name))
    if name in taken:
        raise checked.wrong("name", "a name of its own", f"{name!r}, which is another format's")
    return name


def _topology(checked: Checked, path: Path) -> Topology:
    given = checked.get("topology")
    expected = f"{', '.join(TOPOLOGIES)}, a .yaml file in the same folder, or joints"
    if isinstance(given, dict):
        return parse_topology(checked.document, given, ("topology",), path.stem)
    if not isinstance(given, str):
        raise checked.wrong("topology", expected)
    if given.endswith((".yaml", ".yml")):
        # What is read may not depend on anything outside the folder that the layout was given with.
        beside = path.parent / given
        if "/" in given or "\\" in given or not beside.is_file() or beside.resolve().parent != path.parent.resolve():
            raise checked.wrong("topology", "a file in the folder of the layout")
        return read_topology_yaml(beside)
    key = given.lower().replace("-", "_")
    if key not in TOPOLOGIES:
        raise checked.wrong("topology", expected, short(given) + nearest(key, TOPOLOGIES))
    return TOPOLOGIES[key]


def _place(checked: Checked, flat: bool) -> str:
    if flat:
        if checked.get("place") not in (None, "picture"):
            raise checked.wrong("place", "picture, as there is no z among the values")
        return "picture"
    return checked.choice("place", tuple(_UPS), "turned")


def _unit(checked: Checked, place: str) -> float | None:
    given = checked.get("unit")
    if given is None or (given in _UNKNOWN_UNITS and (given != "px" or place == "picture")):
        return None
    if isinstance(given, str) and given in _UNITS:
        return _UNITS[given]
    known = (*_UNITS, *_UNKNOWN_UNITS)
    expected = f"one of {', '.join(_UNITS)}, auto, px (of pictures), or metres per unit"
    if isinstance(given, str):
        raise checked.wrong("unit", expected, short(given) + nearest(given, known))
    return checked.positive("unit", expected)


def _missing(checked: Checked, kind: str) -> float | str | None:
    given = checked.get("missing")
    if given is None:
        return None
    if type(given) in (int, float) and not abs(given) > 1e300:
        return float(given)
    if kind == "csv" and isinstance(given, str) and given:
        return given
    raise checked.wrong("missing", "a number" + (" or a word" if kind == "csv" else ""))


def _fps(checked: Checked, own_keys: tuple[str, ...]) -> float | str | None:
    given, timed = checked.get("fps"), "time" in own_keys
    if timed and (given is None) == (checked.get("time") is None):
        found = "neither fps nor time" if given is None else "fps and time"
        raise checked.wrong("fps", "one of them", found)
    if given is None and timed:
        return None
    named = "label" in own_keys and "columns" not in own_keys
    if named and isinstance(given, str) and given:
        return given
    return checked.positive("fps", "frames per second" + (", or the key where the file says them" if named else ""))


def _files(checked: Checked) -> str | None:
    pattern = checked.text("files", f"a pattern of file names such as *_{_LABEL}.csv")
    if pattern is not None and _LABEL in pattern:
        before, _, behind = pattern.partition(_LABEL)
        # With more of them it would be anybody's guess, and take long, where the label begins and ends.
        if _LABEL in behind or before.count("*") > 1 or behind.count("*") > 1 or set(pattern) & set("?["):
            raise checked.wrong("files", f"{_LABEL} once, with at most one * on either side and neither ? nor [")
    return pattern
