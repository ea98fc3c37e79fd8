"""Zero-shot evaluation: asked about classes that never trained, by performers who never did."""

import json

import pytest
import yaml

from skeletonllm.training.arguments import recipe_from_dict
from skeletonllm.training.run import train

# Instead of the few labels and people of training.
EVERYTHING = ("--option", "labels=null", "--option", "test_performers=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained for a step by a protocol of its own."""
    folder = tmp_path_factory.mktemp("zero_shot")
    protocol = folder / "mine.yaml"
    protocol.write_text(yaml.safe_dump(dict(train={"performer": [0, 1]}, unseen=["walk", "kick"])))
    options = dict(labels=["raise both arms", "squat"], performers=2, test_performers=0, topologies=["coco_17"])
    tiny = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)
    recipe = dict(
        data=dict(options=options, protocol=str(protocol)),
        model=dict(num_frames=3, renderer=dict(samples_per_bone=2), tiny=tiny),
        optimization=dict(batch_size=4, threads=1),
        stages=dict(scratch=dict(train=["projector", "language"], learning_rate=1e-3)),
        pictures_every=0,
    )
    train(recipe_from_dict(recipe), folder / "run")
    return folder / "run"


def test_the_protocol_of_training_is_that_of_testing_and_only_unseen_classes_are_offered(run, trained, tmp_path):
    code, printed, _ = run("evaluate", trained, "-o", tmp_path / "out", *EVERYTHING)
    assert code == 0 and "chance 50.0 %" in printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["candidates"] == ["kick", "walk"] and summary["protocol"].endswith("mine.yaml")
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert {row["label"] for row in rows} == {"kick", "walk"}
    assert not [row["id"] for row in rows if "/p0/" in row["id"] or "/p1/" in row["id"]]


def test_another_protocol_may_be_asked_for(run, trained, tmp_path):
    code, _, said = run("evaluate", trained, "-o", tmp_path / "out", "--protocol", "usual", *EVERYTHING)
    assert code == 2 and "the model was not trained on bow" in said
    code, _, said = run("evaluate", trained, "-o", tmp_path / "out", "--protocol", "ntu60/55")
    assert code == 2 and "no split 'ntu60/55'; known: usual" in said
