"""Exact log-likelihoods of candidate answers, with the prompt read once."""

import copy
from collections.abc import Sequence

import torch
from transformers import Cache, PreTrainedModel


@torch.no_grad()
def candidate_log_likelihoods(
    backbone: PreTrainedModel,
    prompt: dict[str, torch.Tensor],
    candidates: Sequence[Sequence[int]],
    candidates_per_pass: int = 16,
) -> torch.Tensor:
    """Summed log-probabilities of C candidate continuations of B left-padded prompts: (B, C) float32.

    The prompt, with its thousands of picture tokens, goes through the backbone once; the candidates continue from its
    cache, the same for all rows. A candidate's score is the sum over all of its tokens, so it should end with the
    end-of-turn token, without which a label would never lose to a longer one that begins alike.

    Args:
        prompt: keyword arguments of the backbone: tokens or their embeddings, ``attention_mask`` (B, L), pictures, and
            ``position_ids`` (B, L) or (3, B, L) where the backbone does not count by itself; the candidates go on
            behind the largest.
        candidates: C non-empty lists of token ids.
        candidates_per_pass: candidates that share a pass; bounds the copies of the cache that are held at once.

    Raises:
        ValueError: no candidates, or an empty one.
    """
    if not candidates or not all(candidates):
        raise ValueError("scoring needs at least one candidate, each with at least one token")
    outputs = backbone(**prompt, use_cache=True, logits_to_keep=1)
    first_tokens = torch.tensor([candidate[0] for candidate in candidates], device=outputs.logits.device)
    scores = outputs.logits[:, -1].float().log_softmax(-1)[:, first_tokens]
    longer = [index for index, candidate in enumerate(candidates) if len(candidate) > 1]
    longer.sort(key=lambda index: len(candidates[index]))  # like lengths together, for the least padding
    for start in range(0, len(longer), candidates_per_pass):
        chunk = longer[start : start + candidates_per_pass]
        scores[:, chunk] += _rest_of(backbone, outputs.past_key_values, prompt, [candidates[index] for index in chunk])
    return scores


def _rest_of(
    backbone: PreTrainedModel, cache: Cache, prompt: dict[str, torch.Tensor], candidates: list[Sequence[int]]
) -> torch.Tensor:
    """Log-probabilities of everything behind the first token of each candidate: (B, C)."""
    attention_mask = prompt["attention_mask"]
    rows, count, longest = len(attention_mask), len(candidates), max(map(len, candidates))
    tokens = attention_mask.new_zeros(count, longest, dtype=torch.long)
    counted = torch.zeros_like(tokens, dtype=torch.bool)
    for index, candidate in enumerate(candidates):
        tokens[index, : len(candidate)] = torch.as_tensor(candidate, device=tokens.device)
        counted[index, 1 : len(candidate)] = True
    tokens, counted = tokens.repeat(rows, 1), counted.repeat(rows, 1)
    prefix_mask = attention_mask.repeat_interleave(count, dim=0)
    # Padding stands behind the tokens that count, which do not look ahead: it needs no mask of its own.
    mask = torch.cat([prefix_mask, prefix_mask.new_ones(rows * count, longest - 1)], dim=1)
    going_on = dict(input_ids=tokens[:, :-1], attention_mask=mask)
    if "position_ids" in prompt:
        positions = prompt["position_ids"]
        following = positions.reshape(-1, *positions.shape[-2:]).amax((0, 2)).repeat_interleave(count) + 1
        going_on["position_ids"] = following[:, None] + torch.arange(longest - 1, device=tokens.device)
    logits = backbone(**going_on, past_key_values=_repeated(cache, count), use_cache=True).logits
    log_probs = logits.float().log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return (log_probs * counted[:, 1:]).sum(1).view(rows, count)


def _repeated(cache: Cache, count: int) -> Cache:
    """A cache with each row ``count`` times; the layers are new and the given one stays as it is."""
    repeated = copy.copy(cache)
    repeated.layers = [copy.copy(layer) for layer in cache.layers]
    repeated.batch_repeat_interleave(count)
    return repeated
