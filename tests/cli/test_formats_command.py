"""skeletonllm formats: the list, and layouts that are right or wrong."""

from skeletonllm.skeleton.formats import FORMATS

LAYOUT = """kind: csv
topology: {joints: [{name: pelvis, part: torso}, {name: head, parent: pelvis, part: head}]}
columns: "{joint}_{value}"
unit: cm
up: z
fps: 10
"""
TABLE = "pelvis_x,pelvis_y,pelvis_z,head_x,head_y,head_z\n0,0,100,0,0,160\n0,0,100,0,0,160\n"


def test_every_format_is_listed(run):
    code, printed, error = run("formats")
    assert code == 0 and not error
    for name, format in FORMATS.items():
        assert f" {name} " in printed and format.description in printed


def test_a_right_layout_is_explained_and_tried(run, tmp_path):
    layout, take = tmp_path / "lab.yaml", tmp_path / "take.csv"
    layout.write_text(LAYOUT)
    take.write_text(TABLE)
    code, printed, error = run("formats", "check", layout, take)
    assert code == 0 and not error
    place = "turned, 0.01 m per unit, z up"
    for part in ("'lab'", "2 of 2 joints; x, y, z", place, "10 per second", "0.60", "2 at 10 fps"):
        assert part in printed, part


def test_a_wrong_layout_and_a_wrong_file_end_with_their_place(run, tmp_path):
    layout, take = tmp_path / "lab.yaml", tmp_path / "take.csv"
    layout.write_text(LAYOUT.replace("unit: cm", "unit: furlong"))
    code, _, error = run("formats", "check", layout)
    assert code == 2 and "lab.yaml: line 4, key 'unit': found 'furlong'" in error
    layout.write_text(LAYOUT)
    take.write_text(TABLE.replace("head_z", "head_zz"))
    code, _, error = run("formats", "check", layout, take)
    assert code == 2 and "take.csv: line 1: found no column 'head_z' (did you mean 'head_zz'?)" in error


def test_any_command_that_takes_a_format_takes_a_layout(run, tmp_path):
    layout, take = tmp_path / "lab.yaml", tmp_path / "take.csv"
    layout.write_text(LAYOUT)
    take.write_text(TABLE)
    assert "2 at 10 fps" in run("inspect", "--format", layout, take)[1]
    assert run("convert", "--format", layout, take, "-o", tmp_path / "take.npz")[0] == 0
    assert (tmp_path / "take.npz").exists()
