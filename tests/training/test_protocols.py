"""What a run may learn from, and that it asks about what is hard."""

import json

import pytest
from minute_runs import before_step

from skeletonllm.data.splits import LeakError
from skeletonllm.training.arguments import DataArguments, Recipe, recipe_from_dict
from skeletonllm.training.data import choose_recordings, load
from skeletonllm.training.run import rehearse, train

OPTIONS = dict(labels=["raise both arms", "squat", "walk"], performers=4, test_performers=2, topologies=["coco_17"])


def choose(**changes):
    parts, confusable = choose_recordings(Recipe(data=DataArguments(options=OPTIONS, **changes)))
    return parts[0].recordings, confusable


@pytest.fixture
def protocol(tmp_path):
    """Two of the four performers train, and the class walk never does."""
    path = tmp_path / "mine.yaml"
    path.write_text("train: {performer: [0, 1]}\nunseen: [walk]")
    return str(path)


@pytest.mark.parametrize("split", ["test", "all"])
def test_nothing_that_tests_is_trained_on_unless_nothing_tests(split):
    with pytest.raises(LeakError, match="training would touch 6 of .* is raise both arms/p100000/t0/coco_17"):
        choose(split=split)
    assert len(choose(split="train", protocol="everything")[0]) == 18


def test_a_protocol_chooses_performers_and_classes(protocol):
    chosen, confusable = choose(protocol=protocol)
    assert {recording.attributes["performer"] for recording in chosen} == {0, 1}
    assert {recording.label for recording in chosen} == {"raise both arms", "squat"} == set(confusable)
    assert set(confusable["squat"]) == {"raise both arms"}


def test_a_run_refuses_a_leak_before_it_writes_anything(recipe, protocol, tmp_path):
    for changes in (dict(split="test"), dict(split="all", protocol=protocol)):
        with pytest.raises(LeakError, match="training would touch"):
            train(recipe(data=changes), tmp_path / "run")
        with pytest.raises(LeakError, match="training would touch"):
            rehearse(recipe(data=changes))
    assert not (tmp_path / "run").exists()


def test_a_run_asks_for_the_labels_of_its_table(four_recipe, tmp_path):
    """Squat and walk ask for each other, and the rest is as seldom as balance allows."""
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"squat": ["walk"], "walk": ["raise both arms"], "raise both arms": ["squat"]}))
    asked = []
    patch = before_step(lambda trainer: asked.append(trainer.examples.confusable))
    try:
        train(four_recipe(data=dict(confusable=str(table)), stages=dict(discriminate=dict(epochs=1))), tmp_path / "run")
    finally:
        patch.undo()
    assert asked[0] == {"squat": ("walk",), "walk": ("raise both arms",), "raise both arms": ("squat",)}


def test_a_mixture_has_sources_of_its_own_whose_names_go_before_their_ids(tmp_path):
    first = dict(OPTIONS, labels=["squat", "walk"])
    data = dict(mixture=dict(one=dict(options=first), two=dict(options=dict(OPTIONS, performers=2))))
    recipe = recipe_from_dict(dict(data=data))
    mixture = load(choose_recordings(recipe)[0])
    ids = [recording.id for recording in mixture.all_recordings()]
    assert len(ids) == len(set(ids)) == 8 + 6
    assert {id.split(": ")[0] for id in ids} == {"one", "two"}
    sequence = mixture[0][1]
    assert sequence.num_frames > 10 and len(mixture.in_memory_pairs()) == 14


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (dict(root="x", mixture=dict(one=dict())), "mixture has sources of its own"),
        (dict(mixture=dict(one=dict(rot="x"))), "data: mixture: one: unknown key rot"),
        (dict(mixture=[1]), r"data: mixture: found \[1\], expected names with their keys"),
        (dict(mixture=dict(one=dict(weight="much"))), "one: weight: found 'much'"),
    ],
)
def test_a_mixture_that_does_not_fit_is_refused_with_its_place(data, message):
    with pytest.raises(ValueError, match=message):
        recipe_from_dict(dict(data=data))


def test_a_mixture_learns_from_no_predictions_of_a_single_source(tmp_path):
    recipe = recipe_from_dict(dict(data=dict(confusable="p.jsonl", mixture=dict(one=dict(options=OPTIONS)))))
    with pytest.raises(ValueError, match="predictions are of one source"):
        choose_recordings(recipe)


def test_whole_numbers_are_weights_too():
    data = dict(mixture=dict(one=dict(options=OPTIONS, weight=2), two=dict(options=OPTIONS, weight=1)))
    parts, _ = choose_recordings(recipe_from_dict(dict(data=data)))
    assert [part.weight for part in parts] == [2.0, 1.0]
