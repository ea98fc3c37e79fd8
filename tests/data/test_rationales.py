"""Rationales joined to recordings."""

import pyarrow
import pyarrow.parquet
import pytest

from skeletonllm.data.teacher import attach_rationales

ROWS = [
    {"id": "bow-1-1", "label": "Bow", "rationale": "The upper body goes down."},
    {"id": "walk-2-1", "label": "walk", "rationale": "The feet go on."},
]


@pytest.fixture
def write(tmp_path):
    def write(rows, name="data/part.parquet"):
        path = tmp_path / "taught" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return tmp_path / "taught"

    return write


@pytest.mark.parametrize("name", ["data/part.parquet", "part.parquet"])
def test_rationales_go_to_their_recordings_and_the_others_have_none(write, recordings, name):
    attached = attach_rationales(recordings, write(ROWS, name))
    assert [recording.id for recording in attached] == [recording.id for recording in recordings]
    told = {recording.id: recording.rationale() for recording in attached if recording.rationale}
    assert told == {row["id"]: row["rationale"] for row in ROWS}


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([{**ROWS[0], "label": "walk"}], "bow-1-1 is for 'walk', not 'bow'"),
        ([ROWS[0], ROWS[0]], "bow-1-1 is there twice"),
        ([{**ROWS[0], "rationale": " "}], "without id, label or rationale"),
        ([{"id": "bow-1-1", "label": "bow"}], "no rationales"),
        ([{**ROWS[0], "id": "nobody"}], "none of its 1 rationales"),
    ],
    ids=["label", "twice", "empty", "column", "strangers"],
)
def test_rationales_that_do_not_belong_are_refused(write, recordings, rows, match):
    with pytest.raises(ValueError, match=match):
        attach_rationales(recordings, write(rows))


def test_a_truncated_file_is_named(write, recordings):
    folder = write(ROWS)
    path = folder / "data" / "part.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="part.parquet: no rationales"):
        attach_rationales(recordings, folder)


def test_a_folder_without_rationales_is_no_folder_of_rationales(recordings, tmp_path):
    with pytest.raises(FileNotFoundError, match="no Parquet"):
        attach_rationales(recordings, tmp_path)
