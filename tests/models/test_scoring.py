import pytest
import torch


def _recomputed(model, processor, clip, prompt, answer) -> float:
    """The answer's log-probability from one whole pass over prompt and answer, without padding or cache."""
    batch = processor([clip], [prompt], [answer])
    labels = batch.pop("labels")[0]
    logits = model(**batch).logits[0].log_softmax(-1)
    positions = (labels != -100).nonzero()[:, 0]
    return float(logits[positions - 1, labels[positions]].sum())


@pytest.mark.parametrize("candidates_per_pass", [1, 2, 16])
def test_scores_equal_those_of_recomputing_every_prompt_with_every_answer(
    build, clips, prompts, labels, candidates_per_pass
):
    model, processor = build()
    candidates = processor.candidate_token_ids(labels)
    assert len({len(candidate) for candidate in candidates}) > 1
    scores = model.label_log_likelihoods(
        **processor(clips, prompts), candidate_token_ids=candidates, candidates_per_pass=candidates_per_pass
    )
    with torch.no_grad():
        wanted = torch.tensor(
            [
                [_recomputed(model, processor, clip, prompt, label) for label in labels]
                for clip, prompt in zip(clips, prompts, strict=True)
            ]
        )
    assert wanted.std() > 0.1  # scores that hardly differ would prove nothing
    torch.testing.assert_close(scores, wanted, atol=1e-4, rtol=0)  # float32 over some hundred positions


def test_probabilities_of_all_answers_of_one_token_sum_to_one(build, clips, prompts):
    model, processor = build()
    vocabulary = [[token] for token in range(len(processor.tokenizer))]
    scores = model.label_log_likelihoods(**processor(clips, prompts), candidate_token_ids=vocabulary)
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(3), atol=1e-5, rtol=0)


def test_a_label_and_its_continuation_are_separate_alternatives(build):
    _, processor = build()
    throw, throw_ball = processor.candidate_token_ids(["throw", "throw ball"])
    assert throw[-1] == throw_ball[-1] == processor.tokenizer.eos_token_id
    assert throw_ball[: len(throw) - 1] == throw[:-1]


def test_empty_candidates_are_refused(build, clips, prompts):
    model, processor = build()
    for candidates in ([], [[3], []]):
        with pytest.raises(ValueError, match="at least one"):
            model.label_log_likelihoods(**processor(clips, prompts), candidate_token_ids=candidates)
