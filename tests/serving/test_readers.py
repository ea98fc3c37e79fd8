"""Reading in processes: a file that never ends, takes all memory or ends its reader harms nobody but who brought it."""

import asyncio
import os
import signal
import textwrap

import pytest
from running_server import WORDS, post, refused, until

from skeletonllm.serving.limits import LimitError, Limits
from skeletonllm.serving.queue import OutOfTime, QueueFullError
from skeletonllm.serving.readers import ReaderDefect, Readers
from skeletonllm.serving.reading import read_recording
from skeletonllm.skeleton.formats import read_skeleton, write_npz
from skeletonllm.skeleton.synthesis import synthesize

# A package that brings a format whose files say what becomes of who reads them.
WICKED = """
import os, signal, time
import numpy as np
from skeletonllm.skeleton.formats import Format

def read(path):
    what = path.read_text().split()[1]
    if what == "endless":
        path.with_suffix(".process").write_text(str(os.getpid()))
        while True:
            pass
    if what == "huge":
        held = []
        for number in range(20 * 64):  # 20 GB, 16 MB at a time
            held.append(np.ones(2**24, np.uint8))
            path.with_suffix(".megabytes").write_text(str(16 * (number + 1)))
    if what == "deadly":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "defect":
        raise KeyError("a mistake")
    raise OSError(f"{path}: somebody took it away")

FORMAT = Format("wicked", "a test", (".wicked",), lambda head, path: head.startswith(b"WICKED"), read)
"""
PLENTY = 60.0  # seconds; machines that test are busy


@pytest.fixture
def wicked(tmp_path, monkeypatch):
    """Makes a file of the wicked format, which is installed as a package for readers that begin from now on."""
    packages, files = tmp_path / "packages", tmp_path / "files"
    (packages / "wicked-1.0.dist-info").mkdir(parents=True)
    files.mkdir()
    (packages / "wicked_format.py").write_text(textwrap.dedent(WICKED))
    (packages / "wicked-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wicked\nVersion: 1.0\n")
    (packages / "wicked-1.0.dist-info" / "entry_points.txt").write_text(
        "[skeletonllm.formats]\nwicked = wicked_format:FORMAT\n"
    )
    monkeypatch.syspath_prepend(str(packages))

    def make(what):
        path = files / f"{what}.wicked"
        path.write_text(f"WICKED {what}\n")
        return path

    return make


@pytest.fixture
def clap(tmp_path):
    write_npz(synthesize("clap", topology="coco_17", performer=50), tmp_path / "clap.npz")
    return tmp_path / "clap.npz"


@pytest.fixture
def start():
    """Starts readers, and ends them."""
    started = []

    def make(**limits):
        started.append(Readers(Limits(**limits)))
        return started[-1]

    yield make
    for readers in started:
        readers.close()


def run(*work):
    async def together():
        return await asyncio.gather(*work, return_exceptions=True)

    return asyncio.run(together())


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_read_in_a_process_is_what_is_read_here(clap, start):
    (there,) = run(start().read([clap]))
    here = read_recording([clap], Limits())
    assert (there.name, there.facts) == (here.name, here.facts)
    assert there.sequence.topology == here.sequence.topology and there.sequence.notes == here.sequence.notes
    assert there.sequence.joints.tobytes() == here.sequence.joints.tobytes()


def test_refusals_say_what_they_say_here(clap, tmp_path, start):
    (tmp_path / "bad.bvh").write_text("HIERARCHY\nnothing")
    readers = start(motion_seconds=0.5)
    bad, long, none = run(readers.read([tmp_path / "bad.bvh"]), readers.read([clap]), readers.read([clap], "nobody"))
    with pytest.raises(ValueError) as here:
        read_skeleton(tmp_path / "bad.bvh")
    assert isinstance(bad, ValueError) and str(bad) == str(here.value)
    assert isinstance(long, LimitError) and "seconds of a recording" in str(long)
    assert isinstance(none, ValueError) and "#nobody: no recording of this name" in str(none)


def test_readers_without_end_are_ended_and_the_next_file_is_read(clap, wicked, start):
    """Two are stuck in all processes that there are; whoever waits behind them gets an answer, and nothing runs on."""
    readers = start(reading_seconds=0.5)
    endless = wicked("endless")
    *stuck, good = run(readers.read([endless]), readers.read([endless]), readers.read([clap]))
    assert [type(each) for each in stuck] == [OutOfTime] * 2
    assert str(stuck[0]) == "endless.wicked: took longer than 0.5 s to read, which is the limit"
    assert good.name == "clap.npz"
    assert not is_running(int(endless.with_suffix(".process").read_text()))


def test_who_leaves_ends_what_is_read_for_them(wicked, start):
    readers, endless = start(reading_seconds=PLENTY), wicked("endless")
    told = endless.with_suffix(".process")

    async def leave():
        reading = asyncio.create_task(readers.read([endless]))
        while not (told.exists() and told.read_text()):
            await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        for _ in range(round(PLENTY / 0.01)):
            if not is_running(int(told.read_text())):
                return True
            await asyncio.sleep(0.01)

    assert asyncio.run(leave())


def test_a_file_that_would_take_20_gigabytes_is_refused_when_it_has_taken_what_it_may(clap, wicked, start):
    readers = start(reading_bytes=2**28)
    huge = wicked("huge")
    (told,) = run(readers.read([huge]))
    assert isinstance(told, LimitError) and str(told) == "huge.wicked: more than fits in memory"
    taken = int(huge.with_suffix(".megabytes").read_text())
    assert 64 <= taken <= 256
    (again,) = run(readers.read([clap]))
    assert again.name == "clap.npz"


def test_what_ends_its_reader_is_told_by_name_and_the_next_file_is_read(clap, wicked, start):
    readers = start()
    first, second, good = run(*(readers.read([path]) for path in (wicked("deadly"), wicked("deadly"), clap)))
    for told in (first, second):
        assert isinstance(told, ValueError)
        assert str(told).startswith("deadly.wicked: reading it ended its process (signal SIGSEGV), expected")
    assert good.name == "clap.npz"


def test_mistakes_of_readers_keep_their_traceback_and_other_errors_their_kind(wicked, start):
    readers = start()
    defect, gone = run(readers.read([wicked("defect")]), readers.read([wicked("gone")]))
    assert isinstance(defect, ReaderDefect) and "KeyError: 'a mistake'" in str(defect)
    assert isinstance(gone, OSError) and "somebody took it away" in str(gone)


def test_no_more_wait_than_may_and_none_for_ever(clap, wicked, start):
    readers, endless = start(waiting=3, work_seconds=0.1, reading_seconds=0.5), wicked("endless")
    *_, waited, full = run(*(readers.read([path]) for path in (endless, endless, clap, clap)))
    assert isinstance(full, QueueFullError) and "3 files wait to be read" in str(full)
    assert isinstance(waited, OutOfTime) or waited.name == "clap.npz"  # as soon as one of two places is free


def test_the_endpoint_says_what_became_of_a_file_and_stays_up(clap, wicked, start, server, monkeypatch):
    monkeypatch.setattr(server.engine, "readers", start(reading_seconds=2.0, reading_bytes=2**28))
    for what, status, words in (
        ("endless", 504, "endless.wicked: took longer than 2 s to read"),
        ("huge", 413, "huge.wicked: more than fits in memory"),
        ("deadly", 400, r"deadly.wicked: reading it ended its process \(signal SIGSEGV\)"),
        ("defect", 500, "the server failed at this"),
    ):
        path = wicked(what)
        assert refused(post(server, path.read_bytes(), path.name), status, words)
    assert post(server, clap.read_bytes()).status_code == 200 and server.is_up()


def test_a_connection_that_is_cut_ends_what_is_read_for_it(wicked, start, server, monkeypatch):
    readers = start(reading_seconds=PLENTY)
    monkeypatch.setattr(server.engine, "readers", readers)
    data = b"--x\r\nContent-Disposition: form-data; name=file; filename=endless.wicked\r\n\r\n"
    data += wicked("endless").read_bytes() + b"\r\n--x\r\nContent-Disposition: form-data; name=messages\r\n\r\n"
    data += WORDS.encode() + b"\r\n--x--\r\n"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}\r\n"
    with server.connect() as connection:
        connection.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + data)
        until(lambda: list(server.visitors.root.glob("*/files/endless.process")))
        (told,) = server.visitors.root.glob("*/files/endless.process")
        until(told.read_text)
        process = int(told.read_text())
    until(lambda: not is_running(process))


def test_a_reader_that_somebody_ended_while_it_was_idle_is_replaced(clap, start):
    readers = start()
    run(readers.read([clap]), readers.read([clap]))
    for process in readers._processes:
        os.kill(process._process.pid, signal.SIGKILL)
        process._process.join()
    assert [each.name for each in run(readers.read([clap]), readers.read([clap]))] == ["clap.npz"] * 2


def test_closing_ends_what_is_stuck(wicked, start):
    readers, endless = start(reading_seconds=PLENTY), wicked("endless")
    told = endless.with_suffix(".process")

    async def close():
        reading = asyncio.create_task(readers.read([endless]))
        while not (told.exists() and told.read_text()):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(readers.close)
        return await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(close())
    assert not is_running(int(told.read_text()))
