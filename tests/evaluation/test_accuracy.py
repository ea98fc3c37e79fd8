"""Predictions, what they add up to, and how sure one may be."""

import math
from collections.abc import Sequence

import pytest
import torch

from skeletonllm.data.recordings import Recording
from skeletonllm.evaluation.accuracy import Accuracy, Prediction, predict, wilson_interval
from skeletonllm.models.tiny import build_tiny
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt

LABELS = ["bow", "clap", "walk"]


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # 81 of 263 is the worked example of Newcombe (1998); the others are the formula with z = 1.959964.
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
        (1, 1, 0.2065, 1),
    ],
)
def test_the_interval_is_wilsons(hits, count, low, high):
    assert wilson_interval(hits, count) == pytest.approx((low, high), abs=1e-4)


def test_both_ends_of_the_interval_are_where_the_normal_test_turns():
    low, high = wilson_interval(37, 120)
    for share in (low, high):
        assert abs(37 / 120 - share) / math.sqrt(share * (1 - share) / 120) == pytest.approx(1.959964, abs=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (3, 2), (-1, 5)])
def test_there_is_no_interval_of_nothing(hits, count):
    with pytest.raises(ValueError, match=f"{hits} hits of {count}"):
        wilson_interval(hits, count)


@pytest.fixture
def accuracy():
    said = [("bow", "bow")] * 3 + [("bow", "clap"), ("clap", "clap"), ("clap", None), ("clap", "bow"), ("clap", "bow")]
    return Accuracy.of([Prediction(str(i), *pair) for i, pair in enumerate(said)], LABELS)


def test_counts_are_those_of_a_hand(accuracy):
    assert accuracy.confusion.tolist() == [[3, 1, 0, 0], [2, 1, 0, 1], [0, 0, 0, 0]]
    assert (accuracy.hits, accuracy.count, accuracy.micro) == (4, 8, 0.5)
    assert accuracy.per_class == {"bow": (3, 4), "clap": (1, 4)}
    assert accuracy.macro == 0.5 and accuracy.interval == wilson_interval(4, 8)


def test_a_label_that_never_occurs_does_not_pull_the_mean_of_classes_down():
    said = [Prediction("0", "bow", "bow"), Prediction("1", "bow", "bow"), Prediction("2", "clap", "walk")]
    accuracy = Accuracy.of(said, LABELS)
    assert accuracy.micro == pytest.approx(2 / 3) and accuracy.macro == pytest.approx(1 / 2)


def test_the_summary_holds_plain_values(accuracy):
    summary = accuracy.summary()
    assert summary["accuracy"] == 0.5 and summary["chance"] == pytest.approx(1 / 3)
    bow, clap = summary["per_class"].values()
    assert bow == dict(hits=3, count=4, accuracy=0.75, interval_95=list(wilson_interval(3, 4)))
    assert (clap["hits"], clap["count"], clap["accuracy"]) == (1, 4, 0.25)
    assert summary["confusion"][1] == [2, 1, 0, 1] and summary["candidates"] == LABELS


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="no predictions"):
        Accuracy.of([], LABELS)
    with pytest.raises(ValueError, match="r7: label 'fly' was not among the candidates"):
        Accuracy.of([Prediction("r7", "fly", "bow")], LABELS)


@pytest.fixture
def model_and_processor():
    texts = [build_prompt(LABELS), *LABELS]
    model, processor = build_tiny(
        texts, num_frames=3, renderer=dict(samples_per_bone=2), image_size=32, patch_size=8, vision_hidden_size=32,
        vision_layers=1, hidden_size=32, layers=1, heads=2,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3.0)  # an untrained model gives everybody the same answer
    return model, processor


@pytest.fixture
def read() -> Sequence[tuple]:
    """Seven recordings in two topologies."""
    pairs = []
    for number in range(7):
        topology = ("coco_17", "kinect_v2")[number % 2]
        recording = Recording(f"r{number}", LABELS[number % 3], None, "test")
        pairs.append((recording, synthesize(recording.label, topology=topology, performer=number)))
    return pairs


def test_the_likeliest_candidate_is_predicted_whatever_the_batch_and_the_mode(model_and_processor, read):
    model, processor = model_and_processor
    model.train()
    alone = predict(model, processor, read, LABELS, batch_size=1, progress=False)
    together = predict(model, processor, read, LABELS, batch_size=4, progress=False)
    assert [p.id for p in together] == [f"r{n}" for n in range(7)]
    assert [p.label for p in together] == [recording.label for recording, _ in read]
    for one, other in zip(alone, together, strict=True):
        assert other.predicted == one.predicted == LABELS[max(range(3), key=one.scores.__getitem__)]
        # Padding and batching change the order of float32 sums over some hundred terms.
        assert other.scores == pytest.approx(one.scores, abs=1e-3)


def test_a_score_is_the_log_probability_that_training_lowers_the_loss_of(model_and_processor, read):
    model, processor = model_and_processor
    recording, sequence = read[0]
    (prediction,) = predict(model, processor, [(recording, sequence)], LABELS, progress=False)
    for label, score in zip(LABELS, prediction.scores, strict=True):
        inputs = processor([processor.sample(sequence)], [build_prompt(LABELS)], [label])
        with torch.no_grad():
            loss = model(**inputs).loss * (inputs["labels"] != -100).sum()
        assert score == pytest.approx(-loss.item(), abs=1e-3)


def test_scores_that_are_no_numbers_are_not_a_prediction(model_and_processor, read):
    model, processor = model_and_processor
    with torch.no_grad():
        model.backbone.model.multi_modal_projector.linear_1.weight[0] = torch.nan
    with pytest.raises(ValueError, match="no numbers"):
        predict(model, processor, read[:1], LABELS, progress=False)


def test_a_generated_answer_counts_only_if_it_is_a_candidate(model_and_processor, read, monkeypatch):
    model, processor = model_and_processor
    texts = ["clap", " Walk.\n", "bow or clap", "a walk", "", "Label: bow", "clap\nclap"]
    answers = iter(texts)

    def generate(input_ids, max_new_tokens, do_sample, **inputs):
        assert not do_sample and max_new_tokens > max(map(len, processor.candidate_token_ids(LABELS)))
        rows = [processor.answer_ids(next(answers)) for _ in range(len(input_ids))]
        longest = max(map(len, rows))
        padding = [[processor.tokenizer.pad_token_id] * (longest - len(row)) for row in rows]
        new = torch.tensor([row + rest for row, rest in zip(rows, padding, strict=True)])
        return torch.cat([input_ids, new], 1)

    monkeypatch.setattr(model, "generate", generate)
    predictions = predict(model, processor, read, LABELS, generate=True, batch_size=3, progress=False)
    assert [p.predicted for p in predictions] == ["clap", "walk", None, None, None, "bow", None]
    assert [p.text for p in predictions] == [text.strip() for text in texts]
    confusion = Accuracy.of(predictions, LABELS).confusion
    assert confusion[:, -1].tolist() == [2, 1, 1] and confusion.sum() == 7


def test_a_real_model_generates_something(model_and_processor, read):
    model, processor = model_and_processor
    predictions = predict(model, processor, read[:2], LABELS, generate=True, progress=False)
    assert all(isinstance(p.text, str) and p.scores is None for p in predictions)
