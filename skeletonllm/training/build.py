"""A recipe's model and processor."""

import functools
import logging
from contextlib import AbstractContextManager, nullcontext

import torch

from skeletonllm.data.labels import known_labels
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.tiny import build_tiny, tiny_backbone
from skeletonllm.models.trained import find_trained, load_trained
from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.registry import RENDERERS, build_renderer, kind_of
from skeletonllm.skeleton.synthesis import ACTIONS, captions, describe
from skeletonllm.tasks import captioning, discrimination, localization, questions, rationale, recognition
from skeletonllm.training.arguments import ModelArguments, Recipe
from skeletonllm.training.plain_values import check_keywords
from skeletonllm.training.stages import Stage

logger = logging.getLogger(__name__)


def stages_that_learn(recipe: Recipe) -> dict[str, Stage]:
    """The recipe's stages, without those that train nothing but the renderer if that has nothing to learn.

    Raises:
        ValueError: none is left.
    """
    if RENDERERS[kind_of(recipe.model.renderer)].learns:
        return recipe.stages
    left = {name: stage for name, stage in recipe.stages.items() if set(stage.train) != {"renderer"}}
    kind = recipe.model.renderer["kind"]
    if not any(stage.epochs > 0 for stage in left.values()):
        raise ValueError(f"no stage is left: each trains nothing but the renderer, and {kind} has nothing to learn")
    for name, stage in recipe.stages.items():
        if stage.epochs > 0 and name not in left:
            logger.warning("stage %s is left out: it trains only the renderer, and %s has nothing to learn", name, kind)
        elif stage.epochs > 0 and "renderer" in stage.train:
            others = ", ".join(part for part in stage.train if part != "renderer")
            logger.warning("stage %s: the renderer, %s, has nothing to learn; what learns is %s", name, kind, others)
    return left


def build_model(
    arguments: ModelArguments, labels: list[str], seed: int, loading: AbstractContextManager | None = None
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """The recipe's model and processor: untrained, from a backbone's weights, or from a model of ours.

    Same arguments, same model, on every rank and again when a checkpoint is restored.

    Args:
        arguments, seed: of the recipe.
        labels: of the training data.
        loading: open while a backbone's weights are loaded, see ``skeletonllm.training.zero.loading_in_shares``.
    """
    model, processor = _build(arguments, labels, seed, loading or nullcontext())
    if arguments.renderer_weights:
        model.renderer = DrAction.from_published(arguments.renderer_weights)
        model.config.renderer = model.renderer.settings
    return model, processor


def _build(
    arguments: ModelArguments, labels: list[str], seed: int, loading: AbstractContextManager
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    if not arguments.renderer.get("published"):
        settings = {key: value for key, value in arguments.renderer.items() if key != "kind"}
        check_keywords(RENDERERS[kind_of(arguments.renderer)].__init__, settings, "model.renderer")
    if arguments.backbone == "tiny":
        sizes = dict(arguments.tiny)
        if arguments.image_size is not None:
            sizes["image_size"] = arguments.image_size
        if arguments.family is not None:
            sizes["family"] = arguments.family
        texts = tiny_texts(labels) + (_texts_of_every_task() if sizes.pop("every_task", False) else [])
        check_keywords(tiny_backbone, sizes, "model.tiny")
        model, processor = build_tiny(
            texts, seed=seed, renderer=arguments.renderer, num_frames=arguments.num_frames,
            normalize=arguments.normalize, frame_layout=arguments.frame_layout, foreground=arguments.foreground,
            face_camera=arguments.face_camera, **sizes,
        )  # fmt: skip
        processor.show_times = arguments.show_times
        return model, processor
    if find_trained(arguments.backbone) is not None:
        return _trained_further(arguments)
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    with loading:
        backbone = AutoModelForImageTextToText.from_pretrained(
            arguments.backbone, attn_implementation=arguments.attention
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the renderer's start
        model = SkeletonLLMForConditionalGeneration.from_backbone(
            backbone, renderer=arguments.renderer, num_frames=arguments.num_frames,
            image_size=arguments.image_size, normalize=arguments.normalize, frame_layout=arguments.frame_layout,
            foreground=arguments.foreground,
        )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(arguments.backbone)
    return model, SkeletonLLMProcessor.for_model(
        model.config, tokenizer, face_camera=arguments.face_camera, show_times=arguments.show_times
    )


def tiny_texts(labels: list[str]) -> list[str]:
    """What a tiny tokenizer learns its words from: the questions of every task and the answers to them.

    The labels of every data set are among them, so that a model that goes on with another one has its words already.
    """
    texts = [recognition.build_prompt(labels), recognition.OPEN_QUESTION, *sorted({*labels, *known_labels()})]
    texts += [discrimination.build_prompt(labels[0]), discrimination.YES, discrimination.NO]
    return [*texts, rationale.build_prompt(), *(rationale.build_target(text, labels[0]) for text in _some_rationales())]


@functools.cache
def _texts_of_every_task() -> list[str]:
    """The words of captions, of questions with their answers, and of seconds."""
    topics = [topic for kind in questions.KINDS.values() for topic in kind.values()]
    texts = [*captioning.PROMPTS, *(text for action in ACTIONS for text in captions(action, performer=0))]
    texts += [text for topic in topics for text in (topic.question, *topic.answers.values(), *topic.claims.values())]
    seconds = [localization.build_target(0.1 * tenth, 0.1 * tenth + 1.0) for tenth in range(100)]
    return [*texts, *seconds, *(localization.build_prompt(action) for action in ACTIONS)]


@functools.cache  # every stage of a run builds its model anew
def _some_rationales() -> list[str]:
    return [describe(action, performer=performer) for action in ACTIONS for performer in range(4)]


def _trained_further(arguments: ModelArguments) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """A trained model with the recipe's frames and view. Its renderer keeps its weights, which fit any geometry.

    Raises:
        ValueError: the recipe asks for a renderer with other weights than the model has, or for another layout.
    """
    trained = load_trained(arguments.backbone)
    renderer = build_renderer(arguments.renderer)
    try:
        if renderer.learns:  # one that does not has nothing to keep
            renderer.load_state_dict(trained.model.renderer.state_dict())
    except RuntimeError as error:
        has = trained.model.renderer.settings
        raise ValueError(
            f"{arguments.backbone}: its renderer does not fit model.renderer: found {has}, expected {renderer.settings}"
        ) from error
    trained.model.renderer = renderer
    config = trained.model.config
    config.renderer, config.num_frames = renderer.settings, arguments.num_frames
    for name in ("frame_layout", "foreground"):
        if getattr(config, name) != getattr(arguments, name):
            raise ValueError(f"{arguments.backbone} was trained with model.{name} {getattr(config, name)}")
    processor = trained.processor
    processor.num_frames, processor.face_camera = arguments.num_frames, arguments.face_camera
    processor.show_times = arguments.show_times
    return trained.model, processor
