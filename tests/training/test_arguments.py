"""Recipes: what they may say, and how they are refused."""

import json

import pytest
import yaml

from skeletonllm.training.arguments import Recipe, load_recipe, recipe_from_dict, shipped_recipes


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_loads_and_says_what_it_is(name):
    recipe = load_recipe(name)
    assert recipe.name == name and len(recipe.description) > 20
    assert recipe.optimization.learning_rate > 0 and recipe.optimization.epochs >= 1


def test_real_data_never_trains_on_the_test_split():
    assert "nw_ucla" in shipped_recipes()
    for name in shipped_recipes():
        assert load_recipe(name).data.split == "train", name


def test_a_recipe_of_its_own_is_read_and_named_after_its_file(write):
    recipe = load_recipe(write("model: {num_frames: 7}\noptimization: {epochs: 2}\n"))
    assert recipe.name == "mine" and recipe.model.num_frames == 7
    assert recipe.optimization.epochs == 2.0 and isinstance(recipe.optimization.epochs, float)
    assert recipe.optimization.batch_size == Recipe().optimization.batch_size


def test_an_empty_file_is_the_default_recipe(write):
    assert load_recipe(write("")) == Recipe(name="mine")


def test_a_recipe_survives_json_and_yaml(minute):
    recipe = recipe_from_dict(minute())
    for text in (json.dumps(recipe.as_dict()), yaml.safe_dump(recipe.as_dict())):
        assert recipe_from_dict(yaml.safe_load(text)) == recipe


def test_two_recipes_share_nothing():
    first, second = Recipe(), Recipe()
    first.data.options["labels"] = ["bow"]
    first.train.remove("vision")
    assert second == Recipe()


def test_a_number_without_a_point_is_a_number(write):
    recipe = load_recipe(write("optimization: {learning_rate: 1e-4}"), ["optimization.weight_decay=2e-2"])
    assert recipe.optimization.learning_rate == 1e-4 and recipe.optimization.weight_decay == 0.02


def test_changes_are_yaml_and_come_after_the_file(write):
    path = write("optimization: {epochs: 2}\ndata: {options: {takes: 1}}")
    changes = [
        "optimization.epochs=3.5", "train=[renderer, projector]", "model.tiny.layers=2", "data.root=a=b",
        "data.where.view=[1]", "model.face_camera=true", "data.options.takes=4", "log_every=7", "name=other",
    ]  # fmt: skip
    recipe = load_recipe(path, changes)
    assert recipe.optimization.epochs == 3.5 and recipe.train == ["renderer", "projector"]
    assert recipe.model.tiny == {"layers": 2} and recipe.data.root == "a=b" and recipe.data.where == {"view": [1]}
    assert recipe.model.face_camera is True and recipe.data.options == {"takes": 4}
    assert recipe.log_every == 7 and recipe.name == "other"
    assert load_recipe(path, ["data.root=x", "data.root=null"]).data.root is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3", r"mine.yaml: unknown key epochs; known: .*optimization"),
        ("optimization: {epoch: 3}", r"mine.yaml: optimization: unknown key epoch; known: epochs"),
        ("model: {num_frames: many}", r"mine.yaml: model: num_frames: found 'many', expected int"),
        ("model: {num_frames: 7.5}", r"mine.yaml: model: num_frames: found 7.5, expected int"),
        ("model: {num_frames: true}", r"num_frames: found True, expected int"),
        ("model: {face_camera: 1}", r"face_camera: found 1, expected bool"),
        ("optimization: {epochs: soon}", r"mine.yaml: optimization: epochs: found 'soon', expected float"),
        ("optimization: {epochs: yes}", r"epochs: found True, expected float"),
        ("data: {options: [1]}", r"mine.yaml: data: options: found \[1\], expected dict"),
        ("data: {root: 3}", r"mine.yaml: data: root: found 3, expected str | None"),
        ("data: synthetic", r"mine.yaml: data: found 'synthetic', expected keys and values"),
        ("train: renderer", r"mine.yaml: train: found 'renderer', expected list"),
        ("train: [renderer, head]", r"mine.yaml: train is .*'head'.*expected some of renderer, projector"),
        ("train: []", r"mine.yaml: train is \[\], expected some of"),
        ("- a\n- b", r"mine.yaml: expected keys and values, found a list"),
        ("a: [", r"mine.yaml: not YAML"),
        ("optimization: {batch_size: 0}", r"mine.yaml: optimization: batch_size is 0, expected more than 0"),
        ("optimization: {epochs: -1}", r"epochs is -1.0, expected more than 0"),
        ("optimization: {learning_rate: nan}", r"learning_rate is nan, expected 0 or more"),
        ("optimization: {seed: -1}", r"seed is -1, expected 0 or more"),
        ("optimization: {warmup_share: 3}", r"warmup_share is 3.0, expected 1 or less"),
        ("data: {fewer_candidates: 25}", r"mine.yaml: data: fewer_candidates is 25.0, expected 1 or less"),
        ("save_every: 0", r"mine.yaml: save_every is 0, expected more than 0"),
        ("log_every: 0", r"mine.yaml: log_every is 0, expected more than 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_key(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_recipe(write(text))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs", "'epochs' is not of the form key=value"),
        ("=3", "'=3' is not of the form key=value"),
        ("optimization.epochs.more=3", "epochs has no parts"),
        ("optimization.epoch=3", "optimization: unknown key epoch"),
        ("optimization.epochs=[", r"'optimization.epochs=\[': not YAML"),
        ("optimization.epochs=", "epochs: found None, expected float"),
    ],
)
def test_changes_that_do_not_fit_are_refused(write, change, message):
    with pytest.raises(ValueError, match=message):
        load_recipe(write("optimization: {epochs: 2}"), [change])


def test_an_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(ValueError, match=r"no recipe 'absent'; shipped: .*nw_ucla"):
        load_recipe("absent")
