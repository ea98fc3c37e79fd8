"""Pickles give plain data and nothing else: nothing runs, and nothing is allocated on the word of a file."""

import pickle
import struct
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from bad_files import SECONDS, Bomb

from skeletonllm.skeleton.formats.common import SkeletonFormatError
from skeletonllm.skeleton.formats.pickle_machine import MAX_DEPTH, STEPS
from skeletonllm.skeleton.formats.pickles import load_pickle, pickle_mentions

PROTOCOLS = range(6)
MARK, STOP, LIST, APPEND, TUPLE1 = b"(", b".", b"]", b"a", b"\x85"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"


def load(tmp_path, content):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    return load_pickle(path, "plain data")


def refuse(tmp_path, content, match=None):
    start = time.process_time()
    with pytest.raises(SkeletonFormatError, match=match) as caught:
        load(tmp_path, content)
    assert time.process_time() - start < SECONDS
    message = str(caught.value)
    assert "data.pkl: byte " in message and "expected plain data" in message and len(message) < 1000


def float_array(shape, data, dtype=b"X\x02\x00\x00\x00f8", order=b"X\x01\x00\x00\x00<"):
    """The instructions of an array of protocol 3; ``shape`` as a tuple of 64-bit numbers."""
    numbers = b"".join(b"\x8a\x09" + struct.pack("<qb", n, 0) if n > 2**62 else b"\x8a\x08" + struct.pack("<q", n)
                       for n in shape)  # fmt: skip
    state = MARK + b"K\x01" + MARK + numbers + b"t"
    state += b"cnumpy\ndtype\n" + dtype + b"K\x00K\x01\x87R" + MARK + b"K\x03" + order + b"NNNJ\xff\xff\xff\xff"
    state += b"J\xff\xff\xff\xffK\x00tb\x89B" + struct.pack("<I", len(data)) + data + b"tb"
    return RECONSTRUCT + state


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_come_back_from_every_protocol(tmp_path, protocol):
    data = {
        "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**62, -(2**62), 0.5, -1e300, float("inf")],
        "truth": (True, False, None),
        "text": ["", "wave", "grüßen 手", "a\nb\\'c\""],
        "nested": {"empty": [(), [], {}], 3: ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), None: 1, True: 2},
    }
    assert load(tmp_path, pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8", "i1", "<i4", ">u2", "<u8", "?"])
def test_arrays_come_back_from_every_protocol(tmp_path, protocol, dtype):
    array = (np.arange(24).reshape(2, 3, 4) % 5).astype(dtype)
    # The same array twice, one stored by columns, one of one number, and one without any.
    data = [array, array, np.asfortranarray(array[0]), np.array(2, dtype), np.zeros((0, 7, 2), dtype)]
    read = load(tmp_path, pickle.dumps(data, protocol))
    for expected, found in zip(data, read, strict=True):
        assert found.dtype == expected.dtype and not found.flags.writeable
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scalars_of_numpy_become_those_of_python(tmp_path, protocol):
    data = [np.float32(0.5), np.int64(-7), np.bool_(True), np.str_("wave"), np.float16(2)]
    read = load(tmp_path, pickle.dumps(data, protocol))
    assert read == [0.5, -7, True, "wave", 2.0]
    assert [type(value) for value in read] == [float, int, bool, str, float]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_come_as_memory_that_cannot_be_written(tmp_path, protocol):
    read = load(tmp_path, pickle.dumps([b"", b"\x00\xff raw"], protocol))
    assert [bytes(value) for value in read] == [b"", b"\x00\xff raw"]
    assert all(value.readonly for value in read)


def test_pickles_of_older_numpy_are_read(tmp_path):
    content = pickle.dumps({"poses": np.arange(6.0)}, 4)
    name, old = b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray"
    assert name in content
    np.testing.assert_array_equal(load(tmp_path, content.replace(name, old))["poses"], np.arange(6.0))


def test_a_pickle_of_python_2_is_read(tmp_path):
    # As Python 2.7 with numpy 1 writes {'pose': array([1., 2.]), 'label': 'wave\n'} in its default protocol 0.
    content = rb"""(dp0
S'pose'
p1
cnumpy.core.multiarray
_reconstruct
p2
(cnumpy
ndarray
p3
(I0
tp4
S'b'
p5
tp6
Rp7
(I1
(I2
tp8
cnumpy
dtype
p9
(S'f8'
p10
I0
I1
tp11
Rp12
(I3
S'<'
p13
NNNI-1
I-1
I0
tp14
bI00
S'\x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00\x00\x00@'
p15
tp16
bsS'label'
p17
S'wave\n'
p18
s."""
    data = load(tmp_path, content)
    np.testing.assert_array_equal(data["pose"], [1.0, 2.0])
    assert data["label"] == "wave\n"


def test_arrays_are_views_of_the_file(tmp_path):
    array = load(tmp_path, pickle.dumps(np.ones(1000)))
    while isinstance(array, np.ndarray):
        array = array.base
    assert type(array).__name__ in ("memoryview", "mmap")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_pickle_would_run_is_named_and_not_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    refuse(tmp_path, pickle.dumps({"pose": Bomb(trace)}, protocol), r"io\.open|builtin.*open")
    refuse(tmp_path, pickle.dumps(Bomb(trace), protocol), r"io\.open|builtin.*open")
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(X\x02\x00\x00\x00lstR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
        b"\x80\x02]cos\nsystem\nX\x02\x00\x00\x00ls\x85\x81a.",
    ],
)
def test_the_class_that_is_refused_is_in_the_message(tmp_path, content):
    refuse(tmp_path, content, r"os\.system")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        b"\x80\x04",
        b"\x80\x09}.",
        b'{"skeletons": []}',
        b"12 13 14\n",
        b"\xff" * 100,
        b"}" * 100,
    ],
)
def test_what_is_no_pickle_is_refused(tmp_path, content):
    refuse(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"]2.",  # DUP
        b"]0.",  # POP
        b"](1.",  # POP_MARK
        b"]K\x07P1\na.",  # PERSID
        b"](ios\nsystem\n.",  # INST
        b"](cnumpy\ndtype\noa.",  # OBJ
        b"]cnumpy\ndtype\n)\x81a.",  # NEWOBJ
        b"]\x82\x01a.",  # EXT1
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x04\x8f.",  # EMPTY_SET
        b"]h\x05a.",  # a memo that was never made
        b"]q\x00e.",  # no mark
        b"}(X\x01\x00\x00\x00au.",  # a key without a value
        b"K\x01K\x02a.",  # appends to a number
        b"}(]K\x01u.",  # a list for a key
        b"X\xff\xff\xff\xffabc.",  # longer than the file
        b"T\xff\xff\xff\xffabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"X\x01\x00\x00\x00\xff.",  # not UTF-8
        b"V\\ud800\n.",  # half a pair
        b"S'\\q'\n.",
        b"S'a\n.",
        b"I" + b"9" * 5000 + b"\n.",
        b"I" + b"9" * 200 + b"\n.",
        b"\x8a\x09" + b"\x01" * 9 + b".",
        b"\x8b\x00\x00\x00\x01" + bytes(2**16) + b".",
        b"Inonsense\n.",
        b"Fnonsense\n.",
        b"cnumpy\ndtype\n.",  # a function for a value
        RECONSTRUCT + STOP,  # an array that is never filled
        b"]K\x01)Ra.",  # calls a number
        b"]cnumpy\ndtype\n]Ra.",  # without arguments
        b"]cnumpy\ndtype\nK\x01\x85Ra.",
        b"]K\x01(ba.",
        b"]K\x01)ba.",
        b"(((" * 1000,
    ],
)
def test_damaged_and_foreign_instructions_are_refused(tmp_path, content):
    refuse(tmp_path, content)


def test_the_arrays_of_these_tests_are_sound(tmp_path):
    np.testing.assert_array_equal(load(tmp_path, float_array((2, 1), np.ones(2).tobytes()) + STOP), np.ones((2, 1)))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((10**9,), 0), ((2**62, 4), 0), ((3,), 16), ((1,), 16), ((-1,), 8), ((-1, -1), 8), ((0, 2**40), 0),
     ((1,) * 9, 8), ((2**16,) * 8, 0)],
)  # fmt: skip
def test_arrays_that_claim_another_size_than_they_have_are_refused(tmp_path, shape, size):
    refuse(tmp_path, float_array(shape, bytes(size)) + STOP)


@pytest.mark.parametrize("dtype", [b"O8", b"O", b"f16", b"c16", b"M8", b"V8", b"U2", b"S8", b"f8,f8", b"(2,)f8", b""])
def test_only_numbers_make_arrays(tmp_path, dtype):
    refuse(tmp_path, float_array((1,), bytes(8), dtype=b"U" + bytes([len(dtype)]) + dtype) + STOP)


def test_arrays_of_objects_and_records_are_refused(tmp_path):
    refuse(tmp_path, pickle.dumps(np.array([1, "a", None], dtype=object)))
    refuse(tmp_path, pickle.dumps(np.zeros(2, dtype=[("x", "f8")])))
    refuse(tmp_path, pickle.dumps(np.ma.masked_array([1.0])), "ma.core")


def test_lists_that_hold_themselves_are_refused(tmp_path):
    endless: list = []
    endless.append(endless)
    for protocol in PROTOCOLS:
        refuse(tmp_path, pickle.dumps(endless, protocol), "unfolding")


def test_lists_that_unfold_without_measure_are_refused(tmp_path):
    # 25 levels of a list that holds the one before twice: 2**25 values in a hundred bytes.
    level: list = []
    for _ in range(25):
        level = [level, level]
    refuse(tmp_path, pickle.dumps(level), "unfolding")


def test_lists_may_nest_so_deep_and_no_deeper(tmp_path):
    def nested(depth):
        return LIST * depth + APPEND * (depth - 1) + STOP

    assert load(tmp_path, nested(MAX_DEPTH))
    refuse(tmp_path, nested(MAX_DEPTH + 1), "nested")


@pytest.mark.parametrize(
    "content",
    [
        b")" + TUPLE1 * 400_000 + STOP,
        LIST * 200_000 + APPEND * 199_999 + STOP,
        b"}" + b")" + TUPLE1 * 300_000 + b"Ns" + STOP,  # a key: hashing it would overflow the stack
        b")" + TUPLE1 * 300_000 + b"K\x01\x93" + STOP,  # a name
        b"cnumpy\ndtype\n)" + TUPLE1 * 300_000 + b"R" + STOP,
    ],
    ids=["tuples", "lists", "key", "name", "argument"],
)
def test_deep_nesting_does_not_crash_the_interpreter(tmp_path, content):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    program = (
        "import sys, pathlib\n"
        "from skeletonllm.skeleton.formats.pickles import load_pickle\n"
        "try:\n    load_pickle(pathlib.Path(sys.argv[1]), 'data')\n"
        "except ValueError as error:\n    print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "SkeletonFormatError"), done.stderr


def test_programs_without_end_are_refused_in_time(tmp_path):
    refuse(tmp_path, b"]q\x00" + b"h\x00" * 2 * STEPS, "more than .* instructions")
    refuse(tmp_path, b"]" * (2 * STEPS), "more than .* instructions")


def test_one_text_given_to_many_calls_is_paid_for_each_time(tmp_path):
    # A megabyte of text, made into bytes again and again.
    text = b"X\x00\x00\x10\x00" + b"a" * 2**20 + b"q\x00"
    call = b"c_codecs\nencode\nh\x00U\x06latin1\x86R"
    refuse(tmp_path, MARK + text + call * 2000 + b"l.", "bytes of text")


def test_damaged_bytes_anywhere_give_an_error_or_plain_data(tmp_path):
    rng = np.random.default_rng(0)
    data = {"pose": [np.ones((2, 15, 2)), np.ones((1, 15, 2), np.float32)], "label": ["wave", "run"], "fps": 30}
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for round in range(3000):
            content = bytearray(pickle.dumps(data, round % 6))
            for position in rng.integers(len(content), size=rng.integers(1, 4)):
                content[position] = rng.integers(256)
            try:
                assert load(tmp_path, bytes(content)) is not data
            except SkeletonFormatError:
                refused += 1
    # Most bytes of these pickles are coordinates, whose change is no damage that could be seen.
    assert 100 < refused < 3000


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_keys_are_found_in_a_pickle_unopened(tmp_path, protocol):
    path = tmp_path / "data.pkl"
    content = pickle.dumps({"pose": [np.ones((100, 15, 2))] * 9, "label": ["wave"], "postscript": None}, protocol)
    path.write_bytes(content)
    head = content[:4096]
    assert pickle_mentions(head, path, "pose", "label")
    assert not pickle_mentions(head, path, "pose", "keypoint")
    assert not pickle_mentions(head, path, "post"), "part of a longer string"


def test_keys_behind_many_names_and_behind_all_data_are_found(tmp_path):
    path = tmp_path / "data.pkl"
    names = [f"S{number:020}" for number in range(100_000)]
    path.write_bytes(pickle.dumps({"split": names, "keypoint": np.zeros(4_000_000), "frame_dir": "walk"}))
    head = path.read_bytes()[:4096]
    assert pickle_mentions(head, path, "keypoint", "frame_dir")
    assert not pickle_mentions(head, path, "smpl_poses")


def test_text_with_the_same_words_is_no_pickle(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(b'{"pose": 1}\nVpose\n')
    assert not pickle_mentions(path.read_bytes(), path, "pose")


def test_an_empty_file_says_so(tmp_path):
    refuse(tmp_path, b"", "an empty file")
