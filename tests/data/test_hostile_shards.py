"""Packed shards that are damaged, or claim what cannot be, are refused before anything is taken for them."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
from made_recordings import listed

from skeletonllm.data import packing
from skeletonllm.data.shards import PackedShards, sha256_of, verify
from skeletonllm.skeleton.formats import SkeletonFormatError

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path) -> Path:
    """150 recordings in three shards."""
    packing.pack(listed(150), tmp_path / "packed", name="made up", workers=0, shard_bytes=1)
    return tmp_path / "packed"


def forge(folder: Path, shard_name: str = "shard-00000.parquet", **manifest) -> None:
    """Make the manifest agree with a changed shard, so that what is wrong in it must be found in itself."""
    content = json.loads((folder / "manifest.json").read_text())
    for shard in content["shards"]:
        if shard["name"] == shard_name:
            shard["bytes"] = (folder / shard_name).stat().st_size
            shard["sha256"] = sha256_of(folder / shard_name)
            shard.update(manifest)
    (folder / "manifest.json").write_text(json.dumps(content))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(SkeletonFormatError, match=message) as caught:
        shards = PackedShards(folder)
        for group in range(len(shards.groups)):
            shards.read_group(group)
    assert str(folder) in str(caught.value) and "expected" in str(caught.value)


def test_a_shard_that_was_cut_off_is_refused_at_any_length(folder):
    path = folder / "shard-00000.parquet"
    whole = path.read_bytes()
    for kept in (0, 3, 11, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        refused(folder, "bytes, expected .*as the manifest says")
        forge(folder)
        refused(folder, "whole Parquet file")
        forge(folder, bytes=len(whole))


def test_a_pickle_in_place_of_a_shard_is_named_and_never_opened(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "trace"), "w")

    (folder / "shard-00000.parquet").write_bytes(pickle.dumps(Bomb()))
    forge(folder)
    refused(folder, "a Python pickle")
    assert not (tmp_path / "trace").exists()


def test_a_shard_of_another_schema_is_refused_by_the_column_that_differs(folder):
    import pyarrow as pa

    path = folder / "shard-00000.parquet"
    table = pq.read_table(path)
    position = table.column_names.index("fps")
    wrong = [
        (table.drop_columns(["valid"]), "valid: missing"),
        (table.set_column(position, "fps", table["fps"].cast(pa.string())), "fps: string"),
        (table.append_column("code", pa.array(["x"] * 64)), "code: string.*no such column"),
        (table.replace_schema_metadata({}), "metadata"),
        (
            table.replace_schema_metadata({"skeletonllm": json.dumps({"version": 9, "topologies": {}})}),
            "schema version",
        ),
    ]
    for changed, message in wrong:
        pq.write_table(changed, path)
        forge(folder)
        refused(folder, message)


def test_counts_of_a_hundred_gigabytes_are_refused_before_anything_is_taken(folder, tmp_path):
    import pyarrow as pa

    path = folder / "shard-00000.parquet"
    # A value that repeats takes next to nothing in Parquet, however much it makes in memory.
    table = pq.read_table(path)
    rows = 2**14
    large = pa.Table.from_arrays(
        [
            pa.array([table[name][0].as_py()] * rows, field.type)
            for name, field in zip(table.column_names, table.schema, strict=True)
        ],
        schema=table.schema,
    )
    pq.write_table(large, path, row_group_size=rows)
    forge(folder)
    refused(folder, f"{rows:,} rows in 1 row groups, expected 64 in 1")
    forge(folder, groups=[rows])
    refused(folder, "groups of 1 to 4096 rows")
    whole = bytearray(path.read_bytes())
    whole[-8:-4] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(whole)
    forge(folder, groups=[64])
    refused(folder, "a footer of 4,294,967,295 bytes")


def test_a_row_group_that_claims_more_than_a_gigabyte_is_refused(folder, monkeypatch):
    monkeypatch.setattr("skeletonllm.data.shards.MAX_GROUP_BYTES", 10_000)
    refused(folder, "row group 0: found .* values, expected at most 10,000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(shape=[5, 1, 20, 2]), "shape"),
        (dict(shape=[10**9, 1, 22, 3]), "as many as shape"),
        (dict(shape=[-5, -1, 22, 3]), "shape"),
        (dict(valid=b"\xff"), "bytes of valid bits"),
        (dict(topology="centaur"), "topology: found 'centaur'"),
        (dict(fps=float("nan")), "fps"),
        (dict(attributes="[1]"), "attributes"),
        (dict(id=None), "id: found nothing"),
        (dict(joints=[float("nan")]), "NaN"),
    ],
)
def test_values_of_a_row_that_do_not_fit_one_another_are_refused(folder, change, message):
    import pyarrow as pa

    path = folder / "shard-00001.parquet"
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    if change.get("joints"):
        change = dict(joints=change["joints"] * len(columns["joints"][7]), valid=b"\xff" * len(columns["valid"][7]))
    for name, value in change.items():
        columns[name][7] = value
    pq.write_table(pa.Table.from_pydict(columns, schema=table.schema), path)
    forge(folder, path.name)
    refused(folder, f"shard-00001.parquet: row group 0, row 7: .*{message}")


@pytest.mark.parametrize(
    "change", [dict(name="../shard-00000.parquet"), dict(name="/etc/passwd"), dict(groups=[10**12]), dict(bytes=-1)]
)
def test_a_manifest_that_points_elsewhere_or_claims_too_much_is_refused(folder, change):
    forge(folder, **change)
    refused(folder, "manifest.json: shards: found")


def test_verification_finds_a_single_changed_byte(folder):
    assert [count for _, count in verify(folder)] == [64, 64, 22]
    path = folder / "shard-00002.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SkeletonFormatError, match="shard-00002.parquet: sha256"):
        list(verify(folder))
    shutil.copy(folder / "shard-00000.parquet", path)
    forge(folder, path.name, groups=[64])
    with pytest.raises(SkeletonFormatError, match="id 'clip0' twice"):
        list(verify(folder))
