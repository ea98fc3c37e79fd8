"""The stack machine whose programs pickles are, for plain data alone.

Python's own machine calls whatever a program names and allocates whatever it claims. This one knows the instructions
that plain data and numpy arrays need, calls nothing of the program's choice, and gives arrays as views of the file.
Instructions and their codes: module ``pickletools`` of the standard library.
"""

import codecs
import mmap
import pickletools
import re
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from skeletonllm.skeleton.formats.common import short
from skeletonllm.skeleton.formats.pickled_arrays import CALLABLES, Shell, build, call

# How many instructions a program may have, and how many values what it leaves may unfold to: half a microsecond each.
# An array has some twenty, whatever its size; lists of numbers have one per number.
STEPS, BYTES_PER_STEP = 500_000, 64
# What a call costs, in steps, and how many arguments numpy gives at most.
CALL_STEPS = 8
MAX_ARGUMENTS = 9
MAX_DEPTH = 32
# Text is copied, up to four times as large.
MAX_TEXT_BYTES = 2**26

_PROTOCOL = 5
_LINE_BYTES = 256
_WORD_BYTES = 8
_PLAIN = (str, memoryview, int, float, bool, type(None), np.ndarray)
_KEYS = (str, int, bool, type(None))
_QUOTED = re.compile(rb"""(['"])((?:[^\\]++|\\(?:x[0-9a-fA-F]{2}|[\\'"nrt]))*+)\Z""")


class Refusal(Exception):
    """What was found that no pickle of plain data has."""


class Machine:
    """A program, how far it has run, its stack and its memo.

    Args:
        data: the whole file.
    """

    def __init__(self, data: mmap.mmap):
        self.data, self.view = data, memoryview(data)
        self.position = self.start = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.limit = self.steps = STEPS + len(data) // BYTES_PER_STEP
        self.text_left = MAX_TEXT_BYTES

    def run(self) -> Any:
        """Follow the program to its end and give what it leaves.

        Raises:
            Refusal, ValueError, TypeError, struct.error, IndexError: at the instruction that begins at ``start``.
        """
        while self.steps > 0:
            self.steps -= 1
            self.start = self.position
            code = self.take(1)[0]
            if code == ord("."):
                result = self.stack.pop()
                self.check(result)
                return result
            step = _STEPS.get(code)
            if step is None:
                known = pickletools.code2op.get(chr(code))
                raise Refusal(f"the instruction {known.name} in a pickle" if known else f"byte {code:#04x} in a pickle")
            step(self)
        raise Refusal(f"a pickle of more than {self.limit:,} instructions")

    def check(self, result: Any) -> None:
        """Refuse values of other kinds, and what is shared, or holds itself, so that it unfolds without measure."""
        count, pending = 0, [((result,), 0)]
        while pending:
            values, depth = pending.pop()
            count += len(values)
            if depth > MAX_DEPTH or count > self.limit:
                raise Refusal(f"data nested deeper than {MAX_DEPTH} or unfolding to more than {self.limit:,} values")
            for value in values:
                kind = type(value)
                if kind in (list, tuple, dict):
                    pending.append((value.values() if kind is dict else value, depth + 1))
                elif kind not in _PLAIN:
                    raise Refusal("a function, a data type or an unfinished array for a value")

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if size < 0 or end > len(self.data):
            raise Refusal(f"the end of the file before {size:,} more bytes")
        taken = self.view[self.position : end]
        self.position = end
        return taken

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self, limit: int = _LINE_BYTES) -> bytes:
        """Up to the end of a line, without it."""
        end = self.data.find(b"\n", self.position, self.position + limit)
        if end < 0:
            raise Refusal("no end of a line")
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.below.pop()
        return values

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise Refusal(f"a {type(self.stack[-1]).__name__} that is filled as a {kind.__name__}")
        return self.stack[-1]

    def fill(self, mapping: dict[Any, Any], items: list[Any]) -> None:
        for key in items[::2]:
            # Hashing tuples within tuples could overflow the interpreter's own stack.
            if type(key) not in _KEYS:
                raise Refusal(f"a {type(key).__name__} for a key")
        mapping.update(zip(items[::2], items[1::2], strict=True))

    def remember(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise Refusal(f"entry {key} of the memo, which was never made")
        value = self.memo[key]
        self.push(value.array if type(value) is Shell and value.array is not None else value)

    def spend_text(self, size: int) -> None:
        self.text_left -= size
        if self.text_left < 0:
            raise Refusal(f"more than {MAX_TEXT_BYTES:,} bytes of text")

    def text(self, data: memoryview | bytes, encoding: str) -> None:
        self.spend_text(len(data))
        text = str(data, encoding)
        if not text.isascii():
            text.encode()  # refuses halves of surrogate pairs, which nothing could print
        self.push(text)

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise Refusal("a function without a name")
        if (module, name) not in CALLABLES:
            raise Refusal(f"a pickle that asks for {short(f'{module}.{name}')} (never run)")
        self.push(CALLABLES[module, name])

    def reduce(self) -> None:
        arguments, function = self.pop_arguments(), self.stack.pop()
        self.push(call(function, arguments))

    def build(self) -> None:
        state, target = self.pop_arguments(), self.stack.pop()
        self.push(build(target, state))

    def pop_arguments(self) -> tuple[Any, ...]:
        """The arguments of a call, paid for: text is copied by some, and one text may be given to many calls."""
        self.steps -= CALL_STEPS
        arguments = self.stack.pop()
        if type(arguments) is not tuple or len(arguments) > MAX_ARGUMENTS:
            raise Refusal("a call without arguments that suit it")
        self.spend_text(sum(len(argument) for argument in arguments if type(argument) is str))
        return arguments


def _integer(machine: Machine, layout: str) -> None:
    size = machine.number(layout)
    if size > _WORD_BYTES:
        raise Refusal(f"an integer of {size:,} bytes")
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _written_integer(machine: Machine) -> None:
    line = machine.line()
    if line in (b"00", b"01"):  # how the oldest protocols write False and True
        machine.push(line == b"01")
        return
    value = int(line.removesuffix(b"L"))
    if value.bit_length() >= 8 * _WORD_BYTES:
        raise Refusal(f"an integer of {value.bit_length()} bits")
    machine.push(value)


def _quoted(machine: Machine) -> None:
    line = machine.line(MAX_TEXT_BYTES)
    quoted = _QUOTED.match(line[:-1])
    if not quoted or line[-1:] != quoted.group(1):
        raise Refusal("a string that is not as Python 2 writes it")
    machine.text(codecs.escape_decode(quoted.group(2))[0], "latin-1")


def _tuple(machine: Machine, size: int) -> None:
    values = [machine.stack.pop() for _ in range(size)]
    machine.push(tuple(reversed(values)))


def _dict(machine: Machine) -> None:
    mapping: dict[Any, Any] = {}
    machine.fill(mapping, machine.pop_to_mark())
    machine.push(mapping)


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    machine.top(list).append(value)


def _appends(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.top(list).extend(values)


def _set_item(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.fill(machine.top(dict), [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.pop_to_mark()
    machine.fill(machine.top(dict), items)


def _named_on_stack(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.name(module, name)


def _named_in_lines(machine: Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.name(module.decode("latin-1"), name.decode("latin-1"))


def _protocol(machine: Machine) -> None:
    version = machine.number("<B")
    if version > _PROTOCOL:
        raise Refusal(f"a pickle of protocol {version}")


def _text(machine: Machine, layout: str, encoding: str) -> None:
    machine.text(machine.take(machine.number(layout)), encoding)


_STEPS: dict[int, Callable[[Machine], None]] = {
    ord(code): step
    for code, step in {
        "\x80": _protocol,
        "\x95": lambda machine: machine.take(8),  # how long a frame is, which only helps to read a file in pieces
        "(": Machine.mark,
        "N": lambda machine: machine.push(None),
        "\x88": lambda machine: machine.push(True),
        "\x89": lambda machine: machine.push(False),
        "I": _written_integer,
        "L": _written_integer,
        "J": lambda machine: machine.push(machine.number("<i")),
        "K": lambda machine: machine.push(machine.number("<B")),
        "M": lambda machine: machine.push(machine.number("<H")),
        "\x8a": partial(_integer, layout="<B"),
        "\x8b": partial(_integer, layout="<I"),
        "F": lambda machine: machine.push(float(machine.line())),
        "G": lambda machine: machine.push(machine.number(">d")),
        "S": _quoted,
        "T": partial(_text, layout="<i", encoding="latin-1"),
        "U": partial(_text, layout="<B", encoding="latin-1"),
        "V": lambda machine: machine.text(machine.line(MAX_TEXT_BYTES), "raw-unicode-escape"),
        "X": partial(_text, layout="<I", encoding="utf-8"),
        "\x8c": partial(_text, layout="<B", encoding="utf-8"),
        "\x8d": partial(_text, layout="<Q", encoding="utf-8"),
        "B": lambda machine: machine.push(machine.take(machine.number("<I"))),
        "C": lambda machine: machine.push(machine.take(machine.number("<B"))),
        "\x8e": lambda machine: machine.push(machine.take(machine.number("<Q"))),
        "\x96": lambda machine: machine.push(machine.take(machine.number("<Q"))),
        "}": lambda machine: machine.push({}),
        "]": lambda machine: machine.push([]),
        ")": lambda machine: machine.push(()),
        "d": _dict,
        "l": lambda machine: machine.push(machine.pop_to_mark()),
        "t": lambda machine: machine.push(tuple(machine.pop_to_mark())),
        "\x85": partial(_tuple, size=1),
        "\x86": partial(_tuple, size=2),
        "\x87": partial(_tuple, size=3),
        "a": _append,
        "e": _appends,
        "s": _set_item,
        "u": _set_items,
        "p": lambda machine: machine.remember(int(machine.line())),
        "q": lambda machine: machine.remember(machine.number("<B")),
        "r": lambda machine: machine.remember(machine.number("<I")),
        "\x94": lambda machine: machine.remember(len(machine.memo)),
        "g": lambda machine: machine.recall(int(machine.line())),
        "h": lambda machine: machine.recall(machine.number("<B")),
        "j": lambda machine: machine.recall(machine.number("<I")),
        "c": _named_in_lines,
        "\x93": _named_on_stack,
        "R": Machine.reduce,
        "b": Machine.build,
    }.items()
}
