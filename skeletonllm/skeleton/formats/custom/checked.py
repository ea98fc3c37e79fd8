"""The keys of a layout, each taken from its file with a check."""

from collections.abc import Sequence

from skeletonllm.skeleton.formats.common import short
from skeletonllm.skeleton.formats.custom.layout import Picks
from skeletonllm.skeleton.formats.custom.yaml_document import Document, Keys, nearest

IGNORED = "-"


class Checked:
    """The mapping at the top of a document; each method raises SkeletonFormatError with line and key."""

    def __init__(self, document: Document):
        self.document = document

    def get(self, key: str) -> object:
        return self.document.content.get(key)

    def wrong(self, keys: str | Keys, expected: str, found: str | None = None) -> Exception:
        """The error to raise for a key."""
        keys = (keys,) if isinstance(keys, str) else keys
        if found is None:
            found = short(self.get(keys[0])) if keys[0] in self.document.content else "nothing"
        return self.document.wrong(keys, found, expected)

    def text(self, key: str, expected: str, required: bool = False) -> str | None:
        value = self.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, expected)
        return value

    def choice(self, key: str, known: Sequence[str], default: str | None = None) -> str:
        """One of a few words; without a default it may not be missing."""
        value = self.get(key) if key in self.document.content else default
        if value not in known:
            found = ("nothing" if value is None else short(value)) + nearest(value, known)
            raise self.wrong(key, f"one of {', '.join(known)}", found)
        return value

    def switch(self, key: str, default: bool) -> bool:
        value = self.get(key) if key in self.document.content else default
        if not isinstance(value, bool):
            raise self.wrong(key, "yes or no")
        return value

    def count(self, key: str, default: int) -> int:
        """A whole number from 0 to 1000."""
        value = self.get(key) if key in self.document.content else default
        if type(value) is not int or not 0 <= value <= 1000:
            raise self.wrong(key, "a whole number from 0 to 1000")
        return value

    def picks(self, key: str, names: Sequence[str], by_name: bool, default: Sequence[str]) -> tuple[Picks, int | None]:
        """What a file calls each of some names.

        Args:
            key: a list of names in the order of the file, in which ``-`` stands for what is passed over, or a mapping
                from names to what the file calls them.
            names: those allowed.
            by_name: whether the file calls them by texts, else by places.
            default: the list where the key is absent.

        Returns:
            What the file calls each name that it has, and how many places it has, None where that is not said.
        """
        given = self.get(key) if key in self.document.content else list(default)
        if isinstance(given, list) and given:
            pairs = [
                ((key, place), name, name if by_name else place)
                for place, name in enumerate(given)
                if by_name or name != IGNORED
            ]
        elif isinstance(given, dict) and given:
            pairs = [((key, name), name, called) for name, called in given.items()]
        else:
            raise self.wrong(key, f"a list or a mapping of names such as {names[0]}")
        picks: dict[str, str | int] = {}
        for keys, name, called in pairs:
            if name not in names:
                raise self.wrong(keys, f"one of {', '.join(names)}", short(name) + nearest(name, names))
            called = str(called) if by_name and type(called) in (int, str) else called
            if not (isinstance(called, str) if by_name else type(called) is int and 0 <= called < 10_000):
                expected = "what the file calls it" if by_name else "its place in the file, counted from 0"
                raise self.wrong(keys, expected, short(called))
            if name in picks or called in picks.values():
                raise self.wrong(keys, "each only once", f"{short(name if name in picks else called)} again")
            picks[name] = called
        if not picks:
            raise self.wrong(key, f"at least one name such as {names[0]}")
        return picks, len(given) if isinstance(given, list) and not by_name else None

    def positive(self, key: str, expected: str) -> float:
        value = self.get(key)
        if type(value) not in (int, float) or not 0 < value < 1e6:
            raise self.wrong(key, expected)
        return float(value)
