"""Hard negatives from a file, from a model's errors and from embeddings, and their balance."""

import json
from collections import Counter

import pytest
import torch
from safetensors.torch import save_file

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.confusable import MOST, confusable_labels
from skeletonllm.data.embeddings import label_embeddings
from skeletonllm.data.examples import Examples
from skeletonllm.data.mining import balance, from_embeddings, from_predictions, mine
from skeletonllm.data.recordings import Recording, select
from skeletonllm.data.splits import Guard, LeakError, load_split
from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import Trained, save_trained
from skeletonllm.skeleton.formats.ntu import LABELS
from skeletonllm.skeleton.synthesis import ACTIONS

SMALL = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)


@pytest.fixture(scope="module")
def ntu60():
    """Five training performers and two test performers do all actions."""
    return [
        Recording(f"{action}-{performer}", LABELS[action - 1], lambda: None, "",
                  dict(setup=1, camera=1, performer=performer, replication=1, action=action))
        for action in range(1, 61)
        for performer in (1, 2, 4, 5, 8, 3, 6)
    ]  # fmt: skip


@pytest.fixture
def from_file(tmp_path, ntu60):
    """Mines from a file with the given content for a split of NTU RGB+D."""

    def make(content, split="ntu60/cross-subject", name="mine.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        assigned = load_split(split).assign(ntu60)
        return mine(str(path), select(assigned, "train"), assigned, Guard(load_split(split)))

    return make


def shares(table):
    return {label: {other: n / len(others) for other, n in Counter(others).items()} for label, others in table.items()}


def column_sums(table, counts):
    asked = Counter()
    for label, others in shares(table).items():
        for other, share in others.items():
            asked[other] += share * counts[label]
    return asked


@pytest.mark.parametrize("split", ["55-5", "48-12", "40-20", "30-30"])
def test_a_real_table_keeps_to_the_seen_classes_and_is_balanced(shared, ntu60, split):
    path = shared / "golden" / "ntu60_similar_actions.json"
    split = load_split(f"ntu60/{split}")
    assigned = split.assign(ntu60)
    chosen = select(assigned, "train")
    seen = {recording.label for recording in chosen}
    table = mine(str(path), chosen, assigned, Guard(split))
    assert set(table) == seen
    for label, others in table.items():
        assert others and set(others) <= seen - {label}
    # A thousandth is lost per label and other label.
    for asked in column_sums(table, dict.fromkeys(seen, 1)).values():
        assert asked == pytest.approx(1, abs=0.03)
    given = json.loads(path.read_text())
    alike = {label: {other for other in seen if other in given[label] or label in given[other]} for label in seen}
    hard = [sum(share for other, share in row.items() if other in alike[label]) for label, row in shares(table).items()]
    assert sum(hard) / len(hard) > 0.75, "most questions are still hard"


def test_classes_without_neighbours_still_get_a_no(shared, ntu60):
    split = load_split("ntu60/30-30")
    chosen = select(split.assign(ntu60), "train")
    given = json.loads((shared / "golden" / "ntu60_similar_actions.json").read_text())
    seen = {recording.label for recording in chosen}
    alone = [label for label in seen if not seen & set(given[label])]
    assert sorted(alone) == ["bow (bend forward)", "staggering"]
    table = mine(str(shared / "golden" / "ntu60_similar_actions.json"), chosen, ntu60, Guard(split))
    read = [(recording, None) for recording in chosen if recording.label in alone]
    made = Examples(read, None, len(read), Augmentation(), {"discrimination": 1.0}, confusable=table)
    made.labels = sorted(seen)
    answers = Counter(
        (recording.label, question.answer)
        for step in range(30)
        for question in made.questions(step)
        for recording in [read[question.recording][0]]
    )
    for label in alone:
        assert answers[label, "NO"] == pytest.approx(75, abs=20), "three standard deviations of 150 draws"


def test_questions_alone_do_not_tell_their_answers(ntu60):
    """Half of the labels are in nobody's list: without balance the answer about them were always YES."""
    chosen = [recording for recording in ntu60 if recording.attributes["action"] <= 10]
    names = sorted({recording.label for recording in chosen})
    lopsided = {name: [other for other in names[:3] if other != name] for name in names}
    table = balance(lopsided, Counter(recording.label for recording in chosen))
    read = [(recording, None) for recording in chosen]
    made = Examples(read, None, 70, Augmentation(), {"discrimination": 1.0}, confusable=table)
    answers = Counter(
        (question.prompt.split('"')[1], question.answer) for step in range(100) for question in made.questions(step)
    )
    for name in names:
        yes = answers[name, "YES"] / (answers[name, "YES"] + answers[name, "NO"])
        assert yes == pytest.approx(0.5, abs=0.07), f"four standard deviations of 700 draws: {name}"


def test_balance_heeds_how_often_labels_occur():
    counts = {"a": 50, "b": 30, "c": 20, "d": 40}
    table = balance({"a": ["b"], "b": ["a"], "c": ["a"], "d": ["c"]}, counts)
    assert column_sums(table, counts) == pytest.approx(counts, rel=0.02)


def test_a_balanced_table_stays_as_it_is():
    given = confusable_labels(list(ACTIONS))
    assert balance(given, dict.fromkeys(ACTIONS, 7)) == given


def test_one_label_that_is_most_of_the_data_gets_what_there_is():
    table = balance({"a": ["b"], "b": ["a"]}, {"a": 90, "b": 10})
    assert set(table["a"]) == {"b"} and set(table["b"]) == {"a"}
    assert balance({"a": []}, {"a": 3}) == {"a": ()}
    assert balance({"walk": ["walking"], "walking": []}, {"walk": 1, "walking": 2}) == {"walk": (), "walking": ()}


def test_listed_labels_are_asked_for_most(from_file):
    table = shares(from_file({"reading": ["writing", "drink water"], "writing": ["reading"]}))
    assert set(sorted(table["reading"], key=table["reading"].get)[-2:]) == {"writing", "drink water"}
    assert table["writing"]["reading"] > 5 * max(share for o, share in table["writing"].items() if o != "reading")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"reeding": []}, "mine.json: unknown label 'reeding'; the nearest is 'reading'"),
        ({"reading": ["writting"]}, "mine.json: reading: unknown label 'writting'; the nearest is 'writing'"),
        ({"reading": ["reading"]}, "mine.json: reading: is confusable with itself"),
        ({"reading": "writing"}, "mine.json: reading: found 'writing', expected a list of labels"),
        ({"reading": [3]}, r"mine.json: reading: found \[3\]"),
        (["reading"], "mine.json: found a list, expected label"),
        ("{", "mine.json: not JSON"),
    ],
)
def test_a_table_that_cannot_be_used_is_explained(from_file, content, message):
    with pytest.raises(ValueError, match=message):
        from_file(content)


def test_labels_of_the_split_that_the_run_does_not_train_on_are_known_but_never_named(from_file):
    """Reading is an unseen class of 55/5."""
    table = from_file({"writing": ["reading"], "eat food": ["reading", "drink water"]}, "ntu60/55-5")
    assert "reading" not in table and not any("reading" in others for others in table.values())
    assert Counter(table["eat food"]).most_common(1)[0][0] == "drink water"


@pytest.mark.parametrize("choice", ["absent.json", "defualt", "table.yaml"])
def test_a_choice_that_is_no_file_is_refused(choice, ntu60):
    with pytest.raises(ValueError, match=f"confusable: '{choice}' is neither 'default', 'embeddings' nor a file"):
        mine(choice, ntu60, ntu60, Guard(load_split("everything")))


def rows(*triples):
    return "".join(json.dumps(dict(id=id, label=label, predicted=said)) + "\n" for id, label, said in triples)


def test_what_a_model_confuses_most_comes_first_in_either_direction():
    counts = {("sit", "squat"): 3, ("bow", "sit"): 5, ("sit", "sit"): 50, ("sit", "walk"): 1, ("sit", None): 9}
    predictions = [dict(label=a, predicted=b) for (a, b), n in counts.items() for _ in range(n)]
    table = from_predictions(predictions, ["bow", "sit", "squat", "wave"])
    assert table == {"bow": ("sit",), "sit": ("bow", "squat"), "squat": ("sit",), "wave": ()}
    many = [dict(label="a", predicted=f"b{index}") for index in range(9)]
    assert len(from_predictions(many, ["a", *(f"b{index}" for index in range(9))])["a"]) == MOST


def test_errors_on_training_recordings_are_mined(from_file):
    text = rows(*[(f"11-{performer}", "reading", "writing") for performer in (1, 2, 4)], ("1-1", "drink water", None))
    table = shares(from_file(text, name="predictions.jsonl"))
    assert max(table["reading"], key=table["reading"].get) == "writing"


def test_errors_on_held_out_recordings_are_not_learnt_from(from_file):
    text = rows(("11-1", "reading", "writing"), ("11-3", "reading", "writing"))
    with pytest.raises(
        LeakError, match=r"predictions.jsonl: training would learn from the errors on 11-3: .*performer 3"
    ):
        from_file(text, name="predictions.jsonl")
    with pytest.raises(LeakError, match="errors on 11-1: 'reading' is an unseen class"):
        from_file(text, "ntu60/55-5", "predictions.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no predictions"),
        ('{"id": "1-1", "label": "reading"}\n', "line 1: expected an id, a label and what was predicted"),
        (rows(("1-1", "reading", None)) + "{", "line 2: expected"),
        ("[1]\n", "line 1: expected"),
        (rows(("1-1", "reading", "writeing")), "line 1: unknown label 'writeing'; the nearest is 'writing'"),
    ],
)
def test_damaged_predictions_are_named_by_file_and_line(from_file, text, message):
    with pytest.raises(ValueError, match=f"predictions.jsonl: {message}"):
        from_file(text, name="predictions.jsonl")


def test_labels_with_like_embeddings_are_confusable_whatever_all_have_in_common():
    embeddings = torch.tensor([[9.0, 1.0, 0.0], [9.0, 0.9, 0.1], [9.0, -1.0, 0.2], [9.0, -1.1, -0.2]])
    table = from_embeddings(embeddings, ["read", "write", "jump", "hop"], most=1)
    assert table == {"read": ("write",), "write": ("read",), "jump": ("hop",), "hop": ("jump",)}
    assert from_embeddings(embeddings[:2], ["walk", "walking"]) == {"walk": (), "walking": ()}
    for bad in (embeddings[:3], embeddings[0], embeddings * float("nan")):
        with pytest.raises(ValueError, match=r"expected finite \(4, D\)"):
            from_embeddings(bad, ["read", "write", "jump", "hop"])


def test_labels_are_mined_from_the_embeddings_of_the_backbone_that_is_trained(tmp_path, recordings):
    labels = ["bow", "clap", "walk"]
    model, processor = build_tiny(labels, **SMALL)
    weights = model.backbone.get_input_embeddings().weight.detach()
    ids = [processor.tokenizer.encode(label, add_special_tokens=False) for label in labels]
    weights[ids[0]] = weights[ids[2]].mean(0) + 0.01  # bow is like walk
    model.backbone.save_pretrained(tmp_path)
    processor.tokenizer.save_pretrained(tmp_path)
    expected = torch.stack([weights[row].mean(0) for row in ids])
    torch.testing.assert_close(label_embeddings(tmp_path, labels), expected)
    assert from_embeddings(expected, labels, most=1)["bow"] == ("walk",)
    guard = Guard(load_split("everything"))
    table = mine("embeddings", recordings, recordings, guard, str(tmp_path))
    assert {label: set(others) for label, others in table.items()} == {
        label: set(labels) - {label} for label in labels
    }, "with three labels, the five nearest are all"
    model.backbone.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    processor.tokenizer.save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    torch.testing.assert_close(label_embeddings(tmp_path / "shards", labels), expected)
    with pytest.raises(ValueError, match="embeddings of the tiny backbone say nothing"):
        mine("embeddings", recordings, recordings, guard)


def test_a_model_that_was_trained_here_has_embeddings_too(tmp_path):
    labels = ["bow", "clap"]
    model, processor = build_tiny(labels, **SMALL)
    save_trained(tmp_path / "model", Trained(model, processor, labels, {}))
    weights = model.backbone.get_input_embeddings().weight
    expected = weights[processor.tokenizer.encode("clap", add_special_tokens=False)].mean(0)
    torch.testing.assert_close(label_embeddings(tmp_path, labels)[1], expected)


def test_files_without_embeddings_are_refused(tmp_path):
    save_file({"head.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="0 tensors are called embed_tokens.weight"):
        label_embeddings(tmp_path, ["bow"])
    with pytest.raises(OSError, match="absent"):
        label_embeddings(tmp_path / "absent", ["bow"])
