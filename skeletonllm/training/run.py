"""From a recipe to a trained model: data, model and trainer put together."""

from pathlib import Path

import torch

from skeletonllm.data.examples import RecognitionExamples
from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.tiny import build_tiny, tiny_backbone
from skeletonllm.rendering.draction import DrAction
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.arguments import ModelArguments, Recipe, check_keywords
from skeletonllm.training.trainer import Trainer


def build_model(
    arguments: ModelArguments, labels: list[str], seed: int
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """The recipe's model, untrained or from a backbone's weights, and its processor."""
    if not arguments.renderer.get("published"):
        check_keywords(DrAction.__init__, arguments.renderer, "model.renderer")
    if arguments.backbone == "tiny":
        sizes = dict(arguments.tiny)
        if arguments.image_size is not None:
            sizes["image_size"] = arguments.image_size
        check_keywords(tiny_backbone, sizes, "model.tiny")
        return build_tiny(
            [build_prompt(labels), *labels], seed=seed, renderer=arguments.renderer, num_frames=arguments.num_frames,
            normalize=arguments.normalize, face_camera=arguments.face_camera, **sizes,
        )  # fmt: skip
    from transformers import AutoTokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the renderer's start
        model = SkeletonLLMForConditionalGeneration.from_backbone(
            arguments.backbone, renderer=arguments.renderer, num_frames=arguments.num_frames,
            image_size=arguments.image_size, normalize=arguments.normalize,
        )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(arguments.backbone)
    return model, SkeletonLLMProcessor.for_model(model.config, tokenizer, face_camera=arguments.face_camera)


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
