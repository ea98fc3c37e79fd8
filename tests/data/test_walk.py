"""Walking a folder: every recording of every file, and nothing that is none."""

import pickle
from functools import partial

import numpy as np
import pytest
from made_recordings import made

from skeletonllm.data import packing, walk
from skeletonllm.data.annotations import list_folder
from skeletonllm.data.recordings import select
from skeletonllm.data.shards import PackedShards
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.formats import FORMATS, SkeletonFormatError, write_npz
from skeletonllm.skeleton.formats.common import Format, only

OPENED = []


def read_line(path, number: int):
    """A line ``seed label`` is a recording; without a label it has none."""
    seed, _, label = path.read_text().splitlines()[number].partition(" ")
    if label == "broken":
        raise SkeletonFormatError(path, f"line {number + 1}", "broken", "a label")
    return made(int(seed)).replace(label=label or None, source=f"{path}#{number}")


def lines(path):
    OPENED.append(path.name)
    if path.read_text() == "continued\n":
        return {}
    count = len(path.read_text().split("\n")) - 1
    if not count:
        raise SkeletonFormatError(path, "line 1", "nothing", "a recording in each line")
    return {str(number): partial(read_line, path, number) for number in range(count)}


@pytest.fixture(autouse=True)
def lines_are_a_format(monkeypatch):
    """A format of files with one recording per line, and companions called labels*."""
    form = Format(
        "lines", "a recording per line", (".lines",), lambda head, path: path.suffix == ".lines",
        lambda path: only(path, lines(path)), lines, ("labels*.txt",),
    )  # fmt: skip
    monkeypatch.setitem(FORMATS, "lines", form)
    walk.opened.cache_clear()
    OPENED.clear()


@pytest.fixture
def folder(tmp_path):
    """Three recordings in a file, one in another, one in a file of its own; hidden files, companions, noise."""
    files = {
        "jump/three.lines": "1 leap\n2\n3 broken\n",
        "jump/one.lines": "4 hop\n",
        "jump/.hidden.lines": "5\n",
        ".cache/five.lines": "6\n",
        "jump/labels of all.txt": "no recording",
        "README.md": "no recording",
        "wave/noise": "no recording either",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    write_npz(made(7).replace(label=None), tmp_path / "wave" / "seven.npz")
    return tmp_path


def ids(folder, found=None) -> list[str]:
    return [entry.id(folder) for entry in (found or walk.walk(folder)).entries]


def test_each_recording_of_a_file_is_found_and_hidden_files_and_companions_are_not(folder):
    found = walk.walk(folder)
    assert ids(folder, found) == [
        "jump/one.lines", "jump/three.lines#0", "jump/three.lines#1", "jump/three.lines#2",
        "wave/noise", "wave/seven.npz",
    ]  # fmt: skip
    assert [path.name for path in found.companions] == ["README.md", "labels of all.txt"]
    assert [entry.format for entry in found.entries] == ["lines"] * 4 + [None, "npz"]


def test_what_is_found_can_be_read_in_another_process_and_what_cannot_says_why(folder):
    entries = dict(zip(ids(folder), pickle.loads(pickle.dumps(walk.walk(folder).entries)), strict=True))
    assert np.array_equal(entries["jump/three.lines#1"].read().joints, made(2).joints)
    assert entries["jump/one.lines"].read().label == "hop"
    assert np.array_equal(entries["wave/seven.npz"].read().joints, made(7).joints)
    with pytest.raises(SkeletonFormatError, match="line 3: found broken"):
        entries["jump/three.lines#2"].read()
    with pytest.raises(SkeletonFormatError, match="noise"):
        entries["wave/noise"].read()


def test_a_file_of_several_recordings_is_opened_once_and_again_only_when_it_has_changed(folder):
    path = folder / "jump" / "three.lines"
    entries = walk.entries_of(path)
    for entry in entries[:2] * 3:
        entry.read()
    assert OPENED == ["three.lines"]
    path.write_text("8 leap of another size\n")
    with pytest.raises(SkeletonFormatError, match="#1: found no recording of this name"):
        entries[1].read()
    assert np.array_equal(entries[0].read().joints, made(8).joints)
    assert OPENED == ["three.lines"] * 2


def test_a_file_that_cannot_be_opened_is_one_entry_that_says_why(folder):
    (folder / "jump" / "none.lines").write_text("1 without an end")
    (entry,) = walk.entries_of(folder / "jump" / "none.lines")
    with pytest.raises(SkeletonFormatError, match="found nothing"):
        entry.read()
    (folder / "gone.lines").symlink_to(folder / "nowhere")
    assert "gone.lines" not in ids(folder)


def test_a_file_that_goes_on_with_a_recording_of_another_file_is_no_entry(folder):
    (folder / "jump" / "three_2.lines").write_text("continued\n")
    assert walk.entries_of(folder / "jump" / "three_2.lines") == []
    assert not [name for name in ids(folder) if "three_2" in name]


def test_progress_counts_every_file_that_is_not_hidden(folder):
    seen = []
    walk.walk(folder, seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_folder_is_packed_with_every_recording_of_its_files_and_labels_of_files_first(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    packed = packing.pack(list_folder(folder), out, name="folder", workers=0)
    assert (packed.recordings, packed.rejected) == (4, 2)
    rows = {row.id: row for row in PackedShards(out).read_group(0)}
    assert {name: row.label for name, row in rows.items()} == {
        "jump/one.lines": "hop", "jump/three.lines#0": "leap", "jump/three.lines#1": "jump", "wave/seven.npz": "wave",
    }  # fmt: skip
    assert np.array_equal(rows["jump/three.lines#1"].sequence.joints, made(2).joints)
    assert OPENED.count("three.lines") == 1


def test_the_folder_source_expands_files_and_takes_their_own_labels_first(folder):
    (folder / "jump" / "many.lines").write_text("".join(f"{number} leap\n" for number in range(9)))
    found = load_source("folder", folder)
    assert [(recording.id, recording.label) for recording in found][9:] == [
        ("jump/one.lines", "jump"), ("jump/three.lines#0", "leap"), ("jump/three.lines#1", "jump"),
        ("jump/three.lines#2", "jump"), ("wave/noise", "wave"), ("wave/seven.npz", "wave"),
    ]  # fmt: skip
    # The fifth and the tenth leap, although they are in two files.
    assert [recording.id for recording in select(found, "test")] == ["jump/many.lines#4", "jump/three.lines#0"]
    assert np.array_equal(pickle.loads(pickle.dumps(found))[10].read().joints, made(1).joints)
