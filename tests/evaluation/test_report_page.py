"""The page that compares runs: whole, escaped, alone, and honest about what is missing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from skeletonllm.evaluation.accuracy import Accuracy, Prediction
from skeletonllm.evaluation.closed_set import summarize_recognition
from skeletonllm.evaluation.published import PUBLISHED, published_on
from skeletonllm.evaluation.questions import Posed
from skeletonllm.evaluation.report import finding
from skeletonllm.evaluation.report.charts import Line, line_chart, ticks
from skeletonllm.evaluation.report.drawings import moved, read_renderers
from skeletonllm.evaluation.report.evaluations import tests_of as by_test
from skeletonllm.evaluation.report.finding import find
from skeletonllm.evaluation.report.page import write_report
from skeletonllm.evaluation.report.training import smoothed
from skeletonllm.evaluation.results import compare, summarize
from skeletonllm.rendering.draction import DrAction

NASTY = '<script>alert("&")</script>'
LABELS = ["bow", "clap", "walk"]
RENDERER = dict(modulator="none", samples_per_bone=2)


class Reader(HTMLParser):
    """Tags with their attributes, and all text outside style and script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.inside = [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("style", "script"):
            self.text += data + " "


def write_run(folder: Path, label: str = "look", steps: int = 6) -> Path:
    folder.mkdir(parents=True)
    stages = {label: dict(train=["renderer"], tasks={"recognition": 1.0}, epochs=1.0), "speak": dict(epochs=2.0)}
    recipe = dict(name=label, description=label, data=dict(source=label), stages=stages, optimization=dict(seed=3))
    (folder / "recipe.json").write_text(json.dumps(recipe))
    lines = [
        {"step": step, "stage": label if step < 4 else "speak", "loss": 3.0 / step, f"loss/{label}": 3.0 / step,
         "learning_rate/renderer": 1e-3 / step, "skipped": 1, "seconds_per_step": 0.5}
        for step in range(1, steps + 1)
    ]  # fmt: skip
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "pictures").mkdir()
    for step in (0, 3, 6):
        Image.new("RGB", (40, 20), (step * 20, 0, 0)).save(folder / "pictures" / f"step-{step:06d}.png")
    return folder


def write_model(run: Path) -> DrAction:
    """A model's folder of which only the renderer is there, as the page needs no more."""
    renderer = DrAction(**RENDERER)
    with torch.no_grad():
        renderer.palette.add_(1.0)
    model = run / "model"
    model.mkdir()
    tensors = {f"renderer.{name}": value for name, value in renderer.state_dict().items()}
    save_file(tensors | {"backbone.weight": torch.ones(3)}, model / "model.safetensors")
    (model / "config.json").write_text(json.dumps(dict(renderer=RENDERER)))
    (model / "training.json").write_text(json.dumps(dict(labels=LABELS, recipe={})))
    return renderer


def write_evaluation(folder: Path, said, labels=LABELS, **facts) -> Path:
    folder.mkdir(parents=True)
    predictions = [Prediction(f"r{place}", *pair) for place, pair in enumerate(said)]
    summary = Accuracy.of(predictions, labels).summary() | dict(task="recognition", data="synthetic", seed=0)
    (folder / "summary.json").write_text(json.dumps(summary | facts))
    rows = [dict(id=p.id, label=p.label, predicted=p.predicted) for p in predictions]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def page_of(*places: Path) -> Reader:
    path = places[0].parent / "out" / "report.html"
    write_report(places, path, progress=False)
    return Reader(path.read_text(encoding="utf-8"))


SAID = [("bow", "bow"), ("clap", "bow"), ("walk", "walk"), ("walk", "clap")]


def test_whatever_files_say_is_text_and_never_markup(tmp_path):
    run = write_run(tmp_path / "run", NASTY)
    labels = [NASTY, "clap"]
    blind = {NASTY: dict(metrics=dict(score=dict(value=0.5, interval_95=[0.2, 0.8])),
                         advantage=dict(all=dict(value=0.1, interval_95=[0.0, 0.2])))}  # fmt: skip
    write_evaluation(run / "evaluation" / "a", [(NASTY, "clap"), ("clap", NASTY)], labels, split=NASTY, blind=blind)
    figure = dict(accuracy=dict(value=0.5, interval_95=[0.4, 0.6], seeds=[0.5]), count=3, chance=0.1)
    study = dict(study=NASTY, description=NASTY, variants={NASTY: {NASTY: figure}}, missing=[NASTY])
    (run / "table.json").write_text(json.dumps(study))
    row = dict(level=0, unit=NASTY, name=NASTY, accuracy=0.5, interval_95=[0.4, 0.6], drop=0.0,
               drop_interval_95=[0.0, 0.1], count=3)  # fmt: skip
    (run / "robustness.json").write_text(json.dumps(dict(models={NASTY: {NASTY: [row, {**row, "level": 1}]}})))
    part = dict(seconds_p50=0.1, seconds_p95=0.2, flops=None, peak_bytes=3)
    device = dict(tokens=dict(visual=1, text=NASTY, answer=3), parts={NASTY: part}, repeats=1, dtype=NASTY, threads=1,
                  device=NASTY)  # fmt: skip
    efficiency = dict(checkpoint=NASTY, parameters={NASTY: 5}, devices={"cpu": {**device, "whole_pictures": device}})
    (run / "efficiency.json").write_text(json.dumps(efficiency))
    page = page_of(run)
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1  # the page's own
    assert page.text.count(NASTY) > 20
    assert "not of the form" not in page.text


def test_a_page_loads_nothing_and_forbids_itself_to(tmp_path):
    run = write_run(tmp_path / "run")
    write_model(run)
    page = page_of(run)
    places = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert places and all(place.startswith(("data:image/", "#")) for place in places)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    style = re.search(r"<style>(.*?)</style>", (tmp_path / "out" / "report.html").read_text(), re.DOTALL)[1]
    assert "prefers-color-scheme: dark" in style and "url(" not in style


def test_runs_on_the_same_test_stand_in_one_table_and_nobody_is_warned(tmp_path):
    for name in ("first", "second"):
        write_evaluation(write_run(tmp_path / name) / "evaluation" / "all", SAID)
    page = page_of(tmp_path / "first", tmp_path / "second")
    assert "not evaluated on the same tests" not in page.text
    [test] = by_test(find([tmp_path]).evaluations)
    assert [each.owner for each in test.results] == ["first", "second"]
    assert page.text.count("2 of 4") == 2 and "50.0 %" in page.text


@pytest.mark.parametrize(
    ("said", "facts", "reason"),
    [
        (SAID[:3], {}, "the recordings that they ask about"),
        (SAID, dict(options=["performers=3"]), "options"),
        (SAID, dict(seed=1), "seed"),
    ],
    ids=["recordings", "options", "seed"],
)
def test_runs_on_different_tests_are_told_apart_with_what_differs(tmp_path, said, facts, reason):
    write_evaluation(write_run(tmp_path / "first") / "evaluation" / "all", SAID)
    write_evaluation(write_run(tmp_path / "second") / "evaluation" / "all", said, **facts)
    page = page_of(tmp_path / "first", tmp_path / "second")
    assert "not evaluated on the same tests" in page.text
    assert f"differ in {reason}" in page.text
    assert len(by_test(find([tmp_path]).evaluations)) == 2


def test_what_is_missing_or_damaged_is_named_and_the_rest_is_shown(tmp_path):
    whole, half = write_run(tmp_path / "whole"), write_run(tmp_path / "half")
    write_model(half)
    (half / "model" / "model.safetensors").write_bytes(b"no tensors")
    (half / "recipe.json").write_text('{"name": ')
    (half / "log.jsonl").write_text('{"step": 1, "stage": "look", "loss": NaN}\n[]\n{"step": 2, "lo')
    (half / "pictures" / "step-000000.png").write_bytes(b"no picture")
    write_evaluation(half / "evaluation" / "no_summary", SAID)
    (half / "evaluation" / "no_summary" / "summary.json").unlink()
    (tmp_path / "robustness.json").write_text('{"models": {"a": {"noise": [{"level": "high"}]}}}')
    (tmp_path / "table.json").write_text("[1]")
    page = page_of(whole, tmp_path)
    for told in (
        "half is not whole", "recipe.json: damaged", "log.jsonl: 2 of 3 lines are damaged", "model/: not there",
        "summary.json: not there", "no picture", "its renderer cannot be drawn with",
        "robustness.json is not of the form that was expected", "table.json: damaged: found no JSON object",
    ):  # fmt: skip
        assert told in page.text, told
    assert "stage look, after step 3" in page.text  # of the whole run


def test_what_evaluate_says_of_recognition_is_all_shown(tmp_path):
    scores = [[-0.1, -2.0, -3.0], [-0.2, -1.0, -3.0], [-3.0, -2.0, -0.1], [-3.0, -0.5, -0.6]]
    predictions = [Prediction(f"r{n}", *pair, each) for n, (pair, each) in enumerate(zip(SAID, scores, strict=True))]
    summary = summarize_recognition(predictions, LABELS, persons=[1, 1, 2, 2])
    run = write_run(tmp_path / "run")
    write_evaluation(run / "evaluation" / "all", SAID, **summary)
    text = " ".join(page_of(run).text.split())
    error = summary["calibration"]["expected_calibration_error"]["value"]
    for told in (
        "right one the likeliest 50.0 %", "recordings of 1 person 50.0 %", "recordings of 2 persons 50.0 %",
        f"expected calibration error {error:.3f}", "clap 0.0 % 0 of 1 bow (1)", "mean over labels 50.0 %",
        "walk, answered clap: 1 of 2",
    ):  # fmt: skip
        assert told in text, told


def test_what_evaluate_says_of_questions_is_all_shown(tmp_path):
    posed = [Posed(f"q{n}", f"r{n}", n, "questions", kind, "Where?", "left", ("left", "right"))
             for n, kind in enumerate(["side", "side", "speed"])]  # fmt: skip
    said, blind = ["left", "right", "left"], ["right", "right", "right"]
    summary = summarize(posed, said) | dict(task="questions", data="synthetic", split="test")
    summary["blind"] = compare(posed, said, {"prior": blind})
    folder = write_run(tmp_path / "run") / "evaluation" / "questions"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(summary))
    rows = [dict(id=q.id, prompt=q.prompt, answer=q.answer, text=text) for q, text in zip(posed, said, strict=True)]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = " ".join(page_of(tmp_path / "run").text.split())
    for told in ("side 2 50.0 %", "speed 1 100.0 %", "66.7 points above prior", "q1 Where? left right"):
        assert told in text, told


def test_a_study_shows_means_seeds_leads_and_what_is_missing(tmp_path):
    def figure(value, **more):
        interval = [value - 0.05, value + 0.05]
        return dict(accuracy=dict(value=value, interval_95=interval, seeds=[value, value]), count=7, chance=0.1, **more)

    lead = dict(value=0.2, interval_95=[0.1, 0.3])
    variants = {"learnt": {"view 3": figure(0.8)}, "fixed": {"view 3": figure(0.6, lead=lead)}, "third": {}}
    content = dict(study="renderers", description="why", variants=variants, missing=["third/seed-0"])
    (tmp_path / "table.json").write_text(json.dumps(content))
    text = " ".join(page_of(tmp_path).text.split())
    for told in ("learnt 80.0 % 75.0 to 85.0 80.0, 80.0 –", "+20.0 (+10.0 to +30.0)", "third – – – –",
                 "1 cells have no result yet third/seed-0", "view 3, 7 recordings"):  # fmt: skip
        assert told in text, told


def test_efficiency_is_told_in_milliseconds_and_megabytes(tmp_path):
    part = dict(seconds_p50=0.0125, cpu_seconds_p50=0.02, flops=2_500_000, peak_bytes=None)
    device = dict(tokens=dict(visual=10, text=5, answer=2), parts=dict(vision=part, decode=part), repeats=3,
                  dtype="float32", threads=1, device="cpu", rendering=dict(ours=part, repeats=1))  # fmt: skip
    content = dict(checkpoint="m", parameters=dict(renderer=2314), devices=dict(cpu=device))
    (tmp_path / "efficiency.json").write_text(json.dumps(content))
    text = " ".join(page_of(tmp_path).text.split())
    for told in ("renderer 2,314", "part p50, ms cpu p50, ms MFLOP peak, MB", "vision 12.50 20.00 2.50 –",
                 "decode, a token",
                 "rendering, ours 12.50", "10 visual, 5 text, 2 of the answer"):  # fmt: skip
        assert told in text, told


def test_robustness_is_drawn_over_levels_and_kinds_are_listed(tmp_path):
    def row(level, accuracy, name=None):
        return dict(level=level, name=name, unit="cm", accuracy=accuracy, interval_95=[accuracy - 0.1, accuracy + 0.1],
                    drop=0.8 - accuracy, drop_interval_95=[0.0, 0.2], hits=1, count=9)  # fmt: skip

    noise = [row(0, 0.8, "as it is"), row(2, 0.7), row(5, 0.4)]
    hidden = [row(0, 0.8, "as it is"), row(1, 0.6, "an arm")]
    models = {name: dict(noise=noise, occlusion=hidden) for name in ("ours", "theirs")}
    (tmp_path / "robustness.json").write_text(json.dumps(dict(models=models, chance=0.1)))
    page = page_of(tmp_path)
    text = " ".join(page.text.split())
    assert "noise 5 cm ours 40.0 % 30.0 to 50.0 +40.0" in text and "an arm, theirs" in text
    lines = [attributes["points"].split() for tag, attributes in page.tags if tag == "polyline"]
    assert [len(points) for points in lines] == [3, 3]  # a curve per model of noise; occlusion has no order
    assert "64.72" in text and "63.83" in text  # SkeletonLLM's own, as theirs


@pytest.mark.parametrize("value", [None, [], "x", float("nan")], ids=repr)
@pytest.mark.parametrize("key", ["accuracy", "interval_95", "confusion", "blind", "versions"])
def test_a_summary_with_a_value_of_another_kind_never_ends_a_report(tmp_path, key, value):
    run = write_run(tmp_path / "run")
    write_evaluation(run / "evaluation" / "all", SAID, **{key: value})
    assert "What the renderer learnt" in page_of(run).text


def test_the_cells_of_a_study_are_its_table_unless_they_are_given_themselves(tmp_path):
    study = tmp_path / "study"
    cell = write_run(study / "plain" / "seed-0")
    write_evaluation(cell / "evaluation" / "all", SAID)
    (study / "table.json").write_text(json.dumps(dict(study="s", variants={})))
    found = find([study])
    assert (len(found.runs), len(found.evaluations), len(found.studies)) == (0, 0, 1)
    for places in ([cell, study], [study, cell]):
        found = find(places)
        assert [run.name for run in found.runs] == ["seed-0"] and len(found.evaluations) == 1


def test_a_folder_given_twice_or_within_another_is_shown_once(tmp_path):
    run = write_run(tmp_path / "run")
    write_evaluation(run / "evaluation" / "all", SAID)
    found = find([run, tmp_path, run])
    assert (len(found.runs), len(found.evaluations)) == (1, 1)


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for parent in ("a", "b"):
        write_evaluation(write_run(tmp_path / parent / "run") / "evaluation" / "all", SAID)
    found = find([tmp_path])
    assert [run.name for run in found.runs] == ["a/run", "b/run"]
    assert [each.owner for each in found.evaluations] == ["a/run", "b/run"]


def test_results_that_lie_elsewhere_belong_to_the_model_that_they_name(tmp_path):
    run = write_run(tmp_path / "run")
    write_evaluation(run / "evaluation" / "all", SAID)
    write_evaluation(tmp_path / "elsewhere" / "again", SAID, checkpoint=str(run / "model"))
    write_evaluation(tmp_path / "elsewhere" / "served", SAID, checkpoint=str(run), model="large")
    assert [each.owner for each in find([tmp_path]).evaluations] == ["run", "large", "run"]
    assert "run, again" in page_of(tmp_path).text  # two results of one run on one test are told apart


def test_the_search_is_bounded_and_says_so(tmp_path, monkeypatch):
    write_run(tmp_path / "run")
    write_run(tmp_path / "/".join("deeper") / "x" / "run")
    found = find([tmp_path])
    assert len(found.runs) == 1 and "were looked through" in found.remarks[0]
    monkeypatch.setattr(finding, "MOST_FOLDERS", 1)
    assert find([tmp_path / "run"]).remarks == []
    with pytest.raises(ValueError, match="found no run"):
        find([tmp_path])


def test_links_are_not_followed(tmp_path):
    write_run(tmp_path / "elsewhere" / "run")
    write_run(tmp_path / "here" / "own")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "elsewhere")
    assert [run.name for run in find([tmp_path / "here"]).runs] == ["own"]


def test_nothing_to_report_is_an_error_that_names_the_place(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: found no run"):
        find([tmp_path / "empty"])
    with pytest.raises(FileNotFoundError, match="absent"):
        find([tmp_path / "absent"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="expected the folder"):
        find([tmp_path / "file"])


def test_the_trained_renderer_is_the_saved_one_and_the_untrained_one_begins_at_the_runs_seed(tmp_path):
    run = write_run(tmp_path / "run")
    saved = write_model(run)
    recipe = dict(optimization=dict(seed=3))
    before, after = read_renderers(run / "model", recipe)
    assert all(torch.equal(after.state_dict()[name], value) for name, value in saved.state_dict().items())
    again, _ = read_renderers(run / "model", recipe)
    other, _ = read_renderers(run / "model", dict(optimization=dict(seed=4)))
    assert torch.equal(before.features, again.features) and not torch.equal(before.features, other.features)
    page = page_of(run)
    for topology in ("kinect_v2", "smpl_22", "coco_17"):
        names = [a["alt"] for tag, a in page.tags if tag == "img" and a["alt"].startswith(f"{topology},")]
        assert names == [f"{topology}, untrained", f"{topology}, trained"]


def test_pixels_moved_counts_the_body_and_not_the_background():
    before, after = torch.zeros(1, 3, 10, 10), torch.zeros(1, 3, 10, 10)
    before[..., 0, 0], after[..., 0, 0] = 0.5, 0.7
    assert moved(before, after) == pytest.approx(0.2 * 255, rel=1e-5)  # float32
    assert moved(after * 0, after * 0) == 0


def test_smoothing_begins_at_the_first_value_and_keeps_a_constant():
    assert smoothed([(1, 4.0), (2, 4.0), (3, float("nan")), (4, 4.0)]) == [(1, 4.0), (2, 4.0), (4, 4.0)]
    first, second = smoothed([(1, 1.0), (2, 0.0)])
    assert first[1] == 1.0 and second[1] == pytest.approx(0.6 / 1.6)  # 0.6 * 1 + 0, over the weights 0.6 + 1


def test_a_curve_draws_every_finite_point_once_and_higher_values_higher():
    points = [(0, 1.0), (1, float("nan")), (2, 3.0), (3, float("inf"))]
    drawn = re.search(r'points="([^"]*)"', line_chart([Line("a", points)], "step", "loss"))[1].split()
    assert len(drawn) == 2
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in drawn)
    assert x1 < x2 and y1 > y2  # in SVG, y grows downwards


def test_a_curve_of_one_value_or_of_none_is_drawn_too():
    assert "<circle" in line_chart([Line("a", [(5, 2.0)])], "step", "loss")
    assert "nothing was logged" in line_chart([Line("a", [(1, float("nan"))])], "step", "loss")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.13, 0.87), (-3, 4000), (1e-9, 2e-9), (5, 5)])
def test_ticks_are_few_and_within_the_range(low, high):
    values = ticks(low, high)
    slack = 1e-6 * (high - low)
    assert 1 <= len(values) <= 6 and all(low - slack <= value <= high + slack for value in values)


def test_published_figures_are_named_as_others_and_stand_beside_the_same_data_only(tmp_path):
    assert {figure.data for figure in published_on("nw_ucla")} == {"nw_ucla"}
    assert {figure.protocol for figure in published_on("ntu60", "ntu60/48-12")} == {None, "ntu60/48-12"}
    assert published_on("synthetic") == []
    assert all(0 < figure.value < 100 and figure.source for figure in PUBLISHED)
    run = write_run(tmp_path / "run")
    write_evaluation(run / "evaluation" / "all", SAID, data="nw_ucla")
    text = page_of(run).text
    assert text.count("not measured here and not comparable") == 2  # beside the test, and all of them at the end
    assert "60.38" in text
