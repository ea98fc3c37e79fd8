"""How near captions are to references."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

from skeletonllm.evaluation.captions import bert_scores, corpus_scores, find_bert, rouge_l

REFERENCE = "A person raises the left arm."


@pytest.mark.parametrize(
    ("text", "f1"),
    [
        # Common subsequence c, lengths m and n: F1 is 2 c / (m + n). rouge-score 0.1.2 gives the same values.
        ("a person raises the left arm", 1.0),
        ("A PERSON, raises the left arm!", 1.0),
        ("a person raises the right arm", 10 / 12),
        ("the left arm a person raises", 6 / 12),  # in another order three words stay a subsequence
        ("arm", 2 / 7),
        ("somebody walks", 0.0),
        ("", 0.0),
    ],
)
def test_words_count_in_their_order_and_without_case_and_punctuation(text, f1):
    assert rouge_l(text, [REFERENCE]) == pytest.approx(f1)


def test_of_several_references_the_nearest_counts():
    assert rouge_l("somebody walks", [REFERENCE, "somebody walks slowly"]) == pytest.approx(4 / 5)
    with pytest.raises(ValueError, match="at least one reference"):
        rouge_l("somebody walks", [])


def test_words_of_any_script_count():
    assert rouge_l("人 が 手 を 振る", ["人 が 足 を 振る"]) == pytest.approx(4 / 5)


def test_a_corpus_is_scored_by_sacrebleu_and_says_how():
    texts = ["a person raises the left arm", "somebody walks in a circle to the left"]
    references = [[REFERENCE], ["a person hops", "Somebody walks in a circle to the left"]]
    bleu, chrf = corpus_scores(texts, references).values()
    assert bleu["value"] == pytest.approx(96.5, abs=4) and chrf["value"] > 95  # the full stop alone is missing
    for found in (bleu, chrf):
        assert found["interval_95"][0] <= found["value"] <= found["interval_95"][1] <= 100
    assert "case:lc" in bleu["signature"] and "version:" in chrf["signature"]
    nothing = corpus_scores(["jump", "sit"], references)["bleu"]
    assert nothing["value"] == 0 and nothing["interval_95"] == [0, 0]
    with pytest.raises(ValueError, match="2 captions, 1 sets"):
        corpus_scores(texts, references[:1])


def test_bert_score_is_looked_for_in_the_cache_alone(tmp_path):
    pytest.importorskip("bert_score")
    assert "roberta-large are not in the local Hugging Face cache" in find_bert(tmp_path)
    kept = tmp_path / "models--roberta-large"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("abc")
    (kept / "snapshots" / "abc").mkdir(parents=True)
    (kept / "snapshots" / "abc" / "config.json").write_text("{}")
    assert isinstance(find_bert(tmp_path), str)  # settings without weights
    (kept / "snapshots" / "abc" / "model.safetensors").touch()
    assert find_bert(tmp_path) == kept / "snapshots" / "abc"


def test_bert_score_is_that_of_the_best_reference(tmp_path):
    pytest.importorskip("bert_score")
    letters = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        [], trainers.BpeTrainer(special_tokens=special, initial_alphabet=letters, show_progress=False)
    )
    RobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=64).save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    RobertaModel(RobertaConfig(vocab_size=300, max_position_embeddings=70, **sizes)).save_pretrained(tmp_path)
    same, better, worse = bert_scores(
        ["he sits", "he sits", "he sits"], [["she hops", "he sits"], ["he sat", "xyz"], ["xyz"]], tmp_path, layer=1
    )
    assert same == pytest.approx(1, abs=1e-5) and worse < better < 1
