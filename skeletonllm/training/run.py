"""From a recipe to a trained model: data, model and trainer put together."""

from pathlib import Path

import torch

from skeletonllm.data.examples import RecognitionExamples
from skeletonllm.data.labels import known_labels
from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.tiny import build_tiny, tiny_backbone
from skeletonllm.models.trained import find_trained, load_trained
from skeletonllm.rendering.draction import DrAction
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.arguments import ModelArguments, Recipe, check_keywords
from skeletonllm.training.trainer import Trainer


def build_model(
    arguments: ModelArguments, labels: list[str], seed: int
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """The recipe's model and processor: untrained, from a backbone's weights, or from a model of ours."""
    if not arguments.renderer.get("published"):
        check_keywords(DrAction.__init__, arguments.renderer, "model.renderer")
    if arguments.backbone == "tiny":
        sizes = dict(arguments.tiny)
        if arguments.image_size is not None:
            sizes["image_size"] = arguments.image_size
        check_keywords(tiny_backbone, sizes, "model.tiny")
        # The labels of every data set, so that a model that goes on with another one has its words already.
        texts = [build_prompt(labels), *sorted({*labels, *known_labels()})]
        return build_tiny(
            texts, seed=seed, renderer=arguments.renderer, num_frames=arguments.num_frames,
            normalize=arguments.normalize, face_camera=arguments.face_camera, **sizes,
        )  # fmt: skip
    if find_trained(arguments.backbone) is not None:
        return _trained_further(arguments)
    from transformers import AutoTokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the renderer's start
        model = SkeletonLLMForConditionalGeneration.from_backbone(
            arguments.backbone, renderer=arguments.renderer, num_frames=arguments.num_frames,
            image_size=arguments.image_size, normalize=arguments.normalize,
        )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(arguments.backbone)
    return model, SkeletonLLMProcessor.for_model(model.config, tokenizer, face_camera=arguments.face_camera)


def _trained_further(arguments: ModelArguments) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """A trained model with the recipe's frames and view. Its renderer keeps its weights, which fit any geometry.

    Raises:
        ValueError: the recipe asks for a renderer with other weights than the model has.
    """
    trained = load_trained(arguments.backbone)
    renderer = DrAction.from_settings(arguments.renderer)
    try:
        renderer.load_state_dict(trained.model.renderer.state_dict())
    except RuntimeError as error:
        raise ValueError(f"{arguments.backbone}: its renderer does not fit model.renderer: {error}") from error
    trained.model.renderer = renderer
    config = trained.model.config
    config.renderer, config.num_frames = renderer.settings, arguments.num_frames
    trained.processor.num_frames, trained.processor.face_camera = arguments.num_frames, arguments.face_camera
    return trained.model, trained.processor


def train(recipe: Recipe, folder: str | Path, resume: bool = False) -> Path:
    """Train by a recipe into a folder and return the folder of the trained model."""
    data, settings = recipe.data, recipe.optimization
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    recordings = read_all(
        select(load_source(data.source, data.root, **data.options), data.split, data.where), progress="reading"
    )
    labels = sorted({recording.label for recording, _ in recordings})
    model, processor = build_model(recipe.model, labels, settings.seed)
    examples = RecognitionExamples(
        recordings, processor, settings.batch_size, recipe.augmentation, data.fewer_candidates, settings.seed
    )
    return Trainer(model, processor, examples, recipe, Path(folder)).train(resume)
