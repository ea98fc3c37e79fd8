"""Which caption belongs to which motion, by the likelihoods that a model gives them."""

import pytest
import torch

from skeletonllm.evaluation.questions import Posed
from skeletonllm.evaluation.retrieval import Found, find, found_by_pool, make_pools, r_precision


def asked(number, caption, references=(), recording=None):
    return Posed(
        f"q{number}", recording or f"r{number}", number, "captioning", "captioning", f"{number}", caption,
        references=tuple(references),
    )  # fmt: skip


def test_pools_have_32_recordings_each_once_in_an_order_of_the_seed():
    posed = [asked(number, "a", recording=f"r{number // 2}") for number in range(140)]
    pools = make_pools(posed, seed=3)
    assert [len(pool) for pool in pools] == [32, 32]
    recordings = [posed[place].recording for pool in pools for place in pool]
    assert len(set(recordings)) == 64 and all(place % 2 == 0 for pool in pools for place in pool)
    assert pools == make_pools(posed, seed=3) != make_pools(posed, seed=4)
    assert sorted(*make_pools(posed[:20])) == list(range(0, 20, 2))  # too few for a pool, so they are one


def test_the_rank_is_that_of_the_best_caption_that_is_right_for_the_motion():
    captions = ["a person hops", "somebody walks", "somebody sits", "a person walks"]
    question = asked(0, "a person walks", ["A person walks.", "somebody walks"])
    assert find(torch.tensor([3.0, 2.0, 0.0, 1.0]), captions, question) == Found(2, 2, 4)
    assert find(torch.tensor([2.0, 2.0, 2.0, 2.0]), captions, question).rank == 3  # who cannot tell gains nothing


def test_chance_is_that_of_drawing_captions():
    assert Found(1, 1, 4).chance(2) == pytest.approx(1 / 2)
    assert Found(1, 2, 4).chance(2) == pytest.approx(1 - 1 / 6)
    summary = r_precision([Found(1, 1, 32), Found(2, 1, 32), Found(9, 1, 32), Found(1, 1, 32)])
    assert [summary[f"top_{top}"]["value"] for top in (1, 2, 3)] == [0.5, 0.75, 0.75]
    assert summary["top_3"]["chance"] == pytest.approx(3 / 32) and summary["pool"] == 32
    assert summary["top_1"]["interval_95"][0] < 0.5 < summary["top_1"]["interval_95"][1]


class Processor:
    """Prompts are numbers of recordings; a caption has as many tokens as words."""

    def sample(self, sequence):
        return sequence

    def __call__(self, clips, prompts):
        assert clips == [f"motion {prompt}" for prompt in prompts]
        return {"numbers": torch.tensor([int(prompt) for prompt in prompts])}

    def candidate_token_ids(self, captions):
        return [[len(word) for word in caption.split()] for caption in captions]


class Model:
    """Gives any caption -1 per token, and -0.5 per token to that with two words more than the recording's number."""

    device = "cpu"

    def eval(self):
        return self

    def label_log_likelihoods(self, candidate_token_ids, numbers):
        lengths = torch.tensor([len(tokens) for tokens in candidate_token_ids])
        return torch.where(lengths == numbers[:, None] + 2, -0.5, -1.0) * lengths


def test_long_captions_are_found_and_batches_and_doubles_change_nothing():
    captions = ["one two", "one two three", "one two three four", "one two three four five", "One two!"]
    posed = [asked(number, caption) for number, caption in enumerate(captions)]
    recordings = [(None, f"motion {number}") for number in range(5)]
    (found,) = found_by_pool(Model(), Processor(), posed, recordings, [[3, 0, 2, 4, 1]], batch_size=2)
    # Number 4 says what number 0 says; the model knows no caption of six words, so it knows nothing of number 4.
    assert found == [Found(1, 1, 4)] * 3 + [Found(4, 1, 4), Found(1, 1, 4)]
