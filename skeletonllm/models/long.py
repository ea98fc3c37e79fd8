"""Long recordings: clips of a few seconds each, read one after the other in bounded memory.

Either each clip is asked by itself, and what changes from clip to clip says when; or the vision tower reads every clip
once, its features are kept, and all of them stand in one prompt, each clip behind its seconds.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch.nn.functional import adaptive_avg_pool2d

from skeletonllm.models.backbones import family_of
from skeletonllm.models.foreground import embedded
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.scoring import candidate_log_likelihoods
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip

CLIPS_PER_PASS = 8


@torch.no_grad()
def clip_log_likelihoods(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    clips: Iterable[Clip],
    question: str,
    answers: Sequence[str],
    clips_per_pass: int = CLIPS_PER_PASS,
) -> torch.Tensor:
    """The same question about each of W clips: (W, C) float32, log-probabilities in nats of C answers.

    Only ``clips_per_pass`` clips and their pictures are in memory at once; ``clips`` may be a generator.

    Raises:
        ValueError: no clips, or no answers.
    """
    ids = processor.candidate_token_ids(answers)
    scores = [
        model.label_log_likelihoods(candidate_token_ids=ids, **processor(some, [question] * len(some)))
        for some in _groups(clips, clips_per_pass)
    ]
    if not scores:
        raise ValueError("no clips to ask about")
    return torch.cat(scores)


@dataclass(frozen=True)
class EncodedClips:
    """What the vision tower made of W clips of a recording: any number of questions without looking again.

    Args:
        features: (W, N, K, D), K tokens for each of N frames, as they stand among the embeddings of words.
        spans: for each clip the seconds in which it begins and ends.
    """

    features: torch.Tensor
    spans: tuple[tuple[float, float], ...]

    def __len__(self) -> int:
        return len(self.features)


@torch.no_grad()
def encode_clips(
    model: SkeletonLLMForConditionalGeneration,
    clips: Iterable[Clip],
    spans: Sequence[tuple[float, float]],
    tokens_per_frame: int | None = None,
    clips_per_pass: int = CLIPS_PER_PASS,
) -> EncodedClips:
    """Draw and encode clips, each once and ``clips_per_pass`` at a time; pictures are forgotten at once.

    Args:
        clips: W of them; a generator will do.
        spans: W pairs of seconds.
        tokens_per_frame: a square number, fewer than the model's; the features of a frame are averaged over the cells
            of a grid of so many. Default: all of them.

    Raises:
        ValueError: other numbers of clips and spans; tokens that are no smaller square; a model that does not show
            frames as single pictures, or reads more of them than their tokens.
    """
    config = model.config
    _check(model)
    whole = config.tokens_per_frame
    tokens = whole if tokens_per_frame is None else tokens_per_frame
    side = math.isqrt(max(tokens, 0))
    if not 1 <= tokens <= whole or side * side != tokens:
        raise ValueError(f"{tokens} tokens per frame, expected a square number of at most {whole}")
    encoded = []
    for some in _groups(clips, clips_per_pass):
        inputs = model.pixel_inputs(ClipBatch.from_clips(some), None)
        features = model.backbone.model.get_image_features(**inputs).pooler_output
        features = features if isinstance(features, torch.Tensor) else torch.cat(tuple(features))
        features = features.reshape(len(some) * some[0].num_frames, whole, -1)
        if side * side < whole:
            grid = features.transpose(1, 2).unflatten(2, (math.isqrt(whole), -1))
            features = adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)
        encoded.append(features.unflatten(0, (len(some), -1)))
    found = sum(map(len, encoded))
    if not found or found != len(spans):
        raise ValueError(f"{found} clips and the seconds of {len(spans)}, expected as many, at least one")
    return EncodedClips(torch.cat(encoded), tuple(spans))


def long_prompt(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    encoded: EncodedClips,
    question: str,
) -> dict[str, torch.Tensor]:
    """One prompt with all clips in it, each behind its seconds, as arguments of the backbone.

    Returns:
        ``inputs_embeds`` (1, L, D), ``attention_mask`` (1, L), and ``position_ids`` where the family has its own.

    Raises:
        ValueError: more tokens than the language model has positions; a question that holds frame tokens.
    """
    frames, tokens = encoded.features.shape[1:3]
    text = processor.long_prompt_text(question, encoded.spans, frames, tokens)
    return _prompt(model, processor, [text], encoded.features)


def fitting_tokens(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    spans: Sequence[tuple[float, float]],
    question: str,
    answer_tokens: int = 64,
) -> int:
    """The most tokens per frame, a square number, with which ``long_prompt`` and an answer fit into the context.

    Raises:
        ValueError: not even one fits.
    """
    limit = model.config.get_text_config().max_position_embeddings
    for side in range(math.isqrt(model.config.tokens_per_frame), 0, -1):
        text = processor.long_prompt_text(question, spans, processor.num_frames, side * side)
        if len(processor.tokenizer.encode(text, add_special_tokens=False)) + answer_tokens <= limit:
            return side * side
    raise ValueError(f"{len(spans)} windows do not fit into the {limit} tokens of the context: take longer ones")


@torch.no_grad()
def ask_about_all(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    encoded: EncodedClips,
    question: str,
    max_new_tokens: int = 64,
) -> str:
    """The greedy answer to a question about all clips together. Raises ValueError as ``long_prompt``."""
    prompt = long_prompt(model, processor, encoded, question)
    model.backbone.generation_config = model.generation_config
    generated = model.backbone.generate(**prompt, max_new_tokens=max_new_tokens, do_sample=False)
    return processor.decode(generated)[0]


def encoded_log_likelihoods(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    encoded: EncodedClips,
    question: str,
    answers: Sequence[str],
    clips_per_pass: int = CLIPS_PER_PASS,
) -> torch.Tensor:
    """``clip_log_likelihoods`` (W, C) of clips that were encoded before: a second question costs no second look."""
    ids = processor.candidate_token_ids(answers)
    frames, tokens = encoded.features.shape[1:3]
    text = processor.prompt_text(question, [None] * frames, tokens)
    scores = []
    for features in encoded.features.split(clips_per_pass):
        prompt = _prompt(model, processor, [text] * len(features), features)
        scores.append(candidate_log_likelihoods(model.backbone, prompt, ids))
    return torch.cat(scores)


def _prompt(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    texts: Sequence[str],
    features: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Prompts of one length with features (..., K, D) in the places of their frames."""
    config = model.config
    rows = [processor.tokenizer.encode(text, add_special_tokens=False) for text in texts]
    length, limit = len(rows[0]), config.get_text_config().max_position_embeddings
    if length >= limit:
        raise ValueError(f"the prompt has {length} tokens, the context {limit}: take fewer clips or tokens per frame")
    input_ids = torch.tensor(rows, device=features.device)
    embeddings = embedded(model.backbone, input_ids, config.frame_token_id, features)
    prompt = {"inputs_embeds": embeddings, "attention_mask": torch.ones_like(input_ids)}
    family = family_of(config.backbone_config)
    if not family.own_positions:
        return prompt
    # To the family, fewer tokens are those of a smaller picture.
    image_size = math.isqrt(features.shape[-2]) * math.prod(family.cell_size(config.backbone_config))
    samples = torch.arange(len(rows), device=features.device)[:, None].expand_as(input_ids)
    positions = family.position_ids(input_ids, config.backbone_config, image_size, config.frame_layout, samples)
    return {**prompt, "position_ids": positions}


def _check(model: SkeletonLLMForConditionalGeneration) -> None:
    """Raises ValueError for a model whose frames are more, or other, than tokens that can be kept."""
    config = model.config
    if config.frame_layout != "images":
        raise ValueError(f"features are kept of frames shown as images, not in the layout {config.frame_layout!r}")
    if getattr(config.backbone_config.vision_config, "deepstack_visual_indexes", None):
        raise ValueError(f"{config.backbone_config.model_type} reads its vision tower in several layers, not as tokens")
    if getattr(config, "foreground", None) is not None:
        raise ValueError("features are kept of whole frames, not of foreground patches")


def _groups(clips: Iterable[Clip], size: int) -> Iterator[list[Clip]]:
    """Consecutive clips, so many at a time."""
    clips = iter(clips)
    while some := list(islice(clips, size)):
        yield some
