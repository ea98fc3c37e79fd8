"""Studies: every cell is trained and tested once, by whoever comes first, and the table says what the answers say."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from skeletonllm.cli import main
from skeletonllm.studies.cells import cells_of, claimed
from skeletonllm.studies.spec import load_study, shipped_studies
from skeletonllm.studies.table import TABLE_FILE, rows_of, write_table
from skeletonllm.studies.work import work
from skeletonllm.training.arguments import load_recipe

LABELS = ["clap", "kick", "bow"]
OPTIONS = {"topologies": ["kinect_v1"], "performers": 8, "test_performers": 2, "labels": LABELS}
SMALL = [
    f"data.options={json.dumps(OPTIONS)}",
    "model.num_frames=4",
    "model.tiny={image_size: 64, patch_size: 32, vision_hidden_size: 32, vision_layers: 1, hidden_size: 32, layers: 1}",
    "stages.scratch.epochs=2",
    "pictures_every=0",
]
NETWORK = {"program": "st_gcn", "options": {"epochs": 1}}
CONTENT = {
    "description": "whether a test of studies works",
    "changes": SMALL,
    "seeds": [0, 1],
    "foundation": {"changes": SMALL},
    "variants": {
        "plain": {},
        "slow renderer": {"changes": ["stages.scratch.renderer_learning_rate=1.0e-5"]},
        "five frames": {"changes": ["model.num_frames=5"]},
        "network": NETWORK,
    },
    "tests": {"new people": {"options": OPTIONS}},
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "small.yaml"
    path.write_text(yaml.safe_dump(CONTENT, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def done(spec, tmp_path_factory):
    """A study that is done, and its folder."""
    study, folder = load_study(str(spec), {}), tmp_path_factory.mktemp("study")
    assert work(study, folder) == []
    return study, folder


def test_every_cell_has_results_of_its_own_seed(done):
    study, folder = done
    for cell in cells_of(study, folder):
        assert cell.missing == []
        rows = (cell.result("new people") / "predictions.jsonl").read_text().splitlines()
        assert len(rows) == len(LABELS) * OPTIONS["test_performers"]
    plain = [folder / "plain" / f"seed-{seed}" / "recipe.json" for seed in (0, 1)]
    assert [json.loads(path.read_text())["optimization"]["seed"] for path in plain] == [0, 1]


def test_variants_of_a_like_model_share_a_foundation_and_others_do_not(done):
    study, folder = done
    by_variant = {cell.variant: cell.foundation() for cell in cells_of(study, folder)}
    assert by_variant["plain"][0] == by_variant["slow renderer"][0] != by_variant["five frames"][0]
    assert len(list((folder / "foundations").glob("[0-9a-f]*"))) == 2
    assert load_recipe("synthetic", SMALL).decisive() == by_variant["plain"][1].decisive()


def test_the_table_says_what_the_answers_say(done):
    study, folder = done
    table = write_table(study, folder)
    assert json.loads((folder / TABLE_FILE).read_text()) == table
    assert table["missing"] == []
    right = {}
    for cell in cells_of(study, folder):
        rows = map(json.loads, (cell.result("new people") / "predictions.jsonl").read_text().splitlines())
        right.setdefault(cell.variant, []).append([row["predicted"] == row["label"] for row in rows])
    for variant, hits in right.items():
        found = table["variants"][variant]["new people"]
        assert found["accuracy"]["value"] == pytest.approx(np.mean(hits))
        assert found["accuracy"]["seeds"] == pytest.approx(np.mean(hits, axis=1))
        low, high = found["accuracy"]["interval_95"]
        assert low <= found["accuracy"]["value"] <= high
        assert found["chance"] == pytest.approx(1 / len(LABELS))
        if variant != "plain":
            assert found["lead"]["value"] == pytest.approx(np.mean(right["plain"]) - np.mean(hits))
    # Steps of 16 out of 24 recordings: one in an epoch, two in all. The network is not trained by a run.
    assert set(table["cost"]) == {"plain", "slow renderer", "five frames"}
    assert table["cost"]["plain"]["steps"] == 2
    tokens = {variant: cost["visual_tokens_per_sample"] for variant, cost in table["cost"].items()}
    assert tokens["five frames"] / tokens["plain"] == pytest.approx(5 / 4)
    rows = rows_of(table)[1:]
    assert sorted(row[1] for row in rows) == sorted(CONTENT["variants"])
    shares = [float(row[3].split()[0]) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert all((row[4] == "") == (row[1] == "plain") for row in rows)


def test_a_study_that_is_done_trains_nothing_and_a_lost_result_is_made_again_the_same(done, monkeypatch):
    study, folder = done
    cell = cells_of(study, folder)[0]
    lost = cell.result("new people") / "summary.json"
    answers = (cell.result("new people") / "predictions.jsonl").read_bytes()
    lost.unlink()
    monkeypatch.setattr("skeletonllm.studies.cells.train", None)  # would not be callable
    assert work(study, folder) == []
    assert lost.is_file()
    assert (cell.result("new people") / "predictions.jsonl").read_bytes() == answers


def test_a_cell_belongs_to_one_process_until_that_process_ends(tmp_path):
    cell = tmp_path / "variant" / "seed-0"
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom skeletonllm.studies.cells import claimed\n"
        f"with claimed(Path({str(cell)!r})) as mine:\n    print(mine, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "True\n"
            with claimed(cell) as mine:
                assert not mine
        finally:
            other.kill()
    with claimed(cell) as mine:
        assert mine


def test_a_variant_that_cannot_be_trained_does_not_take_the_others_with_it(spec, tmp_path):
    content = {**CONTENT, "seeds": [0], "foundation": None}
    content["variants"] = {"broken": {"changes": ["data.options={performers: 0}"]}, "network": NETWORK}
    del content["foundation"]
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(content))
    study = load_study(str(path), {})
    (failure,) = work(study, tmp_path / "out")
    assert failure.startswith("broken, seed 0: ")
    table = write_table(study, tmp_path / "out")
    assert set(table["variants"]["network"]) == {"new people"} and not table["variants"]["broken"]
    assert table["missing"] == ["broken/seed-0"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"variants": {}}, "a study has variants, tests and seeds"),
        ({"seeds": [0, -1]}, "seeds: found -1"),
        ({"variants": {"a b": {}, "a_b": {}}}, "share a folder"),
        ({"variants": {"a": {"program": "lstm"}}}, "variants: a: program is 'lstm', expected st_gcn"),
        ({"variants": {"a": {"change": []}}}, "variants: a: unknown key change; known: changes"),
        ({"variants": {"a": {"tests": ["old people"]}}}, "variants: a: no test 'old people'; there are new people"),
        ({"tests": {"t": {"root": "{somewhere}"}}}, "tests: t: root: needs the folder of somewhere"),
        ({"changes": "data.root=x"}, "changes: found 'data.root=x', expected list"),
        ({"wrong": 1}, "unknown key wrong"),
    ],
    ids=["no variants", "seed", "folder", "program", "variant key", "test", "root", "type", "key"],
)
def test_a_study_that_cannot_be_is_refused_with_its_place(tmp_path, change, told):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, **change}))
    with pytest.raises(ValueError, match=told) as error:
        load_study(str(path), {})
    assert str(path) in str(error.value)


def test_every_shipped_study_fits_its_recipes(tmp_path):
    roots = {name: str(tmp_path) for name in ("nw_ucla", "utd_mhad", "utkinect", "msr_action3d", "jhmdb", "gtu", "ntu")}
    assert shipped_studies()
    for name in shipped_studies():
        study = load_study(name, roots)
        for cell in cells_of(study, tmp_path / name):
            cell.recipe()


def test_the_command_lists_cells_and_refuses_what_is_not_there(spec, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["study", str(spec), "--list", "-o", str(tmp_path), "--only", "network", "--seeds", "1"])
    assert capsys.readouterr().out == f"{tmp_path / 'network' / 'seed-0'}  missing new people\n"
    for arguments, told in [
        (["study", str(spec), "--only", "nobody"], "nobody: no such variant; there are plain"),
        (["study", "nothing"], "no study 'nothing'; shipped: "),
        (["study", str(spec), "--root", "here"], "--root here: expected NAME=FOLDER"),
    ]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        assert told in capsys.readouterr().err
