"""Packed shards keep the confidence of pose estimators, and shards of before are still read."""

import json
from functools import partial

import numpy as np
import pytest
from made_recordings import listed

from skeletonllm.data import packing
from skeletonllm.data.annotations import Listed
from skeletonllm.data.recordings import Recording
from skeletonllm.data.shards import PackedShards, sha256_of, verify
from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.synthesis import synthesize

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("datasets")


def estimated(number: int):
    """A recording of an estimator that was sure of some joints and not of others; every third states nothing."""
    sequence = synthesize("clap", topology="coco_17", performer=number, seconds=0.5)
    if number % 3:
        generator = np.random.default_rng(number)
        sequence.confidence = generator.random(sequence.joints.shape[:3], np.float32).round(1)
    return sequence


@pytest.fixture
def folder(tmp_path):
    recordings = [Recording(f"r{number}", "clap", partial(estimated, number), "train") for number in range(7)]
    packing.pack([Listed(one) for one in recordings], tmp_path / "packed", name="made up", workers=0)
    return tmp_path / "packed"


def test_confidence_comes_back_to_a_step_of_a_byte(folder):
    rows = PackedShards(folder).read_group(0)
    for number, row in enumerate(rows):
        expected = estimated(number).confidence
        if expected is None:
            assert row.sequence.confidence is None
            continue
        assert row.sequence.confidence.dtype == np.float32
        # Half a step of 1/255, and rounding in float32.
        np.testing.assert_allclose(row.sequence.confidence, expected, rtol=0, atol=0.5 / 255 + 1e-6)
        sure = expected == 1
        assert sure.any() and (row.sequence.confidence[sure] == 1).all()
        assert (row.sequence.confidence[expected == 0] == 0).all()
    assert list(verify(folder)) == [("shard-00000.parquet", 7)]


def forge(folder, change) -> None:
    """Rewrite the only shard of a folder, with a manifest that agrees."""
    path = folder / "shard-00000.parquet"
    manifest = json.loads((folder / "manifest.json").read_text())
    table = change(pq.read_table(path), manifest)
    pq.write_table(table, path, row_group_size=64)
    manifest["shards"][0].update(bytes=path.stat().st_size, sha256=sha256_of(path))
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _of_version_one(table, manifest):
    ours = json.loads(table.schema.metadata[b"skeletonllm"])
    manifest["version"] = 1
    metadata = {**table.schema.metadata, b"skeletonllm": json.dumps({**ours, "version": 1}).encode()}
    return table.drop_columns(["confidence"]).replace_schema_metadata(metadata)


def test_shards_of_version_one_are_still_read(tmp_path):
    wanted = listed(9)
    packing.pack(wanted, tmp_path, name="made up", workers=0)
    before = PackedShards(tmp_path).read_group(0)
    forge(tmp_path, _of_version_one)
    for row, expected in zip(PackedShards(tmp_path).read_group(0), before, strict=True):
        assert row.sequence.confidence is None and row.id == expected.id
        np.testing.assert_array_equal(row.sequence.joints, expected.sequence.joints)
    assert list(verify(tmp_path)) == [("shard-00000.parquet", 9)]
    with pytest.raises(ValueError, match="version.* differ"):
        packing.pack(wanted, tmp_path, name="made up", workers=0)


def _without_the_column(table, manifest):
    return table.drop_columns(["confidence"])


def _of_version_one_in_name_only(table, manifest):
    return _of_version_one(table, manifest).append_column("confidence", table["confidence"])


def _too_short(table, manifest):
    import pyarrow as pa

    cut = pa.array([None if value is None else value[:-1] for value in table["confidence"].to_pylist()], pa.binary())
    return table.set_column(table.column_names.index("confidence"), "confidence", cut)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_the_column, "version 2"),
        (_of_version_one_in_name_only, "version 1"),
        (_too_short, "confidence.*bytes.*one per joint"),
    ],
)
def test_confidence_that_does_not_fit_is_refused(folder, change, message):
    forge(folder, change)
    with pytest.raises(SkeletonFormatError, match=message):
        PackedShards(folder).read_group(0)
