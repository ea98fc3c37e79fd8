import pytest
import torch

from skeletonllm.models.losses import mean_per_sample, predicting_positions


def test_the_first_token_of_a_sample_is_not_predicted_by_the_sample_before():
    labels = torch.tensor([[-100, 5, 6, 7, -100, 8]])
    samples = torch.tensor([[0, 0, 0, 1, 1, 1]])
    assert predicting_positions(labels, samples).tolist() == [[True, True, False, False, True]]


def test_nothing_is_learnt_on_padding():
    labels = torch.tensor([[-100, 5, 6, 6], [-100, 5, 6, 6]])
    samples = torch.tensor([[0, 0, -1, -1], [1, 1, 1, -1]])
    assert predicting_positions(labels, samples).tolist() == [[True, False, False], [True, True, False]]


@pytest.mark.parametrize("samples", [[[0, 0, 4, 4]], [[-1, -1, -1, -1]]])
def test_samples_with_nothing_to_learn_are_named(samples):
    named = [4] if samples[0][0] == 0 else []
    with pytest.raises(ValueError, match=rf"samples \[{', '.join(map(str, named))}\]"):
        predicting_positions(torch.tensor([[-100, 5, -100, -100]]), torch.tensor(samples))


def test_means_come_by_ascending_sample_wherever_its_tokens_stand():
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.125, 0.875]]))
    means = mean_per_sample(logits, torch.tensor([0, 0, 1, 0]), torch.tensor([7, 2, 7, 2]))
    wanted = torch.tensor([(2 + 3) / 2, 1.0]) * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(means, wanted)


def test_cross_entropies_are_taken_in_float32():
    # In bfloat16 each term would be 0.6914 instead of 0.6931.
    logits = torch.zeros(100, 2, dtype=torch.bfloat16)
    means = mean_per_sample(logits, torch.zeros(100, dtype=torch.long), torch.zeros(100, dtype=torch.long))
    assert means.dtype == torch.float32
    torch.testing.assert_close(means, torch.tensor([2.0]).log())
