"""skeletonllm inspect: true facts, and a bad file among good ones."""

import json

import pytest


def test_json_states_the_facts(run, recording):
    path = recording(frames=20, fps=20)
    code, printed, error = run("inspect", "--json", path)
    assert code == 0 and not error
    (row,) = json.loads(printed)
    assert row["file"] == str(path)
    assert (row["format"], row["topology"], row["label"]) == ("npz", "kinect_v1", "walk")
    assert (row["persons"], row["frames"], row["fps"], row["seconds"]) == (1, 20, 20.0, 1.0)
    # 0.6 m of body, within a centimetre, plus 1 m of way.
    assert row["extent"]["x"] == pytest.approx(1.6, abs=0.02)
    assert row["extent"]["y"] == pytest.approx(1.7, abs=0.01) and row["extent"]["z"] == 0
    assert row["missing_joints"] == pytest.approx(1 / 400, abs=1e-4)


def test_the_table_states_them_for_people(run, recording):
    code, printed, _ = run("inspect", recording("walk[red].npz", label="[bold]walk[/bold]"))
    assert code == 0
    facts = ("kinect_v1", "20 at 20 fps, 1.00 s", "0.2%", "x 0.00 m", "metres")
    for part in ("walk[red].npz", "[bold]walk[/bold]", *facts):
        assert part in printed.replace("\n", ""), part


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_bad_file_does_not_hide_the_others(run, recording, tmp_path, form):
    (tmp_path / "bad.skeleton").write_bytes(b"\x80\x04not a skeleton")
    good = [recording("one.npz"), recording("two.npz")]
    code, printed, error = run("inspect", *form, good[0], tmp_path / "bad.skeleton", tmp_path / "absent", good[1])
    assert code == 2
    assert printed.count("kinect_v1") == 2
    assert "bad.skeleton" in error and "absent: No such file or directory" in error and "Traceback" not in error
    if form:
        rows = json.loads(printed)
        assert [("error" in row) for row in rows] == [False, True, True, False]


def test_a_named_format_is_used(run, recording):
    assert run("inspect", "--format", "npz", recording())[0] == 0
    code, _, error = run("inspect", "--format", "ntu", recording())
    assert code == 2 and "walk.npz" in error


def test_no_file_is_a_usage_error(run):
    assert run("inspect")[0] == 2


def test_real_recordings_of_every_kind_can_be_inspected(run, shared):
    data = shared / "data"
    files = [
        data / "ntu_rgbd_samples" / "S001C001P001R001A050.skeleton",
        data / "utd_mhad" / "a10_s1_t1_skeleton.mat",
        next((data / "humanml3d" / "new_joints").iterdir()),
    ]
    code, printed, _ = run("inspect", "--json", *files)
    rows = json.loads(printed)
    assert code == 0 and [row["format"] for row in rows] == ["ntu", "utd_mhad", "humanml3d"]
    assert [row["persons"] for row in rows] == [2, 1, 1]
    assert all(1.2 < row["extent"]["y"] < 2.5 for row in rows)
