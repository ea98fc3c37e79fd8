"""A trained model in a folder: found, complete, and the same afterwards."""

import json

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from skeletonllm.models.trained import MODEL_FOLDER, TRAINING_FILE, Trained, load_trained, save_trained


@pytest.fixture
def stored(build, labels, tmp_path):
    """A model in the folder of its run, and the folder."""
    model, processor = build(face_camera=True)
    trained = Trained(model, processor, list(labels), {"name": "r", "optimization": {"epochs": 2.0}})
    save_trained(tmp_path / MODEL_FOLDER, trained)
    return trained, tmp_path


def scores(model, processor, clips, prompts, labels):
    ids = processor.candidate_token_ids(labels)
    return model.label_log_likelihoods(candidate_token_ids=ids, **processor(clips, prompts))


def test_the_folder_of_the_run_and_that_of_the_model_give_the_same(stored, clips, prompts, labels):
    trained, folder = stored
    expected = scores(trained.model, trained.processor, clips, prompts, labels)
    for place in (folder, str(folder), folder / MODEL_FOLDER):
        loaded = load_trained(place)
        assert not loaded.model.training
        assert loaded.labels == list(labels) and loaded.recipe == trained.recipe
        assert loaded.processor.face_camera and loaded.processor.num_frames == trained.processor.num_frames
        assert torch.equal(scores(loaded.model, loaded.processor, clips, prompts, labels), expected)


def test_the_librarys_auto_classes_give_the_same_predictions(stored, clips, prompts, labels):
    trained, folder = stored
    model = AutoModelForImageTextToText.from_pretrained(folder / MODEL_FOLDER).eval()
    processor = AutoProcessor.from_pretrained(folder / MODEL_FOLDER)
    expected = scores(trained.model, trained.processor, clips, prompts, labels)
    assert torch.equal(scores(model, processor, clips, prompts, labels), expected)


def test_only_safetensors_and_text_are_written(stored):
    suffixes = {path.suffix for path in (stored[1] / MODEL_FOLDER).iterdir()}
    assert suffixes == {".safetensors", ".json", ".jinja"}


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path.name} holds no trained model: {TRAINING_FILE} is missing"):
        load_trained(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent holds no trained model"):
        load_trained(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"labels": ["bow"]}', "\0\0"])
def test_a_damaged_description_is_named(stored, text):
    path = stored[1] / MODEL_FOLDER / TRAINING_FILE
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{TRAINING_FILE} is damaged"):
        load_trained(stored[1])


def test_damaged_weights_are_named(stored):
    path = stored[1] / MODEL_FOLDER / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{MODEL_FOLDER}: the weights are damaged"):
        load_trained(stored[1])


def test_the_description_is_written_last(build, labels, tmp_path, monkeypatch):
    """A folder that a crash left half written has none, and so is no trained model."""
    model, processor = build()
    monkeypatch.setattr(processor, "save_pretrained", lambda folder: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_trained(tmp_path, Trained(model, processor, list(labels), {}))
    with pytest.raises(FileNotFoundError):
        load_trained(tmp_path)


def test_labels_in_any_script_are_kept(build, tmp_path):
    model, processor = build()
    save_trained(tmp_path, Trained(model, processor, ["座る", "bücken"], {}))
    assert load_trained(tmp_path).labels == ["座る", "bücken"]
    assert json.loads((tmp_path / TRAINING_FILE).read_text())["labels"] == ["座る", "bücken"]
