"""Recipes: what they may say, and how they are refused."""

import json
from dataclasses import replace

import pytest
import yaml

from skeletonllm.training.arguments import Recipe, load_recipe, recipe_from_dict, shipped_recipes
from skeletonllm.training.stages import STAGES, Stage


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
    assert all(stage.learning_rate > 0 for stage in recipe.stages.values())
    assert sum(stage.epochs for stage in recipe.stages.values()) >= 1


def test_real_data_never_trains_on_the_test_split():
    assert "nw_ucla" in shipped_recipes()
    for name in shipped_recipes():
        assert load_recipe(name).data.split == "train", name


def test_a_recipe_of_its_own_is_read_and_named_after_its_file(write):
    recipe = load_recipe(write("model: {num_frames: 7}\nstages: {own: {train: [lora], epochs: 2}}\n"))
    assert recipe.name == "mine" and recipe.model.num_frames == 7
    assert recipe.stages["own"].epochs == 2.0 and isinstance(recipe.stages["own"].epochs, float)
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
    first.stages["warmup"].train.remove("renderer")
    first.stages["distill"].tasks["recognition"] = 1.0
    first.model.lora.rank = 3
    assert second == Recipe()


def test_a_number_without_a_point_is_a_number(write):
    recipe = load_recipe(write("stages: {refine: {learning_rate: 1e-4}}"), ["optimization.weight_decay=2e-2"])
    assert recipe.stages["refine"].learning_rate == 1e-4 and recipe.optimization.weight_decay == 0.02


def test_changes_are_yaml_and_come_after_the_file(write):
    path = write("stages: {own: {train: [renderer], epochs: 2}}\ndata: {options: {takes: 1}}")
    changes = [
        "stages.own.epochs=3.5", "stages.own.train=[renderer, projector]", "model.tiny.layers=2", "data.root=a=b",
        "data.where.view=[1]", "model.face_camera=true", "data.options.takes=4", "log_every=7", "name=other",
        "model.lora.rank=8",
    ]  # fmt: skip
    recipe = load_recipe(path, changes)
    assert recipe.stages["own"].epochs == 3.5 and recipe.stages["own"].train == ["renderer", "projector"]
    assert recipe.model.tiny == {"layers": 2} and recipe.data.root == "a=b" and recipe.data.where == {"view": [1]}
    assert recipe.model.face_camera is True and recipe.data.options == {"takes": 4}
    assert recipe.log_every == 7 and recipe.name == "other" and recipe.model.lora.rank == 8
    assert load_recipe(path, ["data.root=x", "data.root=null"]).data.root is None


def test_a_recipe_that_says_nothing_of_stages_has_the_four(write):
    assert load_recipe(write("log_every: 3")).stages == STAGES


def test_a_stage_that_is_named_keeps_what_is_not_said_of_it(write):
    stages = load_recipe(write("stages: {refine: {epochs: 1}, warmup:}")).stages
    assert list(stages) == ["refine", "warmup"]
    assert stages["refine"] == replace(STAGES["refine"], epochs=1.0) and stages["warmup"] == STAGES["warmup"]


def test_a_change_to_one_of_the_four_leaves_the_others_where_they_are(write):
    stages = load_recipe(write(""), ["stages.discriminate.epochs=0"]).stages
    assert stages == {**STAGES, "discriminate": replace(STAGES["discriminate"], epochs=0.0)}
    assert list(stages) == list(STAGES)


def test_a_stage_of_the_recipes_own_says_what_it_trains(write):
    own = load_recipe(write("stages: {own: {train: [vision], tasks: {discrimination: 2}}}")).stages["own"]
    assert own == Stage(train=["vision"], tasks={"discrimination": 2})
    with pytest.raises(ValueError, match=r"mine.yaml: stages: own: train is \[\], expected some of"):
        load_recipe(write("stages: {own: {epochs: 2}}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3", r"mine.yaml: unknown key epochs; known: .*optimization"),
        ("optimization: {epochs: 3}", r"mine.yaml: optimization: unknown key epochs; known: batch_size"),
        ("model: {num_frames: many}", r"mine.yaml: model: num_frames: found 'many', expected int"),
        ("model: {num_frames: 7.5}", r"mine.yaml: model: num_frames: found 7.5, expected int"),
        ("model: {num_frames: true}", r"num_frames: found True, expected int"),
        ("model: {face_camera: 1}", r"face_camera: found 1, expected bool"),
        ("stages: {warmup: {epochs: soon}}", r"mine.yaml: stages: warmup: epochs: found 'soon', expected float"),
        ("stages: {warmup: {epochs: yes}}", r"epochs: found True, expected float"),
        ("data: {options: [1]}", r"mine.yaml: data: options: found \[1\], expected dict"),
        ("data: {root: 3}", r"mine.yaml: data: root: found 3, expected str | None"),
        ("data: synthetic", r"mine.yaml: data: found 'synthetic', expected keys and values"),
        ("train: [renderer]", r"mine.yaml: unknown key train"),
        ("stages: {warmup: {train: renderer}}", r"mine.yaml: stages: warmup: train: found 'renderer', expected list"),
        ("stages: {own: {train: [renderer, head]}}", r"stages: own: train is .*'head'.*expected some of renderer"),
        ("stages: {warmup: {epoch: 2}}", r"mine.yaml: stages: warmup: unknown key epoch; known: train, tasks, epochs"),
        ("stages: {warmup: 2}", r"mine.yaml: stages: warmup: found 2, expected keys and values"),
        ("stages: [warmup]", r"mine.yaml: stages: found \['warmup'\], expected names with their keys"),
        ("stages: {}", r"mine.yaml: stages: there is none with epochs above 0"),
        ("stages: {warmup: {epochs: 0}}", r"mine.yaml: stages: there is none with epochs above 0"),
        ("model: {lora: {rank: 0}}", r"mine.yaml: model: lora: lora: .*expected rank and alpha of 1 or more"),
        ("model: {lora: {r: 4}}", r"mine.yaml: model: lora: unknown key r; known: rank, alpha, dropout"),
        ("model: {renderer: {modulator: mlp}, renderer_weights: a}", r"leave renderer empty"),
        ("optimization: {precision: half}", r"precision is 'half', expected auto, float32, bfloat16"),
        ("optimization: {micro_batch_size: -1}", r"micro_batch_size is -1, expected 0 or more"),
        ("optimization: {row_length: -1}", r"row_length is -1, expected 0 or more"),
        ("- a\n- b", r"mine.yaml: expected keys and values, found a list"),
        ("a: [", r"mine.yaml: not YAML"),
        ("optimization: {batch_size: 0}", r"mine.yaml: optimization: batch_size is 0, expected more than 0"),
        ("stages: {warmup: {epochs: -1}}", r"stages: warmup: epochs is -1.0, expected 0 or more"),
        ("stages: {warmup: {learning_rate: nan}}", r"learning_rate is nan, expected 0 or more"),
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
        ("log_every", "'log_every' is not of the form key=value"),
        ("=3", "'=3' is not of the form key=value"),
        ("stages.own.epochs.more=3", "epochs has no parts"),
        ("optimization.epoch=3", "optimization: unknown key epoch"),
        ("stages.own.epochs=[", r"'stages.own.epochs=\[': not YAML"),
        ("stages.own.epochs=", "epochs: found None, expected float"),
    ],
)
def test_changes_that_do_not_fit_are_refused(write, change, message):
    with pytest.raises(ValueError, match=message):
        load_recipe(write("stages: {own: {train: [lora], epochs: 2}}"), [change])


def test_an_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(ValueError, match=r"no recipe 'absent'; shipped: .*nw_ucla"):
        load_recipe("absent")
