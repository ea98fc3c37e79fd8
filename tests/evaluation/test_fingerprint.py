"""What makes two evaluations the same."""

from dataclasses import replace

import torch

from skeletonllm.data.recordings import Recording
from skeletonllm.evaluation import fingerprint, respondents
from skeletonllm.evaluation.fingerprint import code_digest, model_digest, questions_digest
from skeletonllm.evaluation.selection import Selection
from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import Trained, load_trained, save_trained
from skeletonllm.skeleton.synthesis import synthesize

LABELS = ["bow", "walk"]
SIZES = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)


def test_a_model_is_the_same_wherever_it_lies_and_another_when_anything_in_it_differs(tmp_path):
    model, processor = build_tiny(LABELS, num_frames=3, **SIZES)
    trained = Trained(model, processor, LABELS, {})
    for folder in ("here", "there"):
        save_trained(tmp_path / folder, trained)
    digest = model_digest(trained)
    assert model_digest(load_trained(tmp_path / "here")) == model_digest(load_trained(tmp_path / "there")) == digest
    assert model_digest(replace(trained, labels=LABELS[::-1])) != digest
    assert model_digest(replace(trained, recipe={"data": {"list_candidates": False}})) != digest
    processor.face_camera = True
    assert model_digest(trained) != digest
    processor.face_camera = False
    parameter = list(model.parameters())[-1]
    with torch.no_grad():
        parameter.view(-1)[0] += 1e-6
    assert model_digest(trained) != digest


def test_questions_are_the_same_if_their_words_and_motions_are():
    def about(joint=0.0, fps=None, draws=1, seed=0):
        recordings = []
        for number, label in enumerate(LABELS):
            sequence = synthesize(label, topology="coco_17", performer=number)
            sequence.joints[0, 0, 0, 0] += joint
            sequence.fps = fps or sequence.fps
            recordings.append(Recording(f"{number}", label, lambda sequence=sequence: sequence, "test"))
        selection = Selection(recordings, LABELS, [], [])
        return questions_digest(respondents.Test.about(selection, "discrimination", draws, seed))

    assert about() == about()
    assert len({about(), about(joint=1e-4), about(fps=7.0), about(draws=2), about(seed=1)}) == 5


def test_code_is_that_which_answers_depend_on(tmp_path, monkeypatch):
    assert code_digest() == code_digest()
    for name in (*fingerprint.DECISIVE, "dance"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text("one = 1\n")
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    before = code_digest()
    (tmp_path / "dance" / "module.py").write_text("two = 2\n")
    assert code_digest() == before
    (tmp_path / "tasks" / "module.py").write_text("two = 2\n")
    assert code_digest() != before
