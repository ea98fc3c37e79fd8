"""Cross-entropy of answers in which every sample counts the same, however samples are laid out in rows."""

import torch
from torch.nn import functional

IGNORED_LABEL = -100


def predicting_positions(labels: torch.Tensor, sample_ids: torch.Tensor) -> torch.Tensor:
    """Which positions predict a token to learn, the next one of the same sample: (B, L - 1) bool.

    Args:
        labels: (B, L) int64, -100 on tokens that are not learnt.
        sample_ids: (B, L) int64, which sample a token belongs to; negative on padding.

    Raises:
        ValueError: a sample without such a token: it would count without having been asked anything.
    """
    following = sample_ids[:, 1:]
    predicts = (labels[:, 1:] != IGNORED_LABEL) & (following >= 0) & (following == sample_ids[:, :-1])
    samples, learnt = sample_ids[sample_ids >= 0].unique(), following[predicts].unique()
    if not len(samples) or len(samples) != len(learnt):
        lacking = samples[~torch.isin(samples, learnt)].tolist()
        raise ValueError(f"labels hold no token to learn for samples {lacking}")
    return predicts


def mean_per_sample(logits: torch.Tensor, targets: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each sample over its tokens, in nats: (S,) float32, by ascending sample.

    Args:
        logits: (T, V), of any floating dtype.
        targets: (T,) int64, the tokens that came.
        samples: (T,) int64, which sample each token belongs to; S of them differ.
    """
    losses = functional.cross_entropy(logits.float(), targets, reduction="none")
    # A masked sum, not index_add, whose order of additions changes from run to run on GPUs.
    own = samples == samples.unique()[:, None]
    return torch.where(own, losses, 0.0).sum(1) / own.sum(1)
