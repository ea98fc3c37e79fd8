"""skeletonllm pack: folders, lists and data sets become shards; verification; bad files; going on."""

import json

import pytest

pytest.importorskip("datasets")


def test_a_folder_is_packed_verified_and_read_again(run, recording, tmp_path):
    for label in ("walk", "wave"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            recording(f"data/{label}/{number}.npz", label=None)
    (tmp_path / "data" / "walk" / "noise.npz").write_bytes(b"PK\x03\x04 noise")
    out = tmp_path / "out"
    code, printed, error = run("pack", tmp_path / "data", "-o", out, "--workers", 0)
    assert code == 0 and f"{out}: 6 recordings in 1 shards, 1 rejected" in printed
    assert "1 files were left out" in error and "rejected.jsonl" in error
    (reason,) = map(json.loads, (out / "rejected.jsonl").read_text().splitlines())
    assert reason["id"] == "walk/noise.npz" and "damaged zip archive" in reason["reason"]
    card = (out / "README.md").read_text()
    assert card.startswith("---\npretty_name") and "6 skeleton recordings (1 files could not be read)" in card
    code, printed, _ = run("pack", "--verify", out)
    assert code == 0 and printed.endswith(f"{out}: 6 recordings are sound\n")
    code, printed, _ = run("pack", tmp_path / "data", "-o", out, "--workers", 0)
    assert code == 0 and "6 recordings in 1 shards, 1 rejected, 7 of the list had been done" in printed
    (out / "shard-00000.parquet").write_bytes((out / "shard-00000.parquet").read_bytes()[:-1])
    code, _, error = run("pack", "--verify", out)
    assert code == 2 and "shard-00000.parquet" in error and "Traceback" not in error


def test_a_known_data_set_is_packed_with_its_options(run, tmp_path):
    from skeletonllm.data.sources import load_source

    options = dict(performers=1, test_performers=1, labels=["bow", "clap"], topologies=["coco_17"])
    given = [part for name, value in options.items() for part in ("--option", f"{name}={json.dumps(value)}")]
    code, printed, _ = run("pack", "--source", "synthetic", *given, "-o", tmp_path / "out", "--workers", 2)
    assert code == 0 and "4 recordings in 1 shards, 0 rejected" in printed
    packed, direct = load_source("packed", tmp_path / "out"), load_source("synthetic", **options)
    for found, expected in zip(packed, direct, strict=True):
        assert (found.id, found.label, found.split) == (expected.id, expected.label, expected.split)
        assert found.attributes == expected.attributes and found.rationale() == expected.rationale()
        assert (found.read().joints == expected.read().joints).all()


def test_a_list_names_files_of_a_folder_elsewhere(run, recording, tmp_path):
    (tmp_path / "data").mkdir()
    recording("data/a.npz")
    (tmp_path / "list.csv").write_text("file,label,performer\na.npz,stroll,3\n")
    code, printed, _ = run(
        "pack", tmp_path / "list.csv", "--root", tmp_path / "data", "-o", tmp_path / "o", "--workers", 0
    )
    assert code == 0 and "1 recordings" in printed
    (tmp_path / "list.csv").write_text("file,label\n../a.npz,stroll\n")
    code, _, error = run(
        "pack", tmp_path / "list.csv", "--root", tmp_path / "data", "-o", tmp_path / "o", "--workers", 0
    )
    assert code == 2 and "line 2" in error and "expected a file inside" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data"], "-o FOLDER"),
        (["-o", "out"], "--source NAME"),
        (["data", "--source", "nw_ucla", "-o", "out"], "either a folder or list"),
        (["nowhere.csv", "-o", "out"], "nowhere.csv"),
        (["list.txt", "-o", "out"], "a list"),
        (["--source", "synthetic", "--option", "performers", "-o", "out"], "KEY=VALUE"),
        (["data", "-o", "out", "--precision", "float8"], "float32 or float16"),
        (["data", "-o", "out"], "none of 1 files can be read"),
        (["--verify", "data"], "manifest"),
    ],
)
def test_wishes_that_cannot_be_met_are_told_in_a_line(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "noise").write_text("noise")
    (tmp_path / "list.txt").write_text("noise")
    code, _, error = run("pack", *arguments, *([] if "--verify" in arguments else ["--workers", 0]))
    assert code == 2 and message in error and "Traceback" not in error
